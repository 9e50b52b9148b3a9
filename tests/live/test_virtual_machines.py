"""Three real virtual machines, from the first `up` to `down`: the app served, one killed and healed, nothing left."""

import subprocess
from collections.abc import Iterator

import pytest
import requests
from live.stack import Stack, copy_of_checkout, no_change
from live.virtual import bridges, console, kill, left, need_libvirt, sweep

from mooring.waiting import SYSTEM, wait_for

pytestmark = [pytest.mark.live, pytest.mark.slow]

NAME = "vm-test"
PREFIX = f"mooring-{NAME}"
NETWORK = "198.18.4.0/24"
VICTIM = f"{PREFIX}-server-2"

UP_WITHIN = 3600
"""Seconds. By hand 5 minutes on two cores with nothing else to do; emulated processors share them with everything."""

HEALS_WITHIN = 600.0


@pytest.fixture(scope="module")
def before() -> set[str]:
    need_libvirt()
    sweep(PREFIX)
    return bridges()


@pytest.fixture(scope="module")
def stack(before: set[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    del before
    folder = tmp_path_factory.mktemp("stack")
    made = Stack(NAME, folder / "state", copy_of_checkout(folder / "checkout"))
    shipped = (made.root / "stacks" / "Pulumi.vm.yaml").read_text()
    (made.root / "stacks" / f"Pulumi.{NAME}.yaml").write_text(shipped.replace("198.18.3.0/24", NETWORK))
    try:
        begun = SYSTEM.now()
        up = made.mooring("up", within=UP_WITHIN)
        print(f"up took {SYSTEM.now() - begun:.0f} s", told(up), console(VICTIM, PREFIX), sep="\n")
        assert up.returncode == 0
        yield made
    finally:
        print(told(made.mooring("down", within=600)))
        sweep(PREFIX)


def told(ended: "subprocess.CompletedProcess[str]") -> str:
    return f"{ended.stdout[-3000:]}{ended.stderr[-2000:]}"


def answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).ok
    except requests.RequestException:
        return False


def test_the_app_is_served_by_virtual_machines(stack: Stack) -> None:
    status = stack.status()

    assert answers(stack.overview().url)
    assert status["healthy"], status["problems"]
    assert (status["consul_voters"], status["nomad_voters"]) == (3, 3)


def test_the_same_program_is_no_change(stack: Stack) -> None:
    assert no_change(stack.pulumi("preview", "--expect-no-changes", within=900))


def test_a_machine_whose_process_is_killed_is_healed_by_the_next_up(stack: Stack) -> None:
    url, begun = stack.overview().url, SYSTEM.now()
    kill(VICTIM)

    wait_for(lambda: answers(url) or None, "the page answers without it", within=HEALS_WITHIN, every=1)
    print(f"the page answered {SYSTEM.now() - begun:.0f} s after a machine had been killed")
    preview = stack.pulumi("preview", within=900)
    begun = SYSTEM.now()
    up = stack.mooring("up", within=UP_WITHIN)
    print(f"up took {SYSTEM.now() - begun:.0f} s", told(up), sep="\n")

    assert f"{VICTIM} does not run" in preview.stdout + preview.stderr
    assert up.returncode == 0
    wait_for(lambda: stack.status()["healthy"] or None, "all is well", within=HEALS_WITHIN, every=5)


def test_down_leaves_nothing(stack: Stack, before: set[str]) -> None:
    """The last of this file: what it takes away, the others need."""
    down = stack.mooring("down", within=900)

    assert down.returncode == 0, told(down)
    assert left(PREFIX) == []
    assert bridges() <= before
