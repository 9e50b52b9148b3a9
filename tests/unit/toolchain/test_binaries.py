"""A program is the user's own, or the cached one, or a clear refusal."""

from pathlib import Path
from typing import Any

import pytest

from mooring.toolchain import binaries, builds, pins
from mooring.toolchain.errors import CannotPrepare
from mooring.toolchain.pins import Licence


def program(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def cached(machine: Path, directory: str, name: str, source: str = binaries.BUILT) -> Path:
    found = program(machine / "cache" / "bin" / directory / name)
    found.with_name("SOURCE").write_text(f"{source}\n")
    return found


def test_the_users_own_program_wins_over_the_cache(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cached(machine, "nomad-1.6.3", "nomad")
    own = program(machine / "own" / "nomad-patched")
    monkeypatch.setenv("MOORING_NOMAD", str(own))

    assert binaries.locate("nomad") == own


def test_the_users_own_program_stands_only_for_the_pinned_version(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOORING_NOMAD", str(program(machine / "own" / "nomad")))
    other = cached(machine, "nomad-1.6.2", "nomad", binaries.OFFICIAL)

    assert binaries.locate("nomad", "1.6.2") == other


def test_a_setting_that_names_no_program_is_refused_by_name(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOORING_CONSUL", str(machine / "nowhere"))

    with pytest.raises(
        CannotPrepare, match=r"MOORING_CONSUL names '.*/nowhere', which is no program; .*consul 1\.13\.9"
    ):
        binaries.locate("consul")


def test_a_program_that_is_not_here_says_what_would_bring_it() -> None:
    with pytest.raises(CannotPrepare, match=r"registry 3\.1\.1 is not at .*`make prepare`.*MOORING_REGISTRY"):
        binaries.locate("registry")


def test_the_pinned_agent_is_found_without_a_word(machine: Path) -> None:
    nomad = cached(machine, "nomad-1.6.3", "nomad")
    said: list[str] = []

    assert binaries.agent_binary("nomad", "1.6.3", said.append) == nomad
    assert said == []


def test_a_source_available_agent_is_fetched_once_and_its_licence_named_each_time(mirror: Any) -> None:
    """The content is a stand-in made here; no such version is fetched by any test."""
    mirror.publish_nomad("1.8.0")
    said: list[str] = []

    first = binaries.agent_binary("nomad", "1.8.0", said.append)
    asked = list(mirror.asked)
    second = binaries.agent_binary("nomad", "1.8.0", said.append)

    assert first == second
    assert mirror.asked == asked
    assert said == ["nomad 1.8.0 is under the Business Source License 1.1, which is not an open-source licence"] * 2


def test_an_agent_that_is_published_nowhere_is_not_built_instead(mirror: Any) -> None:
    del mirror

    with pytest.raises(
        CannotPrepare, match=r"nomad 1\.6\.1 comes as an official release only.*version 1\.6\.3 or 1\.6\.2 would do"
    ):
        binaries.agent_binary("nomad", "1.6.1", lambda _: None)


def test_an_older_agent_whose_modules_were_reviewed_is_built_once(
    mirror: Any, machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del mirror
    built: list[str] = []

    def build(tool: pins.Tool, version: str, module: pins.Module, go: builds.Go, into: Path) -> None:
        del module, go
        built.append(version)
        program(into / tool.program)

    monkeypatch.setattr(builds, "build", build)
    monkeypatch.setattr(builds, "go", lambda *_: builds.Go(program=Path("go")))
    said: list[str] = []

    first = binaries.agent_binary("nomad", "1.6.2", said.append)
    second = binaries.agent_binary("nomad", "1.6.2", said.append)

    assert first == second == machine / "cache" / "bin" / "nomad-1.6.2" / "nomad"
    assert built == ["1.6.2"]
    assert said[0].startswith("nomad 1.6.2: no official release from here: ")


def test_each_version_is_built_from_its_own_list() -> None:
    assert builds.listing(pins.NOMAD, "1.6.3").name == "nomad"
    assert builds.listing(pins.NOMAD, "1.6.2").name == "nomad-1.6.2"


def test_a_version_that_is_no_number_is_refused() -> None:
    with pytest.raises(CannotPrepare, match="version 'latest' is no release number"):
        binaries.agent_binary("nomad", "latest", lambda _: None)


@pytest.mark.parametrize(
    ("tool", "version", "licence"),
    [
        (pins.NOMAD, "1.6.3", Licence.OPEN),
        (pins.NOMAD, "1.6.4", Licence.BUSL),
        (pins.NOMAD, "1.10.0", Licence.BUSL),
        (pins.CONSUL, "1.13.9", Licence.OPEN),
        (pins.CONSUL, "1.16.3", Licence.OPEN),
        (pins.CONSUL, "1.16.4", Licence.BUSL),
        (pins.REGISTRY, "4.0.0", Licence.OPEN),
    ],
)
def test_the_licence_follows_the_version(tool: pins.Tool, version: str, licence: Licence) -> None:
    assert tool.licence(version) is licence


def test_the_link_on_path_follows_the_users_choice(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cached(machine, "nomad-1.6.3", "nomad")
    binaries.link(pins.NOMAD)
    own = program(machine / "own" / "nomad-patched")
    monkeypatch.setenv("MOORING_NOMAD", str(own))

    binaries.link(pins.NOMAD)

    assert (machine / "cache" / "bin" / "nomad").readlink() == own
