"""Performing one drill: steady, instruments on, fault, whole again, mended, steady, instruments off, verdict."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from mooring.clients.errors import ApiError, CommandFailed, Unreachable, Untrusted
from mooring.drills import limits, steady
from mooring.drills.drill import Drill, Scene, possible
from mooring.drills.figures import Facts, Figures, capacity, figures
from mooring.drills.recorder import Recorder
from mooring.drills.stage import CannotDrill, Stage
from mooring.drills.strangers import Strangers
from mooring.drills.timeline import Event, Timeline, What
from mooring.drills.traffic import Request, Traffic
from mooring.drills.writes import Audit, ConsulKeys, Ledger, NomadVariables, sweep
from mooring.waiting import SYSTEM, Clock, TimedOut, wait_for

Say = Callable[[str], None]

STEADY_WITHIN = 60.0
"""Seconds that a stack is given to be well before a drill begins: the drill before it may have just ended."""

SETTLE = 3.0
"""Seconds of load before the fault, so that there is something to compare with."""

BROKE_OFF = (ApiError, CannotDrill, CommandFailed, TimedOut, Unreachable, Untrusted)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a drill came to."""

    name: str
    what: str
    begun: datetime
    limits: limits.Limits
    complaints: tuple[str, ...]
    facts: Facts | None = None
    """None when the drill did not come to its fault; then there is nothing but the complaints."""

    figures: Figures | None = None
    events: tuple[Event, ...] = ()
    requests: tuple[Request, ...] = ()

    @property
    def passed(self) -> bool:
        return not self.complaints


def perform(drill: Drill, stage: Stage, *, rate: float, say: Say, clock: Clock = SYSTEM) -> Outcome:
    """Raises only when it is interrupted, and then too has mended what it broke."""
    possible(drill, stage)
    begun = datetime.now(UTC)

    def outcome(*complaints: str) -> Outcome:
        return Outcome(name=drill.name, what=drill.what, begun=begun, limits=drill.limits, complaints=complaints)

    timeline = Timeline(clock, follower=lambda event: _tell(event, say))
    scene = Scene(stage=stage, timeline=timeline, say=say, clock=clock, unsteady=lambda: steady.complaints(stage))
    if drill.prepare is not None:
        try:
            drill.prepare(scene)
        except BROKE_OFF as error:
            return outcome(f"could not be prepared: {error}")
    say("is the stack steady?")
    if unsteady := _steady(stage, STEADY_WITHIN, say, clock):
        return outcome(*(f"not begun: {complaint}" for complaint in unsteady))
    stores = [ConsulKeys(stage.consul), NomadVariables(stage.nomad)]
    sweep(stores)
    ledger, strangers, traffic = Ledger.on(stage.consul, stage.nomad), Strangers.at(stage), Traffic(stage.url, rate)
    with ExitStack() as instruments:
        for instrument in (Recorder(stage, timeline), ledger, strangers, traffic):
            instruments.enter_context(instrument)
        say(f"{rate:g} requests a second on {stage.url}")
        clock.sleep(SETTLE)
        scene.load = lambda: traffic.count
        broke_off = _play(drill, scene)
        say("is all as it was?")
        unsteady = _steady(stage, drill.limits.settled_within, say, clock)
        settled = None if unsteady else clock.now()
        if settled is not None:
            say(f"does it last for {drill.limits.watched_for:g} s?")
            clock.sleep(drill.limits.watched_for)
            unsteady = [f"it did not last: {complaint}" for complaint in _steady(stage, 0, say, clock)]
    if scene.fault_at is None:
        return outcome(*broke_off)
    say("is every acknowledged write there, and does the preview show nothing?")
    facts = _facts(scene, stage, settled)
    audits: list[Audit] = []
    try:
        audits = ledger.audit(stores)
    except BROKE_OFF as error:
        scene.complaints.append(f"the acknowledged writes could not be looked for: {error}")
    difference = stage.difference()
    found = figures(facts, timeline.events(), traffic.requests, audits, strangers.attempts)
    return Outcome(
        name=drill.name,
        what=drill.what,
        begun=begun,
        limits=drill.limits,
        complaints=(
            *broke_off,
            *scene.complaints,
            *limits.complaints(found, drill.limits),
            *(f"afterwards: {complaint}" for complaint in unsteady),
            *([f"afterwards a preview shows: {difference}"] if difference else []),
        ),
        facts=facts,
        figures=found,
        events=tuple(timeline.events()),
        requests=tuple(traffic.requests),
    )


def _play(drill: Drill, scene: Scene) -> Sequence[str]:
    """The fault, until the app is whole again or its deadline has passed; mended in any case."""
    broke_off: list[str] = []
    try:
        drill.fault(scene)
        with suppress(TimedOut):
            scene.until(lambda: _whole(drill, scene), "the app is whole again", within=drill.deadline)
    except BROKE_OFF as error:
        broke_off.append(f"the drill broke off: {error}")
    finally:
        try:
            scene.undo.close()
        except BROKE_OFF as error:
            broke_off.append(f"the drill could not be undone: {error}")
    return broke_off


def _whole(drill: Drill, scene: Scene) -> bool | None:
    full, fewest = capacity(_facts(scene, scene.stage, None), scene.timeline.events())
    lost = fewest < scene.stage.desired
    return True if full is not None and (lost or not drill.limits.loses_capacity) else None


def _facts(scene: Scene, stage: Stage, settled: float | None) -> Facts:
    now = scene.clock.now()
    return Facts(
        fault=now if scene.fault_at is None else scene.fault_at,
        ended=now,
        victims=scene.victims,
        unwell=frozenset(scene.unwell),
        desired=stage.desired,
        settled=settled,
        restored=scene.restored_at,
    )


def _steady(stage: Stage, within: float, say: Say, clock: Clock) -> list[str]:
    """What is still not well after `within` seconds."""
    found: list[str] = []

    def well() -> bool | None:
        nonlocal found
        before, found = found, steady.complaints(stage)
        if found and found != before:
            say(f"not yet: {found[0]}")
        return None if found else True

    with suppress(TimedOut):
        wait_for(well, "the stack is steady", within=within, every=0.5, clock=clock)
    return found


TOLD = (What.FAULT, What.RESTORED, What.STEP, What.NODE, What.DEPLOYMENT, What.CONSUL_LEADER, What.NOMAD_LEADER)


def _tell(event: Event, say: Say) -> None:
    if event.what in TOLD:
        say(" ".join(_words(event)))


def _words(event: Event) -> Iterator[str]:
    if event.what in (What.CONSUL_LEADER, What.NOMAD_LEADER):
        yield f"{event.what}: {event.about or 'nobody'}"
    elif event.what in (What.NODE, What.DEPLOYMENT):
        yield f"nomad: {event.what} {event.about} is {event.detail}"
    else:
        yield event.detail
