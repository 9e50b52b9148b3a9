"""Tasks that run together on one node, and everything they share."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from datetime import timedelta
from typing import Any, ClassVar, Final, cast

from typing_extensions import override

from mooring.jobs import version
from mooring.jobs.network import Network, collisions
from mooring.jobs.piece import Piece, merged
from mooring.jobs.placement import Affinity, Constraint, Spread
from mooring.jobs.policies import MIGRATE, UPDATE, JobType, Migrate, Reschedule, Restart, Update
from mooring.jobs.problem import Problem, joined, negatives, repeated, spoken, within
from mooring.jobs.scaling import Scaling
from mooring.jobs.service import Service
from mooring.jobs.shape import Json, steps
from mooring.jobs.task import Surroundings, Task
from mooring.jobs.volumes import USUAL_DISK, EphemeralDisk, Volume


@dataclass(frozen=True, kw_only=True)
class Consul(Piece):
    OF = "Consul"

    namespace: str | None = None
    """Needs Nomad and Consul Enterprise."""


@dataclass(frozen=True)
class Group(Piece):
    """`Group("web", count=3, tasks=[Task(…)])`."""

    OF = "TaskGroup"
    SPELT: ClassVar = {"restart": "RestartPolicy", "reschedule": "ReschedulePolicy"}

    name: str
    """Once in the job."""

    _: KW_ONLY
    tasks: Sequence[Task] = ()
    """At least one, started together but for those with a `lifecycle`."""

    count: int | None = None
    """Instances; in a system job one on each node. Nomad: 1, or the least that `scaling` allows."""

    networks: Sequence[Network] = ()
    """One is what Nomad uses."""

    services: Sequence[Service] = ()
    """What it offers by name, on its ports."""

    volumes: Mapping[str, Volume] = field(default_factory=dict[str, Volume])
    """By the name that the tasks' mounts use."""

    ephemeral_disk: EphemeralDisk | None = None
    """Nomad: 300 MB."""

    constraints: Sequence[Constraint] = ()
    """Beside the job's."""

    affinities: Sequence[Affinity] = ()
    """Beside the job's."""

    spreads: Sequence[Spread] = ()
    """Beside the job's."""

    restart: Restart | None = None
    """For every task; each can say what differs."""

    reschedule: Reschedule | None = None
    """What differs from the job's."""

    update: Update | None = None
    """What differs from the job's."""

    migrate: Migrate | None = None
    """What differs from the job's."""

    scaling: Scaling | None = None
    """Hands the count to an autoscaler."""

    shutdown_delay: timedelta | None = None
    """From when its services are taken out of the catalogue until its tasks are told to stop. Nomad: none.

    Longer than a balancer needs to forget an instance.
    """

    stop_after_client_disconnect: timedelta | None = None
    """A node that has lost the servers for that long stops its instances. Nomad: never."""

    max_client_disconnect: timedelta | None = None
    """Refused: on Nomad 1.6 the agents that come back from it can crash again and again."""

    meta: Mapping[str, str] = field(default_factory=dict[str, str])
    """Its tasks see each as NOMAD_META_<key>."""

    consul: Consul | None = None
    """For its services and templates."""

    @override
    def to_api(self) -> Json:
        written = super().to_api()
        for name, volume in written.get("Volumes", {}).items():
            volume["Name"] = name
        return written

    @classmethod
    @override
    def said(cls, body: Json, at: str, wrong: list[Problem]) -> dict[str, Any]:
        volumes = body.get("Volumes")
        if not isinstance(volumes, dict):
            return super().said(body, at, wrong)
        named: Json = {}
        for name, raw in cast("Json", volumes).items():
            volume = dict(cast("Json", raw)) if isinstance(raw, dict) else raw
            if isinstance(volume, dict) and cast("Json", volume).pop("Name", name) not in (name, ""):
                wrong.append(Problem(joined(at, "volumes", name, "name"), f"is not {name!r}, under which it stands"))
            named[name] = volume
        return super().said({**body, "Volumes": named}, at, wrong)

    def rules(self, over: "Above") -> Iterator[Problem]:
        if not self.name or "\0" in self.name:
            yield Problem("name", "must be given, without null characters")
        yield from negatives(self, "count", "shutdown_delay", "stop_after_client_disconnect")
        if self.count is not None and self.count > 1 and over.type == "system":
            yield Problem("count", f"a system job has one instance on each node, and not {self.count}")
        if not self.tasks and not any(_is_gateway(service) for service in self.services):
            yield Problem("tasks", "must be given")
        if self.stop_after_client_disconnect and over.type not in ("service", "batch"):
            yield Problem("stop_after_client_disconnect", f"is not for {over.type} jobs")
        if self.max_client_disconnect is not None:
            yield from within("max_client_disconnect", version.disconnect_problems(over.nomad))
            if self.stop_after_client_disconnect is not None:
                yield Problem("stop_after_client_disconnect", "and max_client_disconnect say two different things")
        if self.consul is not None and self.consul.namespace:
            yield Problem("consul.namespace", "needs Nomad and Consul Enterprise")
        yield from self._placement(over.type)
        yield from self._policies(over)
        yield from self._storage(over.type, canaries=self._update(over).canary or 0)
        yield from self._networks()
        yield from self._services(over.job)
        yield from self._tasks(over)

    @property
    def instances(self) -> int:
        if self.count is not None:
            return self.count
        return self.scaling.min if self.scaling is not None and self.scaling.min is not None else 1

    @property
    def ports(self) -> set[str]:
        return {label for network in self.networks for label in network.ports}

    def _update(self, over: "Above") -> Update:
        return merged(self.update, over.update, UPDATE)

    def _placement(self, type_: JobType) -> Iterator[Problem]:
        for index, constraint in enumerate(self.constraints):
            yield from within(joined("constraints", index), constraint.rules())
        for index, affinity in enumerate(self.affinities):
            yield from within(joined("affinities", index), affinity.rules())
        for index, spread in enumerate(self.spreads):
            yield from within(joined("spreads", index), spread.rules())
        yield from every_node_problems(self, type_)

    def _policies(self, over: "Above") -> Iterator[Problem]:
        restart = merged(self.restart, Restart.default(over.type))
        yield from within("restart", restart.rules())
        if over.type != "system":
            reschedule = merged(self.reschedule, over.reschedule, Reschedule.default(over.type))
            yield from within("reschedule", reschedule.rules())
        update = self._update(over)
        if over.type in ("service", "system"):
            if over.type == "service" or self.update is not None or over.update is not None:
                yield from within("update", update.rules(self.instances))
            yield from self._kill_timeouts(over.type, update)
        if over.type == "service":
            yield from within("migrate", merged(self.migrate, over.migrate, MIGRATE).rules())
        if self.scaling is not None:
            yield from within("scaling", self.scaling.rules(self.instances))

    def _kill_timeouts(self, type_: JobType, update: Update) -> Iterator[Problem]:
        progress = update.progress_deadline
        for task in self.tasks if type_ == "service" and progress else ():
            kill = task.kill_timeout or USUAL_KILL_TIMEOUT
            if progress is not None and kill > progress:
                longer = f"{spoken(kill)} is above the progress deadline of {spoken(progress)}"
                yield Problem(joined("tasks", task.name, "kill_timeout"), longer)

    def _storage(self, type_: JobType, *, canaries: int) -> Iterator[Problem]:
        if self.ephemeral_disk is not None:
            yield from within("ephemeral_disk", self.ephemeral_disk.rules())
        for name, volume in self.volumes.items():
            rules = volume.rules(type_, count=self.instances, canaries=canaries)
            yield from within(joined("volumes", name), rules)

    def _networks(self) -> Iterator[Problem]:
        networks = {joined("networks", index): network for index, network in enumerate(self.networks)}
        for at, network in networks.items():
            yield from within(at, network.rules())
        for task in self.tasks:
            for index, network in enumerate(task.resources.networks if task.resources is not None else ()):
                networks[joined("tasks", task.name, "resources", "networks", index)] = network
        yield from collisions(networks)

    def _services(self, job: str) -> Iterator[Problem]:
        every = [*self.services, *(service for task in self.tasks for service in task.services)]
        if len({service.provider or "consul" for service in every}) > 1:
            yield Problem("services", "stand in Consul's catalogue and in Nomad's: one of the two would do")
        for task in (None, *self.tasks):
            at = "" if task is None else joined("tasks", task.name)
            own = self.services if task is None else task.services
            named = [(s.named(job, self.name, "" if task is None else task.name), s.port) for s in own]
            for name in {name for name, port in named if named.count((name, port)) > 1}:
                yield Problem(joined(at, "services", name), "stands there twice with the same port")
        for service, step in zip(self.services, steps(self.services), strict=True):
            yield from within(joined("services", step), self._service(service, service.named(job, self.name, "")))
        yield from self._upstreams()

    def _service(self, service: Service, name: str) -> Iterator[Problem]:
        yield from service.rules(name)
        tasks = {task.name for task in self.tasks}
        if service.address_mode == "driver":
            yield Problem("address_mode", "driver is for a task's services")
        if not self._leads_somewhere(service.port):
            yield Problem("port", f"the group has no port {service.port!r}")
        for check, step in zip(service.checks, steps(service.checks), strict=True):
            at = joined("checks", step)
            if not self._leads_somewhere(check.port):
                yield Problem(joined(at, "port"), f"the group has no port {check.port!r}")
            if check.task is not None and check.task not in tasks:
                yield Problem(joined(at, "task"), f"the group has no task {check.task!r}")
            if check.task is not None and check.address_mode == "driver":
                yield Problem(joined(at, "address_mode"), "driver is for a task's services")
            if check.TYPE == "script" and not check.task and not service.task:
                yield Problem(joined(at, "task"), "must be given: the script runs inside one")
            if getattr(check, "expose", False) and (service.connect is None or not service.connect.sidecar_service):
                yield Problem(joined(at, "expose"), "needs a sidecar")
        if service.connect is not None:
            yield from within("connect", self._connect(service, name))

    def _leads_somewhere(self, port: str | None) -> bool:
        return not port or port in self.ports or port.isdigit() or "${" in port

    def _connect(self, service: Service, name: str) -> Iterator[Problem]:
        connect = service.connect
        if connect is None:
            return
        modes = [network.mode or "host" for network in self.networks]
        if connect.native and len(self.tasks) != 1 and service.task not in {task.name for task in self.tasks}:
            yield Problem("native", "needs the service's task")
        if connect.sidecar_service is not None:
            if modes != ["bridge"]:
                yield Problem("sidecar_service", "needs one network of the mode bridge")
            if name != name.lower() or self.name != self.name.lower():
                yield Problem("sidecar_service", "needs lower-case names of group and service")
        if connect.gateway is not None and modes not in (["bridge"], ["host"]):
            yield Problem("gateway", "needs one network of the mode bridge or host")

    def _upstreams(self) -> Iterator[Problem]:
        listeners = [
            f"{upstream.local_bind_address or ''}:{upstream.local_bind_port}"
            for service in self.services
            if service.connect is not None
            for upstream in service.connect.upstreams
        ]
        for listener in {listener for listener in listeners if listeners.count(listener) > 1}:
            yield Problem("services", f"two upstreams listen on {listener}")

    def _tasks(self, over: "Above") -> Iterator[Problem]:
        yield from repeated("tasks", (task.name for task in self.tasks if task.name))
        if sum(task.leader for task in self.tasks) > 1:
            yield Problem("tasks", "more than one is the leader")
        disk = self.ephemeral_disk.size if self.ephemeral_disk is not None else None
        around = Surroundings(
            job=over.job,
            type=over.type,
            group=self.name,
            ports=self.ports,
            volumes=self.volumes.keys(),
            disk=USUAL_DISK if disk is None else disk,
            restart=merged(self.restart, Restart.default(over.type)),
        )
        for task, step in zip(self.tasks, steps(self.tasks), strict=True):
            yield from within(joined("tasks", step), task.rules(around))


@dataclass(frozen=True, kw_only=True)
class Above:
    """What a group's rules need to know of its job."""

    job: str
    """Its name, as services are called by it."""

    type: JobType
    nomad: str
    """The version that will run it."""

    update: Update | None
    reschedule: Reschedule | None
    migrate: Migrate | None


USUAL_KILL_TIMEOUT: Final = timedelta(seconds=5)
"""Nomad's own."""

ALLOWED: Final = {
    "update": ("service", "system"),
    "migrate": ("service",),
    "reschedule": ("service", "batch", "sysbatch"),
}
"""Types of jobs that have such a policy."""


def every_node_problems(piece: Any, type_: JobType) -> Iterator[Problem]:
    """What a job or group says although its type of job has no such thing."""
    if type_ == "system":
        for name in ("affinities", "spreads"):
            if getattr(piece, name):
                yield Problem(name, "a system job runs on every node, and prefers none")
    for name, types in ALLOWED.items():
        if getattr(piece, name) is not None and type_ not in types:
            yield Problem(name, f"a {type_} job has no such policy")


def _is_gateway(service: Service) -> bool:
    return service.connect is not None and service.connect.gateway is not None
