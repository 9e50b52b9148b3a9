"""Running `up` as a drill needs it: on a changed copy of the program, or killed on its way."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path

from mooring.toolchain.places import CHECKOUT

LEFT_OUT = shutil.ignore_patterns(".venv", ".git", "__pycache__", ".*_cache", "*.egg-info", "node_modules")


def up(stack: str, ahead: str | None, killed_after: float | None) -> tuple[int, str]:
    """Run `mooring up`; its exit status and everything it printed.

    With `ahead`, on a copy of the checkout whose program begins with these lines: the person's own files are not
    touched. With `killed_after`, Pulumi is killed with -9 after so many seconds, as by a machine that dies.
    """
    if ahead is None:
        return _run(stack, CHECKOUT, killed_after)
    with tempfile.TemporaryDirectory(prefix="mooring-drill-") as folder:
        copy = Path(folder, "checkout")
        shutil.copytree(CHECKOUT, copy, ignore=LEFT_OUT, symlinks=True)
        (copy / ".venv").symlink_to((CHECKOUT / ".venv").resolve())
        program = copy / "infra" / "__main__.py"
        program.write_text(ahead + "\n" + program.read_text())
        return _run(stack, copy, killed_after)


def _run(stack: str, checkout: Path, killed_after: float | None) -> tuple[int, str]:
    with subprocess.Popen(  # noqa: S603 -- our own command
        [sys.executable, "-m", "mooring.cli", "up", "--stack", stack, "--non-interactive", "--color", "never"],
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": str(checkout)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        timer = None
        if killed_after is not None:
            timer = threading.Timer(killed_after, _kill, [process.pid])
            timer.start()
        said, _ = process.communicate()
        if timer is not None:
            timer.cancel()
    return process.returncode, said


def _kill(parent: int) -> None:
    """Kill Pulumi under `parent`; whatever it started ends by itself when it is gone."""
    for child in children(parent):
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)


def children(parent: int, named: str = "pulumi") -> list[int]:
    """The processes of that name that `parent` has started."""
    found: list[int] = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            stat = (folder / "stat").read_text()
        except OSError:
            continue
        name, _, rest = stat.partition("(")[2].rpartition(")")
        if name == named and int(rest.split()[1]) == parent:
            found.append(int(folder.name))
    return found
