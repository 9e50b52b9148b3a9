"""Consul Connect: sidecars that encrypt between services, and gateways. Only where Consul has it switched on."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from datetime import timedelta
from typing import Any, ClassVar, Literal

from mooring.jobs.logs import LogConfig
from mooring.jobs.piece import Piece
from mooring.jobs.problem import Problem, joined, within
from mooring.jobs.resources import Resources


@dataclass(frozen=True, kw_only=True)
class MeshGateway(Piece):
    OF = "ConsulMeshGateway"

    mode: Literal["local", "remote", "none"] | None = None
    """Through which datacentre's gateway; Consul's own default when there is none."""


@dataclass(frozen=True)
class Upstream(Piece):
    """Another service, reachable on a port of this group's loopback."""

    OF = "ConsulUpstream"

    destination_name: str
    """Its name in Consul."""

    _: KW_ONLY
    local_bind_port: int = 0
    """On which this group reaches it."""

    local_bind_address: str | None = None
    """Envoy: 127.0.0.1."""

    local_bind_socket_path: str | None = None
    """A Unix socket instead of a port."""

    local_bind_socket_mode: str | None = None
    """The socket's, octal."""

    datacenter: str | None = None
    """Consul: its own."""

    destination_namespace: str | None = None
    """Consul Enterprise only."""

    destination_peer: str | None = None
    """Another cluster, peered with this one."""

    destination_type: str | None = None
    """service or prepared_query. Consul: service."""

    mesh_gateway: MeshGateway | None = None
    """On the way to another datacentre."""

    config: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Envoy's own."""


@dataclass(frozen=True)
class ExposePath(Piece):
    """A path that is reachable without the mesh."""

    OF = "ConsulExposePath"

    path: str
    """As `/metrics`."""

    _: KW_ONLY
    protocol: str | None = None
    """http or http2. Envoy: http."""

    local_path_port: int = 0
    """Where the service answers it."""

    listener_port: str | None = None
    """A port's label."""


@dataclass(frozen=True, kw_only=True)
class Expose(Piece):
    OF = "ConsulExposeConfig"

    paths: Sequence[ExposePath] = ()
    """Each on a port of its own."""


@dataclass(frozen=True, kw_only=True)
class Proxy(Piece):
    OF = "ConsulProxy"

    local_service_address: str | None = None
    """Where the service itself listens. Nomad: 127.0.0.1."""

    local_service_port: int = 0
    """0: the service's port."""

    upstreams: Sequence[Upstream] = ()
    """Services that this one calls."""

    expose: Expose | None = None
    """What is reachable without the mesh."""

    config: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Envoy's own."""


@dataclass(frozen=True, kw_only=True)
class SidecarService(Piece):
    OF = "ConsulSidecarService"
    SPELT: ClassVar = {"disable_default_tcp_check": "DisableDefaultTCPCheck"}

    port: str | None = None
    """A port's label. Nomad: one that it adds."""

    proxy: Proxy | None = None
    """How the sidecar is set up."""

    disable_default_tcp_check: bool = False
    """Leave out Consul's check on the sidecar."""

    tags: Sequence[str] = ()
    """Of the sidecar in the catalogue. Nomad: the service's."""

    meta: Mapping[str, str] = field(default_factory=dict[str, str])
    """Of the sidecar in the catalogue."""


@dataclass(frozen=True, kw_only=True)
class SidecarTask(Piece):
    """What differs from the task that Nomad adds for a sidecar or gateway: Envoy in a container."""

    OF = "SidecarTask"
    SPELT: ClassVar = {"logs": "LogConfig"}

    name: str | None = None
    """Nomad: connect-proxy-<service>."""

    driver: str | None = None
    """Nomad: docker."""

    user: str | None = None
    """The driver's default."""

    config: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """The driver's."""

    env: Mapping[str, str] = field(default_factory=dict[str, str])
    """Of the task."""

    resources: Resources | None = None
    """Nomad: 250 MHz and 128 MB."""

    meta: Mapping[str, str] = field(default_factory=dict[str, str])
    """Of the task."""

    logs: LogConfig | None = None
    """Nomad: 2 files of 2 MB each."""

    kill_timeout: timedelta | None = None
    """Nomad: 5 s."""

    kill_signal: str | None = None
    """As a task's."""

    shutdown_delay: timedelta | None = None
    """Nomad: 5 s."""


