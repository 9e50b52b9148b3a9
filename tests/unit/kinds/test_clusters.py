"""The moment when agents have become a cluster, waited for through everything that comes before it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from fakes.consul import FAILED, member, server
from fakes.nomad import node
from fakes.world import CONSUL_PORT, NOMAD_PORT, SERVERS, World

from mooring.kinds.cluster import FORMED_WITHIN, SETTLED_WITHIN
from mooring.kinds.consul_cluster import ConsulClusterHandler, ConsulClusterSpec
from mooring.kinds.kind import Handler, NotHealthy, Seen, Unreachable
from mooring.kinds.nomad_cluster import BootstrappedByOthers, NomadClusterHandler, NomadClusterSpec

NAMES = ("s1", "s2", "s3")


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """One of the two, with the words in which the other differs."""

    vendor: str
    handler: Handler[Any]
    spec: Any
    fake: Any
    port: int
    suffix: str
    """What is added to a host's name to make a server's."""

    lose_client: Callable[[], None]
    lost: str

    def servers(self, **of_s2: Any) -> list[dict[str, Any]]:
        return [server(f"{name}{self.suffix}", **(of_s2 if name == "s2" else {})) for name in NAMES]


def consul_of(world: World) -> Cluster:
    def lose_client() -> None:
        world.consul.members[-1] = member("e1", FAILED)

    return Cluster(
        vendor="consul",
        handler=ConsulClusterHandler(),
        spec=ConsulClusterSpec(endpoint=world.consul_endpoint, servers=NAMES, clients=("e1",)),
        fake=world.consul,
        port=CONSUL_PORT,
        suffix="",
        lose_client=lose_client,
        lost="e1 has not joined consul",
    )


def nomad_of(world: World) -> Cluster:
    def lose_client() -> None:
        world.nomad.nodes[-1] = node("s3", Status="down")

    return Cluster(
        vendor="nomad",
        handler=NomadClusterHandler(),
        spec=NomadClusterSpec(endpoint=world.nomad_endpoint, servers=NAMES, clients=NAMES),
        fake=world.nomad,
        port=NOMAD_PORT,
        suffix=".global",
        lose_client=lose_client,
        lost="s3 is not ready in nomad",
    )


@pytest.fixture(params=[consul_of, nomad_of], ids=["consul", "nomad"])
def cluster(request: pytest.FixtureRequest, world: World) -> Cluster:
    made: Cluster = request.param(world)
    return made


def read(cluster: Cluster, world: World) -> Seen[Any]:
    found = cluster.handler.read(cluster.vendor, cluster.spec, {}, world.work())
    assert found is not None
    return found


def test_a_create_waits_through_silence_election_and_stabilisation(cluster: Cluster, world: World) -> None:
    leader, fake, clock, work = cluster.fake.leader, cluster.fake, world.clock, world.work()
    listening = {(address, cluster.port): fake for address in SERVERS}
    for place in listening:
        del world.network.servers[place]
    fake.leader, fake.servers = "", None
    clock.after(1, lambda: world.network.servers.update(listening))
    clock.after(2, lambda: setattr(fake, "leader", leader))
    clock.after(3, lambda: setattr(fake, "servers", cluster.servers(Voter=False)))
    clock.after(13, lambda: setattr(fake, "servers", cluster.servers()))

    made = cluster.handler.create(cluster.spec, work)

    assert made.id == cluster.vendor
    assert clock.now() == pytest.approx(13, abs=0.2)
    said = list(dict.fromkeys(work.said))
    assert said[0].startswith("no server answers at 198.18.0.11, 198.18.0.12, 198.18.0.13")
    assert "leader" in said[1]
    assert said[2].endswith("is not a server of the cluster and 2 more")
    assert said[3] == f"s2{cluster.suffix} is not a voter yet"


def test_at_the_deadline_everything_that_is_missing_is_told(cluster: Cluster, world: World) -> None:
    cluster.fake.servers = cluster.servers(Healthy=False, SerfStatus="failed")[:2]
    cluster.lose_client()

    with pytest.raises(NotHealthy, match=rf"{cluster.vendor}: not within {FORMED_WITHIN:g} s") as caught:
        cluster.handler.create(cluster.spec, world.work())

    assert caught.value.id == cluster.vendor
    assert caught.value.reasons[:-1] == (
        f"s2{cluster.suffix} is not healthy: failed, last contact 12ms",
        f"s3{cluster.suffix} is not a server of the cluster",
        cluster.lost,
    )
    assert world.clock.now() == pytest.approx(FORMED_WITHIN, abs=1)


def patient(spec: Any) -> Any:
    return spec.model_copy(update={"endpoint": spec.endpoint.model_copy(update={"patience": 8.0})})


def test_slow_servers_are_given_as_many_times_as_long(cluster: Cluster, world: World) -> None:
    """Three emulated ones took five minutes where real ones take 2 s."""
    cluster.fake.servers = cluster.servers(Voter=False)
    world.clock.after(FORMED_WITHIN * 7, lambda: setattr(cluster.fake, "servers", cluster.servers()))

    assert cluster.handler.create(patient(cluster.spec), world.work()).id == cluster.vendor


def test_whoever_asks_to_stop_is_told_what_was_still_missing(cluster: Cluster, world: World) -> None:
    cluster.fake.leader = ""
    world.clock.after(5, world.clock.cancelled.set)

    with pytest.raises(NotHealthy, match=r"leader.*; cancelled while waiting"):
        cluster.handler.create(cluster.spec, world.work())

    assert world.clock.now() == 5


def test_an_update_waits_as_a_create_does(cluster: Cluster, world: World) -> None:
    cluster.fake.servers = cluster.servers(Voter=False)
    world.clock.after(10, lambda: setattr(cluster.fake, "servers", cluster.servers()))

    cluster.handler.update(cluster.vendor, cluster.spec, cluster.spec, {}, world.work())

    assert world.clock.now() == pytest.approx(10, abs=0.2)


def test_a_read_takes_no_hiccup_for_a_change(cluster: Cluster, world: World) -> None:
    """254 ms of a late heartbeat were seen on a busy machine, where autopilot allows 200."""
    cluster.fake.servers = cluster.servers(Healthy=False)
    world.clock.after(SETTLED_WITHIN / 2, lambda: setattr(cluster.fake, "servers", cluster.servers()))

    assert read(cluster, world) == Seen(spec=cluster.spec)


def test_a_read_tells_what_stays_wrong(cluster: Cluster, world: World) -> None:
    cluster.lose_client()

    assert read(cluster, world) == Seen(spec=cluster.spec, reasons=(cluster.lost,))
    assert world.clock.now() <= SETTLED_WITHIN


def test_a_read_of_a_silent_cluster_is_no_answer(cluster: Cluster, world: World) -> None:
    world.network.servers.clear()

    with pytest.raises(Unreachable, match="no server answers"):
        read(cluster, world)


def test_an_even_number_of_servers_is_refused(cluster: Cluster) -> None:
    even = cluster.spec.model_copy(update={"servers": NAMES[:2]})

    (problem,) = cluster.handler.check(even)

    assert (problem.path, problem.reason.rpartition(" ")[2]) == ("servers", "2")
    assert not list(cluster.handler.check(cluster.spec))


def test_the_cluster_goes_with_its_agents(cluster: Cluster, world: World) -> None:
    world.network.servers.clear()

    cluster.handler.delete(cluster.vendor, cluster.spec, {}, world.work())


def test_a_client_that_has_registered_is_made_to_send_its_first_heartbeat(world: World) -> None:
    """By itself it takes up to 10 s for it, in one formation of ten."""
    world.nomad.nodes[-1] = node("s3", Status="initializing", Address=SERVERS[2])

    nomad_of(world).handler.create(nomad_of(world).spec, world.work())

    assert world.clock.now() < 1


class TestBootstrap:
    """Nomad's first management token is one that we choose."""

    def test_nomad_is_bootstrapped_with_the_token_of_the_state(self, world: World) -> None:
        world.nomad.forget_tokens()

        nomad_of(world).handler.create(nomad_of(world).spec, world.work())

        (first,) = world.nomad.tokens.values()
        assert (first["SecretID"], first["Type"]) == (world.nomad_endpoint.token, "management")

    def test_a_bring_up_that_was_cut_off_goes_on_with_its_own_token(self, world: World) -> None:
        before = dict(world.nomad.tokens)

        nomad_of(world).handler.create(nomad_of(world).spec, world.work())

        assert world.nomad.tokens == before

    def test_a_region_that_somebody_else_bootstrapped_is_a_question_for_a_person(self, world: World) -> None:
        stranger = world.nomad_endpoint.model_copy(update={"token": "00000000-0000-4000-8000-000000000000"})
        cluster = nomad_of(world)

        with pytest.raises(BootstrappedByOthers, match="bootstrapped with another token"):
            cluster.handler.create(cluster.spec.model_copy(update={"endpoint": stranger}), world.work())

        assert world.clock.now() == 0


