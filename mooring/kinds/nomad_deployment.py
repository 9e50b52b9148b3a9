"""What became of a job that was registered: followed to its end, and told as a person needs it."""

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any

from mooring.clients.answers import Json, rows, table
from mooring.clients.nomad import Nomad
from mooring.kinds.nomad_checks import FailingChecks
from mooring.waiting import Cancelled, Clock, TimedOut, wait_for

Say = Callable[[str], None]

DEPLOYED_WITHIN = 900.0
"""Seconds; a deployment ends by itself at its healthy deadline, this is for one that nobody drives any more."""


OWN_WITHIN = 60.0
"""Seconds. Unless a job says otherwise, Nomad waits 30 until it places an instance anew that has failed."""


class DeploymentStatus(StrEnum):
    RUNNING = "running"
    PENDING = "pending"
    INITIALIZING = "initializing"
    BLOCKED = "blocked"
    UNBLOCKING = "unblocking"
    PAUSED = "paused"
    SUCCESSFUL = "successful"
    FAILED = "failed"
    CANCELLED = "cancelled"  # two l's here, one in an evaluation's status: Nomad's spelling


class EvaluationStatus(StrEnum):
    BLOCKED = "blocked"
    PENDING = "pending"
    COMPLETE = "complete"
    FAILED = "failed"
    CANCELED = "canceled"


class GaveUp(Exception):
    """The scheduler came to no answer: the job is registered, and nothing of it may have been placed."""


def evaluation_reasons(
    api: Nomad,
    job: str,
    evaluation: str,
    say: Say,
    clock: Clock,
    *,
    checks: FailingChecks | None = None,
    new: bool = False,
    made_at: int = 0,
) -> list[str]:
    """Nothing once the deployment is healthy; otherwise why it is not, as a person needs it.

    With `checks` also what those of its services said. A `new` job was not there before the evaluation, and
    `made_at` is the index at which that was made, if it is known: then it is not asked for before it has changed.
    """
    try:
        done = evaluated(api, evaluation, say, clock, made_at)
        if reasons := placement_failures(job, done):
            return reasons
        deployment = _own_deployment(api, job, done, say, clock, new=new)
        return deployment_reasons(api, job, deployment, say, clock, checks=checks) if deployment else []
    except (TimedOut, Cancelled) as error:
        return [str(error)]
    except GaveUp as error:
        return [f"job {job}: {error}"]


def _own_deployment(api: Nomad, job: str, evaluation: Json, say: Say, clock: Clock, *, new: bool) -> str | None:
    """The deployment that shows how the job fares; None for a kind of job that has none."""

    def latest() -> str | None:
        # Of the job that has the name now, and no earlier one's.
        found: str | None = table(api.latest_deployment(job)).get("ID")
        return found

    named: str = evaluation.get("DeploymentID") or ""
    if not named:
        return None if new else latest()  # a job that was already so gets no new one
    if (now := api.job(job)) is None or api.deployment(named)["JobCreateIndex"] == now["CreateIndex"]:
        return named
    # A job of the same name was purged, and an instance of it that had failed counts as one of this job until Nomad
    # places it anew, which gives the job a deployment of its own.
    say("waiting for what is left of an earlier job of that name")
    return wait_for(latest, f"job {job} has a deployment of its own", within=OWN_WITHIN, every=0.5, clock=clock)


def evaluated(api: Nomad, evaluation: str, say: Say, clock: Clock, made_at: int = 0) -> Json:
    """The evaluation once it is done; raises `GaveUp`, `TimedOut` and `Cancelled`."""
    if not evaluation:  # periodic and parameterised jobs are not evaluated when they are registered
        return {}

    say("waiting for the scheduler")
    index, deadline = made_at, clock.now() + DEPLOYED_WITHIN
    while clock.now() < deadline:
        found, index = api.evaluation_after(evaluation, index)
        # An unknown word fails here at once, instead of being asked for again until the deadline.
        match EvaluationStatus(found["Status"]):
            case EvaluationStatus.PENDING | EvaluationStatus.BLOCKED:
                clock.sleep(0)  # raises when the person asked to stop
            case EvaluationStatus.COMPLETE:
                return found
            case EvaluationStatus.FAILED | EvaluationStatus.CANCELED:
                raise GaveUp(f"the scheduler gave up: {found.get('StatusDescription', '')}")
    raise TimedOut(f"the scheduler's answer: not within {DEPLOYED_WITHIN:g} s")


