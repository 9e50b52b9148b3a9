"""What a group or a task offers under a name, and how it is found out whether it works."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, fields
from datetime import timedelta
from typing import Any, ClassVar, Final, Literal, Self, cast
from urllib.parse import urlsplit

from typing_extensions import override

from mooring.jobs.connect import Connect
from mooring.jobs.piece import NOTHING, Piece
from mooring.jobs.problem import Problem, either, joined, negatives, repeated, spoken, within
from mooring.jobs.shape import Json, steps

OnUpdate = Literal["require_healthy", "ignore_warnings", "ignore"]


@dataclass(frozen=True)
class CheckRestart(Piece):
    """Restart the task after a check has failed `limit` times in a row; without it a failing check restarts nothing."""

    OF = "CheckRestart"
    ALWAYS = frozenset({"ignore_warnings"})

    limit: int = 0
    """0: never."""

    _: KW_ONLY
    grace: timedelta | None = None
    """After a start, in which failures do not count. Nomad: 1 s."""

    ignore_warnings: bool = False
    """A warning, which only Consul's checks know, does not count."""

    def under(self, service: "CheckRestart | None") -> "CheckRestart":
        """What holds when the service says some of it for all its checks."""
        if service is None:
            return self
        return CheckRestart(
            self.limit if self.limit > 0 else service.limit,
            grace=service.grace if self.grace is None else self.grace,
            ignore_warnings=self.ignore_warnings or service.ignore_warnings,
        )

    def rules(self) -> Iterator[Problem]:
        yield from negatives(self, "limit", "grace")


@dataclass(frozen=True, kw_only=True)
class Check(Piece):
    """What all checks have in common."""

    OF = "ServiceCheck"
    TYPE: ClassVar[str]
    SPELT: ClassVar = {
        "port": "PortLabel",
        "task": "TaskName",
        "tls_server_name": "TLSServerName",
        "tls_skip_verify": "TLSSkipVerify",
        "grpc_service": "GRPCService",
        "grpc_use_tls": "GRPCUseTLS",
    }

    interval: timedelta
    """At least 1 s."""

    timeout: timedelta
    """At least 1 s."""

    name: str | None = None
    """Nomad: one made from the service's."""

    port: str | None = None
    """A port's label. Nomad: the service's."""

    address_mode: Literal["host", "driver", "alloc"] | None = None
    """Whose address is asked. Nomad: the service's."""

    initial_status: Literal["passing", "warning", "critical"] | None = None
    """Until the first answer. Consul: critical."""

    check_restart: CheckRestart | None = None
    """None: a failing check restarts nothing."""

    on_update: OnUpdate | None = None
    """Which answers a deployment takes for healthy. Nomad: the service's."""

    task: str | None = None
    """For a script, which task runs it; otherwise which task `check_restart` restarts."""

    @override
    def to_api(self) -> Json:
        return super().to_api() | {"Type": self.TYPE}

    @classmethod
    @override
    def read(cls, body: Any, at: str, wrong: list[Problem]) -> Self:
        if not isinstance(body, dict):
            return super().read(body, at, wrong)
        check = cast("Json", body)
        kind = KINDS.get(str(check.get("Type", "")))
        if kind is None:
            words = either(KINDS)
            wrong.append(Problem(joined(at, "type"), f"{check.get('Type', '')!r} is not {words}"))
            kind = TcpCheck
        own, others = kind.written(), set[str]().union(*(each.written() for each in KINDS.values()))
        wrong += (
            Problem(joined(at, key), f"means nothing to a {kind.TYPE} check")
            for key, value in check.items()
            if key in others - own and value not in NOTHING
        )
        rest = {key: value for key, value in check.items() if key != "Type" and key not in others - own}
        return cast("Self", kind(**kind.said(rest, at, wrong)))

    def rules(self, service: "Service") -> Iterator[Problem]:
        """What any check has to keep to, in whichever catalogue."""
        for name in ("interval", "timeout"):
            if (time := getattr(self, name)) < SHORTEST_CHECK:
                yield Problem(name, f"{spoken(time)} is below the minimum of 1 s")
        if self.TYPE != "script" and not self.port and not service.port:
            yield Problem("port", "must be given, here or for the service")
        restart = self.restart(service)
        if restart is not None:
            yield from within("check_restart", restart.rules())
            on_update = self.on_update or service.on_update
            if on_update == "ignore":
                yield Problem("on_update", "ignore calls an instance healthy that check_restart then restarts")
            if on_update == "ignore_warnings" and not restart.ignore_warnings:
                yield Problem("on_update", "ignore_warnings needs the same of check_restart")
        if service.provider == "nomad":
            yield from self.nomad_rules(service)

    def restart(self, service: "Service") -> CheckRestart | None:
        return service.check_restart if self.check_restart is None else self.check_restart.under(service.check_restart)

    def nomad_rules(self, service: "Service") -> Iterator[Problem]:
        """What Nomad's own catalogue does not do."""
        if self.TYPE not in ("http", "tcp"):
            yield Problem("", f"a {self.TYPE} check is Consul's: http and tcp are Nomad's own")
        for name in CONSULS:
            if getattr(self, name, None):
                yield Problem(name, "is Consul's")
        if self.address_mode == "driver":
            yield Problem("address_mode", "driver is Consul's")
        if (self.on_update or service.on_update) == "ignore_warnings":
            yield Problem("on_update", "ignore_warnings is Consul's: Nomad's checks have no warnings")
        restart = self.restart(service)
        if restart is not None and restart.ignore_warnings:
            yield Problem("check_restart.ignore_warnings", "is Consul's: Nomad's checks have no warnings")

    @classmethod
    def written(cls) -> set[str]:
        return {cls.spelt(field.name) for field in fields(cls)}


