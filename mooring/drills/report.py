"""The report of a run of drills: a page that needs nothing beside itself, and the same figures as JSON."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from html import escape
from pathlib import Path
from typing import Any

from mooring.drills.figures import Figures
from mooring.drills.perform import Outcome
from mooring.drills.picture import bins, picture
from mooring.drills.traffic import Request


@dataclass(frozen=True, kw_only=True)
class Report:
    stack: str
    begun: datetime
    rate: float
    """Requests a second."""

    outcomes: tuple[Outcome, ...]
    interrupted: bool = False
    """Whether somebody ended the run before its last drill."""

    @property
    def passed(self) -> bool:
        return not self.interrupted and all(outcome.passed for outcome in self.outcomes)


COLUMNS = ("detected", "serving", "full", "failed", "writes lost")
"""Of the table in the terminal and on the page; `cells` fills them."""


def cells(figures: Figures | None) -> list[str]:
    if figures is None:
        return ["-"] * len(COLUMNS)
    return [
        seconds(figures.detected),
        seconds(figures.serving),
        seconds(figures.full) if figures.lost_capacity else "never less",
        f"{figures.failed} of {figures.requests}",
        f"{figures.lost} of {figures.acknowledged}",
    ]


def seconds(value: float | None) -> str:
    return "never" if value is None else f"{value:.1f} s"


def as_json(report: Report) -> dict[str, Any]:
    return {
        "stack": report.stack,
        "begun": report.begun.isoformat(timespec="seconds"),
        "rate": report.rate,
        "passed": report.passed,
        "interrupted": report.interrupted,
        "drills": [_drill(outcome) for outcome in report.outcomes],
    }


def _drill(outcome: Outcome) -> dict[str, Any]:
    said: dict[str, Any] = {
        "name": outcome.name,
        "what": outcome.what,
        "begun": outcome.begun.isoformat(timespec="seconds"),
        "passed": outcome.passed,
        "complaints": list(outcome.complaints),
        "limits": asdict(outcome.limits),
    }
    facts = outcome.facts
    if facts is None or outcome.figures is None:
        return said
    return said | {
        "figures": {name: _finite(value) for name, value in asdict(outcome.figures).items()},
        "events": [
            {
                "at": round(event.at - facts.fault, 3),
                "what": event.what.value,
                **{
                    name: value
                    for name in ("about", "detail", "node", "counts")
                    if (value := getattr(event, name)) or name == "counts"
                },
            }
            for event in outcome.events
        ],
        "traffic": [asdict(each) for each in bins(facts, outcome.requests)],
        "failures": [_failure(request, facts.fault) for request in outcome.requests if request.failed][:MOST_FAILURES],
    }


MOST_FAILURES = 100
"""Failed requests that are told one by one; when every host is without power there are thousands."""


def _failure(request: Request, fault: float) -> dict[str, Any]:
    return {
        "number": request.number,
        "at": round(request.due - fault, 3),
        "took": round(request.took, 3),
        "status": request.status,
    }


def _finite(value: Any) -> Any:
    """JSON has no word for a gap without an end."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def write(report: Report, folder: Path) -> Path:
    """Write both files; returns the page's path. Their names sort by when the run began."""
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{report.begun:%Y-%m-%dT%H%M%S}"
    (folder / f"{name}.json").write_text(json.dumps(as_json(report), indent=1))
    page = folder / f"{name}.html"
    page.write_text(html(report))
    return page


def last(folder: Path) -> Mapping[str, Any] | None:
    """The newest report of the folder, as it was written; None when there is none."""
    found = sorted(folder.glob("*.json"))
    if not found:
        return None
    read: Mapping[str, Any] = json.loads(found[-1].read_text())
    return read


def html(report: Report) -> str:
    return "\n".join(
        [
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>Drills of stack {escape(report.stack)}</title><style>{STYLE}</style></head><body>",
            f"<h1>Drills of stack {escape(report.stack)}</h1>",
            f"<p>{report.begun:%Y-%m-%d %H:%M} UTC, under {report.rate:g} requests a second. {_verdict(report)}</p>",
            *_summary(report.outcomes),
            *(line for outcome in report.outcomes for line in _section(outcome)),
            "</body></html>",
            "",
        ]
    )


def _verdict(report: Report) -> str:
    if report.passed:
        return '<b class="passed">All passed.</b>'
    failed = sum(not outcome.passed for outcome in report.outcomes)
    words = f"{failed} of {len(report.outcomes)} did not pass."
    words += " The run was interrupted." if report.interrupted else ""
    return f'<b class="not-passed">{words}</b>'


def _summary(outcomes: Sequence[Outcome]) -> Iterator[str]:
    yield "<table><thead><tr><th>drill</th>"
    yield "".join(f"<th>{escape(column)}</th>" for column in COLUMNS)
    yield "<th>verdict</th></tr></thead><tbody>"
    for outcome in outcomes:
        row = "".join(f"<td>{escape(cell)}</td>" for cell in cells(outcome.figures))
        name = escape(outcome.name)
        yield f'<tr><td><a href="#{name}">{name}</a></td>{row}{_cell(outcome)}</tr>'
    yield "</tbody></table>"


