"""One process of a group: what runs, with which files and variables, and when it starts and stops."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from datetime import timedelta
from typing import Any, ClassVar, Literal

from typing_extensions import override

from mooring.jobs import drivers
from mooring.jobs.drivers import TaskDriver
from mooring.jobs.logs import LogConfig
from mooring.jobs.piece import Piece
from mooring.jobs.placement import Affinity, Constraint
from mooring.jobs.policies import Restart
from mooring.jobs.problem import Problem, joined
from mooring.jobs.resources import Resources
from mooring.jobs.service import Service
from mooring.jobs.shape import Json
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


@dataclass(frozen=True)
class Lifecycle(Piece):
    """A task that is not the main one: `Lifecycle("prestart")` is done before that starts."""

    OF = "TaskLifecycle"

    hook: Literal["prestart", "poststart", "poststop"]
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


@dataclass(frozen=True)
class Vault(Piece):
    """A token of Vault's for the task; only where the agents know a Vault."""

    OF = "Vault"

    policies: Sequence[str]
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
    driver: TaskDriver = field(metadata={"special": True})
    _: KW_ONLY
    resources: Resources | None = None
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    """Secrets do not belong here, as whoever may read the job reads them."""

    user: str | None = None
    """A name or number. Docker: the image's own; exec: nobody; raw_exec: the agent's."""

    lifecycle: Lifecycle | None = None
    """None: it is a main task."""

    leader: bool = False
    """When it ends, the group's other tasks are ended as well."""

    templates: Sequence[Template] = ()
    artifacts: Sequence[Artifact] = ()
    services: Sequence[Service] = ()
    """The group is the better place, as it knows the ports."""

    constraints: Sequence[Constraint] = ()
    affinities: Sequence[Affinity] = ()
    restart: Restart | None = None
    """What differs from the group's."""

    volume_mounts: Sequence[VolumeMount] = ()
    kill_signal: str | None = None
    """Nomad: SIGINT; Docker: the image's own or SIGTERM."""

    kill_timeout: timedelta | None = None
    """From the signal until it is killed; an agent has a limit, 30 s by default. Nomad: 5 s."""

    shutdown_delay: timedelta = timedelta(0)
    """From when its services are taken out of the catalogue until the signal."""

    logs: LogConfig | None = None
    identity: Identity | None = None
    meta: Mapping[str, str] = field(default_factory=dict[str, str])
    """The task sees each as NOMAD_META_<key>."""

    dispatch_payload: DispatchPayload | None = None
    csi_plugin: CsiPlugin | None = None
    vault: Vault | None = None
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
        if isinstance(self.driver, TaskDriver):  # pyright: ignore[reportUnnecessaryIsInstance] -- nobody has to check types
            yield from self.driver.misfits(joined(at, "driver"))
        else:
            yield Problem(joined(at, "driver"), f"{self.driver!r} is no driver")
