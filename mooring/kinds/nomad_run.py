"""`mooring:nomad:Run`: work that runs to its end, once for each version of what the program says.

What has run has run: Nomad forgets a finished job after some hours, so that it is no longer there is no difference.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import pulumi
from pydantic import Field
from typing_extensions import override

from mooring.clients import nomad
from mooring.clients.answers import Json, rows, table
from mooring.clients.http import Endpoint
from mooring.clients.nomad import Nomad
from mooring.kinds.cluster import CLUSTER_SECRETS
from mooring.kinds.kind import (
    Handler,
    Made,
    NotHealthy,
    NotOurs,
    Problem,
    Props,
    Resource,
    Seen,
    Spec,
    Work,
    register,
)
from mooring.kinds.nomad_deployment import evaluated, placement_failures, story
from mooring.kinds.nomad_job import JOB_TEXTS, is_ours, job_problems, marked, namespace_of, same_job
from mooring.waiting import Cancelled, TimedOut, wait_for

LONGEST = 3600
"""Seconds that work may take unless the program says otherwise: migrations of large tables take many minutes."""

DEAD = "dead"
"""Nomad's word for a job that has nothing left to run, however it ended."""

COMPLETE = "complete"
"""Nomad's word for an instance that ended well."""


class RunSpec(Spec):
    endpoint: Endpoint
    job_id: str
    """The job's ID, again: another one is another job."""

    job: Json
    """A batch job, as `POST /v1/jobs` takes it under `Job`."""

    within: int = Field(default=LONGEST, gt=0)
    """Seconds until `up` gives up waiting. The work itself goes on, and the next `up` waits for it again."""


@register
class RunHandler(Handler[RunSpec]):
    token = "mooring:nomad:Run"  # noqa: S105 -- a type token, not a secret
    spec = RunSpec
    identity = frozenset({"job_id"})
    access = frozenset({"endpoint"})
    apart = JOB_TEXTS
    secret_inputs = CLUSTER_SECRETS

    @override
    def check(self, spec: RunSpec) -> Iterable[Problem]:
        if spec.job_id != spec.job.get("ID"):
            yield Problem(path="job_id", reason=f"must be the job's own ID {spec.job.get('ID')!r}, got {spec.job_id!r}")
        if spec.job.get("Type") != "batch":
            yield Problem(path="job.type", reason=f"{spec.job.get('Type') or 'service'!r} does not end: batch would do")
        for key, name in (("Periodic", "periodic"), ("ParameterizedJob", "parameterized")):
            if spec.job.get(key):
                yield Problem(path=f"job.{name}", reason="runs when its time comes, and not now")
        yield from job_problems(spec.job)

    @override
    def create(self, spec: RunSpec, work: Work) -> Made:
        return Made(id=spec.job_id, outputs=_ended(spec, work))

    @override
    def read(self, id_: str, spec: RunSpec, outputs: Props, work: Work) -> Seen[RunSpec] | None:
        unfinished = () if outputs.get("completed") else (f"job {id_} has not run to its end",)
        return Seen(spec=spec, outputs=outputs, reasons=unfinished)

    @override
    def update(self, id_: str, old: RunSpec, new: RunSpec, outputs: Props, work: Work) -> Props:
        if outputs.get("completed") and old.job == new.job:
            return outputs  # how long it may take is no other work
        return _ended(new, work)

    @override
    def delete(self, id_: str, spec: RunSpec, outputs: Props, work: Work) -> None:
        api = nomad.region(spec.endpoint, namespace_of(spec.job))
        found = api.job(id_)
        if found is not None and is_ours(found, work):
            api.deregister(id_, purge=True)


def _ended(spec: RunSpec, work: Work) -> Props:
    """Run the work, or wait for what an `up` that was interrupted had begun; raises `NotHealthy` when it ends badly."""
    api = nomad.region(spec.endpoint, namespace_of(spec.job))
    found = api.job(spec.job_id)
    if found is not None and not is_ours(found, work):
        raise NotOurs(f"nomad has a job {spec.job_id!r} that this stack did not register: stop and purge it first")
    try:
        if found is not None and found["Status"] != DEAD:
            # Somebody's migration must not be killed halfway, whatever the program says by now.
            _followed(api, found, spec.within, work)
            found = api.job(spec.job_id)
        if found is None or not same_job(spec.job, found) or _failures(api, found):
            found = _started(api, spec, found, work)
        return _judged(api, found, work, spec.within)
    except (TimedOut, Cancelled) as error:
        reasons = [f"job {spec.job_id}: {error}", *_last(api, spec.job_id)]
        raise NotHealthy(spec.job_id, {"completed": False, "version": 0}, reasons) from error


def _started(api: Nomad, spec: RunSpec, found: Json | None, work: Work) -> Json:
    """The job, registered so that Nomad runs it even when it has run the same before."""
    body = marked(spec.job, found, work, again=found is not None)
    work.say("registering")
    answer = api.register(body, unless_changed_since=0 if found is None else found["JobModifyIndex"])
    done = evaluated(api, answer["EvalID"], work.say, work.clock)
    if reasons := placement_failures(spec.job_id, done):
        raise NotHealthy(spec.job_id, {"completed": False, "version": 0}, reasons)
    return api.job(spec.job_id) or body


def _followed(api: Nomad, job: Json, within: float, work: Work) -> None:
    def is_dead() -> bool | None:
        now = table(api.job(job["ID"]))
        work.say(_progress(_instances(api, job)))
        return True if now.get("Status", DEAD) == DEAD else None

    wait_for(is_dead, "its end", within=within, every=0.5, clock=work.clock)


def _judged(api: Nomad, job: Json, work: Work, within: float) -> Props:
    _followed(api, job, within, work)
    outputs = {"version": job["Version"], "completed": True}
    if failures := _failures(api, job):
        raise NotHealthy(job["ID"], {**outputs, "completed": False}, failures)
    return outputs


def _failures(api: Nomad, job: Json) -> list[str]:
    """Why this version of the job did not run to its end; nothing when each group's instances have."""
    instances = _instances(api, job)
    reasons: list[str] = []
    for group in rows(job["TaskGroups"]):
        own = [each for each in instances if each["TaskGroup"] == group["Name"]]
        ended = sum(each["ClientStatus"] == COMPLETE for each in own)
        if ended < group["Count"]:
            reasons.append(f"job {job['ID']}, group {group['Name']}: {ended} of {group['Count']} ran to their end")
            reasons += [line for each in own if each["ClientStatus"] != COMPLETE for line in story(api, each)]
    return reasons


def _last(api: Nomad, job: str) -> list[str]:
    return [line for each in api.allocations(job)[:1] for line in story(api, each)]


def _instances(api: Nomad, job: Json) -> list[Json]:
    return [each for each in api.allocations(job["ID"]) if each["JobVersion"] == job["Version"]]


def _progress(instances: Iterable[Mapping[str, Any]]) -> str:
    states = [each["ClientStatus"] for each in instances]
    return ", ".join(f"{states.count(state)} {state}" for state in sorted(set(states))) or "waiting for a place"


class Run(Resource):
    """Work that ended well. Whatever depends on it waits for that."""

    version: pulumi.Output[int]
    completed: pulumi.Output[bool]

    def __init__(
        self,
        resource_name: str,
        *,
        endpoint: pulumi.Input[Mapping[str, Any]],
        job: Mapping[str, Any],
        within: int = LONGEST,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        inputs = {"endpoint": endpoint, "job_id": job["ID"], "job": job, "within": within}
        super().__init__(RunHandler, resource_name, inputs, outputs=("version", "completed"), opts=opts)