def _cell(outcome: Outcome) -> str:
    return (
        '<td class="passed">passed</td>'
        if outcome.passed
        else f'<td class="not-passed">{len(outcome.complaints)} ✗</td>'
    )


def _section(outcome: Outcome) -> Iterator[str]:
    name = escape(outcome.name)
    yield f'<section id="{name}"><h2>{name}</h2><p>{escape(outcome.what)}</p>'
    if outcome.complaints:
        yield '<ul class="not-passed">'
        yield from (f"<li>{escape(complaint)}</li>" for complaint in outcome.complaints)
        yield "</ul>"
    if outcome.facts is not None and outcome.figures is not None:
        faults = [event.detail for event in outcome.events if event.what == "fault"]
        yield f"<p>{escape('; '.join(faults))}</p>"
        yield picture(outcome.facts, outcome.figures, outcome.events, outcome.requests)
        yield "<table><tbody>"
        yield from (
            f"<tr><th>{escape(label)}</th><td>{escape(value)}</td><td>{escape(allowed)}</td></tr>"
            for label, value, allowed in rows(outcome)
        )
        yield "</tbody></table>"
    yield "</section>"


def _most(failed: int | None) -> str:
    return "any number allowed" if failed is None else f"{failed} allowed"


def rows(outcome: Outcome) -> list[tuple[str, str, str]]:
    """(figure, what was measured, what is allowed) of one drill."""
    figures, limits = outcome.figures, outcome.limits
    if figures is None:
        return []

    def allowed(within: float | None) -> str:
        return "" if within is None else f"{within:g} s allowed"

    return [
        ("detected after", seconds(figures.detected), ""),
        ("served again after", seconds(figures.serving), ""),
        ("out of the balancer after", seconds(figures.out_of_balancer), allowed(limits.out_of_balancer_within)),
        (
            "full capacity after",
            seconds(figures.full) if figures.lost_capacity else "never less",
            allowed(limits.full_within),
        ),
        ("fewest instances at a time", str(figures.fewest), ""),
        ("all as before after", seconds(figures.settled), allowed(limits.settled_within)),
        ("failed requests", f"{figures.failed} of {figures.requests}", _most(limits.most_failed)),
        ("longest gap between answers", f"{figures.longest_gap:.2f} s", ""),
        ("p50, p99", f"{figures.p50:.1f} ms, {figures.p99:.1f} ms", ""),
        ("acknowledged writes lost", f"{figures.lost} of {figures.acknowledged}", "0 allowed"),
        ("longest pause between acknowledged writes", f"{figures.longest_write_pause:.1f} s", ""),
        ("changes of leader", str(figures.leader_changes), ""),
        (
            "hosts wrongly marked down",
            ", ".join(figures.wrongly_down) or "none",
            "" if limits.may_take_clients_along else "none allowed",
        ),
        (
            "strangers refused",
            f"{figures.refused}, {figures.refused_leaderless} of them without a leader",
            f"{len(figures.let_in)} let in",
        ),
    ]


STYLE = """
:root { color-scheme: light dark; --ink: #1f2328; --paper: #fff; --soft: #f3f4f6; --line: #d0d7de; --good: #1a7f37;
  --bad: #cf222e; --blue: #0969da; --grey: #6e7781; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --paper: #0d1117; --soft: #161b22; --line: #30363d;
  --good: #3fb950; --bad: #f85149; --blue: #58a6ff; --grey: #8b949e; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 60rem;
  margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.2rem; margin-top: 2.5rem; border-top: 1px solid var(--line);
  padding-top: 1rem; }
table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .25rem .9rem .25rem 0; border-bottom: 1px solid var(--line); font-weight: normal; }
thead th, tbody th { color: var(--grey); }
a { color: var(--blue); }
.passed { color: var(--good); } .not-passed { color: var(--bad); }
svg { width: 100%; height: auto; font: 12px system-ui, sans-serif; } svg text { fill: var(--ink); }
svg .small { font-size: 10px; fill: var(--grey); } svg .on { fill: var(--paper); }
svg .lane { fill: var(--soft); } svg .well { fill: var(--good); opacity: .75; } svg .failed { fill: var(--bad); }
svg .line { fill: none; stroke: var(--blue); stroke-width: 1.5; } svg .leader { fill: var(--blue); opacity: .8; }
svg .leaderless { fill: var(--bad); opacity: .6; }
svg line.mark { stroke-width: 1.5; stroke-dasharray: 4 3; stroke: var(--grey); }
svg line.fault { stroke: var(--bad); } svg text.fault { fill: var(--bad); }
svg line.whole { stroke: var(--good); } svg text.whole { fill: var(--good); }
svg line.restored { stroke: var(--blue); } svg text.restored { fill: var(--blue); }
"""
