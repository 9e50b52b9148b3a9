"""One process of a group: what runs, with which files and variables, and when it starts and stops."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from datetime import timedelta
from typing import Any, ClassVar, Final, Literal, Self

from typing_extensions import override

from mooring.jobs import drivers
from mooring.jobs.drivers import Driver, TaskDriver
from mooring.jobs.logs import LogConfig
from mooring.jobs.piece import Piece, merged
from mooring.jobs.placement import Affinity, Constraint
from mooring.jobs.policies import JobType, Restart
from mooring.jobs.problem import Problem, joined, negatives, outside, repeated, within
from mooring.jobs.resources import Resources
from mooring.jobs.service import Check, Service
from mooring.jobs.shape import Json, One, steps
from mooring.jobs.template import Template
from mooring.jobs.volumes import CsiPlugin, VolumeMount


@dataclass(frozen=True)
class Artifact(Piece):
    """A file, archive or repository that is fetched before the task starts."""

    OF = "TaskArtifact"
    SPELT: ClassVar = {
        "source": "GetterSource",
        "destination": "RelativeDest",
        "mode": "GetterMode",
        "options": "GetterOptions",
        "headers": "GetterHeaders",
    }

    source: str
    """An address as go-getter understands it; archives are unpacked."""

    _: KW_ONLY
    destination: str | None = None
    """Relative to the task's folder. Nomad: local/."""

    mode: Literal["any", "file", "dir"] | None = None
    """Nomad: any, whichever it turns out to be."""

    options: Mapping[str, str] = field(default_factory=dict[str, str])
    """As `{"checksum": "sha256:…"}`, which should always be there."""

    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    """Of the HTTP request; they lie readable in the job."""

    def rules(self) -> Iterator[Problem]:
        if not self.source:
            yield Problem("source", "must be given")
        if self.destination and outside(self.destination, below="task"):
            yield Problem("destination", f"{self.destination!r} is outside of the allocation's folder")
        checksum = self.options.get("checksum")
        if checksum is not None and not re.search(r"\$\{[\w.-]+\}", checksum) and not _is_checksum(checksum):
            yield Problem(
                "options.checksum", f"{checksum!r} is not one of {', '.join(DIGESTS)} and its value, as md5:…"
            )


DIGESTS: Final = {"md5": 16, "sha1": 20, "sha256": 32, "sha512": 64}
"""Bytes of each."""


def _is_checksum(text: str) -> bool:
    kind, _, value = text.strip().partition(":")
    return kind in DIGESTS and re.fullmatch("[0-9a-fA-F]*", value) is not None and len(value) == 2 * DIGESTS[kind]


@dataclass(frozen=True)
class Lifecycle(Piece):
    """A task that is not the main one: `Lifecycle("prestart")` is done before that starts."""

    OF = "TaskLifecycle"

    hook: Literal["prestart", "poststart", "poststop"]
    """Before the main tasks, after they have started, or after they have stopped."""

    _: KW_ONLY
    sidecar: bool = False
    """It runs beside the main tasks and is restarted like them, instead of having to end."""


@dataclass(frozen=True, kw_only=True)
class Identity(Piece):
    """Hands the task Nomad's own identity for it, with which it can call Nomad's API."""

    OF = "WorkloadIdentity"

    env: bool = False
    """As NOMAD_TOKEN."""

    file: bool = False
    """As secrets/nomad_token."""


@dataclass(frozen=True)
class DispatchPayload(Piece):
    """Where what was dispatched to a parameterised job is written, below local/."""

    OF = "DispatchPayloadConfig"

    file: str
    """Relative to local/."""

    def rules(self) -> Iterator[Problem]:
        if outside(self.file, below="task/local"):
            yield Problem("file", f"{self.file!r} is outside of the allocation's folder")


