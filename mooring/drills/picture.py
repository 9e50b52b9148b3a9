"""The picture of one drill: requests, capacity and leaders over time, with the fault and the recovery marked. SVG."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from mooring.drills.figures import Facts, Figures, percentile
from mooring.drills.timeline import Event, What
from mooring.drills.traffic import Request

WIDTH = 900
LEFT = 92
RIGHT = 12
TOP = 34
LANE = 64
GAP = 14
LABEL = 84
"""Of a mark."""

MOST_LABELS = 14
MOST_BINS = 200
SHORTEST_BIN = 0.25
"""Seconds."""


@dataclass(frozen=True, kw_only=True)
class Bin:
    """What became of the requests that were due in one stretch of time."""

    at: float
    """Seconds since the fault, of its beginning."""

    well: int
    failed: int
    p99: float
    """Milliseconds."""


def bin_width(seconds: float) -> float:
    """Of the bins for a drill of so many seconds: a round number, and not too many of them."""
    return next(w for w in (SHORTEST_BIN, 0.5, 1, 2, 5, 10, 30, 60, 300, math.inf) if seconds / w <= MOST_BINS)


def bins(facts: Facts, requests: Sequence[Request]) -> list[Bin]:
    if not requests:
        return []
    first = requests[0].due - facts.fault
    width = bin_width(facts.ended - requests[0].due)
    if math.isinf(width):
        width = facts.ended - requests[0].due
    start = math.floor(first / width)
    held: dict[int, list[Request]] = {}
    for request in requests:
        held.setdefault(math.floor((request.due - facts.fault) / width), []).append(request)
    return [
        Bin(
            at=round(place * width, 3),
            well=sum(not r.failed for r in held.get(place, ())),
            failed=sum(r.failed for r in held.get(place, ())),
            p99=percentile([r.took for r in held.get(place, ()) if not r.failed], 99),
        )
        for place in range(start, max(held) + 1)
    ]


def picture(facts: Facts, figures: Figures, events: Sequence[Event], requests: Sequence[Request]) -> str:
    return _Picture(facts, figures, events, requests).svg()


class _Picture:
    def __init__(self, facts: Facts, figures: Figures, events: Sequence[Event], requests: Sequence[Request]) -> None:
        self._facts = facts
        self._figures = figures
        self._events = events
        self._bins = bins(facts, requests)
        self._from = self._bins[0].at if self._bins else -1.0
        self._to: float = max(facts.ended - facts.fault, self._from + 1)

    def svg(self) -> str:
        lanes = [self._requests, self._latency, self._capacity, self._leaders]
        height = TOP + len(lanes) * (LANE + GAP) + 22
        parts = [
            f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="what happened over time">',
            *(line for at, lane in enumerate(lanes) for line in lane(TOP + at * (LANE + GAP))),
            *self._axis(height),
            *self._marks(height),
            "</svg>",
        ]
        return "\n".join(parts)

    def _x(self, at: float) -> float:
        inside = min(max(at, self._from), self._to)
        return round(LEFT + (inside - self._from) / (self._to - self._from) * (WIDTH - LEFT - RIGHT), 1)

    def _lane(self, top: int, name: str, most: str = "") -> Iterator[str]:
        yield f'<rect class="lane" x="{LEFT}" y="{top}" width="{WIDTH - LEFT - RIGHT}" height="{LANE}"/>'
        yield f'<text x="{LEFT - 8}" y="{top + LANE / 2 + 4}" text-anchor="end">{escape(name)}</text>'
        yield f'<text class="small" x="{LEFT - 8}" y="{top + 9}" text-anchor="end">{escape(most)}</text>'

    def _requests(self, top: int) -> Iterator[str]:
        most = max((b.well + b.failed for b in self._bins), default=1) or 1
        width = bin_width(self._facts.ended - self._facts.fault - self._from)
        yield from self._lane(top, "requests", f"{most / width:.0f}/s" if math.isfinite(width) else "")
        for each in self._bins:
            x, end = self._x(each.at), self._x(each.at + min(width, self._to - each.at))
            base: float = top + LANE
            for count, kind in ((each.well, "well"), (each.failed, "failed")):
                if count:
                    # One that failed among hundreds must still be seen.
                    tall = max(LANE * count / most, 3.0 if kind == "failed" else 0.0)
                    base -= tall
                    yield (
                        f'<rect class="{kind}" x="{x}" y="{base:.1f}" width="{max(end - x, 0.6):.1f}" '
                        f'height="{tall:.1f}"><title>{each.at:g} s: {count} {kind}</title></rect>'
                    )

    def _latency(self, top: int) -> Iterator[str]:
        most = max((b.p99 for b in self._bins), default=0.0) or 1.0
        yield from self._lane(top, "p99", f"{most:.0f} ms")
        points = " ".join(f"{self._x(b.at)},{top + LANE - LANE * b.p99 / most:.1f}" for b in self._bins)
        yield f'<polyline class="line" points="{points}"/>'

    def _capacity(self, top: int) -> Iterator[str]:
        steps: list[tuple[float, int]] = []
        seen = [event for event in self._events if event.what is What.CAPACITY]
        for event in seen:
            at = event.at - self._facts.fault
            taken = at >= 0 and not self._restored_by(event.at)
            steps.append(
                (at, sum(n for node, n in event.counts.items() if not taken or node not in self._facts.victims))
            )
        at_fault = [e for e in seen if e.at <= self._facts.fault][-1:]
        steps += [
            (0.0, sum(n for node, n in event.counts.items() if node not in self._facts.victims)) for event in at_fault
        ]
        most = max([self._facts.desired, *(count for _, count in steps)])
        yield from self._lane(top, "instances", f"{most}")
        yield self._steps(sorted(steps), top, most)

    def _restored_by(self, at: float) -> bool:
        return self._facts.restored is not None and at >= self._facts.restored

    def _steps(self, steps: Sequence[tuple[float, int]], top: int, most: int) -> str:
        points: list[str] = []
        levels = [(at, top + LANE - (LANE - 4) * count / (most or 1)) for at, count in steps]
        height = levels[0][1] if levels else float(top + LANE)
        for at, level in levels:
            points.append(f"{self._x(at)},{height:.1f}")
            height = level
            points.append(f"{self._x(at)},{height:.1f}")
        points.append(f"{self._x(self._to)},{height:.1f}")
        return f'<polyline class="line" points="{" ".join(points)}"/>'

    def _leaders(self, top: int) -> Iterator[str]:
        yield from self._lane(top, "leaders")
        for place, what in enumerate((What.CONSUL_LEADER, What.NOMAD_LEADER)):
            seen = [event for event in self._events if event.what is what]
            ends = [event.at for event in seen[1:]] + [self._facts.ended]
            y = top + 6 + place * (LANE // 2)
            for event, end in zip(seen, ends, strict=False):
                x, until = self._x(event.at - self._facts.fault), self._x(end - self._facts.fault)
                name = f"{what.split(' ', maxsplit=1)[0]}: {event.about}" if event.about else ""
                yield (
                    f'<rect class="{"leader" if event.about else "leaderless"}" x="{x}" y="{y}" '
                    f'width="{max(until - x, 0.6):.1f}" height="{LANE // 2 - 10}">'
                    f"<title>{escape(name or 'no leader')}</title></rect>"
                )
                if until - x > len(name) * 6.2:
                    yield f'<text class="small on" x="{x + 5}" y="{y + 15}">{escape(name)}</text>'

    def _axis(self, height: int) -> Iterator[str]:
        span = self._to - self._from
        every = next((e for e in (1, 2, 5, 10, 20, 30, 60, 120, 300, 600) if span / e <= MOST_LABELS), 1800)
        at = math.ceil(self._from / every) * every
        while at <= self._to:
            yield f'<text class="small" x="{self._x(at)}" y="{height - 6}" text-anchor="middle">{at:g} s</text>'
            at += every

    def _marks(self, height: int) -> Iterator[str]:
        marks = [("fault", 0.0), ("whole", self._figures.full if self._figures.lost_capacity else None)]
        if self._facts.restored is not None:
            marks.append(("restored", self._facts.restored - self._facts.fault))
        if self._facts.settled is not None:
            marks.append(("settled", self._facts.settled - self._facts.fault))
        words = {"fault": "fault", "whole": "full capacity", "restored": "undone", "settled": "as before"}
        taken: list[float] = []
        for kind, at in sorted(((k, a) for k, a in marks if a is not None), key=lambda mark: mark[1]):
            x = self._x(at)
            row = sum(x - other < LABEL for other in taken)
            taken.append(x)
            end = x + LABEL > WIDTH
            yield f'<line class="mark {kind}" x1="{x}" y1="{TOP - 4}" x2="{x}" y2="{height - 20}"/>'
            yield (
                f'<text class="small mark {kind}" x="{x - 3 if end else x + 3}" y="{9 + 10 * (row % 3)}" '
                f'text-anchor="{"end" if end else "start"}">{words[kind]}</text>'
            )
