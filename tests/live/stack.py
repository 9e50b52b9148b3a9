"""A real stack for the tests: brought up, asked, and taken away through the same commands that a person uses."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mooring.cli.overview import HostOverview, Overview
from mooring.cli.stack import without_salt
from mooring.clients import ssh

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Stack:
    name: str
    state: Path
    """The folder of its local backend, apart from whatever the user has."""

    root: Path
    """A copy of the checkout: Pulumi writes into the stack's file, and nobody else's run may share it."""

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "MOORING_STATE": str(self.state), "PYTHONPATH": str(self.root)}

    def mooring(self, *arguments: str, within: float = 300, named: bool = True) -> "subprocess.CompletedProcess[str]":
        """Run a command of ours; `named` adds the stack at its end."""
        stack = ["--stack", self.name] if named else []
        return self._run([sys.executable, "-m", "mooring.cli", *arguments, *stack], within)

    def pulumi(self, *arguments: str, within: float = 300, **changed: str) -> "subprocess.CompletedProcess[str]":
        return self._run(["pulumi", *arguments, "--stack", self.name], within, changed)

    def _run(
        self, command: Sequence[str], within: float, changed: Mapping[str, str] | None = None
    ) -> "subprocess.CompletedProcess[str]":
        environment = {**self.environment, **environment_in(self.environment), **(changed or {})}
        return subprocess.run(
            command, cwd=self.root, env=environment, capture_output=True, text=True, timeout=within, check=False
        )

    def up_killed_at(self, marker: str) -> bool:
        """Start `mooring up` and kill Pulumi with -9 as soon as a line has `marker`; False when none ever had."""
        command = [sys.executable, "-u", "-m", "mooring.cli", "up", "--stack", self.name]
        with subprocess.Popen(
            command, cwd=self.root, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            assert process.stdout is not None
            killed = False
            for line in process.stdout:
                if not killed and marker in line:
                    os.kill(_pulumi_under(process.pid), signal.SIGKILL)
                    killed = True
        return killed

    def overview(self) -> Overview:
        asked = self.pulumi("stack", "output", "--show-secrets", "--json")
        assert asked.returncode == 0, asked.stderr
        found = json.loads(asked.stdout)
        return Overview.model_validate({**found["overview"], "url": found["url"]})

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.mooring("status", "--json").stdout)
        return found


def copy_of_checkout(to: Path) -> Path:
    """The working tree as it is, with the same virtualenv; what runs there imports from there."""
    left_out = shutil.ignore_patterns(".venv", ".git", "__pycache__", ".*_cache", "*.egg-info")
    shutil.copytree(ROOT, to, ignore=left_out, symlinks=True)
    (to / ".venv").symlink_to(ROOT / ".venv")
    for file in (to / "stacks").iterdir():
        file.write_text(without_salt(file.read_text()))
    return to


def environment_in(surroundings: Mapping[str, str]) -> dict[str, str]:
    """What loading the environment file would set, decided by the toolchain for these surroundings."""
    code = "import json; from mooring.toolchain.environment import environment; print(json.dumps(environment()))"
    found: dict[str, str] = json.loads(
        subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, env=dict(surroundings), text=True)
    )
    return found


def on(host: HostOverview, command: str) -> str:
    """What `command` prints on a host; a failure raises."""
    return ssh.run(host.connection, command).decode()


def no_change(preview: "subprocess.CompletedProcess[str]") -> bool:
    """Whether `preview --expect-no-changes` was content; its output is printed for whoever reads a failure."""
    print(preview.stdout[-4000:], preview.stderr[-1000:])
    return preview.returncode == 0


def docker(*arguments: str) -> str:
    return subprocess.check_output(["docker", *arguments], text=True).strip()


def _pulumi_under(parent: int) -> int:
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            status = (folder / "stat").read_text().rpartition(")")[2].split()
            name = (folder / "comm").read_text().strip()
        except OSError:
            continue
        if int(status[1]) == parent and name == "pulumi":
            return int(folder.name)
    raise AssertionError("no pulumi runs under the command")
