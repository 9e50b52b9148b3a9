"""Two of three servers are gone for good: the one left decides alone, and the next run makes the others anew."""

import pytest
import requests
from live.stack import Stack, docker, no_change

from mooring.waiting import wait_for

pytestmark = [pytest.mark.live, pytest.mark.long]

LOST = ("test-server-2", "test-server-3")


def test_the_server_that_is_left_decides_alone_and_the_next_run_makes_the_others_anew(stack: Stack) -> None:
    wait_for(lambda: stack.status()["healthy"] or None, "the stack is well", within=90, every=1)
    url = stack.overview().url
    needless = stack.mooring("recover-quorum", "--yes")
    docker("rm", "--force", *(f"mooring-{name}" for name in LOST))
    wait_for(lambda: not stack.status()["nomad_voters"] or None, "nobody leads any more", within=60, every=1)

    asked = stack.mooring("recover-quorum")
    served = requests.get(url, timeout=10).status_code
    recovered = stack.mooring("recover-quorum", "--yes")
    up = stack.mooring("up", within=400)
    wait_for(lambda: stack.status()["healthy"] or None, "the stack is well", within=90, every=1)

    assert needless.returncode == 1
    assert "both clusters have a leader" in needless.stderr
    assert asked.returncode != 0
    assert "lost: test-server-2, test-server-3; left: test-server-1" in asked.stderr
    assert served == 200
    assert recovered.returncode == 0, recovered.stderr
    assert up.returncode == 0, up.stdout[-3000:]
    assert (stack.status()["consul_voters"], stack.status()["nomad_voters"]) == (3, 3)
    assert no_change(stack.pulumi("preview", "--expect-no-changes"))
