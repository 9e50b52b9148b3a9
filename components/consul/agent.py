"""One Consul agent on one host: what it is told, how it is run, and who it is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi

from components.access import Endpoint
from components.consul.version import switched_off
from components.hosts import Host, Role
from components.start import texts
from components.timings import Timings, text
from mooring.kinds import pki
from mooring.kinds.agent import Agent
from mooring.toolchain import binaries

HTTPS_PORT = 8501
DNS_PORT = 8600
CONFIGURATION = "/etc/consul.d"
DATA = "/var/lib/consul"
AUTHORITY = f"{CONFIGURATION}/tls/ca.pem"
CERTIFICATE = f"{CONFIGURATION}/tls/agent.pem"
KEY = f"{CONFIGURATION}/tls/agent.key"
START = f"{CONFIGURATION}/start.json"
TOKENS = f"{CONFIGURATION}/tokens.json"

AT_START = (
    ("retry_join",),
    # A server that knows a cluster goes by its own copy of what was decided there.
    ("bootstrap_expect",),
    ("autopilot",),
    # An agent keeps the keys that the cluster has agreed on.
    ("encrypt",),
)
"""What an agent reads only when it starts."""

BY_RELOAD = (("acl", "tokens", "agent"), ("acl", "tokens", "default"))
"""What an agent takes when it is told to look again. Not the management token: a server that goes on with an old one
would install it again when it is elected."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Secrets:
    """What agents share; a client is given no more of it than it needs."""

    gossip_key: pulumi.Output[str]
    management: pulumi.Output[str]
    """The token that may do everything; servers install it when they first elect a leader."""

    dns: pulumi.Output[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class AgentArgs:
    host: Host
    servers: Sequence[Host]
    datacenter: str
    version: str
    authority: pki.Authority
    secrets: Secrets
    timings: Timings
    own_token: pulumi.Output[str]
    """With the rights of this node and no other."""

    endpoint: Endpoint
    """By which the cluster is asked how it sees the agent."""

    goes_with: pulumi.Resource | None
    """When this is deleted the whole cluster is, and nobody need take their leave."""


def agent(name: str, args: AgentArgs, parent: pulumi.Resource, *, after: Sequence[pulumi.Resource] = ()) -> Agent:
    """Declare the agent and its certificate; it is changed when those of `after` have been."""
    host = args.host
    certificate = pki.Certificate(
        f"{name}-certificate",
        authority=args.authority,
        common_name=host.name,
        dns_names=certificate_names(host, args.datacenter),
        ip_addresses=[host.address, "127.0.0.1"],
        usages=["server", "client"],
        opts=pulumi.ResourceOptions(parent=parent),
    )
    role = "server" if Role.SERVER in host.roles else "client"
    told = _rendered(args)
    return Agent(
        name,
        connection=host.connection,
        service="consul",
        user="consul",
        version=args.version,
        binary=program(args.version),
        binary_source=str(binaries.locate("consul", args.version)),
        directories={
            CONFIGURATION: {"mode": "0750", "group": "consul"},
            f"{CONFIGURATION}/tls": {"mode": "0750", "group": "consul"},
            DATA: {"mode": "0750", "owner": "consul", "group": "consul"},
        },
        files={
            f"{CONFIGURATION}/consul.json": _readable(told.apply(lambda parts: parts[0])),
            START: _readable(told.apply(lambda parts: parts[1])),
            TOKENS: _readable(told.apply(lambda parts: parts[2])),
            AUTHORITY: _readable(args.authority.certificate_pem),
            CERTIFICATE: _readable(certificate.certificate_pem),
            KEY: _readable(certificate.private_key_pem),
        },
        data=(DATA,),
        unit=unit(args.version),
        reload_on=(AUTHORITY, CERTIFICATE, KEY, TOKENS),
        read_at_start=(START,),
        leave_signal="SIGTERM",
        judge=f"{program(args.version)} validate {{root}}{CONFIGURATION}",
        listens=HTTPS_PORT,
        member={"cluster": "consul", "name": host.name, "roles": [role], "endpoint": args.endpoint},
        opts=pulumi.ResourceOptions(parent=parent, deleted_with=args.goes_with, depends_on=[*after]),
    )


def program(version: str) -> str:
    """Where the program lies on a host; the machine image has the pinned version there already."""
    return f"/opt/mooring/bin/consul-{version}"


def certificate_names(host: Host, datacenter: str) -> list[str]:
    """The names a host's certificate carries; a server's own name is what lets it speak as one."""
    names = ["localhost"]
    if Role.SERVER in host.roles:
        names += [f"server.{datacenter}.consul", f"{host.name}.server.{datacenter}.consul"]
    return names


def agent_configuration(
    *,
    name: str,
    address: str,
    servers: Sequence[str],
    datacenter: str,
    version: str,
    is_server: bool,
    answers_dns: bool,
    timings: Timings,
    secrets: Mapping[str, str],
) -> dict[str, Any]:
    """One agent's configuration. `secrets` holds `gossip_key`, and the tokens `agent`, `dns` and `management`."""
    tokens = {"agent": secrets["agent"]}
    if answers_dns:
        # Also what a call without a token may do, so only agents whose DNS somebody asks have one.
        tokens["default"] = secrets["dns"]
    configuration: dict[str, Any] = {
        "server": is_server,
        "node_name": name,
        "datacenter": datacenter,
        "data_dir": DATA,
        "bind_addr": address,
        "advertise_addr": address,
        "client_addr": "127.0.0.1",
        "retry_join": [server for server in servers if server != address],
        "retry_interval": "1s",
        "retry_max": 0,
        "encrypt": secrets["gossip_key"],
        "encrypt_verify_incoming": True,
        "encrypt_verify_outgoing": True,
        "ports": {"http": -1, "https": HTTPS_PORT, "grpc": -1, "dns": DNS_PORT, "serf_wan": -1},
        "addresses": {"https": f"{address} 127.0.0.1", "dns": "127.0.0.1"},
        "tls": {
            "defaults": {
                "ca_file": AUTHORITY,
                "cert_file": CERTIFICATE,
                "key_file": KEY,
                "verify_incoming": True,
                "verify_outgoing": True,
                "tls_min_version": "TLSv1_2",
            },
            # Without it, a caller with no certificate would have the rights of tokens.default.
            "https": {"verify_incoming": True},
            "internal_rpc": {"verify_server_hostname": True},
        },
        "acl": {
            "enabled": True,
            "default_policy": "deny",
            "down_policy": "extend-cache",
            "enable_token_persistence": True,
            "tokens": tokens,
        },
        "performance": {"raft_multiplier": timings.raft_multiplier, "rpc_hold_timeout": "7s", "leave_drain_time": "5s"},
        "gossip_lan": {
            "probe_interval": text(timings.gossip_probe),
            "probe_timeout": text(timings.gossip_timeout),
            "suspicion_mult": timings.gossip_suspicion,
        },
        # An agent that is restarted, by SIGINT, must not leave: its services would vanish from the catalogue meanwhile.
        "skip_leave_on_interrupt": True,
        # One that goes for good is told so by SIGTERM.
        "leave_on_terminate": True,
        "disable_update_check": True,
        # What a failing check says is told within seconds, and not after Consul's own five minutes.
        "check_update_interval": "10s",
        "disable_remote_exec": True,
        "enable_script_checks": False,
        "dns_config": {
            "service_ttl": {"*": "0s"},
            "node_ttl": "0s",
            "only_passing": True,
            # The balancer goes on with what is known while nobody leads.
            "allow_stale": True,
            "max_stale": "87600h",
        },
        "connect": {"enabled": False},
        "limits": {"http_max_conns_per_client": 500},
        "telemetry": {"prometheus_retention_time": "60s", "disable_hostname": True},
        "ui_config": {"enabled": is_server},
        "log_level": "INFO",
    }
    if is_server:
        tokens["initial_management"] = secrets["management"]
        configuration |= {
            "bootstrap_expect": len(servers),
            "autopilot": {
                "cleanup_dead_servers": True,
                "last_contact_threshold": text(timings.late_after),
                "max_trailing_logs": 250,
                "server_stabilization_time": "10s",
                "min_quorum": len(servers),
            },
        } | switched_off(version)
    return configuration


def unit(version: str) -> str:
    """The systemd unit. Consul needs no right of root's, so it has none."""
    return f"""[Unit]
Description=Consul
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
Type=exec
User=consul
Group=consul
ExecStart={program(version)} agent -config-dir={CONFIGURATION}
ExecReload=/bin/kill -HUP $MAINPID
KillSignal=SIGINT
KillMode=process
Restart=always
RestartSec=1
NoNewPrivileges=yes
CapabilityBoundingSet=
ProtectSystem=strict
ReadWritePaths={DATA}
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes

[Install]
WantedBy=multi-user.target
"""


def _rendered(args: AgentArgs) -> pulumi.Output[list[str]]:
    def render(known: dict[str, Any]) -> list[str]:
        return texts(
            agent_configuration(
                name=args.host.name,
                address=known["address"],
                servers=known["servers"],
                datacenter=args.datacenter,
                version=args.version,
                is_server=Role.SERVER in args.host.roles,
                answers_dns=Role.EDGE in args.host.roles,
                timings=args.timings,
                secrets=known,
            ),
            AT_START,
            BY_RELOAD,
        )

    return pulumi.Output.all(
        address=args.host.address,
        servers=pulumi.Output.all(*(server.address for server in args.servers)),
        gossip_key=args.secrets.gossip_key,
        management=args.secrets.management,
        dns=args.secrets.dns,
        agent=args.own_token,
    ).apply(render)


def _readable(content: pulumi.Input[str]) -> dict[str, Any]:
    """For root and the service's own user, and nobody else."""
    return {"content": pulumi.Output.secret(content), "mode": "0640", "owner": "root", "group": "consul"}
