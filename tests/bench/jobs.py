"""How long many jobs take, against a kind that does nothing and against OpenTofu: the second half of `make bench`.

Who is compared takes each step in turn with the others, so that a machine that grows slower slows all of them, and
everything is made anew for each pair. The jobs go to a real Nomad server of this project's own configuration.
"""

import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from bench import peer
from bench.many_jobs.web_service import web_service
from bench.nomad_server import nomad_server
from bench.verdict import FLOOR, JOBS, PEER, STEPS, Step, Taken, limits, times, verdicts
from rich.console import Console
from typing_extensions import override

from mooring.clients.http import Endpoint
from mooring.toolchain import binaries, environment, pins, places
from mooring.toolchain.errors import CannotPrepare

HERE = Path(__file__).parent
SAMPLED_EVERY = 0.05
"""Seconds between two looks at the plugin's peak; what it grows in its last ones is not seen."""


class Failed(Exception):
    """One of them did not do what is measured: there is nothing to compare."""


class Subject(ABC):
    """Who takes the steps, in a folder of its own."""

    def __init__(self, folder: Path, count: int, endpoint: Endpoint) -> None:
        self.folder = folder
        self.count = count
        self.endpoint = endpoint
        self.folder.mkdir(parents=True)
        self.ready()

    @abstractmethod
    def ready(self) -> None:
        """Everything that comes before the first step and is not measured."""

    @abstractmethod
    def command(self, step: Step) -> tuple[Sequence[str], str]:
        """What to run, and a text that says it did what it should."""

    @property
    def environment(self) -> Mapping[str, str]:
        return os.environ

    def take(self, step: Step) -> Taken:
        arguments, proof = self.command(step)
        with (self.folder / "said").open("w+") as said:
            started = time.monotonic()
            process = subprocess.Popen(
                arguments, cwd=self.folder, env=dict(self.environment), stdout=said, stderr=subprocess.STDOUT
            )
            try:
                processor, plugin = self._watched(process)
            except BaseException:  # ^C as well: its folder is about to go
                process.kill()
                process.wait()
                raise
            taken = time.monotonic() - started
            said.seek(0)
            words = said.read()
        if process.returncode or proof not in words:
            raise Failed(f"{step}: {shlex.join(arguments)} ended with {process.returncode}:\n{words[-3000:]}")
        return Taken(seconds=taken, processor=processor, plugin=plugin)

    def _watched(self, process: "subprocess.Popen[bytes]") -> tuple[float, float]:
        """The seconds of processor time that it and all its own took, and the plugin's peak, once it has ended."""
        plugin = 0.0
        while True:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                process.returncode = os.waitstatus_to_exitcode(status)
                return usage.ru_utime + usage.ru_stime, plugin
            plugin = max(plugin, self.plugin_peak())
            time.sleep(SAMPLED_EVERY)  # noqa: TID251 -- what is measured must not be woken more often

    def plugin_peak(self) -> float:
        return 0.0