@dataclass(frozen=True)
class Vault(Piece):
    """A token of Vault's for the task; only where the agents know a Vault."""

    OF = "Vault"

    policies: Sequence[str]
    """That the token gets; not root."""

    _: KW_ONLY
    namespace: str | None = None
    """Needs Vault Enterprise."""

    env: bool | None = None
    """The token is VAULT_TOKEN. Nomad: yes."""

    disable_file: bool | None = None
    """Keep it out of secrets/vault_token. Nomad: no."""

    change_mode: Literal["restart", "signal", "noop"] | None = None
    """What the task is told when it gets another one. Nomad: restart."""

    change_signal: str | None = None
    """With `signal`. Nomad: SIGHUP."""

    def rules(self) -> Iterator[Problem]:
        if not self.policies:
            yield Problem("policies", "must be given")
        if "root" in self.policies:
            yield Problem("policies", "'root' is for nobody")
        if self.namespace:
            yield Problem("namespace", "needs Vault Enterprise")


@dataclass(frozen=True)
class Task(Piece):
    """`Task("app", Docker(image), resources=Resources(cpu=100, memory=128))`."""

    OF = "Task"
    SPELT: ClassVar = {
        "restart": "RestartPolicy",
        "logs": "LogConfig",
        "csi_plugin": "CSIPluginConfig",
    }

    name: str
    """Once in the group; it is the name of a folder."""

    driver: TaskDriver = field(metadata={"special": True})
    """What runs it, with its own configuration."""

    _: KW_ONLY
    resources: Resources | None = None
    """Nomad: 100 MHz and 300 MB."""

    env: Mapping[str, str] = field(default_factory=dict[str, str])
    """Secrets do not belong here, as whoever may read the job reads them."""

    user: str | None = None
    """A name or number. Docker: the image's own; exec: nobody; raw_exec: the agent's."""

    lifecycle: Lifecycle | None = None
    """None: it is a main task."""

    leader: bool = False
    """When it ends, the group's other tasks are ended as well."""

    templates: Sequence[Template] = ()
    """Rendered before it starts, and again when what they hold changes."""

    artifacts: Sequence[Artifact] = ()
    """Fetched before it starts."""

    services: Sequence[Service] = ()
    """The group is the better place, as it knows the ports."""

    constraints: Sequence[Constraint] = ()
    """Beside the group's."""

    affinities: Sequence[Affinity] = ()
    """Beside the group's; not in system jobs."""

    restart: Restart | None = None
    """What differs from the group's."""

    volume_mounts: Sequence[VolumeMount] = ()
    """Of the group's volumes."""

    kill_signal: str | None = None
    """Nomad: SIGINT; Docker: the image's own or SIGTERM."""

    kill_timeout: timedelta | None = None
    """From the signal until it is killed; an agent has a limit, 30 s by default. Nomad: 5 s."""

    shutdown_delay: timedelta = timedelta(0)
    """From when its services are taken out of the catalogue until the signal."""

    logs: LogConfig | None = None
    """Nomad: 10 files of 10 MB each for stdout and stderr."""

    identity: Identity | None = None
    """Nomad: neither."""

    meta: Mapping[str, str] = field(default_factory=dict[str, str])
    """The task sees each as NOMAD_META_<key>."""

    dispatch_payload: DispatchPayload | None = None
    """In parameterised jobs."""

    csi_plugin: CsiPlugin | None = None
    """Makes it a storage plugin."""

    vault: Vault | None = None
    """Nomad: no token."""

    kind: str | None = None
    """Nomad's own mark on the tasks that it adds for Consul Connect."""

    @override
    def to_api(self) -> Json:
        return super().to_api() | drivers.written(self.driver)

    @classmethod
    @override
    def said(cls, body: Json, at: str, wrong: list[Problem]) -> dict[str, Any]:
        rest = {key: value for key, value in body.items() if key not in ("Driver", "Config")}
        driver = drivers.read(body.get("Driver") or "", body.get("Config"), at, wrong)
        return super().said(rest, at, wrong) | {"driver": driver}

    @override
    def misfits(self, at: str) -> Iterator[Problem]:
        yield from super().misfits(at)
        yield from _DRIVER.check(self.driver, joined(at, "driver"))

    @override
    def sound(self) -> Self:
        return replace(super().sound(), driver=_DRIVER.sound(self.driver, Driver("")))

    @property
    def ports(self) -> set[str]:
        """Labels of its own; a group's network is the usual place."""
        return {label for network in (self.resources or Resources()).networks for label in network.ports}

    def rules(self, around: "Surroundings") -> Iterator[Problem]:
        if not self.name:
            yield Problem("name", "must be given")
        elif set("/\\\0") & set(self.name):
            yield Problem("name", f"{self.name!r} is the name of a folder: no slashes")
        yield from within("driver", self.driver.rules(around.ports))
        yield from negatives(self, "kill_timeout", "shutdown_delay")
        yield from within("resources", (self.resources or Resources()).rules())
        yield from within("logs", (self.logs or LogConfig()).rules(around.disk))
        if self.restart is not None:
            yield from within("restart", merged(self.restart, around.restart).rules())
        yield from self._placement(around.type)
        yield from self._files(around.volumes)
        yield from self._services(around)
        if self.kind and self.kind.startswith("connect-") and (self.services or self.leader):
            yield Problem("kind", "a sidecar or gateway has no services and is no leader")

    def _placement(self, type_: JobType) -> Iterator[Problem]:
        for index, constraint in enumerate(self.constraints):
            at = joined("constraints", index)
            yield from within(at, constraint.rules())
            if constraint.operator in ("distinct_hosts", "distinct_property"):
                yield Problem(joined(at, "operator"), f"{constraint.operator} is for jobs and groups only")
        if self.affinities and type_ == "system":
            yield Problem("affinities", "a system job runs on every node, and prefers none")
        for index, affinity in enumerate(self.affinities):
            yield from within(joined("affinities", index), affinity.rules())

    def _files(self, volumes: Collection[str]) -> Iterator[Problem]:
        for index, artifact in enumerate(self.artifacts):
            yield from within(joined("artifacts", index), artifact.rules())
        for index, template in enumerate(self.templates):
            yield from within(joined("templates", index), template.rules())
        yield from repeated("templates", (template.destination for template in self.templates))
        for index, mount in enumerate(self.volume_mounts):
            yield from within(joined("volume_mounts", index), mount.rules(volumes))
        for name in ("dispatch_payload", "csi_plugin", "vault"):
            if (piece := getattr(self, name)) is not None:
                yield from within(name, piece.rules())

    def _services(self, around: "Surroundings") -> Iterator[Problem]:
        labels = around.ports | self.ports
        for service, step in zip(self.services, steps(self.services), strict=True):
            at = joined("services", step)
            yield from within(at, service.rules(service.named(around.job, around.group, self.name)))
            if service.task not in (None, self.name):
                yield Problem(joined(at, "task"), f"is {self.name!r}, as it stands there")
            if service.address_mode == "alloc":
                yield Problem(joined(at, "address_mode"), "alloc is for a group's services")
            if service.connect is not None:
                yield Problem(joined(at, "connect"), "is for a group's services")
            if service.port and service.port not in labels and not _is_number(service.port, service.address_mode):
                yield Problem(joined(at, "port"), f"neither group nor task has a port {service.port!r}")
            for check, step_ in zip(service.checks, steps(service.checks), strict=True):
                yield from within(joined(at, "checks", step_), self._check(check, service, labels))

    def _check(self, check: Check, service: Service, labels: Collection[str]) -> Iterator[Problem]:
        if check.task not in (None, self.name):
            yield Problem("task", f"is {self.name!r}, as it stands there")
        if check.address_mode == "alloc":
            yield Problem("address_mode", "alloc is for a group's services")
        if getattr(check, "expose", False):
            yield Problem("expose", "is for a group's services with a sidecar")
        port = check.port or service.port
        if check.TYPE == "script" or not port or port in labels:
            return
        if not _is_number(port, check.address_mode):
            hint = " without the address mode driver" if port.isdigit() else ""
            yield Problem("port", f"neither group nor task has a port {port!r}{hint}")


_DRIVER: Final = One(TaskDriver)


def _is_number(port: str, address_mode: str | None) -> bool:
    return port.isdigit() and int(port) > 0 and address_mode == "driver"


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What a task's rules need to know of its job and group."""

    job: str
    type: JobType
    group: str
    ports: set[str]
    volumes: Collection[str]
    disk: int
    """MB."""

    restart: Restart
