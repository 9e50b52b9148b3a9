"""Verdicts: what is promised and did not come true is said in one sentence each."""

from typing import Any

import pytest
from unit.drills.some_figures import good

from mooring.drills.limits import CONTAINER, FROZEN_NODE, NO_REQUEST_LOST, NODE, WORST_NODE, Limits, complaints


def test_a_drill_that_kept_its_promises_has_no_complaint() -> None:
    assert complaints(good(), CONTAINER) == []
    assert complaints(good(failed=3), CONTAINER) == []


@pytest.mark.parametrize(
    ("limits", "changes", "words"),
    [
        (CONTAINER, {"full": 4.1}, "full capacity: after 4.1 s, 4 s are allowed"),
        (CONTAINER, {"full": None}, "full capacity: never, 4 s are allowed"),
        (NODE, {"out_of_balancer": 3.4}, "out of the balancer: after 3.4 s, 3 s are allowed"),
        (NODE, {"out_of_balancer": None}, "out of the balancer: never, 3 s are allowed"),
        (WORST_NODE, {"failed": 4, "leader_changes": 2}, "4 of 1500 requests failed, 3 may"),
        (WORST_NODE, {}, "no leader changed: the fault did nothing"),
        (NO_REQUEST_LOST, {"failed": 1}, "1 of 1500 requests failed, 0 may"),
        (Limits(fewest_requests=20_000), {}, "1500 requests were sent, 20000 are needed to show anything"),
        (CONTAINER, {"lost_capacity": False}, "no instance was ever missed: the fault did nothing"),
        (CONTAINER, {"serving": None}, "no request went well after the last one that failed"),
        (CONTAINER, {"settled": None}, "all as before: never, 60 s are allowed"),
        (CONTAINER, {"lost": 1}, "1 of 150 acknowledged writes are lost"),
        (CONTAINER, {"acknowledged": 0}, "no write was acknowledged at all"),
        (CONTAINER, {"wrongly_down": ("n1",)}, "n1 was marked down, and was well"),
        (CONTAINER, {"let_in": ("without a token, by nomad at n1",)}, "somebody was let in without a token"),
        (CONTAINER, {"refused": 0}, "no stranger was ever refused: nobody answered them"),
    ],
)
def test_each_broken_promise_is_named(limits: Limits, changes: dict[str, Any], words: str) -> None:
    (complaint,) = complaints(good(**changes), limits)

    assert complaint.startswith(words)


def test_a_frozen_server_may_take_a_client_along_and_nothing_else_may() -> None:
    found = good(wrongly_down=("n1",))

    assert complaints(found, FROZEN_NODE) == []
    assert complaints(found, WORST_NODE)


def test_everything_that_is_wrong_is_said_at_once() -> None:
    assert len(complaints(good(full=9.0, failed=10, lost=2), CONTAINER)) == 3
