"""How much longer `pulumi up` takes than a plain script that brings up the same: `make bench`.

Both are run in turns, so that a machine that grows slower slows both. The Pulumi half works on a stack `bench` of its
own, in a project folder whose only file is the stack's: all else there leads to this checkout. Names, network and ports
are those of no other stack, and its state is kept apart from the user's.
"""

import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import docker
import typer
from rich.console import Console
from rich.table import Table

from mooring.toolchain import binaries, environment, images, pins, places
from mooring.toolchain.engine import Engine
from mooring.toolchain.errors import CannotPrepare

GOAL = 1.25
ACCEPT = 1.5
"""Above it the run fails."""

STACK = "bench"
LABEL = "org.mooring.stack=mooring/bench"
PORT = 18991
STACK_FILE = f"""\
config:
  mooring:network: 198.18.251.0/24
  mooring:port: "{PORT}"
  mooring:drillable: true
  mooring:hosts:
    - {{name: server, kind: local, count: 3, roles: [server, client, registry], memory: 2048}}
    - {{name: edge, kind: local, count: 2, roles: [edge], memory: 512}}
"""
PLAIN = Path(__file__).with_name("bring_up.sh")


class Failed(Exception):
    """One of the two did not bring anything up: there is nothing to compare."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    plain: list[float]
    """Seconds, in the order they were run."""

    pulumi: list[float]
    plain_median: float
    pulumi_median: float
    ratio: float
    goal: float = GOAL
    accept: float = ACCEPT

    @classmethod
    def of(cls, plain: Sequence[float], pulumi: Sequence[float]) -> "Outcome":
        medians = statistics.median(plain), statistics.median(pulumi)
        return cls(
            plain=list(plain),
            pulumi=list(pulumi),
            plain_median=medians[0],
            pulumi_median=medians[1],
            ratio=medians[1] / medians[0],
        )


def main(
    pairs: Annotated[int, typer.Option("--pairs", "-n", min=1, help="How often each of the two is run.")] = 2,
    json_: Annotated[Path | None, typer.Option("--json", help="Write the outcome to this file too.")] = None,
    *,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show what both of them print.")] = False,
) -> None:
    """Bring the same up by a plain script and by `pulumi up`, in turns, and compare."""
    console = Console(highlight=False)
    try:
        check_prepared()
        plain: list[float] = []
        pulumi: list[float] = []
        for pair in range(1, pairs + 1):
            plain.append(by_plain_script(verbose=verbose))
            console.print(f"{pair} of {pairs}: plain script {plain[-1]:6.1f} s")
            pulumi.append(by_pulumi(verbose=verbose))
            console.print(f"{pair} of {pairs}: pulumi up    {pulumi[-1]:6.1f} s")
    except (Failed, CannotPrepare) as problem:
        console.print(str(problem), markup=False)
        raise typer.Exit(1) from None
    outcome = Outcome.of(plain, pulumi)
    console.print(table(outcome))
    if json_ is not None:
        json_.write_text(json.dumps(asdict(outcome), indent=2) + "\n")
    raise typer.Exit(1 if outcome.ratio > ACCEPT else 0)


def table(outcome: Outcome) -> Table:
    width = len(outcome.plain)
    found = Table(title="bring-up, tools and images cached", title_justify="left")
    for column in ("", *(f"run {run}" for run in range(1, width + 1)), "median"):
        found.add_column(column, justify="left" if not column else "right")
    for name, runs, median in (
        ("plain script", outcome.plain, outcome.plain_median),
        ("pulumi up", outcome.pulumi, outcome.pulumi_median),
    ):
        found.add_row(name, *(f"{run:.1f} s" for run in runs), f"{median:.1f} s")
    found.add_section()
    pair_ratios = [b / a for a, b in zip(outcome.plain, outcome.pulumi, strict=True)]
    style = "green" if outcome.ratio <= GOAL else "yellow" if outcome.ratio <= ACCEPT else "red"
    found.add_row("ratio", *(f"{ratio:.2f}" for ratio in pair_ratios), f"{outcome.ratio:.2f}", style=style)
    found.caption = f"goal {GOAL}, accept {ACCEPT}"
    return found


def check_prepared() -> None:
    """Refuse to measure a machine that would first have to build something, or that still holds such a stack."""
    for tool in (pins.PULUMI, pins.CONSUL, pins.NOMAD):
        binaries.locate(tool.name)
    for name in images.IMAGES:
        if not images.ready(name, Engine.chosen()):
            raise CannotPrepare(f"the image {images.reference(name)} is not there; `make prepare` makes it")
    engine = docker.from_env()
    try:
        if engine.containers.list(all=True, filters={"label": LABEL}):
            raise Failed(f"a stack {STACK!r} is up, or was left by a run that was killed; remove what has {LABEL}")
    finally:
        engine.close()


def by_plain_script(*, verbose: bool) -> float:
    status, said = ended([str(PLAIN), *(["-v"] if verbose else [])], verbose=False)
    if verbose:
        sys.stdout.write(said)
    found = re.search(r"^up in ([\d.]+) s$", said, re.MULTILINE)
    if status or found is None:
        raise Failed(f"{PLAIN.name} ended with {status}:\n{said}")
    return float(found[1])


def by_pulumi(*, verbose: bool) -> float:
    """From the start of the command to its end, which is when the page answers."""
    with project() as (folder, env):
        run(["stack", "init", STACK, "--no-select"], folder, env, verbose=verbose)
        try:
            started = time.monotonic()
            run(["up", "--stack", STACK, "--yes", "--skip-preview"], folder, env, verbose=verbose)
            return time.monotonic() - started
        finally:
            destroy(folder, env, verbose=verbose)


@contextmanager
def project(stack_file: str = STACK_FILE) -> Generator[tuple[Path, Mapping[str, str]]]:
    """A folder to run Pulumi in and the environment to do it with; both are gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="mooring-bench-") as scratch:
        folder, state = Path(scratch) / "project", Path(scratch) / "state"
        (folder / "stacks").mkdir(parents=True)
        (folder / "stacks" / f"Pulumi.{STACK}.yaml").write_text(stack_file)
        for entry in places.CHECKOUT.iterdir():
            if entry.name not in ("stacks", ".git"):
                (folder / entry.name).symlink_to(entry)
        # What the user has set for their own stacks is theirs.
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PULUMI_")}
        os.environ["MOORING_STATE"] = str(state)
        try:
            environment.ensure_passphrase(kept)
            yield folder, {**kept, **environment.environment(kept), "MOORING_STATE": str(state)}
        finally:
            del os.environ["MOORING_STATE"]


