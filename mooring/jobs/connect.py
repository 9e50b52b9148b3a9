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
    _: KW_ONLY
    local_bind_port: int = 0
    local_bind_address: str | None = None
    """Envoy: 127.0.0.1."""

    local_bind_socket_path: str | None = None
    local_bind_socket_mode: str | None = None
    datacenter: str | None = None
    destination_namespace: str | None = None
    destination_peer: str | None = None
    destination_type: str | None = None
    mesh_gateway: MeshGateway | None = None
    config: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Envoy's own."""


@dataclass(frozen=True)
class ExposePath(Piece):
    """A path that is reachable without the mesh."""

    OF = "ConsulExposePath"

    path: str
    _: KW_ONLY
    protocol: str | None = None
    local_path_port: int = 0
    listener_port: str | None = None
    """A port's label."""


@dataclass(frozen=True, kw_only=True)
class Expose(Piece):
    OF = "ConsulExposeConfig"

    paths: Sequence[ExposePath] = ()


@dataclass(frozen=True, kw_only=True)
class Proxy(Piece):
    OF = "ConsulProxy"

    local_service_address: str | None = None
    """Where the service itself listens. Nomad: 127.0.0.1."""

    local_service_port: int = 0
    """0: the service's port."""

    upstreams: Sequence[Upstream] = ()
    expose: Expose | None = None
    config: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Envoy's own."""


@dataclass(frozen=True, kw_only=True)
class SidecarService(Piece):
    OF = "ConsulSidecarService"
    SPELT: ClassVar = {"disable_default_tcp_check": "DisableDefaultTCPCheck"}

    port: str | None = None
    """A port's label. Nomad: one that it adds."""

    proxy: Proxy | None = None
    disable_default_tcp_check: bool = False
    tags: Sequence[str] = ()
    meta: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, kw_only=True)
class SidecarTask(Piece):
    """What differs from the task that Nomad adds for a sidecar or gateway: Envoy in a container."""

    OF = "SidecarTask"
    SPELT: ClassVar = {"logs": "LogConfig"}

    name: str | None = None
    driver: str | None = None
    user: str | None = None
    config: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """The driver's."""

    env: Mapping[str, str] = field(default_factory=dict[str, str])
    resources: Resources | None = None
    meta: Mapping[str, str] = field(default_factory=dict[str, str])
    logs: LogConfig | None = None
    kill_timeout: timedelta | None = None
    """Nomad: 5 s."""

    kill_signal: str | None = None
    shutdown_delay: timedelta | None = None
    """Nomad: none."""


@dataclass(frozen=True)
class BindAddress(Piece):
    OF = "ConsulGatewayBindAddress"

    address: str
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
    envoy_gateway_bind_addresses: Mapping[str, BindAddress] = field(default_factory=dict[str, BindAddress])
    envoy_gateway_no_default_bind: bool = False
    envoy_dns_discovery_type: Literal["STRICT_DNS", "LOGICAL_DNS"] | None = None
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
    tls_min_version: str | None = None
    tls_max_version: str | None = None
    cipher_suites: Sequence[str] = ()


@dataclass(frozen=True)
class IngressService(Piece):
    OF = "ConsulIngressService"

    name: str
    """`*` for every service, with protocols other than tcp."""

    _: KW_ONLY
    hosts: Sequence[str] = ()

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
    protocol: Literal["tcp", "http", "http2", "grpc"] | None = None
    """Nomad: tcp."""

    services: Sequence[IngressService] = ()

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
    tls: GatewayTls | None = None

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
    _: KW_ONLY
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    sni: str | None = None

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
    terminating: Terminating | None = None
    mesh: Mesh | None = None
    proxy: GatewayProxy | None = None

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
    sidecar_service: SidecarService | None = None
    sidecar_task: SidecarTask | None = None
    gateway: Gateway | None = None

    def rules(self) -> Iterator[Problem]:
        if sum((self.native, self.sidecar_service is not None, self.gateway is not None)) != 1:
            yield Problem("", "is one of native, sidecar_service and gateway")
        if self.gateway is not None:
            yield from within("gateway", self.gateway.rules())

    @property
    def upstreams(self) -> Sequence[Upstream]:
        proxy = self.sidecar_service.proxy if self.sidecar_service is not None else None
        return () if proxy is None else proxy.upstreams
