"""A stand-in is used where the official plugin cannot be had, and only there."""

import subprocess
from pathlib import Path

import pytest

from mooring.toolchain import binaries, launchers, pins
from mooring.toolchain.pins import Publisher
from mooring.toolchain.prepare import Plan, plan, too_little


def project(root: Path) -> Path:
    """A checkout whose virtualenv only says how it was called."""
    python = root / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\necho "$0 $*"\n')
    python.chmod(0o755)
    (root / "Pulumi.yaml").write_text("name: test\n")
    (root / "infra").mkdir()
    return root


def launched(tmp_path: Path, cwd: Path, **env: str) -> "subprocess.CompletedProcess[str]":
    file = tmp_path / "launcher"
    file.write_text(launchers.launcher("stand.in"))
    env = {"PATH": "/usr/bin:/bin", **env}
    return subprocess.run(
        ["/bin/sh", file, "127.0.0.1:1"], cwd=cwd, env=env, capture_output=True, text=True, check=False
    )


def built_pulumi(machine: Path, source: str) -> Path:
    program = machine / "cache" / "bin" / f"pulumi-{pins.PULUMI.version}" / "pulumi"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    program.with_name("SOURCE").write_text(f"{source}\n")
    return program


def test_a_launcher_finds_the_project_from_the_programs_folder(tmp_path: Path) -> None:
    root = project(tmp_path / "a checkout")

    ended = launched(tmp_path, root / "infra")

    assert ended.stdout == f"{root}/.venv/bin/python -P -u -m stand.in 127.0.0.1:1\n"


def test_a_launcher_outside_of_a_project_takes_the_python_it_is_told(tmp_path: Path) -> None:
    root = project(tmp_path / "checkout")

    ended = launched(tmp_path, tmp_path, MOORING_PYTHON=f"{root}/.venv/bin/python")

    assert ended.stdout.startswith(f"{root}/.venv/bin/python -P -u")


def test_a_launcher_without_any_project_says_what_would_do(tmp_path: Path) -> None:
    ended = launched(tmp_path, tmp_path)

    assert ended.returncode == 1
    assert f"in or above {tmp_path}; run 'make prepare', or set MOORING_PYTHON" in ended.stderr


def test_a_language_host_is_written_beside_a_pulumi_that_we_built(machine: Path) -> None:
    program = built_pulumi(machine, binaries.BUILT)

    assert launchers.write_language_host()
    assert not launchers.write_language_host()
    assert program.with_name("pulumi-language-python").stat().st_mode & 0o777 == 0o755


def test_an_official_pulumi_keeps_its_own_language_host(machine: Path) -> None:
    program = built_pulumi(machine, binaries.OFFICIAL)

    assert not launchers.write_language_host()
    assert not program.with_name("pulumi-language-python").exists()


def test_the_official_docker_plugin_takes_the_place_of_a_stand_in(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert launchers.write_docker_plugin()
    assert launchers.stands_in()
    official = machine / "pulumi-resource-docker"
    official.write_text("#!/bin/sh\n")
    official.chmod(0o755)
    monkeypatch.setenv("MOORING_DOCKER_PLUGIN", str(official))

    assert not launchers.write_docker_plugin()
    assert launchers.docker_plugin().readlink() == official
    assert not launchers.stands_in()


def test_a_stand_in_comes_back_when_the_users_plugin_is_no_longer_named(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    official = machine / "pulumi-resource-docker"
    official.write_text("#!/bin/sh\n")
    official.chmod(0o755)
    monkeypatch.setenv("MOORING_DOCKER_PLUGIN", str(official))
    launchers.write_docker_plugin()
    monkeypatch.delenv("MOORING_DOCKER_PLUGIN")

    assert launchers.write_docker_plugin()
    assert official.read_text() == "#!/bin/sh\n"


def test_a_publisher_in_reach_is_always_preferred_to_a_build() -> None:
    found = plan([pins.PULUMI, pins.CONSUL], [], frozenset({Publisher.PULUMI}))

    assert found == Plan(fetched=(pins.PULUMI,), built=(pins.CONSUL,))


def test_what_a_stand_in_serves_is_fetched_as_soon_as_it_can_be() -> None:
    found = plan([], [pins.PULUMI, pins.DOCKER_PLUGIN], frozenset(Publisher))

    assert found.fetched == (pins.PULUMI, pins.DOCKER_PLUGIN)


def test_a_disk_with_too_little_room_is_told_before_a_build_fills_it() -> None:
    building, fetching = Plan(built=(pins.NOMAD,)), Plan(fetched=(pins.NOMAD,))

    assert too_little(building, 5 * 10**9) == "5.0 GB are free and 12 GB are needed; freeing some would do"
    assert too_little(fetching, 5 * 10**9) is None


def test_nothing_is_to_do_when_only_a_stand_in_could_be_replaced_and_cannot() -> None:
    assert not plan([pins.DOCKER_PLUGIN], [pins.DOCKER_PLUGIN], frozenset())


def test_pulumi_is_given_no_place_for_its_automatic_log(machine: Path) -> None:
    del machine
    kept = launchers.pulumi_home() / "logs"
    kept.mkdir(parents=True)
    (kept / "pulumi-20300101T120000-7.log").write_text("…")

    launchers.keep_no_logs()
    launchers.keep_no_logs()

    assert kept.is_file()
