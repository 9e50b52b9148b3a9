"""An agent that goes for good takes its leave, and its cluster counts on it no longer."""

from typing import Any

import pytest
from fakes.consul import FAILED, member, server
from fakes.nomad import node
from fakes.world import CONSUL_PORT, NOMAD_PORT, SERVERS, World

from mooring.clients.errors import Unreachable
from mooring.kinds.agent import AgentHandler, AgentSpec
from mooring.kinds.drain import NotDrained
from mooring.kinds.kind import Work
from mooring.kinds.membership import Membership
from mooring.kinds.placement import File
from mooring.kinds.roll import CannotSpare

HANDLER = AgentHandler()


def agent(world: World, cluster: str, role: str = "server", **more: Any) -> AgentSpec:
    """The first server's agent; the pretended host is its host."""
    endpoint = world.consul_endpoint if cluster == "consul" else world.nomad_endpoint
    said = {"cluster": cluster, "name": "s1", "roles": [role], "endpoint": endpoint}
    return AgentSpec(
        connection=world.host.connection,
        service=cluster,
        files={f"/etc/{cluster}.d/agent.json": File(content="{}")},
        unit="[Service]\nExecStart=/opt/agent\nKillSignal=SIGINT\n",
        leave_signal="SIGTERM",
        listens=8501,
        member=Membership.model_validate(said | more),
    )


@pytest.fixture(params=["consul", "nomad"])
def server_agent(world: World, request: pytest.FixtureRequest) -> AgentSpec:
    made = agent(world, request.param)
    HANDLER.create(made, world.work())
    return made


def names(world: World, spec: AgentSpec) -> list[str]:
    kept = world.consul.servers if spec.service == "consul" else world.nomad.servers
    return [found["Name"].removesuffix(".global") for found in kept or []]


def without(world: World, cluster: str) -> None:
    """As a cluster that lets go of the first server by itself."""
    if cluster == "consul":
        world.consul.servers = [server("s2", Leader=True), server("s3")]
        world.consul.members = [found for found in world.consul.members if found["Name"] != "s1"]
    else:
        world.nomad.servers = [server("s2.global", Leader=True), server("s3.global")]
        world.nomad.members.pop("s1.global")
        world.nomad.nodes[0]["Status"] = "down"


def test_a_server_takes_its_leave_before_it_is_stopped(world: World, server_agent: AgentSpec) -> None:
    order: list[str] = []

    def leave(cluster: str) -> None:
        order.append(f"{cluster} leaves while {len(names(world, server_agent))} decide")
        without(world, cluster)

    world.host.on_leave = leave

    HANDLER.delete("id", server_agent, {}, world.work())

    assert order == [f"{server_agent.service} leaves while 3 decide"]
    assert names(world, server_agent) == ["s2", "s3"]
    assert server_agent.files.keys().isdisjoint(world.host.entries)


def test_one_that_left_without_a_word_is_taken_off(world: World, server_agent: AgentSpec) -> None:
    """Nomad gives itself 5 s to leave in order, and ends all the same."""
    work = world.work()

    def end(cluster: str) -> None:
        if cluster == "nomad":
            world.nomad.nodes[0]["Status"] = "down"

    world.host.on_leave = end

    HANDLER.delete("id", server_agent, {}, work)

    assert names(world, server_agent) == ["s2", "s3"]
    assert f"removing s1 from the servers of {server_agent.service}" in work.said


def test_nobody_leaves_beside_an_ill_one(world: World, server_agent: AgentSpec) -> None:
    world.consul.servers = [server("s1", Leader=True), server("s2"), server("s3", Healthy=False)]
    world.nomad.servers = [server("s1.global", Leader=True), server("s2.global"), server("s3.global", Healthy=False)]

    with pytest.raises(CannotSpare, match="not touched: s3"):
        HANDLER.delete("id", server_agent, {}, world.work())

    assert len(names(world, server_agent)) == 3
    assert world.host.services[f"{server_agent.service}.service"].active


