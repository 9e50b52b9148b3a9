"""`mooring:nomad:Job`: a job as Nomad's API has it, that counts as made only when its deployment is healthy."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pulumi
from typing_extensions import override

from mooring.clients import consul, nomad
from mooring.clients.answers import Json, rows, table
from mooring.clients.errors import ApiError
from mooring.clients.http import Endpoint, secrets_of
from mooring.clients.nomad import Nomad
from mooring.jobs import place_in, problems_of
from mooring.kinds.cluster import CLUSTER_SECRETS, NOMAD
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
from mooring.kinds.nomad_checks import FailingChecks
from mooring.kinds.nomad_deployment import (
    DeploymentStatus,
    consequences,
    evaluation_reasons,
    placement_failures,
)
from mooring.kinds.nomad_drift import observed
from mooring.kinds.nomad_import import places, says_the_same, taken_in
from mooring.kinds.nomad_scaling import owned_counts, with_declared_counts, with_live_counts

OWNER = "mooring.stack"
"""Key in the job's meta that says which stack registered it."""

ATTEMPT = "mooring.attempt"
"""Key in the job's meta that makes a retry another job: Nomad never deploys the same specification twice."""


JOB_SECRETS = secrets_of("catalogue") | frozenset(
    {
        "job.TaskGroups.*.Tasks.*.Config.auth.password",
        "job.TaskGroups.*.Tasks.*.Config.auth.*.password",
    }
)
"""Passwords whatever the program says; the driver takes one login and a list with one as the same."""


JOB_TEXTS = frozenset(
    {
        "endpoint",
        "catalogue",
        "job.Meta.*",
        "job.TaskGroups.*.Meta.*",
        "job.TaskGroups.*.Tasks.*.Artifacts.*.GetterSource",
        "job.TaskGroups.*.Tasks.*.Config.*",
        "job.TaskGroups.*.Tasks.*.Env.*",
        "job.TaskGroups.*.Tasks.*.Meta.*",
        "job.TaskGroups.*.Tasks.*.Templates.*.EmbeddedTmpl",
        "job.TaskGroups.*.Tasks.*.User",
    }
)
"""What a program takes from other resources: an image, an address, a password. No rule of a job looks at it from
elsewhere, as it does at a port's label or at the type of the job."""


NOTHING: tuple[Any, ...] = ({}, [], "")
"""What a program says where Nomad answers null."""


class HasNoPlace(Exception):
    """The scheduler could not place the job as things are: make room, or let the program ask for less."""


class ChangedMeanwhile(Exception):
    """Somebody registered the job since it was last read: look at the preview again, then decide."""


class JobSpec(Spec):
    endpoint: Endpoint
    job_id: str
    """The job's ID, again: another one is another job, and the old one goes."""

    catalogue: Endpoint | None = None
    """Consul's, where the checks of the job's services say why they fail."""

    job: Json
    """As `POST /v1/jobs` takes it under `Job`."""

    strict: bool = False
    """Fail the preview of a job that has no place now, instead of only saying so."""


