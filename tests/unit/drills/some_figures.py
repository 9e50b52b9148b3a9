"""Figures of a drill that went well, and those of others by what was different."""

from typing import Any

from mooring.drills.figures import Figures


def good(**changes: Any) -> Figures:
    usual: dict[str, Any] = {
        "detected": 0.4,
        "serving": 0.0,
        "out_of_balancer": 1.2,
        "full": 3.1,
        "settled": 5.0,
        "lost_capacity": True,
        "fewest": 2,
        "requests": 1500,
        "failed": 0,
        "longest_gap": 0.05,
        "p50": 2.0,
        "p99": 9.0,
        "acknowledged": 150,
        "lost": 0,
        "longest_write_pause": 0.4,
        "leader_changes": 0,
        "wrongly_down": (),
        "refused": 60,
        "refused_leaderless": 0,
        "let_in": (),
    }
    return Figures(**(usual | changes))
