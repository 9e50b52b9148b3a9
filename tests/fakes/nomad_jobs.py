"""Nomad's jobs: registered, evaluated, deployed and reverted, while time passes on a `FakeClock`."""

import copy
import itertools
import json
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, cast

from fakes.clock import FakeClock
from fakes.network import Question, Reply, refusal

Json = dict[str, Any]

EVALUATED_AFTER: Final = 0.3
HEALTHY_AFTER: Final = 1.0
"""Seconds that each instance takes, one after the other."""

BATCH_TAKES: Final = 5.0
"""Seconds from when a batch instance is placed until it has ended, well or badly."""

UNHEALTHY_AFTER: Final = 15.0
PLACED_ANEW_AFTER: Final = 30.0
TRACKED: Final = 6
"""Versions of a job that are kept."""

NODE_MEMORY: Final = 2048
LEAST_MEMORY: Final = 10

JOB_DEFAULTS: Final[Json] = {
    **dict.fromkeys(("Affinities", "Constraints", "Meta", "ParameterizedJob", "Periodic", "Spreads", "TaskGroups")),
    "AllAtOnce": False,
    "ConsulToken": "",
    "Dispatched": False,
    "Namespace": "default",
    "NodePool": "default",
    "ParentID": "",
    "Priority": 50,
    "Region": "global",
    "Stop": False,
    "Type": "service",
}
GROUP_DEFAULTS: Final[Json] = {
    **dict.fromkeys(("Affinities", "Constraints", "Meta", "Networks", "Scaling", "Services", "ShutdownDelay")),
    **dict.fromkeys(("MaxClientDisconnect", "Spreads", "StopAfterClientDisconnect", "Volumes")),
    "Count": 1,
    "EphemeralDisk": {"Migrate": False, "SizeMB": 300, "Sticky": False},
}
UPDATE_DEFAULTS: Final[Json] = {"AutoPromote": False, "AutoRevert": False, "Canary": 0, "Stagger": 30_000_000_000}
SERVICE_DEFAULTS: Final[Json] = {
    **dict.fromkeys(
        ("CanaryMeta", "CanaryTags", "CheckRestart", "Checks", "Connect", "Meta", "TaggedAddresses", "Tags")
    ),
    "AddressMode": "auto",
    "EnableTagOverride": False,
    "OnUpdate": "require_healthy",
    "TaskName": "",
}
TASK_DEFAULTS: Final[Json] = {
    **dict.fromkeys(("Affinities", "Artifacts", "Constraints", "DispatchPayload", "Env", "Identity", "Lifecycle")),
    **dict.fromkeys(("Meta", "ScalingPolicies", "Services", "Templates", "Vault", "VolumeMounts")),
    "KillTimeout": 5_000_000_000,
    "Leader": False,
    "LogConfig": {"Disabled": False, "MaxFileSizeMB": 10, "MaxFiles": 10},
    "User": "",
}
RESOURCE_DEFAULTS: Final[Json] = {"Cores": 0, "Devices": None, "DiskMB": 0, "IOPS": 0, "MemoryMaxMB": 0}

NOT_SPECIFICATION: Final = frozenset(
    {"CreateIndex", "JobModifyIndex", "ModifyIndex", "Stable", "Status", "StatusDescription", "SubmitTime", "Version"}
)
"""What another value of makes no other job."""


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """What happens to every instance of an image that does not work."""

    events: tuple[str, ...] = ("Received by client", "Task started by client", "Exit Code: 3", "Not restarting")
    output: str = ""
    errors: str = ""
    never_ends: bool = False
    """Neither healthy nor unhealthy for as long as somebody looks."""


