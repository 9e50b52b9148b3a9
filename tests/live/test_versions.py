"""Both clusters move to their next versions while people use what runs on them."""

import json
import re
from collections.abc import Iterator

import pytest
from live.stack import Stack, copy_of_checkout, no_change, on
from live.voters import Voters

from mooring.drills.traffic import Traffic
from mooring.toolchain import binaries, pins, progress
from mooring.toolchain.errors import CannotPrepare

pytestmark = [pytest.mark.live, pytest.mark.long]

OLDER = {"consul": pins.CONSUL.older[-1], "nomad": pins.NOMAD.older[-1]}
PINNED = {"consul": pins.CONSUL.version, "nomad": pins.NOMAD.version}


@pytest.fixture(scope="module")
def older(prepared: None, alone: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The `test` stack as it was a year ago. Not the one that others share: there is no way back."""
    del prepared, alone
    try:
        for tool, version in OLDER.items():
            binaries.agent_binary(tool, version, progress.say)
    except CannotPrepare as problem:
        pytest.skip(str(problem))
    folder = tmp_path_factory.mktemp("older")
    stack = Stack("test", folder / "state", copy_of_checkout(folder / "checkout"))
    say(stack, OLDER)
    try:
        up = stack.mooring("up", within=600)
        print(up.stdout[-3000:], up.stderr[-2000:])
        assert up.returncode == 0
        yield stack
    finally:
        down = stack.mooring("down", within=300)
        print(down.stdout[-3000:], down.stderr[-2000:])
        assert down.returncode == 0


def say(stack: Stack, versions: dict[str, str]) -> None:
    """Write the versions into the stack file, in the place of those that are there."""
    file = stack.root / "stacks" / f"Pulumi.{stack.name}.yaml"
    text = re.sub(r"^  mooring:(consul|nomad)Version: .*\n", "", file.read_text(), flags=re.MULTILINE)
    lines = "".join(f"  mooring:{tool}Version: {version}\n" for tool, version in versions.items())
    file.write_text(text.replace("config:\n", f"config:\n{lines}", 1))


def running(stack: Stack) -> set[str]:
    """The versions of every agent that runs, as the processes themselves are called."""
    command = "pgrep -af '/(consul|nomad)-[0-9.]+ agent' | grep -oE '(consul|nomad)-[0-9.]+'"
    return {line for host in stack.overview().hosts for line in on(host, command).split()}


def test_a_new_version_is_one_number_and_no_request_fails(older: Stack) -> None:
    overview = older.overview()
    say(older, PINNED)

    with Voters(overview) as voters, Traffic(overview.url, rate=100, most=60_000) as load:
        up = older.mooring("up", within=900)

    print(up.stdout[-6000:], up.stderr[-2000:])
    seconds = max(r.ended for r in load.requests) - min(r.due for r in load.requests)
    print(f"both versions changed in {seconds:.0f} s; {len(load.failed)} of {len(load.requests)} requests failed")
    print(f"servers that were there at least: consul {min(voters.consul)}, nomad {min(voters.nomad)}")
    assert up.returncode == 0
    assert running(older) == {f"{tool}-{version}" for tool, version in PINNED.items()}
    assert load.failed == []
    assert min(voters.consul) >= 2
    assert min(voters.nomad) >= 2
    assert older.status()["healthy"]
    assert no_change(older.pulumi("preview", "--expect-no-changes"))


@pytest.mark.parametrize("tool", ["consul", "nomad"])
def test_there_is_no_way_back(older: Stack, tool: str) -> None:
    """Refused before anything is touched: the file's modification times on the hosts tell."""
    say(older, PINNED)
    assert older.mooring("up", within=600).returncode == 0
    before = [on(host, "stat -c '%n %Y %i' /etc/consul.d/* /etc/nomad.d/* 2>/dev/null || true")
              for host in older.overview().hosts]  # fmt: skip
    say(older, PINNED | {tool: OLDER[tool]})

    up = older.mooring("up", within=300)

    print(up.stdout[-3000:], up.stderr[-2000:])
    say(older, PINNED)
    assert up.returncode != 0
    words = f"{tool}: {PINNED[tool]} is what runs, and its maker does not support going back to {OLDER[tool]}"
    assert words in " ".join((up.stdout + up.stderr).split())
    after = [on(host, "stat -c '%n %Y %i' /etc/consul.d/* /etc/nomad.d/* 2>/dev/null || true")
             for host in older.overview().hosts]  # fmt: skip
    assert after == before
    assert json.loads(older.mooring("status", "--json").stdout)["healthy"]