@register
class JobHandler(Handler[JobSpec]):
    token = "mooring:nomad:Job"  # noqa: S105 -- a type token, not a secret
    spec = JobSpec
    identity = frozenset({"job_id"})
    access = frozenset({"endpoint", "catalogue"})
    # An image that is about to be built has no digest yet; the scheduler places it all the same.
    foreseen_in_part = frozenset({"job"})
    apart = JOB_TEXTS
    secret_inputs = CLUSTER_SECRETS | JOB_SECRETS

    reached_as = NOMAD
    perhaps_secret = frozenset({"job.TaskGroups.*.Tasks.*.Env.*", "job.TaskGroups.*.Tasks.*.Templates.*.EmbeddedTmpl"})

    @override
    def check(self, spec: JobSpec) -> Iterable[Problem]:
        if spec.job_id != spec.job.get("ID"):
            yield Problem(path="job_id", reason=f"must be the job's own ID {spec.job.get('ID')!r}, got {spec.job_id!r}")
        yield from job_problems(spec.job)

    @override
    def same(self, old: JobSpec, new: JobSpec) -> bool:
        return says_the_same(old.job, new.job)

    @override
    def imported(self, id_: str, access: Props, work: Work) -> Seen[JobSpec] | None:
        endpoint = Endpoint.model_validate(access["endpoint"])
        for namespace, name in places(id_):
            api = nomad.region(endpoint, namespace)
            if (found := api.job(name)) is not None:
                job = taken_in(found, api.plan).to_api()
                return Seen(spec=JobSpec(endpoint=endpoint, job_id=name, job=job), outputs=_outputs(found))
        return None

    @override
    def id_of(self, id_: str, spec: JobSpec) -> str:
        return spec.job_id

    @override
    def foresee(self, spec: JobSpec, work: Work) -> None:
        api = region_of(spec)
        live = api.job(spec.job["ID"])
        plan = api.plan(marked(with_live_counts(spec.job, live), live, work))
        for line in owned_counts(spec.job, table(live)):
            work.tell(line)
        for line in consequences(spec.job["ID"], plan):
            work.tell(line)
        if spec.strict and (reasons := placement_failures(spec.job["ID"], plan)):
            raise HasNoPlace("; ".join(reasons))

    @override
    def create(self, spec: JobSpec, work: Work) -> Made:
        api = region_of(spec)
        try:
            # Nearly always there is none, and Nomad says so by taking it: to look first would be a call more for each.
            return Made(id=spec.job["ID"], outputs=_deployed(spec, None, work))
        except ChangedMeanwhile:
            found = api.job(spec.job["ID"])
        if found is not None and not is_ours(found, work) and not same_job(spec.job, found):
            raise NotOurs(
                f"nomad has a job {spec.job['ID']!r} that this stack did not register: stop and purge it first"
            )
        return Made(id=spec.job["ID"], outputs=_deployed(spec, found, work))

    @override
    def read(self, id_: str, spec: JobSpec, outputs: Props, work: Work) -> Seen[JobSpec] | None:
        api = region_of(spec)
        summary = api.listed().get(id_)
        if summary is not None and unchanged(summary, spec.job, outputs):
            return Seen(spec=spec, outputs=outputs)
        found = api.job(id_)
        if found is None:
            return None
        job = _seen(api, spec.job, found, outputs, work)
        return Seen(spec=spec.model_copy(update={"job": job}), outputs=_outputs(found))

    @override
    def update(self, id_: str, old: JobSpec, new: JobSpec, outputs: Props, work: Work) -> Props:
        api = region_of(new)
        if namespace_of(old.job) != namespace_of(new.job):
            made = self.create(new, work)
            self.delete(id_, old.model_copy(update={"endpoint": new.endpoint}), outputs, work)
            return made.outputs
        found = api.job(id_)
        if found is not None and "modify_index" in outputs and found["JobModifyIndex"] != outputs["modify_index"]:
            raise ChangedMeanwhile(
                f"job {id_} was registered by somebody else since the preview (version {found['Version']}): nothing "
                "was written, run `pulumi preview` to see the difference"
            )
        return _deployed(new, found, work)

    @override
    def delete(self, id_: str, spec: JobSpec, outputs: Props, work: Work) -> None:
        api = region_of(spec)
        if api.job(id_) is not None:
            api.deregister(id_, purge=True)


def namespace_of(job: Json) -> str:
    return str(job.get("Namespace") or "default")


def region_of(spec: JobSpec) -> Nomad:
    """The region, as far as the job's namespace goes: of two jobs of one name each is its own."""
    return nomad.region(spec.endpoint, namespace_of(spec.job))


def _seen(api: Nomad, declared: Json, found: Json, outputs: Props, work: Work) -> Json:
    """What is there now, in the words of `declared`, which was what was registered when `outputs` were recorded."""
    for line in owned_counts(declared, found):
        work.tell(line)
    found = with_declared_counts(found, declared)
    if outputs.get("settled") is True:  # otherwise what is recorded may be another version than the one declared
        recorded = [v for v in api.versions(found["ID"]) if v["JobModifyIndex"] == outputs["modify_index"]]
        if recorded:
            return observed(declared, with_declared_counts(recorded[0], declared), found)
        work.warn(
            f"job {found['ID']}: nomad has forgotten the version that was registered from here, as others were since; "
            "of the fields that the program leaves to nomad a change is not seen"
        )
    kept: Json = as_declared(declared, found)
    return kept


def job_problems(job: Json) -> Iterator[Problem]:
    """What Nomad would refuse late or, worse, not at all."""
    for problem in problems_of(job):
        place = ("job", *place_in(job, problem.path))
        yield Problem(path=f"job.{problem.path}" if problem.path else "job", reason=problem.reason, place=place)


def as_declared(declared: Any, live: Any) -> Any:
    """What the server holds, reduced to what the program says: its defaults and its order are no drift.

    Lists of named things (groups, tasks, services) are matched by name, and one that the program does not name is
    kept, since somebody added it.
    """
    if live is None and declared in NOTHING:
        return declared
    if isinstance(declared, dict) and isinstance(live, dict):
        there = table(live)
        return {key: as_declared(value, there[key]) for key, value in table(declared).items() if key in there}
    if isinstance(declared, list) and isinstance(live, list):
        wanted, present = rows(declared), rows(live)
        if _named(wanted) and _named(present):
            by_name = {item["Name"]: item for item in present}
            kept = [as_declared(item, by_name.pop(item["Name"])) for item in wanted if item["Name"] in by_name]
            return [*kept, *by_name.values()]
        if len(wanted) == len(present):
            return [as_declared(a, b) for a, b in zip(wanted, present, strict=True)]
        return present
    return live


