"""The piece of a program that `mooring import` writes: it runs, and says what runs already."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from fakes.engine import Engine
from fakes.world import World
from lifecycle.cases import job

from components.access import NomadAccess
from components.timings import timings
from mooring.cli import importing, pulumi
from mooring.cli.importing import IsThere, NotKept, advice, keep_secrets, piece, write
from mooring.cli.job import NoSuchJob
from mooring.clients import nomad
from mooring.clients.nomad import Nomad
from mooring.jobs import Job
from mooring.jobs.brief import brief
from mooring.kinds.kind import CannotImport
from mooring.kinds.nomad_job import ATTEMPT, OWNER

JOB = "mooring:nomad:Job"


def by_hand(**changes: Any) -> dict[str, Any]:
    body = job("r/hello@sha256:0")
    body["TaskGroups"][0]["Tasks"][0]["Env"]["DB_PASSWORD"] = "hunter2"  # noqa: S105 -- opens nothing
    return {**body, **changes}


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


@pytest.fixture
def api(world: World) -> Nomad:
    world.nomad.jobs.register(by_hand())
    return nomad.region(world.nomad_endpoint)


@pytest.fixture
def engine() -> Iterator[Engine]:
    made = Engine(config={"lifecycle:app-DB_PASSWORD": "hunter2"})
    yield made
    made.close()


def declared(engine: Engine, text: str) -> Mapping[str, Any]:
    """What a program that has the piece declares of the job."""
    access: Mapping[str, Any] = {"port": 4646}

    def program() -> None:
        names: dict[str, Any] = {}
        exec(text, names)  # noqa: S102 -- it is made for that
        on = NomadAccess(
            deploy=access,
            status=access,
            catalogue=access,
            datacenter="dc1",
            timings=timings([], clients=3),
            goes_with=None,
        )
        names["declare"](on)

    engine.run(program)
    (found,) = engine.of(JOB)
    assert (found.import_id, found.name) == ("lifecycle", "lifecycle")
    return found.inputs


def test_a_job_of_a_namespace_comes_in_from_there(world: World) -> None:
    world.nomad.jobs.register(by_hand(Namespace="platform"))

    text = piece(nomad.region(world.nomad_endpoint, "platform"), "lifecycle").text

    assert 'import_="platform/lifecycle"' in text
    assert 'namespace="platform"' in text


def test_the_piece_runs_as_it_stands_and_declares_the_job_that_runs(api: Nomad, engine: Engine, world: World) -> None:
    inputs = declared(engine, piece(api, "lifecycle").text)

    said = inputs["job"]
    password = said["TaskGroups"][0]["Tasks"][0]["Env"]["DB_PASSWORD"]
    assert "hunter2" in str(password)
    said["TaskGroups"][0]["Tasks"][0]["Env"]["DB_PASSWORD"] = "hunter2"  # noqa: S105 -- without its wrapper
    assert brief(Job.from_api(said)) == brief(Job.from_api(world.nomad.jobs.job("lifecycle")))


def test_a_secret_is_told_by_its_name_alone(api: Nomad) -> None:
    found = piece(api, "lifecycle")

    assert "hunter2" not in found.text + "\n".join(advice(found, "dev", kept=False))
    assert list(advice(found, "dev", kept=False))[1:] == [
        "a secret was left out; `pulumi config set --secret lifecycle:app-DB_PASSWORD --stack dev` asks for it"
    ]


def test_the_linter_and_the_formatter_have_nothing_to_say(api: Nomad, tmp_path: Path) -> None:
    file = tmp_path / "lifecycle.py"
    write(piece(api, "lifecycle"), file)
    ruff = [sys.executable, "-m", "ruff"]
    options = ["--isolated", "--config=line-length=120"]
    first_party = "--config=lint.isort.known-first-party=['components', 'mooring']"

    checks = [*ruff, "check", *options, first_party, "--select=E,F,I", str(file)]
    assert subprocess.run(checks, capture_output=True, text=True, check=False).stdout == "All checks passed!\n"
    subprocess.run([*ruff, "format", *options, "--check", str(file)], check=True, capture_output=True)


def test_what_mooring_keeps_in_a_job_is_no_part_of_it(world: World) -> None:
    world.nomad.jobs.register(by_hand(Meta={"team": "shop", OWNER: "mooring/dev", ATTEMPT: "2"}))

    found = piece(nomad.region(world.nomad_endpoint), "lifecycle")

    assert 'meta={"team": "shop"}' in found.text
    assert next(advice(found, "dev", kept=False)).startswith("the job is mooring/dev's own")


def test_one_run_of_a_periodic_job_is_not_what_a_program_declares(world: World) -> None:
    world.nomad.jobs.register(by_hand(ID="nightly/periodic-1", ParentID="nightly"))

    with pytest.raises(CannotImport, match="'nightly/periodic-1' is one run of 'nightly'"):
        piece(nomad.region(world.nomad_endpoint), "nightly/periodic-1")


def test_what_a_typed_job_cannot_say_is_named(world: World) -> None:
    world.nomad.jobs.register(by_hand(VaultNamespace="team"))

    with pytest.raises(CannotImport, match=r"'lifecycle' has what a job here does not hold: .*Enterprise"):
        piece(nomad.region(world.nomad_endpoint), "lifecycle")


def test_a_job_that_is_not_there_is_told_with_those_that_are(api: Nomad) -> None:
    with pytest.raises(NoSuchJob, match="no job 'shop'; these run: lifecycle"):
        piece(api, "shop")


@pytest.mark.parametrize(
    ("id_", "name"), [("shop", "shop"), ("web-api", "web_api"), ("2048", "_2048"), ("a/b:c", "a_b_c")]
)
def test_any_id_becomes_a_name_of_python(world: World, id_: str, name: str) -> None:
    world.nomad.jobs.register(by_hand(ID=id_))

    found = piece(nomad.region(world.nomad_endpoint), id_)

    assert found.name == name
    compile(found.text, name, "exec")
    assert f'import_="{id_}"' in found.text


def test_a_file_that_is_there_is_not_written_over(api: Nomad, tmp_path: Path) -> None:
    file = tmp_path / "web.py"
    file.write_text("mine")

    with pytest.raises(IsThere, match="is there already"):
        write(piece(api, "lifecycle"), file)

    assert file.read_text() == "mine"


class TestKeepingSecrets:
    @pytest.fixture
    def told(self, monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[str], str | None]]:
        calls: list[tuple[list[str], str | None]] = []

        def ask(arguments: list[str], said: str | None = None) -> "subprocess.CompletedProcess[str]":
            calls.append((arguments, said))
            return subprocess.CompletedProcess(arguments, self.status, stderr="no such stack")

        monkeypatch.setattr(importing.pulumi, "ask", ask)
        return calls

    status = 0

    def test_each_goes_by_a_pipe_and_never_as_an_argument(
        self, api: Nomad, told: list[tuple[list[str], str | None]]
    ) -> None:
        keep_secrets(piece(api, "lifecycle"), "dev")

        key = "lifecycle:app-DB_PASSWORD"
        assert told == [(["config", "set", "--secret", key, "--stack", "dev"], "hunter2\n")]

    def test_one_that_was_not_taken_is_named(self, api: Nomad, told: list[tuple[list[str], str | None]]) -> None:
        del told
        self.status = 1

        with pytest.raises(NotKept, match="lifecycle:app-DB_PASSWORD: no such stack"):
            keep_secrets(piece(api, "lifecycle"), "dev")


def test_what_is_told_reaches_the_program_by_its_standard_input(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "pulumi"
    program.write_text("#!/bin/sh\ncat\n")
    program.chmod(0o755)
    monkeypatch.setattr(pulumi, "whole_environment", lambda: {"PATH": f"{tmp_path}:/bin:/usr/bin"})

    assert pulumi.ask(["config"], said="hunter2\n").stdout == "hunter2\n"
