"""The commands for one job: logs, exec, restart, promote, rollback. What they change, the next `preview` shows."""

import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from mooring.clients.answers import Json, rows, table
from mooring.clients.http import Endpoint
from mooring.clients.nomad import Nomad, region
from mooring.clients.way import Ways
from mooring.kinds.nomad_deployment import DeploymentStatus, deployment_reasons, evaluation_reasons
from mooring.toolchain import binaries
from mooring.waiting import SYSTEM, Clock, wait_for

Say = Callable[[str], None]

HEALTHY_WITHIN = 300.0
"""Seconds that one instance, or one deployment, is given."""


class NoSuchJob(Exception):
    """Nomad knows no such job: the message names those that it knows."""


class CannotDo(Exception):
    """The job is not in a state in which this could be done; the message says in which it is."""


@dataclass(frozen=True, kw_only=True)
class Instance:
    """A running allocation's task."""

    allocation: str
    node: str
    task: str

    @property
    def label(self) -> str:
        return f"{self.allocation[:8]} {self.node} {self.task}"


def names(api: Nomad) -> list[str]:
    return [job["ID"] for job in api.jobs()]


def found(api: Nomad, name: str) -> Json:
    job = api.job(name)
    if job is None:
        raise NoSuchJob(f"there is no job {name!r}; these run: {', '.join(names(api)) or 'none'}")
    return job


def instances(api: Nomad, name: str, task: str | None = None) -> list[Instance]:
    """The tasks that run now, or only those called `task`."""
    found(api, name)
    return [
        Instance(allocation=allocation["ID"], node=allocation["NodeName"], task=each)
        for allocation in sorted(api.allocations(name), key=lambda a: a["Name"])
        if allocation["ClientStatus"] == "running"
        for each in table(allocation["TaskStates"])
        if task in (None, each)
    ]


def ended(api: Nomad, name: str, task: str | None = None) -> list[Instance]:
    """The tasks of the last instance that has ended: all that there is to read of work that is done."""
    past = [a for a in api.allocations(name) if a["ClientStatus"] in ("complete", "failed", "lost")]
    return [
        Instance(allocation=allocation["ID"], node=allocation["NodeName"], task=each)
        for allocation in sorted(past, key=lambda a: a["CreateIndex"])[-1:]
        for each in table(allocation["TaskStates"])
        if task in (None, each)
    ]


def logs(api: Nomad, name: str, *, task: str | None, stream: str, lines: int) -> Iterator[str]:
    """The last `lines` of every instance, each line behind its instance's label; of the last one when none runs."""
    for instance in instances(api, name, task) or ended(api, name, task):
        text = api.log_tail(instance.allocation, instance.task, stream=stream, size=lines * 200)
        yield from (f"{instance.label}  {line}" for line in text.splitlines()[-lines:])


def follow(api: Nomad, name: str, *, task: str | None, stream: str) -> Iterator[str]:
    """Every line of every instance as it is written; ends when all of them have ended."""
    heard: SimpleQueue[str | None] = SimpleQueue()

    def listen(instance: Instance) -> None:
        try:
            for line in api.follow_log(instance.allocation, instance.task, stream=stream):
                heard.put(f"{instance.label}  {line}")
        finally:
            heard.put(None)

    running = instances(api, name, task)
    pool = ThreadPoolExecutor(max(len(running), 1))
    for instance in running:
        pool.submit(listen, instance)
    ended = 0
    while ended < len(running):
        try:
            line = heard.get(timeout=1)  # a wait without an end would not hear ^C
        except Empty:
            continue
        if line is None:
            ended += 1
        else:
            yield line


def execute(endpoint: Endpoint, name: str, command: Sequence[str], *, namespace: str, task: str | None) -> int:
    """Run `command` inside the job's first instance, before the person's eyes; returns its exit status.

    Through Nomad's own program, which knows how to carry a terminal; it is told where and as whom by its environment,
    never by arguments.
    """
    api = region(endpoint, namespace)
    running = instances(api, name, task)
    command = command[1:] if command[:1] == ["--"] else command  # a habit from other tools
    if not running:
        raise CannotDo(f"job {name!r} has no running instance" + (f" with a task {task!r}" if task else ""))
    leader = api.leader()
    if leader is None:
        raise CannotDo("nomad has no leader just now: try again in a moment")
    chosen = running[0]
    with (
        tempfile.TemporaryDirectory(prefix="mooring-") as folder,
        Ways(endpoint.through).door(leader.rpartition(":")[0], endpoint.port) as door,
    ):
        authority = Path(folder, "authority.pem")
        authority.write_text(endpoint.authority)
        return subprocess.run(  # noqa: S603 -- what the person asked for, inside the instance
            [str(binaries.locate("nomad")), "alloc", "exec", "-task", chosen.task, chosen.allocation, *command],
            env={
                **os.environ,
                "NOMAD_ADDR": f"https://{door}",
                "NOMAD_CACERT": str(authority),
                "NOMAD_TOKEN": endpoint.token,
                "NOMAD_NAMESPACE": namespace,
            },
            check=False,
        ).returncode