def _named(items: Sequence[Any]) -> bool:
    """Whether each has a name of its own. Of services Nomad wants that only together with the port."""
    names = [table(item).get("Name") for item in items if isinstance(item, dict)]
    return all(names) and len(set(names)) == len(items) > 0


def unchanged(summary: Mapping[str, Any], job: Json, outputs: Props) -> bool:
    """Whether a job's summary shows that nobody has registered or stopped it since `outputs` were recorded.

    After a deployment that failed, what was recorded is what we wanted, and what runs may be what Nomad went back to:
    then the job itself has to be read.
    """
    same_index: bool = summary["JobModifyIndex"] == outputs.get("modify_index")
    return same_index and outputs.get("settled") is True and summary["Stop"] is bool(job.get("Stop"))


def same_job(job: Json, found: Json) -> bool:
    """Whether what Nomad holds is what the program says."""
    return as_declared(job, with_declared_counts(found, job)) == job and not found["Stop"]


def is_ours(found: Json, work: Work) -> bool:
    return table(found["Meta"]).get(OWNER) == _owner(work)


def _owner(work: Work) -> str:
    return f"{work.project}/{work.stack}"


def marked(job: Json, found: Json | None, work: Work, *, again: bool = False) -> Json:
    """The job with what we keep in its meta: whose it is, and how often it was tried; `again` is one more time."""
    kept = table(table(found).get("Meta"))
    tried = int(kept.get(ATTEMPT, "0")) + again
    attempt = {ATTEMPT: str(tried)} if tried else {}
    return {**job, "Meta": {**table(job.get("Meta")), OWNER: _owner(work), **attempt}}


def _outputs(found: Json) -> Props:
    return {"modify_index": found["JobModifyIndex"], "version": found["Version"], "settled": True}


def _is_no_change(api: Nomad, body: Json) -> bool:
    return bool(api.plan(body)["Diff"]["Type"] == "None")


def _deployed(spec: JobSpec, found: Json | None, work: Work) -> Props:
    """Register the job and wait until it is healthy."""
    api, job = region_of(spec), spec.job
    checks = None if spec.catalogue is None else FailingChecks(consul.cluster(spec.catalogue), job)
    id_ = job["ID"]
    last = api.latest_deployment(id_) if found is not None else None
    failed = last is not None and last["Status"] == DeploymentStatus.FAILED
    counted = with_live_counts(job, found)
    # Nomad's own word counts too: it moves a job's update into its groups, which is no other job then.
    again = found is not None and failed and (same_job(job, found) or _is_no_change(api, marked(counted, found, work)))
    body = marked(counted, found, work, again=again)
    work.say("registering")
    index = 0 if found is None else found["JobModifyIndex"]
    try:
        answer = api.register(body, unless_changed_since=index)
    except ApiError as error:
        now = api.job(id_)
        if now is not None and now["JobModifyIndex"] != index:
            raise ChangedMeanwhile(
                f"job {id_} was registered by somebody else just now: nothing was written"
            ) from error
        raise
    new = found is None
    made_at = answer["EvalCreateIndex"]
    reasons = evaluation_reasons(
        api, id_, answer["EvalID"], work.say, work.clock, checks=checks, new=new, made_at=made_at
    )
    if new and not reasons:
        # Of a deployment that went well Nomad registers nothing of its own: the answer says all that is to be kept.
        return {"modify_index": answer["JobModifyIndex"], "version": 0, "settled": True}
    now = api.job(id_)
    outputs = _outputs(now) if now is not None else {}
    if reasons:
        raise NotHealthy(id_, {**outputs, "settled": False}, reasons)
    return outputs


class Job(Resource):
    """A job that runs. `modify_index` is Nomad's own count of its registrations."""

    modify_index: pulumi.Output[int]
    version: pulumi.Output[int]
    settled: pulumi.Output[bool]
    """Whether the registration of `modify_index` is what the state says."""

    def __init__(
        self,
        resource_name: str,
        *,
        endpoint: pulumi.Input[Mapping[str, Any]],
        job: Mapping[str, Any],
        catalogue: pulumi.Input[Mapping[str, Any]] | None = None,
        strict: bool = False,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        inputs = {"endpoint": endpoint, "job_id": job["ID"], "job": job, "strict": strict}
        if catalogue is not None:
            inputs["catalogue"] = catalogue
        super().__init__(JobHandler, resource_name, inputs, outputs=("modify_index", "version", "settled"), opts=opts)
