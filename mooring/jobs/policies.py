"""What happens to a group's instances when they fail, when their job changes and when their node is drained."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from mooring.jobs.piece import Piece


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
