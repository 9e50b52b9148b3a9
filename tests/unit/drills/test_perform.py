"""One drill from its steady state to its verdict: what is broken is mended however it ends, and nothing is left out."""

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, Self

import pytest
from fakes.clock import FakeClock
from unit.drills.test_steady import stage

from mooring.clients.errors import CommandFailed, Unreachable
from mooring.drills import perform as module
from mooring.drills.drill import Drill, Scene
from mooring.drills.limits import Limits
from mooring.drills.perform import Outcome, perform
from mooring.drills.strangers import Attempt, Heard
from mooring.drills.timeline import Timeline, What
from mooring.drills.traffic import Request
from mooring.drills.writes import Audit

AUDITS = [Audit(store="consul", acknowledged=20, unknown=0, lost=(), longest_pause=0.5)]


class Instrument:
    """Stands for each of them: what they saw is said by the test."""

    count = 0

    def __init__(self, world: "World") -> None:
        self._world = world
        self.requests = [Request(number=n, due=n / 10, ended=n / 10 + 0.01, status=200) for n in range(100)]
        self.attempts = [Attempt(at=0.0, who="anybody", where="consul", heard=Heard.REFUSED)]

    def __enter__(self) -> Self:
        self._world.on += 1
        return self

    def __exit__(self, *_: object) -> None:
        self._world.on -= 1

    def audit(self, _: object) -> list[Audit]:
        assert self._world.on == 0, "what is written while it is counted would be lost"
        return self._world.audit()