@dataclass(frozen=True, kw_only=True)
class _Probe(Check):
    success_before_passing: int = 0
    """In a row. Consul only."""

    failures_before_critical: int = 0
    """In a row. Consul only."""

    @override
    def rules(self, service: "Service") -> Iterator[Problem]:
        yield from super().rules(service)
        yield from negatives(self, "success_before_passing", "failures_before_critical")


@dataclass(frozen=True)
class HttpCheck(_Probe):
    """Passes when the path answers 2xx: `HttpCheck("/healthz", interval=…, timeout=…)`."""

    TYPE = "http"

    path: str
    """With a leading slash, and without the host."""

    _: KW_ONLY
    method: str | None = None
    """Nomad: GET."""

    protocol: Literal["http", "https"] | None = None
    """Nomad: http."""

    header: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])
    """Of the request."""

    body: str | None = None
    """Of the request."""

    tls_server_name: str | None = None
    """That the certificate must hold. Consul only."""

    tls_skip_verify: bool = False
    """Take any certificate. Consul only."""

    expose: bool = False
    """Let the check pass by the Connect sidecar."""

    @override
    def rules(self, service: "Service") -> Iterator[Problem]:
        yield from super().rules(service)
        if not self.path:
            yield Problem("path", "must be given")
        elif urlsplit(self.path).scheme:
            yield Problem("path", f"{self.path!r} is a whole address: the path alone would do")

    @override
    def nomad_rules(self, service: "Service") -> Iterator[Problem]:
        yield from super().nomad_rules(service)
        if self.method and self.method.upper() not in METHODS:
            yield Problem("method", f"{self.method!r} is not {either(METHODS)}")


@dataclass(frozen=True, kw_only=True)
class TcpCheck(_Probe):
    """Passes when the port takes a connection."""

    TYPE = "tcp"


@dataclass(frozen=True, kw_only=True)
class GrpcCheck(_Probe):
    """Passes when gRPC's own health service says so. Consul only."""

    TYPE = "grpc"

    grpc_service: str | None = None
    """Which service is asked for; none: the server as a whole."""

    grpc_use_tls: bool = False
    """Speak TLS."""

    tls_server_name: str | None = None
    """That the certificate must hold."""

    tls_skip_verify: bool = False
    """Take any certificate."""

    expose: bool = False
    """Let the check pass by the Connect sidecar."""


