"""The one stack that the live tests share: its first bring-up is killed five times, and it goes whatever happens."""

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from live.stack import Stack, copy_of_checkout

from mooring.toolchain import binaries, images, places
from mooring.toolchain.engine import Engine
from mooring.toolchain.environment import environment
from mooring.toolchain.errors import CannotPrepare

# The tests run the toolchain's own programs, as a person does who has loaded the environment file.
os.environ["PATH"] = environment()["PATH"]
os.environ["MOORING_PYTHON"] = sys.executable  # for programs outside of this project

KILLED_AT = (
    "docker:index:Container test-server-",
    "mooring:host:Agent consul-test-server-",
    "mooring:host:Agent registry-test-server-1 creat",
    "mooring:nomad:Cluster nomad creat",
    "mooring:nomad:Job hello creat",
)
"""Where the first bring-up is killed: nodes half made, agents half started, the registry half there, no ACLs yet, and
in the middle of a deployment."""


def unprepared() -> str | None:
    try:
        for tool in ("pulumi", "consul", "nomad", "registry"):
            binaries.locate(tool)
    except CannotPrepare as problem:
        return str(problem)
    engine = Engine.chosen()
    if not engine.answers():
        return "no Docker engine answers"
    missing = [name for name in ("machine", "nodejs", "registry") if not engine.has_image(images.reference(name))]
    return f"the engine lacks the images {', '.join(missing)}" if missing else None


@pytest.fixture(scope="session")
def prepared() -> None:
    """Without what `make prepare` brings there is nothing to test; where tests must run, that is a failure."""
    if (reason := unprepared()) is not None:
        if os.environ.get("REQUIRE_LIVE") == "1":
            pytest.fail(f"{reason}; `make prepare` brings it")
        pytest.skip(reason)


@pytest.fixture(scope="session")
def alone() -> Iterator[None]:
    """The stack's names, network and port are the file's, so a second run on this machine waits for the first."""
    places.cache().mkdir(parents=True, exist_ok=True)
    with (places.cache() / "test-stack.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        sweep()
        yield


def sweep() -> None:
    """Remove what a run of these tests left that was ended before it could clean up: its state is gone with it."""
    label = ["--filter", "label=org.mooring.stack=mooring/test"]
    for listed, removed in (
        (["ps", "-aq"], ["rm", "-f"]),
        (["volume", "ls", "-q"], ["volume", "rm"]),
        (["network", "ls", "-q"], ["network", "rm"]),
    ):
        found = subprocess.run(["docker", *listed, *label], capture_output=True, text=True, check=True).stdout.split()
        if found:
            subprocess.run(["docker", *removed, *found], check=True, stdout=subprocess.DEVNULL)


@pytest.fixture(scope="session")
def stack(prepared: None, alone: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The `test` stack, up; every kill on the way is one that the next `up` has to put right by itself."""
    del prepared, alone
    folder = tmp_path_factory.mktemp("stack")
    made = Stack("test", folder / "state", copy_of_checkout(folder / "checkout"))
    try:
        killed = [marker for marker in KILLED_AT if made.up_killed_at(marker)]
        up = made.mooring("up", within=600)
        print(up.stdout[-3000:], up.stderr[-2000:])
        assert up.returncode == 0
        assert killed == list(KILLED_AT)
        yield made
    finally:
        down = made.mooring("down", within=300)
        print(down.stdout[-3000:], down.stderr[-2000:])
        assert down.returncode == 0