def run(arguments: Sequence[str], folder: Path, env: Mapping[str, str], *, verbose: bool) -> None:
    """Run Pulumi; what it says is shown when it fails, or when asked for."""
    program = shutil.which("pulumi", path=env["PATH"]) or "pulumi"
    status, said = ended([program, "--non-interactive", *arguments], cwd=folder, env=env, verbose=verbose)
    if status:
        raise Failed(f"pulumi {arguments[0]} ended with {status}:\n{said[-4000:]}")


def ended(
    argv: Sequence[str], *, verbose: bool, cwd: Path = places.CHECKOUT, env: Mapping[str, str] | None = None
) -> tuple[int, str]:
    """Run a command to its end and return its exit status and what it said, unless that was shown.

    The terminal sends ^C to the command as well, which then tidies up: it is waited for, not killed.
    """
    interrupted, said = False, ""
    with subprocess.Popen(
        argv,
        cwd=cwd,
        env=env,
        stdout=None if verbose else subprocess.PIPE,
        stderr=None if verbose else subprocess.STDOUT,
        text=True,
    ) as process:
        while True:
            try:
                said = process.communicate()[0] or ""
                break
            except KeyboardInterrupt:
                interrupted = True
    if interrupted:
        raise KeyboardInterrupt
    return process.returncode, said


def destroy(folder: Path, env: Mapping[str, str], *, verbose: bool) -> None:
    """Take the stack away as `make down` does; if that fails, at least take away what it has on this machine."""
    try:
        quiet = {**env, "PULUMI_RUN_PROGRAM": "false"}
        run(["destroy", "--stack", STACK, "--yes", "--skip-preview", "--refresh=false"], folder, quiet, verbose=verbose)
    finally:
        engine = docker.from_env()
        for container in engine.containers.list(all=True, filters={"label": LABEL}):
            container.remove(v=True, force=True)
        for volume in engine.volumes.list(filters={"label": LABEL}):
            volume.remove()
        for network in engine.networks.list(filters={"label": LABEL}):
            network.remove()
        engine.close()


if __name__ == "__main__":
    typer.run(main)