@dataclass(frozen=True)
class BindAddress(Piece):
    OF = "ConsulGatewayBindAddress"

    address: str
    """To listen on."""

    _: KW_ONLY
    port: int = 0
    """-1: Nomad fills it in."""

    def rules(self) -> Iterator[Problem]:
        if not self.address:
            yield Problem("address", "must be given")
        if self.port <= 0 and self.port != -1:
            yield Problem("port", f"{self.port} is no port")


@dataclass(frozen=True, kw_only=True)
class GatewayProxy(Piece):
    OF = "ConsulGatewayProxy"
    SPELT: ClassVar = {"envoy_dns_discovery_type": "EnvoyDNSDiscoveryType"}

    connect_timeout: timedelta | None = None
    """Nomad: 5 s."""

    envoy_gateway_bind_tagged_addresses: bool = False
    """Listen on the service's tagged addresses."""

    envoy_gateway_bind_addresses: Mapping[str, BindAddress] = field(default_factory=dict[str, BindAddress])
    """By name, further addresses to listen on."""

    envoy_gateway_no_default_bind: bool = False
    """Do not listen on the service's own address."""

    envoy_dns_discovery_type: Literal["STRICT_DNS", "LOGICAL_DNS"] | None = None
    """How Envoy looks up names. Consul: LOGICAL_DNS."""

    config: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Envoy's own."""

    def rules(self) -> Iterator[Problem]:
        for name, bind in self.envoy_gateway_bind_addresses.items():
            yield from within(joined("envoy_gateway_bind_addresses", name), bind.rules())


@dataclass(frozen=True, kw_only=True)
class GatewayTls(Piece):
    OF = "ConsulGatewayTLSConfig"
    SPELT: ClassVar = {"tls_min_version": "TLSMinVersion", "tls_max_version": "TLSMaxVersion"}

    enabled: bool = False
    """Off unless said."""

    tls_min_version: str | None = None
    """As `TLSv1_2`."""

    tls_max_version: str | None = None
    """As `TLSv1_3`."""

    cipher_suites: Sequence[str] = ()
    """In Go's words."""


@dataclass(frozen=True)
class IngressService(Piece):
    OF = "ConsulIngressService"

    name: str
    """`*` for every service, with protocols other than tcp."""

    _: KW_ONLY
    hosts: Sequence[str] = ()
    """Names under which it is asked for; not with tcp. Consul: `<service>.ingress.*`."""

    def rules(self, protocol: str) -> Iterator[Problem]:
        if not self.name:
            yield Problem("name", "must be given")
        if self.name == "*" and protocol == "tcp":
            yield Problem("name", "'*' is not for the protocol tcp")
        if self.hosts and (protocol == "tcp" or self.name == "*"):
            yield Problem("hosts", f"are not for {'the protocol tcp' if protocol == 'tcp' else 'every service'}")


@dataclass(frozen=True, kw_only=True)
class IngressListener(Piece):
    OF = "ConsulIngressListener"

    port: int
    """On which it listens."""

    protocol: Literal["tcp", "http", "http2", "grpc"] | None = None
    """Nomad: tcp."""

    services: Sequence[IngressService] = ()
    """To which it leads."""

    def rules(self) -> Iterator[Problem]:
        if self.port <= 0:
            yield Problem("port", f"{self.port} is no port")
        if not self.services:
            yield Problem("services", "must be given")
        for service in self.services:
            yield from within(joined("services", service.name), service.rules(self.protocol or "tcp"))


