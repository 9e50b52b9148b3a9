"""What `mooring drill` refuses before it breaks anything, and how it ends when it is interrupted."""

import os
import signal
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fakes.world import World
from rich.console import Console
from typer.testing import CliRunner

from mooring.cli import drill as module
from mooring.cli import overview as overviews
from mooring.cli.drill import drills, last_report, performed, show_last, staged
from mooring.cli.main import app
from mooring.cli.overview import DrillRights, HostOverview, Overview
from mooring.clients import nomad
from mooring.drills import report
from mooring.drills.catalogue import DRILLS, chosen
from mooring.drills.drill import Drill
from mooring.drills.limits import Limits
from mooring.drills.perform import Outcome
from mooring.drills.stage import CannotDrill, Stage

BEGUN = datetime(2026, 3, 1, 3, 0, tzinfo=UTC)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(module, "local_nodes", lambda _: {"n1": "mooring-n1"})
    return World(monkeypatch)


def overview(world: World, *, drillable: bool = True, hosts: tuple[str, ...] = ("n1",)) -> Overview:
    rights = DrillRights(consul=world.consul_endpoint, nomad=world.nomad_endpoint)
    return Overview.model_construct(
        hosts=tuple(HostOverview(name=n, roles=("server",), connection=world.host.connection) for n in hosts),
        drill=rights if drillable else None,
        url="http://127.0.0.1:8080/",
    )


def job(name: str, *services: str) -> dict[str, Any]:
    registered = [{"Name": service, "Checks": []} for service in services]
    group = {
        "Name": "web",
        "Count": 3,
        "Services": registered,
        "Tasks": [{"Name": "app", "Driver": "docker", "Resources": {"CPU": 50, "MemoryMB": 64}}],
    }
    return {"ID": name, "Name": name, "Type": "service", "Stop": False, "TaskGroups": [group]}


def running(world: World, *jobs: dict[str, Any]) -> None:
    for each in jobs:
        nomad.region(world.nomad_endpoint).register(each, unless_changed_since=0)


def test_a_stack_that_is_not_marked_for_it_is_refused_with_what_would_do(world: World) -> None:
    with pytest.raises(
        CannotDrill, match=r"'production' is not marked.*`mooring:drillable: true` in stacks/Pulumi\.pr"
    ):
        staged("production", overview(world, drillable=False), None)


class TestTheApp:
    def test_it_is_the_one_that_has_a_service(self, world: World) -> None:
        running(world, job("hello", "hello"), job("worker"))

        stage = staged("test", overview(world), None)

        assert (stage.job, stage.service, stage.desired) == ("hello", "hello", 3)

    def test_of_several_one_must_be_named(self, world: World) -> None:
        running(world, job("hello", "hello"), job("shop", "shop-web"))

        with pytest.raises(CannotDrill, match=r"these jobs have services: hello, shop; --job must name one of them"):
            staged("test", overview(world), None)
        assert staged("test", overview(world), "shop").service == "shop-web"

    def test_a_name_that_is_none_is_refused_with_those_that_are(self, world: World) -> None:
        running(world, job("hello", "hello"))

        with pytest.raises(CannotDrill, match=r"job 'helo' has no service in Consul; these have: hello"):
            staged("test", overview(world), "helo")


def some(name: str, *, from_outside: bool = False) -> Drill:
    return Drill(name=name, what="…", fault=lambda _: None, limits=Limits(), from_outside=from_outside)


class TestWhichDrills:
    @pytest.fixture
    def stage(self, world: World, monkeypatch: pytest.MonkeyPatch) -> Stage:
        """Of two hosts, one of which is no local node."""
        running(world, job("hello", "hello"))
        monkeypatch.setattr("mooring.drills.catalogue.DRILLS", (some("container"), some("node", from_outside=True)))
        return staged("test", overview(world, hosts=("n1", "far")), None)

    def test_a_named_one_that_needs_the_outside_of_machines_is_refused_by_name(self, stage: Stage) -> None:
        with pytest.raises(CannotDrill, match=r"drill 'node' .*local nodes alone; far is none"):
            drills(stage, ["container", "node"], lambda _: None)

    def test_without_names_it_is_left_out_aloud(self, stage: Stage) -> None:
        said: list[str] = []

        assert [each.name for each in drills(stage, [], said.append)] == ["container"]
        assert len(said) == 1
        assert "left out: drill 'node'" in said[0]


def test_an_unknown_drill_is_named_with_those_that_exist() -> None:
    with pytest.raises(CannotDrill, match=r"there is no drill 'box'; these are: container, "):
        chosen(["container", "box"])


def test_no_two_drills_have_one_name() -> None:
    names = [each.name for each in DRILLS]

    assert len(set(names)) == len(names)


def outcome(name: str, *complaints: str) -> Outcome:
    return Outcome(name=name, what="…", begun=BEGUN, limits=Limits(), complaints=complaints)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_was_drilled_before_an_interrupt_is_reported(
    world: World, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    running(world, job("hello", "hello"))
    stage = staged("test", overview(world), None)
    before = signal.getsignal(signal.SIGTERM)
    # A test run in the background of a shell is born deaf to it.
    deaf = signal.signal(signal.SIGINT, signal.default_int_handler)

    def perform(each: Drill, *_: object, **__: object) -> Outcome:
        if each.name == "second":
            os.kill(os.getpid(), number)
        return outcome(each.name)

    monkeypatch.setattr(module, "perform", perform)
    try:
        found = performed(stage, [some("first"), some("second"), some("third")], rate=100, say=lambda _: None)
    finally:
        signal.signal(signal.SIGINT, deaf)

    assert [each.name for each in found.outcomes] == ["first"]
    assert found.interrupted
    assert not found.passed
    assert signal.getsignal(signal.SIGTERM) == before


def test_status_tells_when_it_was_last_drilled_and_how_that_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOORING_STATE", str(tmp_path))
    console = Console(width=120, record=True, quiet=False)
    assert last_report("test") is None

    outcomes = (outcome("container"), outcome("node", "full capacity: after 11.0 s, 10 s are allowed"))
    report.write(report.Report(stack="test", begun=BEGUN, rate=100, outcomes=outcomes), module.folder("test"))
    show_last("test", console)

    assert last_report("test") == {
        "begun": "2026-03-01T03:00:00+00:00",
        "drills": 2,
        "not_passed": ["node"],
        "interrupted": False,
    }
    assert "drills    2026-03-01T03:00:00+00:00: node not passed" in console.export_text()
    assert last_report("other") is None


def test_a_run_that_was_interrupted_in_its_first_drill_is_not_the_last_report(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    running(world, job("hello", "hello"))
    monkeypatch.setenv("MOORING_STATE", str(tmp_path))
    monkeypatch.setattr(overviews, "overview", lambda _: overview(world))

    def interrupted(*_: object, **__: object) -> Outcome:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "perform", interrupted)
    done = CliRunner().invoke(app, ["drill", "container", "--stack", "test"])

    assert done.exit_code == 1
    assert last_report("test") is None
