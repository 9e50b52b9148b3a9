"""Jobs that a server holds in another form than the program has, in every way that changes nothing, as data and chance.

Each `Way` says something that the server fills in, sorts, drops or spells another way. A variation is a job with some
of them; none of the jobs has an instance, so that hundreds are registered in seconds.
"""

import random
from collections.abc import Callable
from copy import deepcopy
from typing import Any, Final, cast

from lifecycle.cases import SECOND

from mooring.clients.answers import rows
from mooring.jobs import problems_of

Json = dict[str, Any]
Way = Callable[[Json, random.Random], None]


def plain(name: str, image: str) -> Json:
    """A job of two groups with nothing to run, and as little said as there can be."""
    task = {"Name": "app", "Driver": "docker", "Config": {"image": image}}
    groups = [{"Name": group, "Count": 0, "Tasks": [deepcopy(task)]} for group in ("web", "api")]
    return {"ID": name, "Name": name, "Type": "service", "Datacenters": ["dc1"], "TaskGroups": groups}


def _group(job: Json) -> Json:
    found: Json = job["TaskGroups"][0]
    return found


def _task(job: Json) -> Json:
    found: Json = _group(job)["Tasks"][0]
    return found


def _says(**fields: Any) -> Way:
    return lambda job, _: job.update(deepcopy(fields))


def _group_says(**fields: Any) -> Way:
    return lambda job, _: _group(job).update(deepcopy(fields))


def _task_says(**fields: Any) -> Way:
    return lambda job, _: _task(job).update(deepcopy(fields))


def _service(**fields: Any) -> Way:
    def way(job: Json, chance: random.Random) -> None:
        del chance
        group = _group(job)
        group.setdefault("Networks", [{"DynamicPorts": [{"Label": "http"}]}])
        group["Services"] = [*rows(group.get("Services")), {"PortLabel": "http", **deepcopy(fields)}]

    return way


def _shuffled(job: Json, chance: random.Random) -> None:
    """Keys in another order, everywhere."""

    def shuffle(value: Any) -> Any:
        if isinstance(value, dict):
            items = [(key, shuffle(inner)) for key, inner in cast("Json", value).items()]
            return dict(chance.sample(items, len(items)))
        return [shuffle(inner) for inner in cast("list[Any]", value)] if isinstance(value, list) else value

    shuffled = shuffle(job)
    job.clear()
    job.update(shuffled)


def pointed(value: Any) -> Any:
    """Every whole number as one with a point: to Pulumi they are the same, and a typed job has none."""
    if isinstance(value, dict):
        return {key: pointed(inner) for key, inner in cast("Json", value).items()}
    if isinstance(value, list):
        return [pointed(inner) for inner in cast("list[Any]", value)]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _reversed(job: Json, chance: random.Random) -> None:
    del chance
    job["TaskGroups"].reverse()


def _nulls(job: Json, chance: random.Random) -> None:
    del chance
    _group(job).update(dict.fromkeys(("Constraints", "Services", "Volumes", "Scaling")))
    _task(job).update(dict.fromkeys(("Env", "Meta", "Templates", "Artifacts", "Vault", "Lifecycle")))


def _empties(job: Json, chance: random.Random) -> None:
    del chance
    pieces: tuple[tuple[Json, Json], ...] = (
        (job, {"Meta": {}, "Constraints": []}),
        (_group(job), {"Meta": {}, "Services": []}),
        (_task(job), {"Env": {}, "Templates": [], "Constraints": [], "VolumeMounts": [], "User": ""}),
    )
    for piece, empty in pieces:
        piece.update({key: value for key, value in empty.items() if key not in piece})


PART_WITH_POINTS: Final = 0.25

