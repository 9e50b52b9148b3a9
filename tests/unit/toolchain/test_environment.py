"""One environment, said to our own commands and to a shell alike."""

import os
import subprocess
from pathlib import Path

import pytest

from mooring.toolchain import environment
from mooring.toolchain.errors import CannotPrepare


def loaded(own: dict[str, str]) -> dict[str, str]:
    """What a POSIX shell with this environment ends up with."""
    file = environment.write_exports()
    ended = subprocess.run(
        ["/bin/sh", "-ceu", '. "$1"; /usr/bin/env -0', "sh", file], env=own, capture_output=True, text=True, check=True
    )
    return dict(line.split("=", 1) for line in ended.stdout.split("\0") if "=" in line)


@pytest.mark.parametrize(
    "own",
    [
        {},
        {"PULUMI_BACKEND_URL": "s3://bucket", "PULUMI_PARALLEL": "8"},
        {"PULUMI_CONFIG_PASSPHRASE": ""},
        {"PULUMI_CONFIG_PASSPHRASE_FILE": "/etc/passphrase"},
        {"PULUMI_HOME": "/elsewhere", "PULUMI_RUN_PROGRAM": "false"},
    ],
)
def test_a_shell_gets_what_our_own_commands_get(own: dict[str, str]) -> None:
    own = {"PATH": "/usr/bin:/bin", **own}
    wanted = {**own, **environment.environment(own)}

    found = loaded(own)

    assert {name: value for name, value in found.items() if name in wanted} == wanted


def test_loading_it_twice_is_loading_it_once() -> None:
    once = loaded({"PATH": "/usr/bin:/bin"})

    assert loaded(once)["PATH"] == once["PATH"]
    assert environment.environment(once)["PATH"] == once["PATH"]


def test_a_passphrase_of_the_users_own_has_none_of_ours_beside_it() -> None:
    assert "PULUMI_CONFIG_PASSPHRASE_FILE" not in environment.environment({"PULUMI_CONFIG_PASSPHRASE": ""})


def test_a_folder_with_a_space_and_a_quote_survives_the_shell(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOORING_CACHE", str(machine / "it's a cache"))

    assert loaded({"PATH": "/usr/bin:/bin"})["PATH"].startswith(f"{machine}/it's a cache/bin:")


def test_a_new_backend_gets_a_passphrase_that_only_its_owner_reads(machine: Path) -> None:
    environment.ensure_passphrase({})

    file = machine / "state" / "passphrase"
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert len(file.read_text()) >= 32


def test_a_passphrase_is_made_once(machine: Path) -> None:
    environment.ensure_passphrase({})
    made = (machine / "state" / "passphrase").read_text()

    environment.ensure_passphrase({})

    assert (machine / "state" / "passphrase").read_text() == made


def test_a_lost_passphrase_is_reported_and_never_replaced(machine: Path) -> None:
    stack = machine / "state" / ".pulumi" / "stacks" / "mooring" / "dev.json"
    stack.parent.mkdir(parents=True)
    stack.write_text("{}")

    with pytest.raises(
        CannotPrepare, match=r"passphrase is gone, but .* holds the stacks dev, .*PULUMI_CONFIG_PASSPHRASE"
    ):
        environment.ensure_passphrase({})

    assert not (machine / "state" / "passphrase").exists()


def test_a_passphrase_file_that_the_user_names_is_not_made_for_them(machine: Path) -> None:
    with pytest.raises(CannotPrepare, match="PULUMI_CONFIG_PASSPHRASE_FILE names '/nowhere/at/all', which is no file"):
        environment.ensure_passphrase({"PULUMI_CONFIG_PASSPHRASE_FILE": "/nowhere/at/all"})

    assert not (machine / "state").exists()


def test_a_passphrase_in_the_environment_needs_no_file(machine: Path) -> None:
    environment.ensure_passphrase({"PULUMI_CONFIG_PASSPHRASE": "known"})

    assert not (machine / "state").exists()


def test_the_users_path_is_kept_behind_ours(machine: Path) -> None:
    assert environment.environment({"PATH": "/usr/bin"})["PATH"] == f"{machine}/cache/bin{os.pathsep}/usr/bin"
