"""What is good enough: every limit of every drill stands here, and what was measured is held to it by one function."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mooring.drills.figures import Figures

IN_FLIGHT = 3
"""Requests that a fault may take with it: those that an instance or a balancer had begun to answer. Two of 3,600 failed
in the hardest fault, measured by hand."""

RATE = 100.0
"""Requests a second, unless a person says otherwise."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Seconds since the fault, and counts; None where a drill does not promise it."""

    full_within: float | None = None
    out_of_balancer_within: float | None = None
    settled_within: float = 60.0
    """Until all is as it was before the drill, from when the fault was undone."""

    watched_for: float = 3.0
    """How long it is watched after all was as before: whether it stays so."""

    most_failed: int | None = IN_FLIGHT
    """None where nobody could answer."""

    fewest_requests: int = 0
    """Fewer would prove nothing."""

    loses_capacity: bool = False
    """Whether the fault must be seen to take an instance: otherwise nothing was drilled."""

    changes_leader: bool = False
    may_take_clients_along: bool = False
    """Whether hosts that are well may be marked down for a while."""


ENOUGH = 20_000
"""Requests, to say that an operation loses none."""

SEES_ITS_TASKS_WITHIN = 10.0
"""Seconds: an agent that came back has by then found every instance again that it is going to find."""

AWAY = 20.0
"""Seconds for which a host that comes back by itself stays away: longer than it takes to be replaced."""

CONTAINER = Limits(full_within=4, loses_capacity=True)
HUNG = Limits(full_within=12, loses_capacity=True)
NODE = Limits(full_within=10, out_of_balancer_within=3, loses_capacity=True)
WORST_NODE = Limits(full_within=27, out_of_balancer_within=3, loses_capacity=True, changes_leader=True)
FROZEN_NODE = Limits(
    full_within=15, out_of_balancer_within=5, settled_within=30, loses_capacity=True, may_take_clients_along=True
)
"""Nothing is refused and everything waits, so each of it takes its own time limit longer. And 30 s are what an instance
that was replaced may go on for beside its replacement. A Nomad client that happens to talk to the frozen server hears
nothing from it and does not know why: its kernel goes on acknowledging. Before 1.10 Nomad cannot be told to notice
sooner than after 40 s (nomad#14869)."""

PARTITION = FROZEN_NODE
"""From outside the two look alike: packets get no answer, and no refusal either."""

FAILOVER = 30.0
"""Seconds: a client of which a new leader of Nomad hears nothing is marked down after 21 in a small stack."""

COLD_START = Limits(most_failed=None, settled_within=180, watched_for=FAILOVER)
LEADER = Limits(most_failed=0, changes_leader=True, watched_for=FAILOVER)
UNHURT = Limits(most_failed=0)
CONSUL_DOWN = Limits(most_failed=0)
PACKET_LOSS = Limits(most_failed=5)
"""One in a thousand: a connection whose packets are lost four times in a row is given up."""

NO_REQUEST_LOST = Limits(most_failed=0)
OPERATION = Limits(most_failed=0, fewest_requests=ENOUGH)


def complaints(figures: Figures, limits: Limits) -> list[str]:
    """What was promised and did not come true; empty when the drill was passed."""
    marked = () if limits.may_take_clients_along else figures.wrongly_down
    return [
        *_times(figures, limits),
        *_requests(figures, limits),
        *(f"{host} was marked down, and was well" for host in marked),
        *_always(figures),
    ]


def _times(figures: Figures, limits: Limits) -> Iterator[str]:
    for name, took, within in (
        ("full capacity", figures.full, limits.full_within),
        ("out of the balancer", figures.out_of_balancer, limits.out_of_balancer_within),
        ("all as before", figures.settled, limits.settled_within),
    ):
        if within is None:
            continue
        if took is None:
            yield f"{name}: never, {within:g} s are allowed"
        elif took > within:
            yield f"{name}: after {took:.1f} s, {within:g} s are allowed"
    if limits.loses_capacity and not figures.lost_capacity:
        yield "no instance was ever missed: the fault did nothing"
    if limits.changes_leader and not figures.leader_changes:
        yield "no leader changed: the fault did nothing"


def _requests(figures: Figures, limits: Limits) -> Iterator[str]:
    if limits.most_failed is not None and figures.failed > limits.most_failed:
        yield f"{figures.failed} of {figures.requests} requests failed, {limits.most_failed} may"
    if figures.serving is None:
        yield "no request went well after the last one that failed"
    if figures.requests < limits.fewest_requests:
        yield f"{figures.requests} requests were sent, {limits.fewest_requests} are needed to show anything"


def _always(figures: Figures) -> Iterator[str]:
    """What holds for every drill."""
    if not figures.acknowledged:
        yield "no write was acknowledged at all"
    if figures.lost:
        yield f"{figures.lost} of {figures.acknowledged} acknowledged writes are lost"
    for stranger in figures.let_in:
        yield f"somebody was let in {stranger}"
    if not figures.refused:
        yield "no stranger was ever refused: nobody answered them"


def passed(complaints: Sequence[str]) -> bool:
    return not complaints
