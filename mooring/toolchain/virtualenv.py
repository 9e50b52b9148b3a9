"""The project's virtualenv: made once, and again whenever what it should hold has changed."""

import hashlib
import json
import re
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from mooring.toolchain import places, progress
from mooring.toolchain.commands import run

PYTHON = places.VIRTUALENV / "bin" / "python"

NEEDED = ("requirements.txt",)
"""What runs."""

ALL = (*NEEDED, "requirements-dev.txt")
"""And what it is checked and tested with, which is most of a gigabyte."""


def ensure(*, dev: bool = False) -> None:
    """The virtualenv with its packages; with `dev` also those that only the project's own checks and tests need."""
    wanted = ALL if dev else NEEDED
    # It holds the digest of what was installed; written last, so that an interrupted installation is run again.
    stamp = places.VIRTUALENV / f"installed-{wanted[-1]}"
    if PYTHON.exists() and stamp.is_file() and stamp.read_text() == digest(places.CHECKOUT, wanted):
        return
    what, about = ("the tools of the checks and tests too", "2 min") if dev else ("the Python packages", "30 s")
    with progress.doing("virtualenv", f"installing {what}", about, "ready"):
        ensure_python()
        run(
            [PYTHON, "-m", "pip", "install", "--quiet", "-r", wanted[-1]],
            what=f"virtualenv: pip could not install {wanted[-1]}",
            cwd=places.CHECKOUT,
            env={"PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        )
        stamp.write_text(digest(places.CHECKOUT, wanted))


def ensure_python() -> Path:
    """A Python with pip, and nothing more: enough to fetch with."""
    if not PYTHON.exists():
        run([sys.executable, "-m", "venv", "--clear", places.VIRTUALENV], what="virtualenv: it could not be made")
    return PYTHON


def digest(checkout: Path, wanted: Sequence[str]) -> str:
    """Of everything that decides what is installed, the virtualenv's own Python among it."""
    found = hashlib.sha256()
    for file in (checkout / name for name in (*wanted, "pyproject.toml", ".venv/pyvenv.cfg")):
        found.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return found.hexdigest()


def lock() -> None:
    """Write requirements.txt and requirements-dev.txt anew, with the newest versions that pyproject.toml allows."""
    with progress.doing("requirements", "asking the package index for the newest versions", "1 min", "compiled"):
        needed = _resolved(".")
        # The tools are chosen to fit what the project runs with, not the other way round.
        everything = _resolved(".[dev]", *(f"{name}=={version}" for name, version in needed.items()))
    for file, kept in (("requirements.txt", needed), ("requirements-dev.txt", everything)):
        path = places.CHECKOUT / file
        known = needed if kept is everything else {}
        path.write_text(requirements(path.read_text(), {n: v for n, v in kept.items() if n not in known}))


def requirements(present: str, resolved: dict[str, str]) -> str:
    """A requirements file with its own head (comment and `-e` or `-r` lines) and newly resolved versions."""
    head = [line for line in present.splitlines() if line.startswith(("#", "-"))]
    return "".join(f"{line}\n" for line in [*head, *(f"{name}=={resolved[name]}" for name in sorted(resolved))])


def _resolved(*wanted: str) -> dict[str, str]:
    """What pip would install into an empty environment, without the project itself."""
    with tempfile.TemporaryDirectory() as scratch:
        report = Path(scratch) / "report.json"
        argv = [str(PYTHON), "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed"]
        run(
            [*argv, "--report", str(report), *wanted],
            what="requirements: pip found no set that fits",
            cwd=places.CHECKOUT,
        )
        installed = json.loads(report.read_text())["install"]
    found = {str(one["metadata"]["name"]): str(one["metadata"]["version"]) for one in installed}
    return {_normal(name): version for name, version in found.items() if name != "mooring"}


def _normal(name: str) -> str:
    """A distribution's name as PEP 503 spells it."""
    return re.sub(r"[-_.]+", "-", name).lower()
