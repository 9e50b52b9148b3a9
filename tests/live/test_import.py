"""What somebody made by hand comes into a real stack as it is, by the commands that a person uses."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from live.stack import Stack, no_change

from mooring.clients import nomad
from mooring.clients.answers import Json
from mooring.clients.nomad import Nomad

pytestmark = pytest.mark.live

ID: Final = "by-hand"
SECRET: Final = "a-line-of-the-job-that-nobody-else-may-read"  # noqa: S105 -- guards nothing
NANOSECONDS: Final = 1_000_000_000


def body(image: str) -> Json:
    """As a person would write it: what Nomad adds by itself is not there."""
    check = {"Type": "http", "Path": "/healthz", "Interval": NANOSECONDS, "Timeout": NANOSECONDS}
    return {
        "ID": ID,
        "Datacenters": ["dc1"],
        "Meta": {"team": "shop"},
        "TaskGroups": [
            {
                "Name": "web",
                "Networks": [{"Mode": "host", "DynamicPorts": [{"Label": "http", "To": 8080}]}],
                "Services": [{"PortLabel": "http", "Checks": [{**check, "CheckRestart": {"Limit": 3}}]}],
                "Tasks": [
                    {
                        "Name": "app",
                        "Driver": "docker",
                        "Config": {"image": image, "ports": ["http"]},
                        "Env": {"PORT": "8080", "APP_PASSWORD": SECRET},
                        "Resources": {"CPU": 50, "MemoryMB": 64},
                    }
                ],
            }
        ],
    }


@pytest.fixture
def api(stack: Stack) -> Nomad:
    return nomad.region(stack.overview().deploy)


@pytest.fixture
def job(stack: Stack, api: Nomad) -> Iterator[Json]:
    """The job as Nomad tells it. Afterwards neither the program nor the cluster knows it any more."""
    program, settings = stack.root / "infra" / "__main__.py", stack.root / "stacks" / f"Pulumi.{stack.name}.yaml"
    written, configured = program.read_text(), settings.read_text()
    hello = api.job("hello")
    assert hello is not None
    api.register(body(hello["TaskGroups"][0]["Tasks"][0]["Config"]["image"]), unless_changed_since=0)
    try:
        yield told(api)
    finally:
        program.write_text(written)
        (stack.root / "infra" / "by_hand.py").unlink(missing_ok=True)
        settings.write_text(configured)
        away = stack.mooring("up")
        if api.job(ID) is not None:
            api.deregister(ID, purge=True)
    assert away.returncode == 0, away.stdout[-3000:] + away.stderr[-2000:]


def told(api: Nomad) -> Json:
    found = api.job(ID)
    assert found is not None
    return found


def declare(stack: Stack) -> None:
    """What the command tells a person to do."""
    program = stack.root / "infra" / "__main__.py"
    program.write_text(f"from infra import by_hand\n{program.read_text()}\nby_hand.declare(nomad.access)\n")


def unchanged(now: Json, then: Json) -> bool:
    """Whether nobody has registered it since."""
    keys: Any = ("JobModifyIndex", "Version", "Meta", "TaskGroups")
    return all(now[key] == then[key] for key in keys)


def test_a_job_made_by_hand_comes_in_and_then_there_is_no_difference(stack: Stack, api: Nomad, job: Json) -> None:
    written = stack.mooring("import", ID, "--out", str(Path(stack.root, "infra", "by_hand.py")), "--keep-secrets")
    print(written.stderr)
    assert written.returncode == 0
    declare(stack)

    preview = stack.mooring("preview")
    print(preview.stdout[-3000:], preview.stderr[-1000:])

    assert "= 1 to import" in preview.stdout
    assert "to update" not in preview.stdout

    up = stack.mooring("up")
    print(up.stdout[-3000:], up.stderr[-1000:])

    assert up.returncode == 0
    assert "= 1 imported" in up.stdout
    assert no_change(stack.mooring("preview", "--expect-no-changes"))
    assert unchanged(told(api), job)
    state = next(stack.state.glob(f".pulumi/stacks/**/{stack.name}.json")).read_text()
    said = [
        written.stdout,
        written.stderr,
        preview.stdout,
        up.stdout,
        (stack.root / "infra" / "by_hand.py").read_text(),
    ]
    assert SECRET not in "".join([*said, state])

    program = stack.root / "infra" / "by_hand.py"
    program.write_text(program.read_text().replace("memory=64", "memory=72"))
    changed = stack.mooring("preview", "--diff")
    print(changed.stdout[-3000:])

    assert "MemoryMB: 64 => 72" in changed.stdout
    assert SECRET not in changed.stdout


def test_what_pulumi_imports_by_hand_is_there_as_it_was(stack: Stack, api: Nomad, job: Json) -> None:
    """Without a word of the program; a bare id and what the stack has recorded have to do."""
    asked = ["import", "mooring:nomad:Job", ID, ID, "--yes", "--generate-code=false", "--protect=false"]
    done = stack.pulumi(*asked)
    print(done.stdout[-3000:], done.stderr[-1000:])

    assert done.returncode == 0
    assert unchanged(told(api), job)
    refreshed = stack.pulumi("preview", "--refresh", "--diff", PULUMI_RUN_PROGRAM="false")
    print(refreshed.stdout[-3000:])
    assert f"mooring:nomad:Job::{ID}" in refreshed.stdout
    assert "[refresh" not in refreshed.stdout
    assert SECRET not in done.stdout + refreshed.stdout


def test_what_is_not_there_is_told(stack: Stack) -> None:
    done = stack.pulumi("import", "mooring:nomad:Job", "nobody", "nobody", "--yes", "--generate-code=false")

    assert done.returncode != 0
    assert "resource 'nobody' does not exist" in done.stdout + done.stderr
