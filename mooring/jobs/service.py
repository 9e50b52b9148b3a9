"""What a group or a task offers under a name, and how it is found out whether it works."""

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, fields
from datetime import timedelta
from typing import Any, ClassVar, Literal, Self, cast

from typing_extensions import override

from mooring.jobs.connect import Connect
from mooring.jobs.piece import NOTHING, Piece
from mooring.jobs.problem import Problem, either, joined
from mooring.jobs.shape import Json

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
        kind = KINDS.get(check.get("Type", ""))
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

    @classmethod
    def written(cls) -> set[str]:
        return {cls.spelt(field.name) for field in fields(cls)}


@dataclass(frozen=True, kw_only=True)
class _Probe(Check):
    success_before_passing: int = 0
    """In a row. Consul only."""

    failures_before_critical: int = 0
    """In a row. Consul only."""


@dataclass(frozen=True)
class HttpCheck(_Probe):
    """Passes when the path answers 2xx: `HttpCheck("/healthz", interval=…, timeout=…)`."""

    TYPE = "http"

    path: str
    _: KW_ONLY
    method: str | None = None
    """Nomad: GET."""

    protocol: Literal["http", "https"] | None = None
    """Nomad: http."""

    header: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])
    body: str | None = None
    tls_server_name: str | None = None
    tls_skip_verify: bool = False
    expose: bool = False
    """Let the check pass by the Connect sidecar."""


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
    tls_server_name: str | None = None
    tls_skip_verify: bool = False
    expose: bool = False
    """Let the check pass by the Connect sidecar."""


@dataclass(frozen=True)
class ScriptCheck(Check):
    """A command inside a task: 0 passes, 1 warns, anything else fails. Consul only."""

    TYPE = "script"

    command: str
    _: KW_ONLY
    args: Sequence[str] = ()


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
    tags: Sequence[str] = ()
    canary_tags: Sequence[str] = ()
    """Instead of `tags` while the instance is a canary."""

    meta: Mapping[str, str] = field(default_factory=dict[str, str])
    canary_meta: Mapping[str, str] = field(default_factory=dict[str, str])
    check_restart: CheckRestart | None = None
    """For all checks; each can say what differs."""

    on_update: OnUpdate | None = None
    """Nomad: require_healthy."""

    address_mode: Literal["auto", "host", "driver", "alloc"] | None = None
    """Whose address stands in the catalogue. Nomad: auto, the node's or the port's."""

    address: str | None = None
    """Instead of any of those."""

    tagged_addresses: Mapping[str, str] = field(default_factory=dict[str, str])
    enable_tag_override: bool = False
    """Let others change the tags in Consul's catalogue."""

    task: str | None = None
    """Which task it belongs to, when the group has it and there are several."""

    connect: Connect | None = None