class World:
    """Where a drill is performed: a clock, what is not steady at the moment, and what the ledger will say."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.unsteady: list[str] = []
        self.audit: Callable[[], list[Audit]] = lambda: AUDITS
        self.difference: str | None = None
        self.on = 0
        self.timeline: Timeline | None = None

    def recorder(self, _: object, timeline: Timeline) -> Instrument:
        self.timeline = timeline
        self.capacity(3)
        return Instrument(self)

    def capacity(self, instances: int) -> None:
        assert self.timeline is not None
        self.timeline.add(What.CAPACITY, counts={f"n{n}": 1 for n in range(instances)})

    def perform(
        self,
        fault: Callable[[Scene], None],
        limits: Limits | None = None,
        prepare: Callable[[Scene], None] | None = None,
    ) -> Outcome:
        drill = Drill(name="it", what="…", prepare=prepare, fault=fault, limits=limits or Limits())
        on = SimpleNamespace(**{**vars_of(stage()), "difference": lambda: self.difference})
        return perform(drill, on, rate=10, say=lambda _: None, clock=self.clock)  # type: ignore[arg-type] -- as a stage


def vars_of(made: Any) -> dict[str, Any]:
    return {name: getattr(made, name) for name in (*made.__dataclass_fields__, "having", "host", "at")}


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    made = World()
    monkeypatch.setattr(module, "Recorder", made.recorder)
    for name, maker in (("Ledger", "on"), ("Strangers", "at")):
        monkeypatch.setattr(module, name, SimpleNamespace(**{maker: lambda *_: Instrument(made)}))
    for name in ("Traffic", "ConsulKeys", "NomadVariables"):
        monkeypatch.setattr(module, name, lambda *_: Instrument(made))
    monkeypatch.setattr(module, "sweep", lambda _: None)
    monkeypatch.setattr(module.steady, "complaints", lambda _: list(made.unsteady))
    yield made
    assert made.on == 0, "every instrument is switched off"


def nothing(scene: Scene) -> None:
    scene.fault("nothing in particular")


def test_a_drill_that_goes_well_has_every_figure_and_no_complaint(world: World) -> None:
    outcome = world.perform(nothing)

    assert outcome.complaints == ()
    assert outcome.figures is not None
    assert (outcome.figures.requests, outcome.figures.acknowledged) == (100, 20)


def test_a_stack_that_is_not_steady_is_not_drilled(world: World) -> None:
    def never(_: Scene) -> None:
        raise AssertionError("it is broken already")

    world.unsteady = ["job hello: 2 of 3 healthy"]

    outcome = world.perform(never)

    assert outcome.complaints == ("not begun: job hello: 2 of 3 healthy",)
    assert outcome.figures is None


@pytest.mark.parametrize("error", [CommandFailed("n1: no such container"), Unreachable("n1 does not answer")])
def test_a_fault_that_breaks_off_is_mended_and_said(world: World, error: Exception) -> None:
    mended: list[str] = []

    def fault(scene: Scene) -> None:
        with scene.afterwards("mended", lambda: mended.append("it")):
            scene.fault("half of it")
            raise error

    outcome = world.perform(fault)

    assert mended == ["it"]
    assert outcome.complaints == (f"the drill broke off: {error}",)


def test_an_interrupt_mends_what_is_broken_and_goes_on_to_whoever_asked(world: World) -> None:
    mended: list[str] = []

    def fault(scene: Scene) -> None:
        with scene.afterwards("mended", lambda: mended.append("it")):
            scene.fault("all of it")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        world.perform(fault)
    assert mended == ["it"]


def test_what_was_arranged_is_mended_also_when_the_drill_does_not_begin(world: World) -> None:
    mended: list[str] = []

    def arrange(scene: Scene) -> None:
        with scene.afterwards("mended", lambda: mended.append("it")):
            world.unsteady = ["job hello: 2 of 3 healthy"]

    outcome = world.perform(nothing, prepare=arrange)

    assert outcome.complaints == ("not begun: job hello: 2 of 3 healthy",)
    assert mended == ["it"]


def test_what_cannot_be_mended_is_said(world: World) -> None:
    def cannot() -> None:
        raise Unreachable("n1 does not answer")

    def fault(scene: Scene) -> None:
        with scene.afterwards("mended", cannot):
            scene.fault("it")

    assert world.perform(fault).complaints == ("the drill could not be undone: n1 does not answer",)


def test_the_fault_is_undone_when_the_app_is_whole_and_not_before(world: World) -> None:
    def fault(scene: Scene) -> None:
        with scene.afterwards("mended", lambda: None):
            scene.fault("an instance")
            world.capacity(2)
            world.clock.after(5.0, lambda: world.capacity(3))

    outcome = world.perform(fault, Limits(full_within=6, loses_capacity=True))

    assert outcome.complaints == ()
    assert outcome.figures is not None
    assert outcome.figures.full == 5.0
    assert outcome.facts is not None
    assert outcome.facts.restored == pytest.approx(outcome.facts.fault + 5.0, abs=0.2)


def test_an_app_that_never_becomes_whole_is_given_up_and_mended(world: World) -> None:
    def fault(scene: Scene) -> None:
        with scene.afterwards("mended", lambda: None):
            scene.fault("an instance")
            world.capacity(2)

    outcome = world.perform(fault, Limits(full_within=6))

    assert outcome.complaints == ("full capacity: never, 6 s are allowed",)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"difference": "~ hello update"}, "afterwards a preview shows: ~ hello update"),
        (
            {"audit": lambda: [Audit(store="nomad", acknowledged=20, unknown=0, lost=("k",), longest_pause=0)]},
            "1 of 20 acknowledged writes are lost",
        ),
    ],
)
def test_what_is_found_afterwards_is_said(world: World, changes: dict[str, Any], complaint: str) -> None:
    for name, value in changes.items():
        setattr(world, name, value)

    assert world.perform(nothing).complaints == (complaint,)


def test_writes_that_cannot_be_looked_for_are_not_taken_for_kept(world: World) -> None:
    def silent() -> list[Audit]:
        raise Unreachable("no server answers")

    world.audit = silent

    assert "the acknowledged writes could not be looked for: no server answers" in world.perform(nothing).complaints


def test_a_stack_that_is_well_only_for_a_moment_is_not_well(world: World) -> None:
    def fault(scene: Scene) -> None:
        scene.fault("it")
        world.clock.after(2.0, lambda: world.unsteady.append("nomad: node n3 is down and eligible"))

    outcome = world.perform(fault)

    assert "afterwards: nomad: node n3 is down and eligible" in outcome.complaints


def test_it_is_as_before_only_from_when_it_stays_so(world: World) -> None:
    def fault(scene: Scene) -> None:
        scene.fault("it")
        world.clock.after(2.0, lambda: world.unsteady.append("job hello: a1 still runs, and is to stop"))
        world.clock.after(4.0, world.unsteady.clear)

    outcome = world.perform(fault)

    assert outcome.complaints == ()
    assert outcome.figures is not None
    assert outcome.figures.settled is not None
    assert outcome.figures.settled >= 4


def test_a_stack_that_goes_on_changing_is_not_well(world: World) -> None:
    def fault(scene: Scene) -> None:
        scene.fault("it")
        for second in range(2, 200, 2):
            world.clock.after(float(second), lambda: world.unsteady.append("job hello: flaps"))
            world.clock.after(second + 0.6, world.unsteady.clear)

    complaints = world.perform(fault).complaints

    assert any(complaint.startswith("afterwards, and not for long: job hello: flaps") for complaint in complaints)
