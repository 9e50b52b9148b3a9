"""What happens to a group's instances when they fail, when their job changes and when their node is drained."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal, TypeVar

from mooring.jobs.piece import Piece
from mooring.jobs.problem import Problem, negatives, spoken

JobType = Literal["service", "batch", "system", "sysbatch"]

NOTHING: Final = timedelta(0)
SHORTEST_RESTART_INTERVAL: Final = timedelta(seconds=5)
SHORTEST_RESCHEDULE_INTERVAL: Final = timedelta(seconds=15)
SHORTEST_RESCHEDULE_DELAY: Final = timedelta(seconds=5)


@dataclass(frozen=True, kw_only=True)
class Restart(Piece):
    """A task that fails is started again on the same node. A task's own policy says only what differs."""

    OF = "RestartPolicy"

    attempts: int | None = None
    """Restarts within `interval`. Nomad: 2, for batch jobs 3."""

    interval: timedelta | None = None
    """At least 5 s, and long enough for all attempts with their delays. Nomad: 30 min, for batch jobs 24 h."""

    delay: timedelta | None = None
    """Between the failure and the restart, and up to a quarter longer. Nomad: 15 s."""

    mode: Literal["fail", "delay"] | None = None
    """After the last attempt: the instance fails, and is rescheduled, or waits for the next interval. Nomad: fail."""

    render_templates: bool | None = None
    """Render every template anew before a restart. Nomad: no."""

    @staticmethod
    def default(type_: JobType) -> "Restart":
        """Nomad's own."""
        lasting = type_ in ("service", "system")
        return Restart(
            attempts=2 if lasting else 3,
            interval=timedelta(minutes=30) if lasting else timedelta(hours=24),
            delay=timedelta(seconds=15),
            mode="fail",
            render_templates=False,
        )

    def rules(self) -> Iterator[Problem]:
        """For a policy that says everything."""
        attempts, interval, delay = known(self.attempts), known(self.interval), known(self.delay)
        yield from negatives(self, "attempts", "delay")
        if interval < SHORTEST_RESTART_INTERVAL:
            yield Problem("interval", f"{spoken(interval)} is below the minimum of 5 s")
        if attempts == 0 and self.mode == "delay":
            yield Problem("mode", "delay waits for the next interval, but with 0 attempts there is nothing to wait for")
        if attempts * _counted(delay) > _counted(interval):
            many = f"{attempts} restarts with {spoken(delay)} before each"
            yield Problem("interval", f"{many} do not fit into {spoken(interval)}")


@dataclass(frozen=True, kw_only=True)
class Reschedule(Piece):
    """An instance that failed for good is placed anew, on another node where there is one.

    System and sysbatch jobs have none.
    """

    OF = "ReschedulePolicy"

    attempts: int | None = None
    """Within `interval`; not together with `unlimited`. Nomad: for batch jobs 1."""

    interval: timedelta | None = None
    """At least 15 s. Nomad: for batch jobs 24 h."""

    delay: timedelta | None = None
    """Before the first attempt; at least 5 s. Nomad: 30 s, for batch jobs 5 s."""

    delay_function: Literal["constant", "exponential", "fibonacci"] | None = None
    """How the delay grows. Nomad: exponential, for batch jobs constant."""

    max_delay: timedelta | None = None
    """Where it stops growing; at least 5 s. Nomad: 1 h."""

    unlimited: bool | None = None
    """Nomad: yes, for batch jobs no."""

    @staticmethod
    def default(type_: JobType) -> "Reschedule":
        """Nomad's own."""
        match type_:
            case "service":
                return Reschedule(
                    attempts=0,
                    interval=NOTHING,
                    delay=timedelta(seconds=30),
                    delay_function="exponential",
                    max_delay=timedelta(hours=1),
                    unlimited=True,
                )
            case "batch":
                return Reschedule(
                    attempts=1,
                    interval=timedelta(hours=24),
                    delay=timedelta(seconds=5),
                    delay_function="constant",
                    max_delay=NOTHING,
                    unlimited=False,
                )
            case _:
                return Reschedule(attempts=0, interval=NOTHING, delay=NOTHING, max_delay=NOTHING, unlimited=False)

    def rules(self) -> Iterator[Problem]:
        """For a policy that says everything."""
        yield from negatives(self, "attempts")
        attempts, interval, delay = known(self.attempts), known(self.interval), known(self.delay)
        if attempts <= 0 and not self.unlimited:
            return
        if attempts > 0 and self.unlimited:
            yield Problem("attempts", f"{attempts} and unlimited say two different things: `unlimited=False` would do")
        if self.delay_function is None:
            yield Problem("delay_function", "must be given in a sysbatch job")
        wrong = [*self._delays(delay, known(self.max_delay))]
        yield from wrong
        if not self.unlimited:
            if interval < SHORTEST_RESCHEDULE_INTERVAL:
                yield Problem("interval", f"{spoken(interval)} is below the minimum of 15 s")
            elif not wrong and self.delay_function is not None and not self._fits(attempts, interval):
                yield Problem("interval", f"{attempts} attempts do not fit into {spoken(interval)}")

    def _delays(self, delay: timedelta, ceiling: timedelta) -> Iterator[Problem]:
        if delay < SHORTEST_RESCHEDULE_DELAY:
            yield Problem("delay", f"{spoken(delay)} is below the minimum of 5 s")
        if self.delay_function in ("exponential", "fibonacci"):
            if ceiling < SHORTEST_RESCHEDULE_DELAY:
                yield Problem("max_delay", f"{spoken(ceiling)} is below the minimum of 5 s")
            if ceiling < delay:
                yield Problem("max_delay", f"{spoken(ceiling)} is below the delay of {spoken(delay)}")

    def _fits(self, attempts: int, interval: timedelta) -> bool:
        """Whether all attempts have their turn, as Nomad reckons: while the delay grows, only the last one counts."""
        delay, ceiling, within = _counted(known(self.delay)), _counted(known(self.max_delay)), _counted(interval)
        match self.delay_function:
            case "exponential":
                return _exponential(delay, ceiling, attempts) < within
            case "fibonacci":
                return _fibonacci(delay, ceiling, attempts) <= within
            case _:
                return attempts * delay <= within


