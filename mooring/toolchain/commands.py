"""Running other programs: quiet while they work, their last lines when they fail."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from mooring.toolchain.errors import CannotPrepare

LAST_LINES = 15
"""Enough for a compiler's or apt's reason, without its whole history."""


def run(
    argv: Sequence[str | Path],
    *,
    what: str,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
) -> str:
    """Run to the end and return what was printed; `env` is added to ours. A failure shows the last lines."""
    ended = subprocess.run(  # noqa: S603 - argv is ours and no shell reads it
        [str(word) for word in argv],
        cwd=cwd,
        env={**os.environ, **(env or {})},
        input=stdin or "",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    if ended.returncode != 0:
        last = "\n".join(f"  {line}" for line in ended.stdout.splitlines()[-LAST_LINES:])
        raise CannotPrepare(f"{what}: {Path(argv[0]).name} ended with {ended.returncode}:\n{last}")
    return ended.stdout


def answer(argv: Sequence[str | Path]) -> str | None:
    """What a program prints, or None when it is not there or does not succeed."""
    try:
        ended = subprocess.run(  # noqa: S603 - argv is ours and no shell reads it
            [str(word) for word in argv],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            check=False,
        )
    except OSError:
        return None
    return ended.stdout if ended.returncode == 0 else None
