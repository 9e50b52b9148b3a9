"""What the measured times come to: ratios, the limits they are held to, and the table. Nothing here measures."""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from rich.table import Table

Step = str
STEPS: Sequence[Step] = ("first up", "no-op preview", "one changed")

JOBS, FLOOR, PEER = "jobs", "floor", "peer"


@dataclass(frozen=True, kw_only=True)
class Taken:
    """One run of Pulumi or of the peer."""

    seconds: float
    processor: float
    """Seconds of processor time, of all its processes: what a machine that does other things as well cannot add to."""

    plugin: float = 0.0
    """MB (10^6 bytes) that the plugin had in memory at its peak."""


Runs = Mapping[tuple[str, int, Step], Sequence[Taken]]
"""By who ran, the number of jobs, and the step; in the order they were run, so that equal places are pairs."""


@dataclass(frozen=True, kw_only=True)
class Limit:
    """A number that is held to something."""

    name: str
    value: float
    goal: float
    accept: float
    """Above it the bench fails."""

    unit: str = ""

    @property
    def broken(self) -> bool:
        return self.value > self.accept

    @property
    def style(self) -> str:
        return "green" if self.value <= self.goal else "red" if self.broken else "yellow"


FLOOR_GOAL, FLOOR_ACCEPT = 1.3, 1.5
FIRST_ACCEPT = 2.0
"""Of a first `up`: what Nomad itself does to register and evaluate each job is in it and not in the floor, a quarter of
all the processor time, and it runs on the same cores."""

PEER_GOAL, PEER_ACCEPT = 1.0, 1.1
GROWTH_GOAL, GROWTH_ACCEPT = 1.0, 1.2
"""Of the time for each job from the smaller number to the larger: 1 is linear. What a run costs before the first job
makes it less."""

MEMORY = 200.0
"""MB of the plugin, with the larger number of jobs. No allowance for a noisy machine: memory has no noise."""


def ratio(of: Sequence[Taken], to: Sequence[Taken]) -> float:
    """The median of the pairs' ratios: a machine that grows slower slows both halves of a pair."""
    return statistics.median(a.seconds / b.seconds for a, b in zip(of, to, strict=True))


def seconds(runs: Sequence[Taken]) -> float:
    return statistics.median(run.seconds for run in runs)


def limits(runs: Runs, sizes: Sequence[int]) -> Iterator[Limit]:
    small, large = min(sizes), max(sizes)
    for size in sizes:
        for step in STEPS:
            value = ratio(runs[JOBS, size, step], runs[FLOOR, size, step])
            accept = FIRST_ACCEPT if step == "first up" else FLOOR_ACCEPT
            yield Limit(name=f"{step}, {size} jobs, to the floor", value=value, goal=FLOOR_GOAL, accept=accept)
    for step in STEPS:
        if (PEER, large, step) in runs:
            value = ratio(runs[JOBS, large, step], runs[PEER, large, step])
            yield Limit(name=f"{step}, {large} jobs, to OpenTofu", value=value, goal=PEER_GOAL, accept=PEER_ACCEPT)
    if small < large:
        for step in STEPS:
            value = seconds(runs[JOBS, large, step]) / seconds(runs[JOBS, small, step]) * small / large
            yield Limit(name=f"{step}, growth for each job", value=value, goal=GROWTH_GOAL, accept=GROWTH_ACCEPT)
    peak = max(run.plugin for step in STEPS for run in runs[JOBS, large, step])
    yield Limit(name=f"plugin's memory, {large} jobs", value=peak, goal=MEMORY, accept=MEMORY, unit=" MB")


def times(runs: Runs) -> Table:
    found = Table(title="jobs", title_justify="left")
    for column in ("", "jobs", "step", "runs", "median", "processor"):
        found.add_column(column, justify="left" if column in ("", "step") else "right")
    for (who, size, step), taken in runs.items():
        each = " ".join(f"{run.seconds:.1f}" for run in taken)
        processor = statistics.median(run.processor for run in taken)
        found.add_row(who, str(size), step, f"{each} s", f"{seconds(taken):.1f} s", f"{processor:.1f} s")
    return found


def verdicts(found: Sequence[Limit]) -> Table:
    table = Table(title="ratios and limits", title_justify="left")
    for column in ("", "measured", "goal", "accept"):
        table.add_column(column, justify="left" if not column else "right")
    for limit in found:
        row = (f"{number:.2f}" if not limit.unit else f"{number:.0f}{limit.unit}" for number in _numbers(limit))
        table.add_row(limit.name, *row, style=limit.style)
    return table


def _numbers(limit: Limit) -> tuple[float, float, float]:
    return limit.value, limit.goal, limit.accept