@dataclass(frozen=True, kw_only=True)
class Update(Piece):
    """How a new version replaces the old one, in service and system jobs. A group's own says only what differs."""

    OF = "UpdateStrategy"

    max_parallel: int | None = None
    """Instances replaced at a time; 0 replaces all at once, without a deployment. Nomad: 1."""

    health_check: Literal["checks", "task_states", "manual"] | None = None
    """What makes an instance healthy: its services' checks, that its tasks run, or a person. Nomad: checks."""

    min_healthy_time: timedelta | None = None
    """For how long it must be so before it counts. Nomad: 10 s."""

    healthy_deadline: timedelta | None = None
    """An instance that is not healthy by then is unhealthy for good. Nomad: 5 min."""

    progress_deadline: timedelta | None = None
    """Without a newly healthy instance for that long a deployment fails; 0: as soon as one is unhealthy. Nomad: 10 min.

    With any other value than 0 a bad deployment is reverted only when that time is over.
    """

    canary: int | None = None
    """New instances beside the old ones, before any of those is touched. Nomad: 0."""

    auto_promote: bool | None = None
    """Go on by itself when every canary is healthy. Nomad: no."""

    auto_revert: bool | None = None
    """Go back to the last version that was healthy when the deployment fails. Nomad: no."""

    stagger: timedelta | None = None
    """Between two steps, in system jobs. Nomad: 30 s."""

    def rules(self, count: int) -> Iterator[Problem]:
        """For a policy that says everything, of a group of that many instances."""
        healthy, progress = known(self.healthy_deadline), known(self.progress_deadline)
        canaries = known(self.canary)
        yield from negatives(self, "max_parallel", "canary", "min_healthy_time", "progress_deadline")
        if not canaries and self.auto_promote:
            yield Problem("auto_promote", "there is no canary to promote")
        if canaries > count > 0:
            yield Problem("canary", f"{canaries} canaries are more than the group's {count} instances")
        if healthy <= NOTHING:
            yield Problem("healthy_deadline", f"{spoken(healthy)} is not above zero")
        if known(self.min_healthy_time) >= healthy:
            shorter = spoken(known(self.min_healthy_time))
            yield Problem("min_healthy_time", f"{shorter} is not below the healthy deadline of {spoken(healthy)}")
        if progress and healthy >= progress:
            yield Problem(
                "healthy_deadline", f"{spoken(healthy)} is not below the progress deadline of {spoken(progress)}"
            )
        if known(self.stagger) <= NOTHING:
            yield Problem("stagger", f"{spoken(known(self.stagger))} is not above zero")


@dataclass(frozen=True, kw_only=True)
class Migrate(Piece):
    """How a service job's instances leave a node that is drained."""

    OF = "MigrateStrategy"

    max_parallel: int | None = None
    """Nomad: 1."""

    health_check: Literal["checks", "task_states"] | None = None
    """What makes the replacement healthy, before the next one leaves. Nomad: checks."""

    min_healthy_time: timedelta | None = None
    """Nomad: 10 s."""

    healthy_deadline: timedelta | None = None
    """Nomad: 5 min."""

    def rules(self) -> Iterator[Problem]:
        """For a policy that says everything."""
        yield from negatives(self, "max_parallel", "min_healthy_time", "healthy_deadline")
        shorter, healthy = known(self.min_healthy_time), known(self.healthy_deadline)
        if shorter > healthy:
            yield Problem("min_healthy_time", f"{spoken(shorter)} is above the healthy deadline of {spoken(healthy)}")


UPDATE: Final = Update(
    max_parallel=1,
    health_check="checks",
    min_healthy_time=timedelta(seconds=10),
    healthy_deadline=timedelta(minutes=5),
    progress_deadline=timedelta(minutes=10),
    canary=0,
    auto_promote=False,
    auto_revert=False,
    stagger=timedelta(seconds=30),
)
"""Nomad's own."""

MIGRATE: Final = Migrate(
    max_parallel=1,
    health_check="checks",
    min_healthy_time=timedelta(seconds=10),
    healthy_deadline=timedelta(minutes=5),
)
"""Nomad's own."""

K = TypeVar("K", int, timedelta)


def known(value: K | None) -> K:
    """A value of a merged policy: Nomad's default stands behind each."""
    if value is None:
        raise TypeError("a policy that does not say everything has no rules yet")
    return value


def _counted(time: timedelta) -> int:
    """Microseconds: a multiple of a time may be more than a time can be."""
    return time // timedelta(microseconds=1)


def _exponential(delay: int, ceiling: int, attempts: int) -> int:
    """When the last attempt has its turn: at its own delay, and once the ceiling is reached that much later each."""
    growing = min(attempts, (ceiling // delay).bit_length())
    last = delay * 2 ** (growing - 1) if growing else 0
    return last + (attempts - growing) * ceiling


def _fibonacci(delay: int, ceiling: int, attempts: int) -> int:
    """When the last attempt has its turn."""
    before, at = delay, delay
    for done in range(attempts - 2):
        if before + at > ceiling:
            return ceiling + (attempts - 3 - done) * ceiling
        before, at = at, before + at
    return at
