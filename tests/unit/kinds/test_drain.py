"""A Nomad client is emptied before its agent is restarted, and used again afterwards."""

from typing import Any

import pytest
from fakes.nomad import node
from fakes.world import World

from mooring.clients.errors import CommandFailed
from mooring.kinds.agent import AgentHandler, AgentSpec
from mooring.kinds.drain import BY_US, NotDrained
from mooring.kinds.membership import Membership
from mooring.kinds.nomad_cluster import NomadClusterHandler, NomadClusterSpec
from mooring.kinds.placement import File

HANDLER = AgentHandler()
CONFIGURATION = "/etc/nomad.d/nomad.json"
CERTIFICATE = "/etc/nomad.d/agent.pem"


def spec(world: World, content: str = "{}", certificate: str = "one") -> AgentSpec:
    said = {"cluster": "nomad", "name": "s1", "roles": ["server", "client"], "endpoint": world.nomad_endpoint}
    return AgentSpec(
        connection=world.host.connection,
        service="nomad",
        files={CONFIGURATION: File(content=content), CERTIFICATE: File(content=certificate)},
        unit="[Service]\nExecStart=/opt/nomad\nExecReload=/bin/kill -HUP $MAINPID\n",
        reload_on=(CERTIFICATE,),
        listens=4646,
        member=Membership.model_validate(said | {"drained_within": 60}),
    )


def allocation(world: World, name: str, kind: str = "service", **changes: Any) -> dict[str, Any]:
    return {
        "Name": name,
        "JobType": kind,
        "ClientStatus": "running",
        "NodeID": world.nomad.nodes[0]["ID"],
        **changes,
    }


@pytest.fixture
def restarted_with(world: World) -> list[list[str]]:
    """What ran on the host at the moments when its agent was restarted."""
    HANDLER.create(spec(world), world.work())
    seen: list[list[str]] = []
    here = world.nomad.nodes[0]["ID"]
    world.host.on_start = lambda _: seen.append(
        [each["Name"] for each in world.nomad.allocations if each["NodeID"] == here]
    )
    return seen


def update(world: World, new: AgentSpec) -> list[str]:
    told: list[str] = []
    work = world.work()
    object.__setattr__(work, "tell", told.append)
    HANDLER.update("id", spec(world), new, {}, work)
    return told


def test_an_agent_is_restarted_when_its_services_have_gone_elsewhere(
    world: World, restarted_with: list[list[str]]
) -> None:
    world.nomad.allocations = [allocation(world, "web[0]"), allocation(world, "web[1]", ClientStatus="complete")]
    world.nomad.moves_after = 8

    update(world, spec(world, "other"))

    assert restarted_with == [[]]
    assert world.clock.now() == pytest.approx(8, abs=1)
    assert world.nomad.nodes[0]["SchedulingEligibility"] == "eligible"
    assert not world.nomad.nodes[0]["Drain"]


def test_batch_and_system_jobs_stay_where_they_are(world: World, restarted_with: list[list[str]]) -> None:
    world.nomad.allocations = [allocation(world, "report[0]", "batch"), allocation(world, "agent[0]", "system")]

    update(world, spec(world, "other"))

    assert restarted_with == [["report[0]", "agent[0]"]]


def test_a_reload_moves_nobody(world: World, restarted_with: list[list[str]]) -> None:
    world.nomad.allocations = [allocation(world, "web[0]")]

    update(world, spec(world, certificate="two"))

    assert restarted_with == [["web[0]"]]
    assert world.nomad.nodes[0]["LastDrain"] is None


def test_services_that_find_no_other_place_keep_theirs_and_are_named(
    world: World, restarted_with: list[list[str]]
) -> None:
    world.nomad.allocations = [allocation(world, "big[0]")]
    world.nomad.moves_after = None

    with pytest.raises(NotDrained, match=r"s1 could not be drained within 60 s .* unchanged: big\[0\] found no other"):
        update(world, spec(world, "other"))

    assert restarted_with == []
    assert world.host.content(CONFIGURATION) == "{}"
    assert world.nomad.nodes[0]["SchedulingEligibility"] == "eligible"


def test_the_only_client_keeps_its_services_through_the_restart(world: World, restarted_with: list[list[str]]) -> None:
    world.nomad.nodes = [node("s1"), node("s2", Status="down"), node("s3", NodePool="gpu")]
    world.nomad.allocations = [allocation(world, "web[0]")]

    told = update(world, spec(world, "other"))

    assert restarted_with == [["web[0]"]]
    assert told == ["s1 is not drained: no other client could take its instances"]


def test_a_node_that_a_person_took_out_stays_out(world: World, restarted_with: list[list[str]]) -> None:
    world.nomad.nodes[0] |= {"SchedulingEligibility": "ineligible", "LastDrain": {"Meta": {"why": "disk"}}}

    told = update(world, spec(world, "other"))

    assert len(restarted_with) == 1
    assert world.nomad.nodes[0]["SchedulingEligibility"] == "ineligible"
    assert told == ["s1 was made ineligible by somebody else, and stays so"]


def test_a_node_that_a_person_takes_out_later_is_not_taken_for_one_of_ours(
    world: World, restarted_with: list[list[str]]
) -> None:
    """Nomad keeps the words of the last drain for ever."""
    update(world, spec(world, "other"))
    world.nomad.nodes[0]["SchedulingEligibility"] = "ineligible"

    assert not complaints(world)
    assert len(restarted_with) == 1


def test_one_that_does_not_come_back_is_given_no_work(world: World, restarted_with: list[list[str]]) -> None:
    world.host.deaf.add("nomad")

    with pytest.raises(CommandFailed):
        update(world, spec(world, "other"))

    assert len(restarted_with) == 1
    assert world.nomad.nodes[0]["SchedulingEligibility"] == "ineligible"


def complaints(world: World) -> tuple[str, ...]:
    cluster = NomadClusterSpec(endpoint=world.nomad_endpoint, servers=("s1", "s2", "s3"), clients=("s1", "s2", "s3"))
    seen = NomadClusterHandler().read("nomad", cluster, {}, world.work())
    assert seen is not None
    return seen.reasons


def test_what_a_killed_roll_left_empty_is_seen_and_used_again(world: World) -> None:
    world.nomad.nodes[0] |= {"SchedulingEligibility": "ineligible", "LastDrain": {"Meta": BY_US}}
    cluster = NomadClusterSpec(endpoint=world.nomad_endpoint, servers=("s1", "s2", "s3"), clients=("s1", "s2", "s3"))

    assert complaints(world) == ("s1 takes no instances: a roll that was cut off had emptied it",)
    NomadClusterHandler().update("nomad", cluster, cluster, {}, world.work())

    assert world.nomad.nodes[0]["SchedulingEligibility"] == "eligible"
    assert complaints(world) == ()
