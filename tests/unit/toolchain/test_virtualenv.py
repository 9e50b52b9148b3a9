"""The virtualenv is as new as what says what belongs in it, and the toolchain needs none of it."""

import subprocess
import sys
from pathlib import Path

import pytest

from mooring.toolchain import places, virtualenv

HEAD = "# The project itself; recompile with: make lock\n-e .\n"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / ".venv").mkdir()
    for name in ("requirements.txt", "requirements-dev.txt", "pyproject.toml", ".venv/pyvenv.cfg"):
        (tmp_path / name).write_text(name)
    return tmp_path


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt", "pyproject.toml", ".venv/pyvenv.cfg"])
def test_a_change_of_anything_that_decides_is_noticed(checkout: Path, name: str) -> None:
    before = virtualenv.digest(checkout, virtualenv.ALL)
    (checkout / name).write_text("changed")

    assert virtualenv.digest(checkout, virtualenv.ALL) != before


def test_what_only_checks_and_tests_need_is_nothing_to_who_runs_it(checkout: Path) -> None:
    before = virtualenv.digest(checkout, virtualenv.NEEDED)
    (checkout / "requirements-dev.txt").write_text("changed")

    assert virtualenv.digest(checkout, virtualenv.NEEDED) == before


def test_a_lock_keeps_the_files_head_and_sorts_the_rest() -> None:
    found = virtualenv.requirements(f"{HEAD}old==1\n", {"zebra": "2", "ant": "1.0"})

    assert found == f"{HEAD}ant==1.0\nzebra==2\n"


def test_the_toolchain_runs_without_any_installed_package() -> None:
    """It runs before there is a virtualenv: `-S` hides all that is installed."""
    ended = subprocess.run(
        [sys.executable, "-S", "-m", "mooring.toolchain", "env"],
        cwd=places.CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.stderr == ""
    assert "export PULUMI_HOME=" in ended.stdout
