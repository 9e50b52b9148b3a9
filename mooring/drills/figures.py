"""Numbers out of what the instruments saw. Nothing here asks anybody anything."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from mooring.drills.strangers import Attempt, Heard
from mooring.drills.timeline import Event, What
from mooring.drills.traffic import Request
from mooring.drills.writes import Audit


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What a drill cost. Times are seconds since the fault; None where it did not come to that."""

    detected: float | None
    """Until anybody noted that something is amiss: Consul, Nomad, the balancer, or a change of leader."""

    serving: float | None
    """Until the end of the last request that failed; 0 when none did."""

    out_of_balancer: float | None
    """Until no balancer sent to a host that the fault took."""

    full: float | None
    """Until as many instances as there are to be passed their checks, on hosts that the fault did not take."""

    settled: float | None
    """Until all was as before, from when the fault was undone, or from the fault where it was left to heal."""

    lost_capacity: bool
    """Whether an instance was missing at all."""

    fewest: int
    """Instances that passed their checks at the worst moment, on hosts that the fault did not take."""

    requests: int
    failed: int
    longest_gap: float
    """Between two requests that went well, in seconds."""

    p50: float
    p99: float
    """Milliseconds, from when a request was due."""

    acknowledged: int
    lost: int
    longest_write_pause: float
    leader_changes: int
    wrongly_down: tuple[str, ...]
    """Hosts that were marked down though the fault did not take them."""

    refused: int
    refused_leaderless: int
    """Of those, while Consul or Nomad had no leader."""

    let_in: tuple[str, ...]
    """Who was let in that should not be."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is known of the fault itself."""

    fault: float
    """On the clock of the timeline, as `ended`."""

    ended: float
    victims: Mapping[str, str]
    """Hosts that the fault took, and their addresses."""

    unwell: frozenset[str] = frozenset()
    """Hosts that may well be marked down, though they were not taken: their agent was."""

    desired: int
    struck: frozenset[str] = frozenset()
    """Instances that the fault took on hosts that are well, as events name them."""

    settled: float | None
    restored: float | None


def figures(
    facts: Facts,
    events: Sequence[Event],
    requests: Sequence[Request],
    audits: Iterable[Audit],
    attempts: Sequence[Attempt],
) -> Figures:
    kept = list(audits)
    full, fewest = capacity(facts, events)
    lost_capacity = fewest < facts.desired
    after = [event for event in events if event.at >= facts.fault]
    return Figures(
        detected=_since(facts.fault, _detected(facts, events)),
        serving=_serving(facts, requests),
        out_of_balancer=_since(facts.fault, out_of_balancer(facts, events)),
        full=_since(facts.fault, full),
        settled=_since(facts.restored or facts.fault, facts.settled),
        lost_capacity=lost_capacity,
        fewest=fewest,
        requests=len(requests),
        failed=sum(request.failed for request in requests),
        longest_gap=round(longest_gap(requests), 3),
        p50=percentile([request.took for request in requests if not request.failed], 50),
        p99=percentile([request.took for request in requests if not request.failed], 99),
        acknowledged=sum(audit.acknowledged for audit in kept),
        lost=sum(len(audit.lost) for audit in kept),
        longest_write_pause=round(max((audit.longest_pause for audit in kept), default=0.0), 2),
        leader_changes=sum(bool(event.about) for event in _leaders(after)),
        wrongly_down=tuple(sorted(_wrongly_down(facts, after))),
        refused=sum(attempt.heard is Heard.REFUSED for attempt in attempts),
        refused_leaderless=sum(
            attempt.heard is Heard.REFUSED and leaderless(events, attempt.at) for attempt in attempts
        ),
        let_in=tuple(sorted({f"{a.who}, by {a.where}" for a in attempts if a.heard is Heard.LET_IN})),
    )


def _since(begun: float, at: float | None) -> float | None:
    return None if at is None else round(max(0.0, at - begun), 2)