@pytest.mark.parametrize("vendor", ["consul", "nomad"])
def test_autopilot_is_told_when_the_number_of_servers_has_changed(world: World, vendor: str) -> None:
    """What an agent is told counts for the first election only: one that had shrunk kept its dead for ever."""
    handler = ConsulClusterHandler() if vendor == "consul" else NomadClusterHandler()
    fake = world.consul if vendor == "consul" else world.nomad
    fake.rules["MinQuorum"] = 5
    endpoint = world.consul_endpoint if vendor == "consul" else world.nomad_endpoint
    spec = handler.spec.model_validate({"endpoint": endpoint, "servers": ["s1", "s2", "s3"]})

    before = handler.read(vendor, spec, {}, world.work())
    handler.update(vendor, spec, spec, {}, world.work())
    after = handler.read(vendor, spec, {}, world.work())

    assert before is not None
    assert after is not None
    assert before.reasons == ("autopilot is to keep 5 servers; there are to be 3",)
    assert after.reasons == ()
    assert fake.rules["CleanupDeadServers"]


@pytest.mark.parametrize("vendor", ["consul", "nomad"])
class TestGossipKey:
    @staticmethod
    def update(world: World, vendor: str, key: str) -> None:
        handler = ConsulClusterHandler() if vendor == "consul" else NomadClusterHandler()
        endpoint = world.consul_endpoint if vendor == "consul" else world.nomad_endpoint
        said = {"endpoint": endpoint, "servers": ["s1", "s2", "s3"], "gossip_key": key}
        spec = handler.spec.model_validate(said)
        handler.update(vendor, spec, spec, {}, world.work())

    def test_another_key_takes_the_place_of_the_one_that_is_used(self, world: World, vendor: str) -> None:
        fake = world.consul if vendor == "consul" else world.nomad

        self.update(world, vendor, "the second gossip key")

        assert fake.keys == ["the second gossip key"]

    def test_an_exchange_that_was_cut_off_is_finished(self, world: World, vendor: str) -> None:
        fake = world.consul if vendor == "consul" else world.nomad
        fake.keys[:] = ["the second gossip key", "the first gossip key", "one of before"]

        self.update(world, vendor, "the second gossip key")

        assert fake.keys == ["the second gossip key"]

    def test_nothing_is_exchanged_while_somebody_is_missing(self, world: World, vendor: str) -> None:
        """Who is away would come back with a key that nobody takes."""
        fake = world.consul if vendor == "consul" else world.nomad
        suffix = "" if vendor == "consul" else ".global"
        fake.servers = [server(f"s1{suffix}", Leader=True), server(f"s2{suffix}"), server(f"s3{suffix}", Healthy=False)]

        with pytest.raises(NotHealthy, match="s3"):
            self.update(world, vendor, "the second gossip key")

        assert fake.keys == ["the first gossip key"]
