"""How a service is put on a host, changed and taken away, and when it must be left alone."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from fakes.consul import FAILED, member, server
from fakes.world import CONSUL_PORT, SERVERS, World

from mooring.clients.errors import CommandFailed
from mooring.clients.http import Endpoint
from mooring.kinds import roll
from mooring.kinds.agent import MEMBER_WITHIN, AgentHandler, AgentSpec, NotAccepted
from mooring.kinds.kind import NotHealthy, NotOurs, Props
from mooring.kinds.membership import Membership
from mooring.kinds.placement import Directory, File
from mooring.kinds.roll import CannotSpare
from mooring.waiting import Cancelled

HANDLER = AgentHandler()
UNIT = "/etc/systemd/system/consul.service"
CONFIGURATION = "/etc/consul.d/consul.json"
CERTIFICATE = "/etc/consul.d/agent.pem"


def spec(world: World, **changes: Any) -> AgentSpec:
    said: dict[str, Any] = {
        "connection": world.host.connection,
        "service": "consul",
        "user": "consul",
        "files": {CONFIGURATION: File(content="{}", group="consul"), CERTIFICATE: File(content="one")},
        "directories": {"/etc/consul.d": Directory(mode="0750", group="consul")},
        "data": ("/var/lib/consul",),
        "unit": "[Service]\nExecStart=/opt/consul\nExecReload=/bin/kill -HUP $MAINPID\n",
        "reload_on": (CERTIFICATE,),
        "listens": 8501,
    }
    return AgentSpec(**(said | changes))


def with_file(before: AgentSpec, path: str, content: str) -> AgentSpec:
    return before.model_copy(update={"files": {**before.files, path: File(content=content)}})


def update(world: World, old: AgentSpec, new: AgentSpec) -> Props:
    return HANDLER.update("id", old, new, {}, world.work())


def service(world: World) -> tuple[bool, int, int]:
    """Whether it runs, how often it was started, how often reloaded."""
    found = world.host.services["consul.service"]
    return found.active, found.starts, found.reloads


def test_a_service_is_there_when_it_listens(world: World) -> None:
    made = HANDLER.create(spec(world), world.work())

    assert made.id == "198.18.0.11:consul"
    assert service(world) == (True, 1, 0)
    assert world.host.services["consul.service"].enabled
    assert world.host.content(UNIT).endswith("\n[X-Mooring]\nStack=mooring/test\n")
    assert (world.host.entries[CONFIGURATION].group, world.host.entries["/etc/consul.d"].mode) == ("consul", 0o750)


def test_what_a_killed_create_of_an_older_program_left_is_ours(world: World) -> None:
    HANDLER.create(spec(world), world.work())

    HANDLER.create(with_file(spec(world), CONFIGURATION, "newer"), world.work())

    assert world.host.content(CONFIGURATION) == "newer"
    assert service(world) == (True, 2, 0)


def test_files_of_somebody_else_are_left_alone_and_named(world: World) -> None:
    HANDLER.create(spec(world, service="nomad"), world.work())

    with pytest.raises(NotOurs, match=f"198.18.0.11 has other files at {CONFIGURATION}: consul is already configured"):
        HANDLER.create(with_file(spec(world), CONFIGURATION, "ours"), world.work())

    assert world.host.content(CONFIGURATION) == "{}"
    assert "consul.service" not in world.host.services


def test_a_service_that_does_not_listen_fails_with_its_own_last_lines(world: World) -> None:
    world.host.deaf.add("consul")

    with pytest.raises(CommandFailed, match=r"consul does not listen on port 8501 after 45 s.*\n.*address already in"):
        HANDLER.create(spec(world), world.work())


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({CERTIFICATE: "two"}, (True, 1, 1)),
        ({CONFIGURATION: "other"}, (True, 2, 0)),
        ({CERTIFICATE: "two", CONFIGURATION: "other"}, (True, 2, 0)),
    ],
)
def test_only_what_needs_a_restart_restarts_it(
    world: World, changed: dict[str, str], expected: tuple[bool, int, int]
) -> None:
    old = new = spec(world)
    HANDLER.create(old, world.work())
    for path, content in changed.items():
        new = with_file(new, path, content)

    update(world, old, new)

    assert service(world) == expected


def test_what_it_reads_only_at_its_start_is_written_and_not_told(world: World) -> None:
    before = spec(world, read_at_start=(CONFIGURATION,), member=TestMembership.membership(world))
    HANDLER.create(before, world.work())
    world.consul.servers = [server("s1"), server("s2"), server("s3", Healthy=False)]

    update(world, before, with_file(before, CONFIGURATION, "other"))

    assert world.host.content(CONFIGURATION) == "other"
    assert service(world) == (True, 1, 0)


def test_a_change_that_was_cut_off_is_seen_and_finished(world: World) -> None:
    """The files were new and the service still ran with the old ones; nothing differed, for ever."""
    made = HANDLER.create(spec(world), world.work())
    new = with_file(spec(world), CONFIGURATION, "other")
    world.host.on_start = lambda _: (_ for _ in ()).throw(KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        update(world, spec(world), new)
    world.host.on_start = lambda _: None

    seen = HANDLER.read(made.id, new, {}, world.work())
    assert seen is not None
    assert not seen.spec.running
    update(world, seen.spec, new)

    assert service(world) == (True, 2, 0)
    after = HANDLER.read(made.id, new, {}, world.work())
    assert after is not None
    assert after.spec == new


class TestJudged:
    """What the agent itself would refuse is never put in its place."""

    JUDGE = "/opt/consul validate {root}/etc/consul.d"

    def test_a_configuration_that_it_would_not_accept_is_not_written(self, world: World) -> None:
        before = spec(world, judge=self.JUDGE)
        HANDLER.create(before, world.work())

        with pytest.raises(
            NotAccepted,
            match=r"consul on 198.18.0.11 would not accept .* nothing of it was written: .*invalid config key",
        ):
            update(world, before, with_file(before, CONFIGURATION, "BAD"))

        assert world.host.content(CONFIGURATION) == "{}"
        assert service(world) == (True, 1, 0)

    def test_nor_is_one_on_a_host_that_has_none_yet(self, world: World) -> None:
        with pytest.raises(NotAccepted):
            HANDLER.create(with_file(spec(world, judge=self.JUDGE), CONFIGURATION, "BAD"), world.work())

        assert UNIT not in world.host.entries

    def test_nobody_waits_for_the_one_that_is_refused(self, world: World) -> None:
        before = spec(world, judge=self.JUDGE, member=TestMembership.membership(world))
        HANDLER.create(before, world.work())

        with pytest.raises(NotAccepted):
            update(world, before, with_file(before, CONFIGURATION, "BAD"))
        update(world, before, with_file(before, CONFIGURATION, "good"))

        assert world.host.content(CONFIGURATION) == "good"


@pytest.mark.parametrize("field", ["reload_on", "read_at_start"])
def test_a_rule_for_a_file_that_it_does_not_have_is_refused(world: World, field: str) -> None:
    (problem,) = HANDLER.check(spec(world, **{"reload_on": (), field: ("/etc/consul.d/other",)}))

    assert problem.path == field


def test_another_unit_restarts_it(world: World) -> None:
    HANDLER.create(spec(world), world.work())

    update(world, spec(world), spec(world, unit="[Service]\nExecStart=/opt/consul -x\n"))

    assert service(world) == (True, 2, 0)


def test_one_that_was_stopped_by_hand_is_started_and_not_reloaded(world: World) -> None:
    made = HANDLER.create(spec(world), world.work())
    world.host.services["consul.service"].active = False

    seen = HANDLER.read(made.id, spec(world), {}, world.work())
    assert seen is not None
    update(world, seen.spec, with_file(spec(world), CERTIFICATE, "two"))

    assert not seen.spec.running
    assert service(world) == (True, 2, 0)


def test_a_retry_starts_what_has_died_since_it_was_read(world: World) -> None:
    HANDLER.create(spec(world), world.work())
    world.host.services["consul.service"].active = False

    update(world, spec(world), spec(world))

    assert service(world) == (True, 2, 0)


def test_one_that_would_not_start_with_its_machine_is_a_change(world: World) -> None:
    made = HANDLER.create(spec(world), world.work())
    world.host.services["consul.service"].enabled = False

    seen = HANDLER.read(made.id, spec(world), {}, world.work())

    assert seen is not None
    assert (seen.spec.running, seen.spec.enabled) == (True, False)


def test_a_file_that_the_program_no_longer_names_goes(world: World) -> None:
    old = with_file(spec(world), "/etc/consul.d/extra.json", "{}")
    HANDLER.create(old, world.work())

    update(world, old, spec(world))

    assert "/etc/consul.d/extra.json" not in world.host.entries
    assert service(world) == (True, 2, 0)


def test_with_the_service_goes_what_it_wrote_and_not_what_others_did(world: World) -> None:
    made = HANDLER.create(spec(world), world.work())
    world.host.entries["/var/lib/consul/raft.db"] = world.host.entries[CONFIGURATION]
    world.host.entries["/etc/consul.d/by-hand.json"] = world.host.entries[CONFIGURATION]

    HANDLER.delete(made.id, spec(world), {}, world.work())

    assert not [path for path in world.host.entries if path.startswith("/var/lib/consul")]
    assert [path for path in world.host.entries if "consul" in path] == ["/etc/consul.d", "/etc/consul.d/by-hand.json"]
    assert service(world)[0] is False


class TestProgram:
    @pytest.fixture
    def source(self, tmp_path: Path) -> Path:
        made = tmp_path / "consul"
        made.write_bytes(b"\x7fELF")
        return made

    def test_the_program_is_copied_where_it_is_missing(self, world: World, source: Path) -> None:
        work = world.work()

        HANDLER.create(spec(world, version="1", binary="/opt/bin/consul-1", binary_source=str(source)), work)

        assert world.host.entries["/opt/bin/consul-1"].content == b"\x7fELF"
        assert "copying consul-1" in work.said

    def test_a_program_that_is_there_is_not_copied_again(self, world: World, source: Path) -> None:
        made = spec(world, version="1", binary="/opt/bin/consul-1", binary_source=str(source))
        HANDLER.create(made, world.work())
        source.unlink()

        update(world, made, with_file(made, CONFIGURATION, "other"))

    def test_a_program_that_is_gone_is_a_change(self, world: World, source: Path) -> None:
        wanted = spec(world, version="1", binary="/opt/bin/consul-1", binary_source=str(source))
        made = HANDLER.create(wanted, world.work())
        del world.host.entries["/opt/bin/consul-1"]

        seen = HANDLER.read(made.id, wanted, {}, world.work())

        assert seen is not None
        assert seen.spec.version is None

    def test_a_place_without_a_program_is_refused(self, world: World) -> None:
        (problem,) = HANDLER.check(spec(world, binary="/opt/bin/consul-1"))

        assert problem.path == "binary"


class TestMembership:
    """After a change the cluster decides whether the agent is done, and before one whether it may be touched."""

    @pytest.fixture
    def agent(self, world: World) -> AgentSpec:
        made = spec(world, member=self.membership(world))
        HANDLER.create(made, world.work())
        return made

    @staticmethod
    def membership(world: World, name: str = "s1", role: str = "server") -> Membership:
        return Membership.model_validate(
            {"cluster": "consul", "name": name, "roles": [role], "endpoint": world.consul_endpoint}
        )

    @staticmethod
    def changed(agent: AgentSpec) -> AgentSpec:
        return with_file(agent, CONFIGURATION, "other")

    def test_an_update_ends_when_the_server_votes_again(self, world: World, agent: AgentSpec) -> None:
        well = world.consul.servers
        world.host.on_start = lambda _: setattr(world.consul, "servers", [server("s1", Voter=False), server("s2")])
        world.clock.after(10, lambda: setattr(world.consul, "servers", well))
        work = world.work()

        HANDLER.update("id", agent, self.changed(agent), {}, work)

        assert world.clock.now() == pytest.approx(10, abs=0.6)
        assert work.said[-1] == "s1 is not a voter yet"

    def test_a_client_is_done_when_gossip_sees_it(self, world: World, agent: AgentSpec) -> None:
        world.consul.members[-1] = member("e1", FAILED)
        client = agent.model_copy(update={"member": self.membership(world, "e1", "client")})
        world.clock.after(3, lambda: world.consul.members.append(member("e1")))

        update(world, client, self.changed(client))

        assert world.clock.now() == pytest.approx(3, abs=0.6)

    def test_one_that_does_not_come_back_stays_in_the_state_with_the_reason(
        self, world: World, agent: AgentSpec
    ) -> None:
        world.host.on_start = lambda _: setattr(world.consul, "leader", "")

        with pytest.raises(NotHealthy, match=r"consul does not answer: .* 500 No cluster leader") as caught:
            update(world, agent, self.changed(agent))

        assert caught.value.id == "id"
        assert world.clock.now() == pytest.approx(MEMBER_WITHIN, abs=1)

    def test_a_server_is_not_touched_beside_an_ill_one(self, world: World, agent: AgentSpec) -> None:
        world.consul.servers = [server("s1"), server("s2"), server("s3", Healthy=False)]

        with pytest.raises(CannotSpare, match="not touched: s3 is not healthy: alive, last contact 12ms; heal the oth"):
            update(world, agent, self.changed(agent))
        with pytest.raises(CannotSpare, match="s3 is not healthy"):
            HANDLER.delete("id", agent, {}, world.work())

        assert service(world) == (True, 1, 0)
        assert world.host.content(CONFIGURATION) == "{}"

    def test_a_server_waits_for_one_that_is_coming_back(self, world: World, agent: AgentSpec) -> None:
        well = world.consul.servers
        world.consul.servers = [server("s1"), server("s2"), server("s3", Voter=False)]
        world.clock.after(20, lambda: setattr(world.consul, "servers", well))
        work = world.work()

        HANDLER.update("id", agent, self.changed(agent), {}, work)

        assert world.clock.now() == pytest.approx(20, abs=1)
        assert "waiting: s3 is not a voter yet" in work.said

    def test_an_update_ends_when_the_server_has_applied_what_was_decided(self, world: World, agent: AgentSpec) -> None:
        """Autopilot, which looks every 2 s, calls one healthy that was restarted in between."""
        world.host.on_start = lambda _: world.consul.raft.update(state="Candidate", applied_index="0")
        world.clock.after(3, lambda: world.consul.raft.update(state="Follower", applied_index="12"))
        world.clock.after(5, lambda: world.consul.raft.update(applied_index="40"))
        work = world.work()

        HANDLER.update("id", agent, self.changed(agent), {}, work)

        assert world.clock.now() == pytest.approx(5, abs=0.6)
        assert work.said[-1] == "s1 has applied 12 of 40 entries"

    def test_the_server_that_has_fallen_itself_may_be_healed(self, world: World, agent: AgentSpec) -> None:
        well = world.consul.servers
        world.consul.servers = [server("s1", Healthy=False), server("s2"), server("s3", Healthy=False)]
        fallen = world.network.servers.pop((SERVERS[0], CONSUL_PORT))

        def heal(_: str) -> None:
            world.consul.servers = well
            world.network.servers[SERVERS[0], CONSUL_PORT] = fallen

        world.host.on_start = heal

        update(world, agent, self.changed(agent))

        assert service(world) == (True, 2, 0)

    def test_without_a_leader_there_is_no_quorum_to_lose(self, world: World, agent: AgentSpec) -> None:
        leader, world.consul.leader = world.consul.leader, ""
        world.host.on_start = lambda _: setattr(world.consul, "leader", leader)

        update(world, agent, self.changed(agent))

        assert service(world) == (True, 2, 0)

    def test_a_new_leader_that_knows_no_server_yet_is_asked_again(self, world: World, agent: AgentSpec) -> None:
        """Its autopilot answers null; that was taken for a cluster that can spare everybody."""
        world.consul.servers = None
        ill = [server("s1"), server("s2"), server("s3", Healthy=False)]
        world.clock.after(2, lambda: setattr(world.consul, "servers", ill))

        with pytest.raises(CannotSpare, match="s3 is not healthy"):
            update(world, agent, self.changed(agent))

        assert service(world) == (True, 1, 0)

    def test_a_leader_that_never_knows_its_servers_is_no_permission(self, world: World, agent: AgentSpec) -> None:
        world.consul.servers = None

        with pytest.raises(CannotSpare, match="consul does not know its servers yet"):
            update(world, agent, self.changed(agent))

    def test_whoever_asks_to_stop_waits_no_longer(self, world: World, agent: AgentSpec) -> None:
        world.host.on_start = lambda _: setattr(world.consul, "leader", "")
        world.clock.after(7, world.clock.cancelled.set)

        with pytest.raises(Cancelled, match="cancelled"):
            update(world, agent, self.changed(agent))

        assert world.clock.now() == pytest.approx(7, abs=0.5)


class TestTurns:
    """The engine runs as much in parallel as it can; of one cluster only one server may be away."""

    @pytest.fixture
    def together(self, world: World) -> Iterator[threading.Event]:
        """Set when two services were being restarted at one moment."""
        met, inside = threading.Event(), set[str]()

        def restart(name: str) -> None:
            inside.add(name)
            if len(inside) > 1:
                met.set()
            met.wait(0.1)  # as long as a restart takes: time enough for the other to come in
            inside.discard(name)

        agents = [
            self.agent(world, "s1", "consul"),
            self.agent(world, "s2", "consul"),
            self.agent(world, "s2", "nomad"),
        ]
        for agent in agents:
            HANDLER.create(agent, world.work())
        world.host.on_start = restart
        yield met
        assert not inside

    @staticmethod
    def membership(name: str, endpoint: Endpoint) -> Membership:
        cluster = "consul" if endpoint.port == CONSUL_PORT else "nomad"
        said = {"cluster": cluster, "name": name, "roles": ["server"], "endpoint": endpoint}
        return Membership.model_validate(said)

    @classmethod
    def agent(cls, world: World, name: str, cluster: str) -> AgentSpec:
        endpoint = world.consul_endpoint if cluster == "consul" else world.nomad_endpoint
        return spec(
            world,
            service=f"{cluster}-{name}",
            files={f"/etc/{cluster}-{name}": File(content="")},
            directories={},
            member=cls.membership(name, endpoint),
        )

    @pytest.fixture(autouse=True)
    def slow_to_gather(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The clock of these tests does not wait; whoever is first must not be gone before the others come."""
        monkeypatch.setattr(roll, "GATHERED_WITHIN", 0.0)

    @staticmethod
    def update_at_once(world: World, *agents: AgentSpec) -> None:
        with ThreadPoolExecutor() as pool:
            for done in [pool.submit(update, world, agent, agent) for agent in agents]:
                done.result()

    def test_two_servers_of_one_cluster_are_never_away_at_once(self, world: World, together: threading.Event) -> None:
        self.update_at_once(world, self.agent(world, "s1", "consul"), self.agent(world, "s2", "consul"))

        assert not together.is_set()

    def test_two_clusters_do_not_wait_for_each_other(self, world: World, together: threading.Event) -> None:
        self.update_at_once(world, self.agent(world, "s1", "consul"), self.agent(world, "s2", "nomad"))

        assert together.is_set()