def capacity(facts: Facts, events: Sequence[Event]) -> tuple[float | None, int]:
    """When the app was whole again for good, and how many instances there were at the worst moment before.

    Up to the moment when the fault was undone: what happens then is another thing. Instances on hosts that the fault
    took count as lost from the fault on, whatever Consul believed at first.
    """
    seen: list[tuple[float, int]] = []
    passing: int | None = None
    starting: set[str] = set()
    for event in events:
        if event.at > (facts.restored or math.inf):
            break
        if event.what is What.CAPACITY:
            passing = sum(count for node, count in event.counts.items() if node not in facts.victims)
        elif event.what is What.ALLOCATION and event.about in facts.struck:
            # An instance that starts anew between two of its checks was never missed by Consul, and was not there.
            (starting.add if event.detail.startswith("pending") else starting.discard)(event.about)
        if passing is not None:
            seen.append((max(event.at, facts.fault), min(passing, facts.desired - len(starting))))
    # Of what was before the fault, the last is what the fault found.
    seen = [*[one for one in seen if one[0] <= facts.fault][-1:], *[one for one in seen if one[0] > facts.fault]]
    fewest = min((count for _, count in seen), default=0)
    missing = [at for at, count in seen if count < facts.desired]
    if not missing:
        return (facts.fault if seen else None), fewest
    again = [at for at, count in seen if count >= facts.desired and at > missing[-1]]
    return (again[0] if again else None), fewest


def out_of_balancer(facts: Facts, events: Sequence[Event]) -> float | None:
    """When the last balancer that is left stopped to send to a host that is not."""
    addresses = set(facts.victims.values())
    last: dict[str, Event] = {}
    clean: dict[str, float] = {}
    for event in events:
        if event.what is not What.BALANCER or event.about in facts.victims:
            continue
        last[event.about] = event
        if event.at >= facts.fault and not addresses & event.counts.keys():
            clean.setdefault(event.about, event.at)
    # One that never sent there has said nothing since the fault.
    waiting = [edge for edge, event in last.items() if edge not in clean and addresses & event.counts.keys()]
    if not addresses or waiting or not last:
        return None
    return max(clean.values(), default=facts.fault)


def _detected(facts: Facts, events: Sequence[Event]) -> float | None:
    """The first thing that anybody said after the fault and that was worse than before it."""
    counted = [e for e in events if e.what in (What.CAPACITY, What.BALANCER) and e.at < facts.fault]
    usual = {(e.what, e.about): sum(e.counts.values()) for e in counted}

    def amiss(event: Event) -> bool:
        match event.what:
            case What.CAPACITY | What.BALANCER:
                return sum(event.counts.values()) < usual.get((event.what, event.about), 0)
            case What.CONSUL_LEADER | What.NOMAD_LEADER:
                return True
            case What.MEMBER | What.NODE:
                return event.detail not in ("passing", "ready")
            case What.ALLOCATION:
                return event.detail.startswith(("pending", "failed", "lost"))
            case What.DEPLOYMENT:
                return event.detail == "failed"
            case What.FAULT | What.RESTORED | What.STEP:
                return False

    return next((event.at for event in events if event.at >= facts.fault and amiss(event)), None)


def _serving(facts: Facts, requests: Sequence[Request]) -> float | None:
    failed = [request for request in requests if request.failed]
    if not failed:
        return 0.0
    last = max(request.due for request in failed)
    if not any(request.due > last for request in requests):
        return None  # nothing went well after it
    return _since(facts.fault, max(request.ended for request in failed))


def longest_gap(requests: Sequence[Request]) -> float:
    """Between the ends of two requests that went well; the load's own pace is a part of it."""
    ends = sorted(request.ended for request in requests if not request.failed)
    return max((later - earlier for earlier, later in pairwise(ends)), default=math.inf)


def percentile(seconds: Sequence[float], which: int) -> float:
    """Milliseconds, by the nearest rank; 0 for no request at all."""
    if not seconds:
        return 0.0
    ordered = sorted(seconds)
    return round(ordered[max(0, math.ceil(len(ordered) * which / 100) - 1)] * 1000, 1)


def _leaders(events: Iterable[Event]) -> list[Event]:
    return [event for event in events if event.what in (What.CONSUL_LEADER, What.NOMAD_LEADER)]


def leaderless(events: Sequence[Event], at: float) -> bool:
    """Whether one of the two clusters had no leader then."""
    led = {event.what: event.about for event in _leaders(events) if event.at <= at}
    return any(not leader for leader in led.values())


def _wrongly_down(facts: Facts, events: Iterable[Event]) -> set[str]:
    expected = facts.victims.keys() | facts.unwell
    down = {What.NODE: ("down", "disconnected"), What.MEMBER: ("critical",)}
    # Once all was as before, nobody is expected to be down any more.
    over = math.inf if facts.settled is None else facts.settled
    marked = [event for event in events if event.detail in down.get(event.what, ())]
    return {event.about for event in marked if event.about not in expected or event.at > over}