class FakeJobs:
    """The jobs of one region whose nodes have `NODE_MEMORY` MiB each and run Linux."""

    def __init__(self, clock: FakeClock, nodes: list[str]) -> None:
        self.bad_images: dict[str, Trouble] = {}
        self.lost_words = False
        """Whether the nodes answer 500 to a question for a task's output, as for one that never wrote."""

        self.failing_evaluations = False
        self.never_places_anew = False
        """As for a job whose reschedule policy is none."""

        self.writes = 0
        self._clock = clock
        self._nodes = nodes
        self._versions: dict[str, list[Json]] = {}
        self._evaluations: dict[str, Json] = {}
        self._deployments: dict[str, Json] = {}
        self._allocations: dict[str, Json] = {}
        self._lingering: dict[str, Json] = {}
        """The failed deployment of a purged job, by job: its failed instance is nobody's to stop."""

        self._indices = itertools.count(100)
        self._listed: list[Json] = []
        self._listed_at = 1

    def job(self, id_: str) -> Json:
        """The current version, to look at or to tamper with."""
        return self._versions[id_][-1]

    def allocations(self, id_: str) -> list[Json]:
        """Every instance that the job ever had, the newest first."""
        return [found for found in reversed(self._allocations.values()) if found["JobID"] == id_]

    def forget(self, id_: str) -> None:
        """As the servers do with a finished job after some hours."""
        del self._versions[id_]

    def register(self, job: Mapping[str, Any], *, accessor: str = "somebody-else") -> Json:
        """As somebody does who does not care which version was there."""
        return self._register(dict(job), accessor)

    def reply(self, question: Question, accessor: str) -> Reply:  # noqa: C901, PLR0911, PLR0912 -- a server's routes are one table
        if question.method != "GET" and question.path[-1] != "plan":
            self.writes += 1
        if question.path[0] == "job" and self._elsewhere(question):
            return _missing("job")
        match question.method, question.path:
            case "POST", ["jobs"]:
                return self._registered(question.body, accessor)
            case "GET", ["jobs"]:
                return self._list(question.query)
            case "GET", ["job", id_]:
                return Reply(body=self.job(id_)) if id_ in self._versions else _missing("job")
            case "DELETE", ["job", id_]:
                return self._deregistered(id_, purge=question.query.get("purge") == "True")
            case "GET", ["job", id_, "versions"]:
                kept = self._versions.get(id_, [])[: -TRACKED - 1 : -1]
                return Reply(body={"Versions": kept, "Diffs": None}) if kept else _missing("job versions")
            case "POST", ["job", id_, "plan"]:
                return Reply(body={"Diff": self._difference(id_, question.body["Job"])})
            case "GET", ["job", id_, "deployment"]:
                return Reply(body=self._latest_deployment(id_))
            case "GET", ["job", id_, "allocations"]:
                return Reply(body=list(map(_stub, self.allocations(id_))))
            case "GET", ["evaluation", id_]:
                return self._evaluation(id_, question.query)
            case "GET", ["deployment", "allocations", id_]:
                return Reply(body=[_stub(found) for found in self._of(id_)])
            case "GET", ["deployment", id_]:
                return self._deployment(id_, question.query)
            case "GET", ["client", "fs", "logs", id_]:
                return self._words(id_, question.query)
            case _:
                raise question.not_taught()

    def _elsewhere(self, question: Question) -> bool:
        """Whether the job that the path names is of another namespace than the one that was asked in."""
        versions = self._versions.get(question.path[1])
        return bool(versions) and versions[-1]["Namespace"] != question.query.get("namespace", "default")

    def _registered(self, body: Json, accessor: str) -> Reply:
        job, index = body["Job"], body["JobModifyIndex"]
        current = self._versions.get(job["ID"], [None])[-1]
        if body["EnforceIndex"] and (conflict := _conflict(index, current)):
            # An error like any other: which one it is stands in the text alone.
            return refusal(HTTPStatus.INTERNAL_SERVER_ERROR, f"Enforcing job modify index {index}: {conflict}")
        if problems := list(_validation(job)):
            lines = "".join(f"\n\t* {problem}" for problem in problems)
            return refusal(HTTPStatus.INTERNAL_SERVER_ERROR, f"{len(problems)} error occurred:{lines}\n\n")
        return Reply(body=self._register(job, accessor))

    def _register(self, job: Json, accessor: str) -> Json:
        versions = self._versions.setdefault(job["ID"], [])
        new = canonical(job) | {"NomadTokenID": accessor}
        if not versions or _specification(new) != _specification(versions[-1]):
            deploys = True
            self._keep(new)
        else:
            deploys = False
        return self._evaluate(self.job(job["ID"]), deploys=deploys, because="job-register")

    def _difference(self, id_: str, job: Json) -> Json:
        """Which of a job's own fields another registration would change; of its groups only whether it would."""
        if id_ not in self._versions:
            return {"Type": "Added", "ID": id_}
        now, then = self.job(id_), canonical(job)
        changed = sorted(key for key in then.keys() - NOT_SPECIFICATION if then[key] != now[key])
        return {"Type": "Edited" if changed else "None", "ID": id_, "Fields": [{"Name": key} for key in changed]}

    def _keep(self, new: Json) -> None:
        versions = self._versions[new["ID"]]
        index = next(self._indices)
        versions.append(
            {
                **new,
                "CreateIndex": versions[0]["CreateIndex"] if versions else index,
                "JobModifyIndex": index,
                "ModifyIndex": index,
                "Stable": False,
                "Status": "pending",
                "StatusDescription": "",
                "SubmitTime": 1893499200000000000,
                "Version": len(versions),
            }
        )

    def _deregistered(self, id_: str, *, purge: bool) -> Reply:
        job = self.job(id_)
        for found in self._deployments.values():
            if found["JobID"] == id_ and found["Status"] == "running":
                self._end(found, "cancelled", "Cancelled because job is stopped")
        if not purge:
            self._keep({key: value for key, value in job.items() if key not in NOT_SPECIFICATION} | {"Stop": True})
        elif (last := self._latest_deployment(id_)) is not None and last["Status"] == "failed":
            self._lingering[id_] = {"deployment": last["ID"], "specification": _specification(job)}
        if purge:
            del self._versions[id_]
        return Reply(body=self._evaluate(job, deploys=False, because="job-deregister"))

    def _evaluate(self, job: Json, *, deploys: bool, because: str) -> Json:
        id_, index = str(uuid.uuid4()), next(self._indices)
        for older in self._evaluations.values():
            if older["JobID"] == job["ID"] and older["Status"] == "pending":
                words = "canceled after more recent eval was processed"
                older |= {"Status": "canceled", "StatusDescription": words, "ModifyIndex": next(self._indices)}
        self._evaluations[id_] = {
            "ID": id_,
            "JobID": job["ID"],
            "TriggeredBy": because,
            "Status": "pending",
            "StatusDescription": "",
            "DeploymentID": "",
            "BlockedEval": "",
            "FailedTGAllocs": None,
            "QueuedAllocations": None,
            "ModifyIndex": index,
        }
        self._clock.after(EVALUATED_AFTER, lambda: self._process(self._evaluations[id_], job, deploys=deploys))
        answer = {"EvalID": id_, "EvalCreateIndex": index, "JobModifyIndex": job["JobModifyIndex"], "Warnings": ""}
        return answer | {"Index": index, "LastContact": 0, "KnownLeader": False}

    def _list(self, query: Mapping[str, str]) -> Reply:
        """The index is that of the whole table, whatever part of it is asked for."""
        wanted = query.get("namespace", "default")
        jobs = [self.job(id_) for id_ in sorted(self._versions)]
        summaries = list(map(_summary, jobs))
        if summaries != self._listed:
            self._listed, self._listed_at = copy.deepcopy(summaries), next(self._indices)
        asked = [_summary(job) for job in jobs if job["Namespace"] == wanted]
        page = asked[: int(query["per_page"])] if "per_page" in query else asked
        return Reply(body=page, headers={"X-Nomad-Index": str(self._listed_at)})

    def _evaluation(self, id_: str, query: Mapping[str, str]) -> Reply:
        if (found := self._evaluations.get(id_)) is None:
            return _missing("eval")
        if (index := int(query.get("index", "0"))) > 0:
            wait = float(query["wait"].removesuffix("s"))
            self._clock.pass_until(lambda: found["ModifyIndex"] > index, within=wait)
        # Unlike jobs and deployments, it leaves out what is empty.
        body = {key: value for key, value in found.items() if value not in ("", None)}
        return Reply(body=body, headers={"X-Nomad-Index": str(found["ModifyIndex"])})

    def _process(self, evaluation: Json, job: Json, *, deploys: bool) -> None:
        self._evaluated(evaluation, job, deploys=deploys)
        evaluation["ModifyIndex"] = next(self._indices)

    def _evaluated(self, evaluation: Json, job: Json, *, deploys: bool) -> None:
        if evaluation["Status"] != "pending":
            return
        if evaluation["TriggeredBy"] == "job-deregister":
            evaluation["Status"] = "complete"
            return
        left = self._lingering.pop(job["ID"], None)
        if left is not None and left["specification"] == _specification(job):
            # The failed instance of the job that had this name counts as one of this job, until it is placed anew.
            evaluation |= {"Status": "complete", "DeploymentID": left["deployment"]}
            if not self.never_places_anew:
                self._clock.after(PLACED_ANEW_AFTER, lambda: self._deploy_if_there(job))
            return
        if self.failing_evaluations:
            evaluation |= {"Status": "failed", "StatusDescription": "maximum attempts reached (5)"}
            return
        failed = {group["Name"]: metrics for group in job["TaskGroups"] if (metrics := self._no_place(group))}
        evaluation |= {"Status": "complete", "FailedTGAllocs": failed or None, "QueuedAllocations": {}}
        if failed:
            evaluation["BlockedEval"] = str(uuid.uuid4())
        # The same job again is evaluated, but there is nothing to deploy.
        if deploys and job["Type"] == "service" and job["ID"] in self._versions:
            evaluation["DeploymentID"] = self._deploy(job, placed=not failed)["ID"]
        if deploys and job["Type"] == "batch" and not failed:
            self._begin(job)

    def _begin(self, job: Json) -> None:
        """Place the instances of a batch job; those of an earlier version that are still at it are killed."""
        for found in self._allocations.values():
            if found["JobID"] == job["ID"] and found["ClientStatus"] == "running":
                found |= {"ClientStatus": "complete", "DesiredStatus": "stop"}
        job["Status"] = "running"
        for group in job["TaskGroups"]:
            for _ in range(group["Count"]):
                placed = self._place({"ID": ""}, job, group)
                ends_as = "failed" if placed["ClientStatus"] == "failed" else "complete"
                placed["ClientStatus"] = "running"
                never = any(trouble and trouble.never_ends for trouble in placed["_trouble"].values())
                if not never:
                    self._clock.after(BATCH_TAKES, lambda p=placed, s=ends_as: self._end_batch(job, p, s))

    def _end_batch(self, job: Json, allocation: Json, status: str) -> None:
        if allocation["ClientStatus"] != "running":
            return
        allocation["ClientStatus"] = status
        if all(found["ClientStatus"] != "running" for found in self.allocations(job["ID"])):
            job["Status"] = "dead"

    def _deploy_if_there(self, job: Json) -> None:
        if job["ID"] in self._versions:
            self._deploy(job, placed=True)

    def _no_place(self, group: Json) -> Json | None:
        need = sum(task["Resources"]["MemoryMB"] for task in group["Tasks"])
        exhausted = {"memory": len(self._nodes)} if need > NODE_MEMORY else None
        filtered = {
            f"{constraint['LTarget']} {constraint['Operand']} {constraint['RTarget']}": len(self._nodes)
            for constraint in group["Constraints"] or ()
            if (constraint["LTarget"], constraint["RTarget"]) != ("${attr.kernel.name}", "linux")
        }
        if not exhausted and not filtered:
            return None
        return {
            "NodesEvaluated": len(self._nodes),
            "NodesFiltered": len(self._nodes) if filtered else 0,
            "NodesExhausted": len(self._nodes) if exhausted else 0,
            "ConstraintFiltered": filtered or None,
            "DimensionExhausted": exhausted,
            "ClassExhausted": None,
            "CoalescedFailures": group["Count"] - 1,
        }

    def _deploy(self, job: Json, *, placed: bool) -> Json:
        for found in self._deployments.values():
            if found["JobID"] == job["ID"] and found["Status"] == "running":
                self._end(found, "cancelled", "Cancelled due to newer version of job")
        made = {
            "ID": str(uuid.uuid4()),
            "JobID": job["ID"],
            "JobCreateIndex": job["CreateIndex"],
            "JobVersion": job["Version"],
            "Status": "running",
            "StatusDescription": "Deployment is running",
            "TaskGroups": {group["Name"]: self._state(group, job["Version"]) for group in job["TaskGroups"]},
            "CreateIndex": next(self._indices),
        }
        made["ModifyIndex"] = made["CreateIndex"]
        self._deployments[made["ID"]] = made
        if placed:
            self._clock.after(0, lambda: self._advance(made, job))
        return made

    def _state(self, group: Json, version: int) -> Json:
        update = group["Update"]
        return {
            "AutoPromote": update["AutoPromote"],
            "AutoRevert": update["AutoRevert"],
            "DesiredCanaries": update["Canary"] if version else 0,
            "DesiredTotal": group["Count"],
            "HealthyAllocs": 0,
            "PlacedAllocs": 0,
            "PlacedCanaries": None,
            "Promoted": False,
            "UnhealthyAllocs": 0,
        }

    def _advance(self, deployment: Json, job: Json) -> None:
        """Place the next instance, which is healthy after a while or fails the whole deployment."""
        if deployment["Status"] != "running":
            return
        waiting = [
            (group, state)
            for group in job["TaskGroups"]
            if (state := deployment["TaskGroups"][group["Name"]])["PlacedAllocs"] < state["DesiredTotal"]
        ]
        if not waiting:
            job |= {"Stable": True, "Status": "running"}
            self._end(deployment, "successful", "Deployment completed successfully")
            return
        group, state = waiting[0]
        allocation = self._place(deployment, job, group)
        state["PlacedAllocs"] += 1
        if state["DesiredCanaries"] > len(state["PlacedCanaries"] or ()):
            state["PlacedCanaries"] = [*(state["PlacedCanaries"] or ()), allocation["ID"]]
        self._touch(deployment)
        if any(trouble and trouble.never_ends for trouble in allocation["_trouble"].values()):
            return
        if allocation["ClientStatus"] == "failed":
            self._clock.after(UNHEALTHY_AFTER, lambda: self._failed(deployment, job, allocation))
        else:
            self._clock.after(HEALTHY_AFTER, lambda: self._healthy(deployment, job, allocation))

    def _place(self, deployment: Json, job: Json, group: Json) -> Json:
        tasks = {task["Name"]: self.bad_images.get(task["Config"]["image"]) for task in group["Tasks"]}
        bad = any(trouble is not None for trouble in tasks.values())
        id_, place = str(uuid.uuid4()), len(self._allocations) % len(self._nodes)
        self._allocations[id_] = {
            "ID": id_,
            "JobID": job["ID"],
            "JobVersion": job["Version"],
            "TaskGroup": group["Name"],
            "NodeName": self._nodes[place],
            "ClientStatus": "failed" if bad else "running",
            "DesiredStatus": "run",
            "DeploymentStatus": None,
            "TaskStates": {name: _task_state(trouble) for name, trouble in tasks.items()},
            "_deployment": deployment["ID"],
            "_trouble": tasks,
        }
        return self._allocations[id_]

    def _healthy(self, deployment: Json, job: Json, allocation: Json) -> None:
        allocation["DeploymentStatus"] = {"Healthy": True, "Canary": False}
        deployment["TaskGroups"][allocation["TaskGroup"]]["HealthyAllocs"] += 1
        self._touch(deployment)
        self._advance(deployment, job)

    def _failed(self, deployment: Json, job: Json, allocation: Json) -> None:
        if deployment["Status"] != "running":
            return
        allocation["DeploymentStatus"] = {"Healthy": False, "Canary": False}
        state = deployment["TaskGroups"][allocation["TaskGroup"]]
        state["UnhealthyAllocs"] += 1
        words = "Failed due to unhealthy allocations"
        stable = [version for version in self._versions[job["ID"]] if version["Stable"]]
        if not state["AutoRevert"]:
            self._end(deployment, "failed", words)
        elif not stable:
            self._end(deployment, "failed", f"{words} - no stable job version to auto revert to")
        else:
            self._end(deployment, "failed", f"{words} - rolling back to job version {stable[-1]['Version']}")
            # In the same write as the failure, a version of its own with a deployment of its own.
            self._keep({key: value for key, value in stable[-1].items() if key not in NOT_SPECIFICATION})
            self._evaluate(self.job(job["ID"]), deploys=True, because="deployment-watcher")

    def _end(self, deployment: Json, status: str, words: str) -> None:
        deployment |= {"Status": status, "StatusDescription": words}
        self._touch(deployment)

    def _touch(self, deployment: Json) -> None:
        deployment["ModifyIndex"] = next(self._indices)

    def _latest_deployment(self, id_: str) -> Json | None:
        """Null for a job that has none; a purged job's deployments stay, but not for the next of its name."""
        created = self.job(id_)["CreateIndex"] if id_ in self._versions else None
        found = [d for d in self._deployments.values() if d["JobID"] == id_ and created in (None, d["JobCreateIndex"])]
        return found[-1] if found else None

    def _deployment(self, id_: str, query: Mapping[str, str]) -> Reply:
        found = self._deployments.get(id_)
        if found is None:
            return _missing("deployment")
        if (index := int(query.get("index", "0"))) > 0:
            wait = float(query["wait"].removesuffix("s"))
            self._clock.pass_until(lambda: found["ModifyIndex"] > index, within=wait)
        return Reply(body=found, headers={"X-Nomad-Index": str(found["ModifyIndex"])})

    def _of(self, deployment: str) -> Iterator[Json]:
        return (found for found in self._allocations.values() if found["_deployment"] == deployment)

    def _words(self, allocation: str, query: Mapping[str, str]) -> Reply:
        trouble = cast("Trouble | None", self._allocations[allocation]["_trouble"][query["task"]])
        if self.lost_words or trouble is None:
            return refusal(HTTPStatus.INTERNAL_SERVER_ERROR, "log entry for task not found")
        words = trouble.output if query["type"] == "stdout" else trouble.errors
        return Reply(body=words[-int(query["offset"]) :], plain=True)