@dataclass(frozen=True)
class ScriptCheck(Check):
    """A command inside a task: 0 passes, 1 warns, anything else fails. Consul only."""

    TYPE = "script"

    command: str
    """A path inside the task."""

    _: KW_ONLY
    args: Sequence[str] = ()
    """Handed to it."""

    @override
    def rules(self, service: "Service") -> Iterator[Problem]:
        yield from super().rules(service)
        if not self.command:
            yield Problem("command", "must be given")


KINDS: dict[str, type[HttpCheck | TcpCheck | GrpcCheck | ScriptCheck]] = {
    kind.TYPE: kind for kind in (HttpCheck, TcpCheck, GrpcCheck, ScriptCheck)
}


@dataclass(frozen=True)
class Service(Piece):
    """`Service("web", port="http", checks=[HttpCheck(…)])`."""

    OF = "Service"
    SPELT: ClassVar = {"port": "PortLabel", "task": "TaskName"}

    name: str | None = None
    """Letters, digits and dashes. Nomad: `<job>-<group>`, and the task's behind it."""

    _: KW_ONLY
    provider: Literal["consul", "nomad"] | None = None
    """In whose catalogue it stands; one for all services of a group. Nomad: consul."""

    port: str | None = None
    """A port's label, or a number with `address_mode` driver or with Connect."""

    checks: Sequence[Check] = ()
    """All must pass for it to be found."""

    tags: Sequence[str] = ()
    """Shown in the catalogue."""

    canary_tags: Sequence[str] = ()
    """Instead of `tags` while the instance is a canary."""

    meta: Mapping[str, str] = field(default_factory=dict[str, str])
    """Shown in the catalogue."""

    canary_meta: Mapping[str, str] = field(default_factory=dict[str, str])
    """Instead of `meta` while the instance is a canary."""

    check_restart: CheckRestart | None = None
    """For all checks; each can say what differs."""

    on_update: OnUpdate | None = None
    """Nomad: require_healthy."""

    address_mode: Literal["auto", "host", "driver", "alloc"] | None = None
    """Whose address stands in the catalogue. Nomad: auto, the node's or the port's."""

    address: str | None = None
    """Instead of any of those."""

    tagged_addresses: Mapping[str, str] = field(default_factory=dict[str, str])
    """Further addresses in Consul's catalogue, as `wan`."""

    enable_tag_override: bool = False
    """Let others change the tags in Consul's catalogue."""

    task: str | None = None
    """Which task it belongs to, when the group has it and there are several."""

    connect: Connect | None = None
    """Consul's service mesh."""

    def rules(self, name: str) -> Iterator[Problem]:
        """What a service has to keep to wherever it stands; `name` is what it is called in the end."""
        if not _NAME.fullmatch(_VARIABLE.sub("ENV-VAR", name)):
            yield Problem("name", f"{name!r} is not 1 to 63 letters, digits and dashes within")
        if self.address and self.address_mode not in (None, "auto"):
            yield Problem("address_mode", f"{self.address_mode} chooses another address than the one given")
        yield from repeated("checks", (check.name for check in self.checks if check.name))
        for check, step in zip(self.checks, steps(self.checks), strict=True):
            yield from within(joined("checks", step), check.rules(self))
        if self.connect is not None:
            if self.provider == "nomad":
                yield Problem("connect", "is Consul's")
            yield from within("connect", self.connect.rules())
            if self.connect.sidecar_service is not None:
                for check, step in zip(self.checks, steps(self.checks), strict=True):
                    if isinstance(check, TcpCheck):
                        yield Problem(joined("checks", step), "a tcp check cannot reach a service behind a sidecar")

    def named(self, job: str, group: str, task: str) -> str:
        """What it is called in the end."""
        base = "-".join(filter(None, (job, group, task)))
        name = self.name or base
        for variable, value in {"JOB": job, "TASKGROUP": group, "TASK": task or "group", "BASE": base}.items():
            name = name.replace(f"${{{variable}}}", value)
        return name


SHORTEST_CHECK: Final = timedelta(seconds=1)
METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE")
CONSULS: Final = (
    "success_before_passing",
    "failures_before_critical",
    "tls_server_name",
    "tls_skip_verify",
    "expose",
)
_NAME = re.compile("[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?")
_VARIABLE = re.compile(r"\$\{[a-zA-Z0-9_.-]+\}")
