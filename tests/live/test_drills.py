"""The drills that every change has to pass, by the command that a person uses: a few of the catalogue."""

import json
from typing import Any

import pytest
from live.stack import Stack

pytestmark = pytest.mark.live

TRIES = 3
"""A time is the best of so many: whatever else this machine does can only make it longer."""


def performed(stack: Stack, name: str) -> dict[str, Any]:
    done = stack.mooring("drill", name, "--json", within=400)
    print(done.stderr[-3000:])
    assert done.stdout, done.stderr
    (drill,) = json.loads(done.stdout)["drills"]
    print(drill["complaints"], drill.get("figures"))
    assert (done.returncode == 0) == drill["passed"]
    return drill


def drilled(stack: Stack, name: str) -> dict[str, Any]:
    """The first of three that was passed. What no machine is too slow for must hold in every one of them."""
    for _ in range(TRIES):
        drill = performed(stack, name)
        assert "figures" in drill, drill["complaints"]
        figures = drill["figures"]
        assert figures["acknowledged"] > 20
        assert (figures["lost"], figures["let_in"], figures["wrongly_down"]) == (0, [], [])
        assert figures["refused"] > 10
        if drill["passed"]:
            return drill
    raise AssertionError(drill["complaints"])


def test_a_killed_container(stack: Stack) -> None:
    drill = drilled(stack, "container")

    assert drill["figures"]["lost_capacity"]
    assert {event["what"] for event in drill["events"]} >= {"fault", "capacity", "balancer", "allocation"}


def test_a_version_that_does_not_work(stack: Stack) -> None:
    drill = drilled(stack, "bad-deploy")

    assert drill["figures"]["failed"] == 0
    assert any("rolling back to job version" in event.get("detail", "") for event in drill["events"])


@pytest.mark.long
def test_the_worst_node(stack: Stack) -> None:
    drill = drilled(stack, "worst-node")

    assert drill["figures"]["leader_changes"] >= 2
    assert drill["figures"]["refused_leaderless"] > 0


def test_a_deploy_under_load_and_status_tells_of_it(stack: Stack) -> None:
    drill = drilled(stack, "deploy")

    assert drill["figures"]["requests"] > 1000
    assert stack.status()["drills"]["drills"] == 1
    assert "drills    20" in stack.mooring("status").stdout