class Program(Subject):
    """The program in `many_jobs`, with jobs or with the kind that does nothing."""

    kind = "job"

    @override
    def ready(self) -> None:
        for name in ("infra", "plugin", "state"):
            (self.folder / name).mkdir()
        for file in (HERE / "many_jobs").glob("*.py"):
            (self.folder / "infra" / file.name).write_text(file.read_text())
        (self.folder / ".venv").symlink_to(places.VIRTUALENV)
        plugin = self.folder / "plugin" / "pulumi-resource-mooring"
        plugin.write_text(
            f"#!/bin/sh\necho $$ >> {self.folder}/plugins\n"
            f'exec {places.VIRTUALENV}/bin/python -P -u {HERE}/plugin.py "$@"\n'
        )
        plugin.chmod(0o755)
        (self.folder / "Pulumi.yaml").write_text(
            "name: mooring\nmain: infra/\nruntime: {name: python, options: {virtualenv: .venv}}\n"
            f"options: {{refresh: always}}\nplugins: {{providers: [{{name: mooring, path: {self.folder}/plugin}}]}}\n"
        )
        self._says(changed=None)
        made = subprocess.run(
            ["pulumi", "stack", "init", "bench", "--non-interactive", "--no-select"],
            cwd=self.folder,
            env=dict(self.environment),
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode:
            raise Failed(made.stderr)

    def _says(self, changed: int | None) -> None:
        known = {"kind": self.kind, "count": self.count, "changed": changed}
        (self.folder / "settings.json").write_text(json.dumps(known | {"endpoint": self.endpoint.model_dump()}))

    @property
    @override
    def environment(self) -> Mapping[str, str]:
        # What the user has set for their own stacks is theirs.
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PULUMI_")}
        return {
            **kept,
            **environment.environment(kept),
            "PULUMI_BACKEND_URL": f"file://{self.folder}/state",
            "PULUMI_CONFIG_PASSPHRASE": "bench",
            "PULUMI_SKIP_CHECKPOINTS": "true",
            "BENCH_SETTINGS": str(self.folder / "settings.json"),
            "PYTHONPATH": str(places.CHECKOUT),
        }

    @override
    def command(self, step: Step) -> tuple[Sequence[str], str]:
        all_of_them = 2 * self.count + 2  # each with its component, and the stack and what the jobs go with
        up = ["pulumi", "up", "--stack", "bench", "--yes", "--skip-preview", "--non-interactive"]
        match step:
            case "first up":
                return up, f"+ {all_of_them} created"
            case "no-op preview":
                preview = ["pulumi", "preview", "--stack", "bench", "--non-interactive", "--expect-no-changes"]
                return preview, f"{all_of_them} unchanged"
            case _:
                self._says(changed=self.count // 2)
                return up, "~ 1 updated"

    @override
    def plugin_peak(self) -> float:
        started = self.folder / "plugins"
        pids = started.read_text().split() if started.exists() else []
        return max((peak(int(pid)) for pid in pids), default=0.0)


class Floor(Program):
    kind = "nothing"


class OpenTofu(Subject):
    program = ""

    @override
    def ready(self) -> None:
        self.program = peer.installed(self.folder)
        self._says(changed=None)

    def _says(self, changed: int | None) -> None:
        bodies = [web_service(n, "2" if n == changed else "1").to_api() for n in range(self.count)]
        (self.folder / "jobs.tf.json").write_text(json.dumps(peer.configuration(self.endpoint, bodies)))

    @override
    def command(self, step: Step) -> tuple[Sequence[str], str]:
        apply = [self.program, "apply", "-auto-approve", "-input=false", "-no-color", "-parallelism=64"]
        match step:
            case "first up":
                return apply, f"{self.count} added"
            case "no-op preview":
                return [self.program, "plan", "-input=false", "-no-color", "-parallelism=64"], "No changes"
            case _:
                self._says(changed=self.count // 2)
                return apply, "1 changed"


def peak(pid: int) -> float:
    """MB of a process at its peak; 0 when it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("VmHWM:")), 0.0)


WHO: Mapping[str, type[Subject]] = {JOBS: Program, FLOOR: Floor, PEER: OpenTofu}


def pair(folder: Path, count: int, who: Sequence[str]) -> Iterator[tuple[str, Step, Taken]]:
    """Every step once by each of them."""
    with ExitStack() as servers:
        subjects = {
            name: WHO[name](folder / name, count, servers.enter_context(nomad_server(folder / f"{name}-server")))
            for name in who
        }
        for step in STEPS:
            for name, subject in subjects.items():
                yield name, step, subject.take(step)


def main(
    sizes: Annotated[list[int] | None, typer.Option("--size", min=2, help="How many jobs; several times.")] = None,
    pairs: Annotated[int, typer.Option("--pairs", "-n", min=1, help="How often each step is taken.")] = 3,
    json_: Annotated[Path | None, typer.Option("--json", help="Write the outcome to this file too.")] = None,
) -> None:
    """Take a first `up`, a preview without a change, and an `up` with one job changed; compare."""
    console = Console(highlight=False)
    chosen = sorted(sizes or (100, 1000))
    runs: dict[tuple[str, int, Step], list[Taken]] = {}
    os.environ["PATH"] = environment.environment()["PATH"]
    try:
        binaries.locate(pins.PULUMI.name)
        with tempfile.TemporaryDirectory(prefix="mooring-bench-") as scratch:
            who = [JOBS, FLOOR]
            try:
                peer.installed(Path(scratch) / "peer")
                who.append(PEER)
            except peer.NoPeer as reason:
                console.print(peer.skipped(reason), markup=False)
            for count in chosen:
                for turn in range(1, pairs + 1):
                    for name, step, taken in pair(Path(scratch) / f"{count}-{turn}", count, who):
                        runs.setdefault((name, count, step), []).append(taken)
                        console.print(f"{count} jobs, {turn} of {pairs}: {name:5} {step:13} {taken.seconds:6.1f} s")
    except (Failed, CannotPrepare) as problem:
        console.print(str(problem), markup=False)
        raise typer.Exit(1) from None
    found = list(limits(runs, chosen))
    console.print(times(runs))
    console.print(verdicts(found))
    if json_ is not None:
        each = {"/".join(map(str, key)): [asdict(run) for run in taken] for key, taken in runs.items()}
        json_.write_text(json.dumps({"runs": each, "limits": [asdict(limit) for limit in found]}, indent=2) + "\n")
    raise typer.Exit(1 if any(limit.broken for limit in found) else 0)


if __name__ == "__main__":
    sys.exit(typer.run(main))