def canonical(job: Mapping[str, Any]) -> Json:
    """The job as the server keeps it: with its own defaults, and null for whatever is empty."""
    made = JOB_DEFAULTS | copy.deepcopy(dict(job))
    made["TaskGroups"] = [_group(group) for group in made["TaskGroups"]]
    return cast("Json", _null_for_empty(made))


def _group(group: Json) -> Json:
    made = GROUP_DEFAULTS | group
    made["Update"] = UPDATE_DEFAULTS | (made.get("Update") or {})
    made["Services"] = [SERVICE_DEFAULTS | service for service in made["Services"] or ()]
    made["Tasks"] = [TASK_DEFAULTS | task for task in made["Tasks"]]
    for task in made["Tasks"]:
        task["Resources"] = RESOURCE_DEFAULTS | task["Resources"]
    return made


def _null_for_empty(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _null_for_empty(inner) for key, inner in cast("Json", value).items()} or None
    if isinstance(value, list):
        return [_null_for_empty(inner) for inner in value] or None
    return value


def _specification(job: Json) -> str:
    return json.dumps({key: value for key, value in job.items() if key not in NOT_SPECIFICATION}, sort_keys=True)


def _conflict(index: int, current: Json | None) -> str | None:
    if current is None:
        return "job does not exist" if index else None
    if index == 0:
        return "job already exists"
    there = current["JobModifyIndex"]
    return None if index == there else f"job exists with conflicting job modify index: {there}"


