"""Missing packages are told of all at once, with the command that brings them."""

import os
import shutil
from pathlib import Path

import pytest

from mooring.toolchain import packages, pins
from mooring.toolchain.errors import CannotPrepare
from mooring.toolchain.packages import Needed
from mooring.toolchain.prepare import needed_packages

PRESENT = Needed(package="present", shown_by=("/",), reason="a test")
ABSENT = Needed(package="absent", shown_by=("no-such-program",), reason="one thing")
ALSO_ABSENT = Needed(package="also-absent", shown_by=("/no/such/file", "module no_such"), reason="another")


def names(needed: list[Needed]) -> set[str]:
    return {one.package for one in needed}


def test_nothing_is_asked_of_a_machine_that_has_all() -> None:
    packages.ensure([PRESENT], through_sudo=False)


def test_whoever_is_not_root_is_told_the_whole_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(
        shutil, "which", lambda name, path=None: "/usr/bin/apt-get" if name == "apt-get" else path and None
    )

    with pytest.raises(CannotPrepare) as raised:
        packages.ensure([PRESENT, ABSENT, ALSO_ABSENT], through_sudo=False)

    assert "missing: absent (one thing), also-absent (another)" in str(raised.value)
    assert "sudo apt-get install --no-install-recommends absent also-absent`" in str(raised.value)


def test_without_apt_it_is_for_the_user_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _, path=None: path and None)

    with pytest.raises(CannotPrepare, match=r"missing: absent \(one thing\); on this system install them by hand"):
        packages.ensure([ABSENT], through_sudo=True)


def test_what_is_there_under_any_of_its_signs_is_not_missing() -> None:
    either = Needed(package="either", shown_by=("/no/such/file", "module json"), reason="a test")

    assert packages.missing([either, ABSENT]) == [ABSENT]


def test_an_engine_that_answers_makes_debians_needless() -> None:
    assert "docker.io" not in names(list(needed_packages([], engine_answers=True, root=True)))
    assert "docker.io" in names(list(needed_packages([], engine_answers=False, root=True)))


def test_a_compiler_is_needed_only_where_nomad_is_built() -> None:
    assert "gcc" not in names(list(needed_packages([pins.CONSUL], engine_answers=True, root=True)))
    assert {"gcc", "libc6-dev"} <= names(list(needed_packages([pins.NOMAD], engine_answers=True, root=True)))


def test_programs_in_sbin_count_for_ordinary_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    in_sbin = Needed(package="passwd", shown_by=("useradd",), reason="a test")

    assert packages.missing([in_sbin]) == []
