"""Running Pulumi: in the environment that the toolchain decides, from the project's root."""

import os
import re
import shutil
import subprocess
from collections.abc import Sequence

from mooring.toolchain.environment import environment
from mooring.toolchain.places import CHECKOUT


def whole_environment() -> dict[str, str]:
    return {**os.environ, **environment()}


def project() -> str:
    """The project's name. One line of Pulumi.yaml, which Pulumi itself has parsed before anything of ours runs."""
    found = re.search(r"^name:\s*(\S+)\s*$", (CHECKOUT / "Pulumi.yaml").read_text(), re.MULTILINE)
    if found is None:
        raise ValueError(f"{CHECKOUT / 'Pulumi.yaml'} has no line `name: …`")
    return found[1]


def ask(arguments: Sequence[str], said: str | None = None) -> "subprocess.CompletedProcess[str]":
    """Run Pulumi quietly and return what it said; `said` is told to it by its standard input."""
    return subprocess.run(  # noqa: S603 -- our own arguments
        _command(arguments),
        cwd=CHECKOUT,
        env=whole_environment(),
        input=said,
        capture_output=True,
        text=True,
        check=False,
    )


def run(arguments: Sequence[str], **changed: str) -> int:
    """Run Pulumi before the person's eyes, with `changed` in its environment; returns its exit status."""
    with subprocess.Popen(  # noqa: S603 -- our own arguments and what the person added
        _command(arguments), cwd=CHECKOUT, env={**whole_environment(), **changed}
    ) as process:
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:
                # The terminal sent ^C to Pulumi as well: it stops in order, and we wait for that.
                continue


def _command(arguments: Sequence[str]) -> list[str]:
    # The toolchain's program by its path: `subprocess` looks for a bare name on the PATH of this process.
    return [shutil.which("pulumi", path=whole_environment()["PATH"]) or "pulumi", *arguments]