def restart(api: Nomad, name: str, passing: Callable[[], int], say: Say, clock: Clock = SYSTEM) -> None:
    """Restart every instance, one at a time: the next one only when as many pass their checks as before."""
    allocations = sorted({instance.allocation for instance in instances(api, name)})
    if not allocations:
        raise CannotDo(f"job {name!r} has no running instance")
    before = passing()
    for number, allocation in enumerate(allocations, start=1):
        say(f"restarting {allocation[:8]}, {number} of {len(allocations)}")
        started = starts(api, name, allocation)
        api.restart_allocation(allocation)

        def well(allocation: str = allocation, started: Mapping[str, str] = started) -> bool | None:
            now = starts(api, name, allocation)
            again = now.keys() >= started.keys() and all(now[task] != at for task, at in started.items())
            return True if again and passing() >= before else None

        wait_for(well, f"{allocation[:8]} serves again", within=HEALTHY_WITHIN, every=0.5, clock=clock)


def starts(api: Nomad, name: str, allocation: str) -> dict[str, str]:
    """When each running task of an allocation was last started."""
    return {
        task: state["StartedAt"]
        for found_allocation in api.allocations(name)
        if found_allocation["ID"] == allocation
        for task, state in table(found_allocation["TaskStates"]).items()
        if state["State"] == "running"
    }


def promote(api: Nomad, name: str, say: Say, clock: Clock = SYSTEM) -> None:
    """Let the canaries of the running deployment take over, and wait until it has ended."""
    found(api, name)
    deployment = table(api.latest_deployment(name))
    if deployment.get("Status") != DeploymentStatus.RUNNING:
        raise CannotDo(f"job {name!r} has no running deployment; the last one is {deployment.get('Status', 'none')}")
    api.promote(deployment["ID"])
    _conclude(deployment_reasons(api, name, deployment["ID"], say, clock))


def rollback(api: Nomad, name: str, to: int | None, say: Say, clock: Clock = SYSTEM) -> list[str]:
    """Register an earlier version again, wait until it is healthy, and return what the program must say now.

    Without `to` it is the newest stable version before the present one.
    """
    job = found(api, name)
    earlier = [v for v in api.versions(name) if v["Version"] < job["Version"]]
    chosen = next((v for v in earlier if (v["Stable"] if to is None else v["Version"] == to)), None)
    if chosen is None:
        known = ", ".join(str(v["Version"]) + (" (stable)" if v["Stable"] else "") for v in earlier) or "none"
        asked = "no stable version" if to is None else f"no version {to}"
        raise CannotDo(f"job {name!r} is at version {job['Version']} and has {asked} before it; it has: {known}")
    say(f"going back from version {job['Version']} to {chosen['Version']}")
    evaluation = api.revert(name, to=chosen["Version"], unless_changed_since=job["Version"])["EvalID"]
    _conclude(evaluation_reasons(api, name, evaluation, say, clock))
    return [f"{path}: {_shown(now)}, not {_shown(before)}" for path, before, now in changed(job, chosen)]


def _conclude(reasons: Sequence[str]) -> None:
    if reasons:
        raise CannotDo("\n".join(reasons))


SERVERS_OWN = frozenset(
    {"CreateIndex", "JobModifyIndex", "ModifyIndex", "Stable", "Status", "StatusDescription", "SubmitTime", "Version"}
)
"""Fields of a job that are the server's to set."""


def changed(old: Any, new: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Where two jobs differ, as (path, old, new); named things in lists are told apart by name."""
    if isinstance(old, dict) and isinstance(new, dict):
        was, now = table(old), table(new)
        for key in sorted((was.keys() | now.keys()) - (SERVERS_OWN if path == "" else frozenset())):
            yield from changed(was.get(key), now.get(key), f"{path}.{key}" if path else key)
    elif _named(old) and _named(new):
        yield from changed(_by_name(old), _by_name(new), path)
    elif old != new:
        yield path, old, new


def _named(value: Any) -> bool:
    """Whether this is a list whose every item has a name."""
    items = rows(value) if isinstance(value, list) else []
    return bool(items) and all(isinstance(item, dict) and table(item).get("Name") for item in items)


def _by_name(value: Any) -> Json:
    return {item["Name"]: item for item in rows(value)}


def _shown(value: Any) -> str:
    return "nothing" if value is None else repr(value)
