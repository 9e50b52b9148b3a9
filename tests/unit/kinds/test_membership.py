"""When a server may be touched, from what autopilot says."""

from typing import Any

from fakes.world import World

from mooring.kinds.membership import Membership, server_complaint, unsafe_to_touch


def server(name: str, *, healthy: bool = True, voter: bool = True) -> dict[str, Any]:
    return {"Name": name, "Healthy": healthy, "Voter": voter, "SerfStatus": "alive", "LastContact": "1ms"}


def reason(
    world: World, name: str, servers: list[dict[str, Any]], role: str = "server", *, stands: bool = True
) -> str | None:
    said = {"cluster": "consul", "name": name, "roles": [role], "endpoint": world.consul_endpoint}
    return unsafe_to_touch(Membership.model_validate(said), servers, stands=stands)


def test_one_of_three_healthy_servers_may_be_touched(world: World) -> None:
    assert reason(world, "a", [server("a"), server("b"), server("c")]) is None


def test_a_server_may_not_be_touched_beside_an_ill_one(world: World) -> None:
    found = reason(world, "a", [server("a"), server("b"), server("c", healthy=False)])

    assert found == "c is not healthy: alive, last contact 1ms"


def test_one_that_does_not_stand_may_be_touched(world: World) -> None:
    ill = [server("a"), server("b", healthy=False), server("c", healthy=False)]

    assert reason(world, "c", ill, stands=False) is None


def test_one_that_stands_counts_whatever_the_leader_thinks_of_it(world: World) -> None:
    """A server had died that led; the new leader called the third one unhealthy, it was let go, and nobody decided."""
    ill = [server("a"), server("b", healthy=False), server("c", healthy=False)]

    assert reason(world, "c", ill) == "b is not healthy: alive, last contact 1ms"


def test_one_that_does_not_vote_yet_may_be_touched(world: World) -> None:
    assert reason(world, "c", [server("a"), server("b", healthy=False), server("c", voter=False)]) is None


def test_with_five_servers_a_roll_waits_for_the_ill_one_all_the_same(world: World) -> None:
    """The quorum would stand it, and then stand no accident."""
    four = [server("a"), server("b"), server("c"), server("d")]

    assert reason(world, "a", [*four, server("e", healthy=False)]) is not None
    assert reason(world, "a", [*four, server("e", voter=False)]) == "e is not a voter yet"


def test_a_single_server_may_be_touched(world: World) -> None:
    assert reason(world, "a", [server("a")]) is None


def test_a_client_waits_for_the_servers_as_well(world: World) -> None:
    assert reason(world, "x", [server("a"), server("b"), server("c")], "client") is None
    assert reason(world, "x", [server("a"), server("b"), server("c", healthy=False)], "client") is not None


def test_a_leader_that_knows_no_servers_is_no_permission(world: World) -> None:
    assert reason(world, "a", []) == "consul does not know its servers yet"


def test_a_server_that_does_not_vote_yet_is_not_done() -> None:
    assert server_complaint("a", [server("a", voter=False)]) == "a is not a voter yet"
    assert server_complaint("a", [server("a")]) is None
    assert server_complaint("b", [server("a")]) == "b is not a server of the cluster"