def placement_failures(job: str, evaluation: Mapping[str, Any]) -> list[str]:
    """One sentence for each group that has no place, with what stands against it on how many nodes."""
    reasons: list[str] = []
    for group, metrics in table(evaluation.get("FailedTGAllocs")).items():
        against = [f"{n} nodes lack {what}" for what, n in table(metrics["DimensionExhausted"]).items()]
        against += [f"{n} nodes are ruled out by {what}" for what, n in table(metrics["ConstraintFiltered"]).items()]
        count = 1 + metrics["CoalescedFailures"]
        why = ", ".join(against) or f"{metrics['NodesEvaluated']} nodes were looked at"
        reasons.append(f"job {job}, group {group}: {count} instances have no place: {why}")
    return reasons


def consequences(job: str, plan: Mapping[str, Any]) -> list[str]:
    """What the scheduler would do, one line a group, and what it could not: the answer to `plan`, for a person."""
    updates = table(table(plan.get("Annotations")).get("DesiredTGUpdates"))
    lines = [f"group {group}: {words}" for group, update in sorted(updates.items()) if (words := _update(update))]
    return [*lines, *placement_failures(job, plan)]


WORDS = (
    ("Place", "to place"),
    ("Canary", "to place as canaries"),
    ("DestructiveUpdate", "to replace"),
    ("InPlaceUpdate", "to update in place"),
    ("Migrate", "to move"),
    ("Stop", "to stop"),
    ("Preemptions", "of others to push out"),
    ("Ignore", "to leave as they are"),
)
"""Nomad's words for what becomes of a group's instances, and ours."""


def _update(update: Mapping[str, int]) -> str:
    return ", ".join(f"{update[key]} {words}" for key, words in WORDS if update.get(key))


def deployment_reasons(
    api: Nomad, job: str, deployment: str, say: Say, clock: Clock, *, checks: FailingChecks | None = None
) -> list[str]:
    """Nothing once this deployment is healthy; otherwise why it is not. `Cancelled` when the clock is told to stop."""
    found, index = api.deployment(deployment), 0
    deadline = clock.now() + DEPLOYED_WITHIN
    while clock.now() < deadline:
        say(progress(found))
        match DeploymentStatus(found["Status"]):
            case DeploymentStatus.SUCCESSFUL:
                return []
            case DeploymentStatus.FAILED | DeploymentStatus.CANCELLED:
                return [f"job {job}: {found['StatusDescription']}", *_unhealthy(api, found, checks)]
            case _:
                if checks is not None:
                    checks.look()  # now, since an instance that is given up takes its checks out of the catalogue
                clock.sleep(0)  # raises when the person asked to stop
                found, index = api.deployment_after(deployment, index)
    raise TimedOut(f"job {job}: its deployment did not end within {DEPLOYED_WITHIN:g} s")


def progress(deployment: Mapping[str, Any]) -> str:
    """One line for the status column."""
    groups: Sequence[Json] = list(table(deployment["TaskGroups"]).values())
    wanted = sum(g["DesiredTotal"] for g in groups)
    healthy = sum(g["HealthyAllocs"] for g in groups)
    placed = sum(g["PlacedAllocs"] for g in groups)
    canaries = sum(len(rows(g["PlacedCanaries"])) for g in groups)
    return f"{healthy} of {wanted} healthy, {placed} placed" + (f", {canaries} canaries" if canaries else "")


def _unhealthy(api: Nomad, deployment: Json, checks: FailingChecks | None) -> list[str]:
    """What happened to each instance of the deployment that is not healthy."""
    return [
        reason
        for allocation in api.deployment_allocations(deployment["ID"])
        if not table(allocation["DeploymentStatus"]).get("Healthy")
        for reason in (*story(api, allocation), *(checks.of(allocation) if checks else ()))
    ]


def story(api: Nomad, allocation: Json) -> list[str]:
    """What became of each task of an instance: where it ran, its last events, and its last 20 lines."""
    reasons: list[str] = []
    for task, state in table(allocation["TaskStates"]).items():
        events = "; ".join(e["DisplayMessage"] for e in rows(state["Events"])[-4:] if e["DisplayMessage"])
        words = [
            line
            for stream in ("stdout", "stderr")
            for line in api.log_tail(allocation["ID"], task, stream=stream).splitlines()
        ][-20:]
        head = f"instance {allocation['ID'][:8]} on {allocation['NodeName']}, task {task}: {events}"
        reasons.append("\n".join([head, *(f"    {line}" for line in words)]))
    return reasons
