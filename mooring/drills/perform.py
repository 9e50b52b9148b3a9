"""Performing one drill: steady, instruments on, fault, whole again, mended, steady, instruments off, verdict."""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
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
from mooring.drills.writes import Audit, ConsulKeys, Ledger, NomadVariables, Store, sweep
from mooring.waiting import SYSTEM, Clock, TimedOut, wait_for

Say = Callable[[str], None]

STEADY_WITHIN = 60.0
"""Seconds that a stack is given to be well before a drill begins: the drill before it may have just ended."""

SETTLE = 3.0
"""Seconds of load before the fault, so that there is something to compare with."""

LOOKED_AT_EVERY = 0.5
"""Seconds between two looks at whether the stack is steady."""

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
    timeline = Timeline(clock, follower=lambda event: _tell(event, say))
    scene = Scene(stage=stage, timeline=timeline, say=say, clock=clock, unsteady=lambda: steady.complaints(stage))
    stores = [ConsulKeys(stage.consul), NomadVariables(stage.nomad)]
    with scene.undo, _nothing_left_in(stores):
        if hindrances := _hindrances(drill, scene):
            return Outcome(name=drill.name, what=drill.what, begun=begun, limits=drill.limits, complaints=hindrances)
        return _measured(drill, scene, stores, begun=begun, rate=rate)


@contextmanager
def _nothing_left_in(stores: Sequence[Store]) -> Generator[None]:
    """Take away what was written in any case, and before it what an earlier drill left that was killed."""
    with suppress(*BROKE_OFF):
        sweep(stores)
    try:
        yield
    finally:
        with suppress(*BROKE_OFF):
            sweep(stores)


def _hindrances(drill: Drill, scene: Scene) -> tuple[str, ...]:
    """Why it cannot begin, though everything was arranged for it that can be."""
    if drill.prepare is not None:
        try:
            drill.prepare(scene)
        except BROKE_OFF as error:
            return (f"could not be prepared: {error}",)
    scene.say("is the stack steady?")
    return tuple(f"not begun: {complaint}" for complaint in _steady(scene, STEADY_WITHIN))


def _measured(drill: Drill, scene: Scene, stores: Sequence[Store], *, begun: datetime, rate: float) -> Outcome:
    """The fault under load, between the two steady states, and everything that was seen."""
    stage, complaints = scene.stage, scene.complaints
    ledger, strangers, traffic = Ledger.on(stage.consul, stage.nomad), Strangers.at(stage), Traffic(stage.url, rate)
    scene.load = lambda: traffic.count
    with ExitStack() as instruments:
        for instrument in (Recorder(stage, scene.timeline), ledger, strangers, traffic):
            instruments.enter_context(instrument)
        scene.say(f"{rate:g} requests a second on {stage.url}")
        scene.clock.sleep(SETTLE)
        _play(drill, scene)
        settled = _settled(drill, scene)
    facts, audits = _facts(scene, settled), list[Audit]()
    scene.say("is every acknowledged write there, and does the preview show nothing?")
    try:
        audits = ledger.audit(stores)
    except BROKE_OFF as error:
        complaints.append(f"the acknowledged writes could not be looked for: {error}")
    if difference := stage.difference():
        complaints.append(f"afterwards a preview shows: {difference}")
    events, requests = scene.timeline.events(), traffic.requests
    found = figures(facts, events, requests, audits, strangers.attempts)
    came_to_it = scene.fault_at is not None
    if came_to_it:
        complaints += limits.complaints(found, drill.limits)
    return Outcome(
        name=drill.name,
        what=drill.what,
        begun=begun,
        limits=drill.limits,
        complaints=tuple(complaints),
        facts=facts if came_to_it else None,
        figures=found if came_to_it else None,
        events=tuple(events),
        requests=tuple(requests),
    )


def _settled(drill: Drill, scene: Scene) -> float | None:
    """When all was as before, and stayed so; None when it never did. What is not so by then is a complaint.

    A host that comes back says for a moment that what was replaced still runs there: it is as before only when what
    comes after that was seen too.
    """
    until = scene.clock.now() + drill.limits.settled_within
    while True:
        scene.say("is all as it was?")
        if unsteady := _steady(scene, until - scene.clock.now()):
            scene.complaints += [f"afterwards: {complaint}" for complaint in unsteady]
            return None
        settled = scene.clock.now()
        scene.say(f"does it last for {drill.limits.watched_for:g} s?")
        lasts_until = settled + drill.limits.watched_for
        while not (unsteady := _steady(scene, 0)):
            if scene.clock.now() >= lasts_until:
                return settled
            scene.clock.sleep(LOOKED_AT_EVERY)
        if scene.clock.now() >= until:
            scene.complaints += [f"afterwards, and not for long: {complaint}" for complaint in unsteady]
            return None


def _play(drill: Drill, scene: Scene) -> None:
    """The fault, until the app is whole again or its deadline has passed; mended in any case."""
    try:
        drill.fault(scene)
        with suppress(TimedOut):
            scene.until(lambda: _whole(drill, scene), "the app is whole again", within=drill.deadline)
    except BROKE_OFF as error:
        scene.complaints.append(f"the drill broke off: {error}")
    finally:
        try:
            scene.undo.close()
        except BROKE_OFF as error:
            scene.complaints.append(f"the drill could not be undone: {error}")


def _whole(drill: Drill, scene: Scene) -> bool | None:
    full, fewest = capacity(_facts(scene, None), scene.timeline.events())
    lost = fewest < scene.stage.desired
    return True if full is not None and (lost or not drill.limits.loses_capacity) else None


def _facts(scene: Scene, settled: float | None) -> Facts:
    now = scene.clock.now()
    return Facts(
        fault=now if scene.fault_at is None else scene.fault_at,
        ended=now,
        victims=scene.victims,
        unwell=frozenset(scene.unwell),
        struck=frozenset(scene.struck),
        desired=scene.stage.desired,
        settled=settled,
        restored=scene.restored_at,
    )


def _steady(scene: Scene, within: float) -> list[str]:
    """What is still not well after `within` seconds."""
    found: list[str] = []

    def well() -> bool | None:
        nonlocal found
        before, found = found, list(scene.unsteady())
        if found and found != before:
            scene.say(f"not yet: {found[0]}")
        return None if found else True

    with suppress(TimedOut):
        wait_for(well, "the stack is steady", within=max(within, 0.0), every=LOOKED_AT_EVERY, clock=scene.clock)
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
