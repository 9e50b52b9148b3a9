"""Files as the image of a disc, by whichever of the usual programs is installed."""

import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from mooring.clients.errors import CommandFailed

PROGRAMS = ("genisoimage", "xorrisofs", "mkisofs")
"""All take mkisofs's options; Debian's package `genisoimage` has the first, `xorriso` the second."""


def write_disc(files: Mapping[str, str], label: str, to: Path) -> None:
    """Write a disc that only we can read, with these files in its root. Raises `CommandFailed`."""
    program = next((found for name in PROGRAMS if (found := shutil.which(name)) is not None), None)
    if program is None:
        raise CommandFailed(f"none of {', '.join(PROGRAMS)} is installed; the package genisoimage has one")
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            (Path(folder) / name).write_text(content)
        to.touch(mode=0o600)
        ended = subprocess.run(  # noqa: S603 -- one of three fixed programs
            [program, "-quiet", "-volid", label, "-joliet", "-rock", "-output", str(to), folder],
            capture_output=True,
            text=True,
            check=False,
        )
    if ended.returncode != 0:
        raise CommandFailed(f"{program} ended with {ended.returncode}: {ended.stderr.strip()[-256:]}")
