"""When a server may be touched, from what autopilot says."""

from typing import Any

from mooring.kinds.membership import server_complaint, unsafe_to_touch


def server(name: str, *, healthy: bool = True, voter: bool = True) -> dict[str, Any]:
    return {"Name": name, "Healthy": healthy, "Voter": voter, "SerfStatus": "alive", "LastContact": "1ms"}


def test_one_of_three_healthy_servers_may_be_touched() -> None:
    assert unsafe_to_touch("a", [server("a"), server("b"), server("c")]) is None


def test_a_server_that_the_quorum_needs_may_not_be_touched() -> None:
    found = unsafe_to_touch("a", [server("a"), server("b"), server("c", healthy=False)])

    assert found == "a is needed for the quorum while c is not healthy"


def test_the_ill_one_itself_may_be_touched() -> None:
    assert unsafe_to_touch("c", [server("a"), server("b"), server("c", healthy=False)]) is None


def test_two_of_five_may_be_down_but_not_three() -> None:
    four = [server("a"), server("b"), server("c"), server("d"), server("e", healthy=False)]

    assert unsafe_to_touch("a", four) is None
    assert unsafe_to_touch("a", [*four[:3], server("d", healthy=False), four[4]]) is not None


def test_a_single_server_may_be_touched() -> None:
    assert unsafe_to_touch("a", [server("a")]) is None


def test_a_server_that_does_not_vote_yet_is_not_done() -> None:
    assert server_complaint("a", [server("a", voter=False)]) == "a is not a voter yet"
    assert server_complaint("a", [server("a")]) is None
    assert server_complaint("b", [server("a")]) == "b is not a server of the cluster"