def _validation(job: Json) -> Iterator[str]:
    """Of what it takes no offence at there is much: an unknown key passes without a word."""
    for group in job["TaskGroups"]:
        for task in group["Tasks"]:
            if (memory := task["Resources"]["MemoryMB"]) < LEAST_MEMORY:
                yield f"Task {task['Name']} validation failed: minimum MemoryMB value is {LEAST_MEMORY}; got {memory}"


def _task_state(trouble: Trouble | None) -> Json:
    if trouble is None:
        return {"State": "running", "Failed": False, "Restarts": 0, "Events": None}
    events = [{"Type": "Terminated", "DisplayMessage": words} for words in trouble.events]
    return {"State": "dead", "Failed": True, "Restarts": 2, "Events": events}


def _stub(allocation: Json) -> Json:
    """As lists tell of an allocation. Of which deployment it is they do not say."""
    return {key: value for key, value in allocation.items() if not key.startswith("_")}


def _summary(job: Json) -> Json:
    """What the list says of a job: enough to see whether somebody touched it, and nothing of its groups."""
    kept = ("ID", "ParentID", "Name", "Type", "Priority", "Stop", "Status", "ModifyIndex", "JobModifyIndex")
    return {key: job[key] for key in kept if key in job}


def _missing(what: str) -> Reply:
    return refusal(HTTPStatus.NOT_FOUND, f"{what} not found")