def test_a_service_that_stands_still_leaves_nobody(world: World, server_agent: AgentSpec) -> None:
    """As when all agents of a stack on machines that stay were stopped together before."""
    world.host.services[f"{server_agent.service}.service"].active = False
    world.network.servers.clear()

    HANDLER.delete("id", server_agent, {}, world.work())

    assert world.clock.now() == 0
    assert server_agent.files.keys().isdisjoint(world.host.entries)


class TestDeadHost:
    @pytest.fixture(autouse=True)
    def dead(self, world: World, server_agent: AgentSpec) -> None:
        del server_agent
        world.hosts.take_away(world.host)
        for port in (CONSUL_PORT, NOMAD_PORT):
            del world.network.servers[SERVERS[0], port]
        world.consul.servers = [server("s1", Healthy=False), server("s2", Leader=True), server("s3")]
        names = ("s1.global", "s2.global", "s3.global")
        world.nomad.servers = [server(name, Healthy=name != names[0], Leader=name == names[1]) for name in names]

    def test_its_server_is_taken_off_when_the_others_miss_it(self, world: World, server_agent: AgentSpec) -> None:
        def missed() -> None:
            world.consul.members[0] = member("s1", FAILED)
            world.nomad.members["s1.global"] = "failed"
            world.nomad.nodes[0]["Status"] = "down"

        world.clock.after(35, missed)
        warned: list[str] = []

        HANDLER.delete("id", server_agent, {}, warning(world, warned))

        assert names(world, server_agent) == ["s2", "s3"]
        cluster = server_agent.service
        assert warned == [f"{SERVERS[0]} does not answer: {cluster} was taken off its cluster, and is left on the host"]

    def test_one_that_others_still_hear_is_not_given_up(self, world: World, server_agent: AgentSpec) -> None:
        """Then it is only we who cannot reach it."""
        with pytest.raises(Unreachable, match="cannot be reached by SSH"):
            HANDLER.delete("id", server_agent, {}, world.work())

        assert len(names(world, server_agent)) == 3


def warning(world: World, warned: list[str]) -> Work:
    work = world.work()
    object.__setattr__(work, "warn", warned.append)
    return work


class TestClient:
    def test_its_services_have_moved_before_it_leaves_and_it_is_forgotten(self, world: World) -> None:
        spec = agent(world, "nomad", "client")
        HANDLER.create(spec, world.work())
        here = world.nomad.nodes[0]["ID"]
        world.nomad.allocations = [
            {"Name": "web[0]", "JobType": "service", "ClientStatus": "running", "NodeID": here},
        ]
        left_with: list[list[str]] = []

        def leave(_: str) -> None:
            left_with.append([each["Name"] for each in world.nomad.allocations if each["NodeID"] == here])
            world.clock.after(4, lambda: world.nomad.nodes[0].update(Status="down"))

        world.host.on_leave = leave

        HANDLER.delete("id", spec, {}, world.work())

        assert left_with == [[]]
        assert [found["Name"] for found in world.nomad.nodes] == ["s2", "s3"]

    def test_one_whose_services_find_no_other_place_stays(self, world: World) -> None:
        spec = agent(world, "nomad", "client", drained_within=30)
        HANDLER.create(spec, world.work())
        world.nomad.allocations = [
            {"Name": "web[0]", "JobType": "service", "ClientStatus": "running", "NodeID": world.nomad.nodes[0]["ID"]}
        ]
        world.nomad.moves_after = None

        with pytest.raises(NotDrained, match=r"web\[0\] found no other place"):
            HANDLER.delete("id", spec, {}, world.work())

        assert world.host.services["nomad.service"].active
        assert world.nomad.nodes[0]["SchedulingEligibility"] == "eligible"

    def test_a_node_of_the_same_name_that_is_long_gone_is_forgotten_too(self, world: World) -> None:
        spec = agent(world, "nomad", "client")
        HANDLER.create(spec, world.work())
        world.nomad.nodes.append(node("s1", ID="of-an-older-host", Status="down"))
        world.host.on_leave = lambda _: world.nomad.nodes[0].update(Status="down")

        HANDLER.delete("id", spec, {}, world.work())

        assert [found["Name"] for found in world.nomad.nodes] == ["s2", "s3"]