WAYS: Final[dict[str, Way]] = {
    "the job's defaults written down": _says(Priority=50, Region="global", Namespace="default", NodePool="default"),
    "a policy for all groups": _says(Update={"MaxParallel": 3, "Canary": 1, "AutoRevert": True}),
    "constraints for all groups": _says(
        Constraints=[{"LTarget": "${attr.kernel.name}", "RTarget": "linux", "Operand": "="}]
    ),
    "affinities for all groups": _says(Affinities=[{"LTarget": "${node.class}", "RTarget": "big", "Operand": "="}]),
    "spreads for all groups": _says(Spreads=[{"Attribute": "${node.unique.id}"}]),
    "several datacenters": _says(Datacenters=["dc2", "dc1", "dc3"]),
    "meta": _says(Meta={"b": "2", "a": "1", "c.d": "3"}),
    "part of an update": _group_says(Update={"MaxParallel": 2, "MinHealthyTime": 5 * SECOND}),
    "part of a restart": _group_says(RestartPolicy={"Attempts": 3}),
    "part of a rescheduling": _group_says(ReschedulePolicy={"Delay": 10 * SECOND, "Unlimited": True}),
    "part of a migration": _group_says(Migrate={"MaxParallel": 2}),
    "a disk": _group_says(EphemeralDisk={"Sticky": True}),
    "a shutdown delay": _group_says(ShutdownDelay=3 * SECOND),
    "a network of its own": _group_says(
        Networks=[
            {
                "Mode": "bridge",
                "DynamicPorts": [{"Label": "http", "To": 80}, {"Label": "admin"}],
                "ReservedPorts": [{"Label": "fixed", "Value": 9090}],
            }
        ]
    ),
    "a volume": _group_says(Volumes={"data": {"Name": "data", "Type": "host", "Source": "data"}}),
    "an autoscaler": _group_says(Scaling={"Min": 0, "Max": 5, "Policy": {"cooldown": "1m"}}),
    "an autoscaler that is off": _group_says(Scaling={"Min": 0, "Max": 5, "Enabled": False}),
    "a service with checks": _service(
        Name="shop",
        Tags=["b", "a"],
        Checks=[{"Type": "http", "Path": "/", "Interval": 10 * SECOND, "Timeout": SECOND}],
    ),
    "a service without a name": _service(Checks=[{"Type": "tcp", "Interval": 5 * SECOND, "Timeout": SECOND}]),
    "a service of Nomad's own": _service(Name="own", Provider="nomad"),
    "a check that restarts": _service(
        Name="restarted",
        CheckRestart={"Limit": 3, "Grace": 10 * SECOND},
        Checks=[{"Name": "alive", "Type": "tcp", "Interval": 5 * SECOND, "Timeout": SECOND}],
    ),
    "a mesh": lambda job, _: _group(job).update(
        Networks=[{"Mode": "bridge"}],
        Services=[{"Name": "mesh", "PortLabel": "8080", "Connect": {"SidecarService": {}}}],
    ),
    "part of the resources": _task_says(Resources={"CPU": 50}),
    "cores": _task_says(Resources={"Cores": 1, "MemoryMB": 64}),
    "a limit beyond the memory": _task_says(Resources={"CPU": 50, "MemoryMB": 64, "MemoryMaxMB": 128}),
    "a device": _task_says(Resources={"CPU": 50, "MemoryMB": 64, "Devices": [{"Name": "nvidia/gpu"}]}),
    "an environment": _task_says(Env={"B": "2", "A": "1", "EMPTY": ""}),
    "a time to end": _task_says(KillTimeout=1_500_000_000),
    "a signal": _task_says(KillSignal="SIGINT"),
    "a leader": _task_says(Leader=True, ShutdownDelay=SECOND),
    "logs": _task_says(LogConfig={"MaxFiles": 3}),
    "a template": _task_says(Templates=[{"EmbeddedTmpl": "a = 1\n", "DestPath": "local/a"}]),
    "a template that signals": _task_says(
        Templates=[
            {"EmbeddedTmpl": "a = 1\n", "DestPath": "local/a", "ChangeMode": "signal", "ChangeSignal": "SIGHUP"},
            {"EmbeddedTmpl": "b = 1\n", "DestPath": "secrets/b", "Envvars": True, "Perms": "0600"},
        ]
    ),
    "an artifact": _task_says(Artifacts=[{"GetterSource": "https://example.org/a.tgz"}]),
    "constraints of a task": _task_says(
        Constraints=[
            {"LTarget": "${node.class}", "RTarget": "x", "Operand": "!="},
            {"LTarget": "${attr.cpu.arch}", "RTarget": "amd64", "Operand": "="},
        ]
    ),
    "affinities of a task": _task_says(
        Affinities=[{"LTarget": "${node.class}", "RTarget": "big", "Operand": "=", "Weight": -20}]
    ),
    "an identity": _task_says(Identity={"Env": True}),
    "the driver's own forms": lambda job, _: _task(job)["Config"].update(
        args=[], labels=[{"b": "2", "a": "1"}], mounts=[{"type": "tmpfs", "target": "/run/x"}], memory_hard_limit=256
    ),
    "a restart of a task": _task_says(RestartPolicy={"Attempts": 1, "Mode": "fail"}),
    "a step before": lambda job, _: _group(job)["Tasks"].append(
        {
            "Name": "before",
            "Driver": "docker",
            "Config": deepcopy(_task(job)["Config"]),
            "Lifecycle": {"Hook": "prestart"},
        }
    ),
    "nulls": _nulls,
    "empties": _empties,
    "keys in another order": _shuffled,
    "groups in another order": _reversed,
}


def variation(name: str, image: str, chance: random.Random) -> Json:
    """A sound job with up to twelve of the ways."""
    job = plain(name, image)
    for way in chance.sample(sorted(WAYS), chance.randint(1, 12)):
        before = deepcopy(job)
        WAYS[way](job, chance)
        if problems_of(job):
            job = before  # not with what it says already
    return pointed(job) if chance.random() < PART_WITH_POINTS else job


def batch(name: str, image: str, chance: random.Random) -> Json:
    """Work on order or by the clock, with as much left to the server as can be."""
    work = {"Name": "work", "Driver": "docker", "Config": {"image": image, "command": "node", "args": ["-e", "0"]}}
    task = {**work, "Resources": {"CPU": 50, "MemoryMB": 64}}
    meta = {"number": str(chance.randrange(10**6))}
    job = {"ID": name, "Name": name, "Type": "batch", "Datacenters": ["dc1"], "Meta": meta}
    group = {"Name": "work", "Tasks": [task]}
    kinds: tuple[Json, ...] = (
        {"ParameterizedJob": {}},
        {"ParameterizedJob": {"Payload": "optional", "MetaOptional": ["b", "a"]}},
        {"Periodic": {"Spec": "0 3 1 1 *"}},
        {"Periodic": {"Spec": "0 3 1 1 *", "SpecType": "cron", "TimeZone": "UTC", "ProhibitOverlap": True}},
        {"Type": "sysbatch", "ParameterizedJob": {}},
    )
    return {**job, "TaskGroups": [group], **chance.choice(kinds)}


def autoscaled(name: str, web: Json) -> Json:
    """A job that runs, and of whose count the program only says how it begins."""
    job = deepcopy(web) | {"ID": name, "Name": name}
    _group(job)["Scaling"] = {"Min": 1, "Max": 3, "Enabled": True}
    return job
