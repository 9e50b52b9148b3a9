"""The project's virtualenv: made once, and again whenever what it should hold has changed."""

import hashlib
import sys
from pathlib import Path

from mooring.toolchain import places, progress
from mooring.toolchain.commands import run

PYTHON = places.VIRTUALENV / "bin" / "python"

STAMP = places.VIRTUALENV / "installed"
"""Holds the digest of what was installed; written last, so that an interrupted installation is run again."""


def ensure() -> None:
    """The virtualenv with its packages."""
    wanted = digest(places.CHECKOUT)
    if PYTHON.exists() and STAMP.is_file() and STAMP.read_text() == wanted:
        return
    with progress.doing("virtualenv: installing the Python packages", "1 min", "ready"):
        ensure_python()
        run(
            [PYTHON, "-m", "pip", "install", "--quiet", "-r", "requirements-dev.txt"],
            what="virtualenv: pip could not install requirements-dev.txt",
            cwd=places.CHECKOUT,
            env={"PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        )
        STAMP.write_text(wanted)


def ensure_python() -> Path:
    """A Python with pip, and nothing more: enough to fetch with."""
    if not PYTHON.exists():
        run([sys.executable, "-m", "venv", "--clear", places.VIRTUALENV], what="virtualenv: it could not be made")
    return PYTHON


def digest(checkout: Path) -> str:
    """Of everything that decides what is installed, the interpreter's version among it."""
    found = hashlib.sha256(sys.version.encode())
    for file in sorted([*checkout.glob("requirements*.txt"), checkout / "pyproject.toml"]):
        found.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return found.hexdigest()