@dataclass(frozen=True, kw_only=True)
class Ingress(Piece):
    """From outside into the mesh."""

    OF = "ConsulIngressConfigEntry"
    SPELT: ClassVar = {"tls": "TLS"}

    listeners: Sequence[IngressListener] = ()
    """At least one."""

    tls: GatewayTls | None = None
    """For all listeners."""

    def rules(self) -> Iterator[Problem]:
        if not self.listeners:
            yield Problem("listeners", "must be given")
        for index, listener in enumerate(self.listeners):
            yield from within(joined("listeners", index), listener.rules())


@dataclass(frozen=True)
class LinkedService(Piece):
    OF = "ConsulLinkedService"
    SPELT: ClassVar = {"ca_file": "CAFile", "sni": "SNI"}

    name: str
    """In Consul."""

    _: KW_ONLY
    ca_file: str | None = None
    """On the gateway; required with any of the others."""

    cert_file: str | None = None
    """With `key_file`."""

    key_file: str | None = None
    """With `cert_file`."""

    sni: str | None = None
    """That the certificate must hold."""

    def rules(self) -> Iterator[Problem]:
        if not self.name:
            yield Problem("name", "must be given")
        if (self.cert_file or self.key_file or self.sni) and not self.ca_file:
            yield Problem("ca_file", "must be given with any of cert_file, key_file and sni")
        if bool(self.cert_file) != bool(self.key_file):
            yield Problem("cert_file", "and key_file need each other")


@dataclass(frozen=True, kw_only=True)
class Terminating(Piece):
    """Out of the mesh, to services that are not in it."""

    OF = "ConsulTerminatingConfigEntry"

    services: Sequence[LinkedService] = ()
    """That stand behind it."""

    def rules(self) -> Iterator[Problem]:
        if not self.services:
            yield Problem("services", "must be given")
        for service in self.services:
            yield from within(joined("services", service.name), service.rules())


@dataclass(frozen=True, kw_only=True)
class Mesh(Piece):
    """Between datacentres; there is nothing to say about it."""

    OF = "ConsulMeshConfigEntry"


@dataclass(frozen=True, kw_only=True)
class Gateway(Piece):
    """One of the three, and how its Envoy is tuned."""

    OF = "ConsulGateway"

    ingress: Ingress | None = None
    """From outside to services."""

    terminating: Terminating | None = None
    """From services to what is outside."""

    mesh: Mesh | None = None
    """Between datacentres."""

    proxy: GatewayProxy | None = None
    """How its Envoy is tuned."""

    def rules(self) -> Iterator[Problem]:
        if sum(kind is not None for kind in (self.ingress, self.terminating, self.mesh)) != 1:
            yield Problem("", "is one of ingress, terminating and mesh")
        if self.ingress is not None:
            yield from within("ingress", self.ingress.rules())
        if self.terminating is not None:
            yield from within("terminating", self.terminating.rules())
        if self.proxy is not None:
            yield from within("proxy", self.proxy.rules())


@dataclass(frozen=True, kw_only=True)
class Connect(Piece):
    """A service is native (speaks Connect itself), has a sidecar, or is a gateway."""

    OF = "ConsulConnect"

    native: bool = False
    """The service's task speaks Connect itself."""

    sidecar_service: SidecarService | None = None
    """Envoy beside it does."""

    sidecar_task: SidecarTask | None = None
    """What differs from the sidecar or gateway that Nomad adds."""

    gateway: Gateway | None = None
    """It is a way into or out of the mesh."""

    def rules(self) -> Iterator[Problem]:
        if sum((self.native, self.sidecar_service is not None, self.gateway is not None)) != 1:
            yield Problem("", "is one of native, sidecar_service and gateway")
        if self.gateway is not None:
            yield from within("gateway", self.gateway.rules())

    @property
    def upstreams(self) -> Sequence[Upstream]:
        proxy = self.sidecar_service.proxy if self.sidecar_service is not None else None
        return () if proxy is None else proxy.upstreams
