"""One Nomad agent on one host: what it is told, how it is run, and who it is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any

import pulumi

from components.access import Endpoint
from components.hosts import USUAL_DRIVERS, Driver, Host, Role
from components.nomad.drivers import PLUGINS, brought, client_part, plugin_blocks, programs, units
from components.start import texts
from components.timings import Timings, text
from mooring.kinds import pki
from mooring.kinds.agent import Agent
from mooring.toolchain import binaries

HTTP_PORT = 4646
CONSUL_PORT = 8501
CONFIGURATION = "/etc/nomad.d"
DATA = "/var/lib/nomad"
AUTHORITY = f"{CONFIGURATION}/tls/ca.pem"
CERTIFICATE = f"{CONFIGURATION}/tls/agent.pem"
KEY = f"{CONFIGURATION}/tls/agent.key"
START = f"{CONFIGURATION}/start.json"

AT_START = (
    ("server", "server_join"),
    ("client", "server_join"),
    # A server that knows a cluster goes by its own copy of what was decided there.
    ("server", "bootstrap_expect"),
    ("autopilot",),
    # A server keeps the keys that the cluster has agreed on.
    ("server", "encrypt"),
)
"""What an agent reads only when it starts."""

LEFTOVERS = (
    (
        "if command -v docker >/dev/null; then docker ps -aq --filter label=com.hashicorp.nomad.alloc_id | "
        "xargs -r docker rm -f >/dev/null; fi"
    ),
    f"awk '$2 ~ \"^{DATA}/\" {{print $2}}' /proc/mounts | sort -r | xargs -r umount",
)
"""What an agent leaves that was ended with work on it: containers go on without it, and secrets stay mounted."""


WOKEN_FOR = 30
"""Seconds."""


def wake(every: float) -> str:
    """Ask the agent for half a minute after its start, in the background; the answer is no, and is not looked at.

    A client that has registered sends its first heartbeat after a random time of up to 10 s, and one that found no
    leader asks again after 15 to 30 s; it counts as down after 6 s, and its instances are placed anew. It does either
    at once when a call to a server succeeds, and to refuse us it has to make one. Without it four of ten restarts of an
    agent cost its instances; with it none of eighteen did.
    """
    call = (
        f"curl --silent --max-time {max(1, round(2 * every))} --output /dev/null "
        f"--cacert {CONFIGURATION}/tls/ca.pem https://localhost:{HTTP_PORT}/v1/client/stats"
    )
    times = round(WOKEN_FOR / every)
    return f"for _ in $$(seq {times}); do if [ -d {DATA}/client ]; then {call}; fi; sleep {every:g}; done &"


@dataclass(frozen=True, kw_only=True, slots=True)
class AgentArgs:
    host: Host
    servers: Sequence[Host]
    timings: Timings
    datacenter: str
    version: str
    network: IPv4Network
    authority: pki.Authority
    gossip_key: pulumi.Output[str]
    consul: Mapping[str, pulumi.Output[str]]
    """What Nomad is to Consul: `ConsulAccess.nomad`."""

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
        dns_names=certificate_names(host.roles),
        ip_addresses=[host.address, "127.0.0.1"],
        usages=["server", "client"],
        opts=pulumi.ResourceOptions(parent=parent),
    )
    roles = [role.value for role in (Role.SERVER, Role.CLIENT) if role in host.roles]
    told = _rendered(args)
    needed = brought(name, host, parent) if Role.CLIENT in host.roles else []
    return Agent(
        name,
        connection=host.connection,
        service="nomad",
        version=args.version,
        binary=program(args.version),
        binary_source=str(binaries.locate("nomad", args.version)),
        directories={
            CONFIGURATION: {"mode": "0700"},
            f"{CONFIGURATION}/tls": {"mode": "0700"},
            DATA: {"mode": "0700"},
        },
        files={
            f"{CONFIGURATION}/nomad.json": _closed(told.apply(lambda parts: parts[0])),
            START: _closed(told.apply(lambda parts: parts[1])),
            AUTHORITY: _closed(args.authority.certificate_pem),
            CERTIFICATE: _closed(certificate.certificate_pem),
            KEY: _closed(certificate.private_key_pem),
            f"{CONFIGURATION}/tls/consul-ca.pem": _closed(args.consul["authority"]),
            f"{CONFIGURATION}/tls/consul.pem": _closed(args.consul["certificate"]),
            f"{CONFIGURATION}/tls/consul.key": _closed(args.consul["private_key"]),
        },
        data=(DATA,),
        leftovers=LEFTOVERS if host.goes_with is None else (),
        unit=unit(
            args.version,
            host.drivers if Role.CLIENT in host.roles else USUAL_DRIVERS,
            # Each is a program that is started and a handshake: as seldom as one of them is still in time.
            woken_every=args.timings.heartbeat_ttl / 4,
        ),
        reload_on=(AUTHORITY, CERTIFICATE, KEY),
        read_at_start=(START,),
        leave_signal="SIGTERM",
        judge=f"{program(args.version)} config validate {{root}}{CONFIGURATION}",
        listens=HTTP_PORT,
        member={"cluster": "nomad", "name": host.name, "roles": roles, "endpoint": args.endpoint},
        opts=pulumi.ResourceOptions(parent=parent, deleted_with=args.goes_with, depends_on=[*after, *needed]),
    )


def program(version: str) -> str:
    """Where the program lies on a host; the machine image has the pinned version there already."""
    return f"/opt/mooring/bin/nomad-{version}"


def certificate_names(roles: frozenset[Role]) -> list[str]:
    """The names a host's certificate carries: Nomad tells by them what an agent may be."""
    held = [role.value for role in (Role.SERVER, Role.CLIENT) if role in roles]
    return [*(f"{role}.global.nomad" for role in held), "localhost"]


def agent_configuration(
    *,
    name: str,
    address: str,
    servers: Sequence[str],
    datacenter: str,
    network: IPv4Network,
    roles: frozenset[Role],
    timings: Timings,
    memory_mib: int | None,
    labels: Mapping[str, str] | None = None,
    control_group: str | None,
    drivers: frozenset[Driver],
    secrets: Mapping[str, str],
) -> dict[str, Any]:
    """One agent's configuration. `secrets` holds `gossip_key` and `consul_token`."""
    configuration: dict[str, Any] = {
        "name": name,
        "region": "global",
        "datacenter": datacenter,
        "data_dir": DATA,
        "bind_addr": "0.0.0.0",  # noqa: S104 -- behind mutual TLS and ACLs; the loopback is needed as well
        "advertise": {"http": address, "rpc": address, "serf": address},
        # Tasks go on while their agent restarts, by SIGINT, and a restarted server must not be forgotten.
        "leave_on_interrupt": False,
        # One that goes for good is told so by SIGTERM.
        "leave_on_terminate": True,
        "disable_update_check": True,
        "acl": {"enabled": True},
        "tls": {
            "http": True,
            "rpc": True,
            "ca_file": AUTHORITY,
            "cert_file": CERTIFICATE,
            "key_file": KEY,
            "verify_server_hostname": True,
            # Who may do what over HTTP is for the ACLs; a browser has no certificate of ours.
            "verify_https_client": False,
            "tls_min_version": "tls12",
        },
        "consul": {
            "address": f"127.0.0.1:{CONSUL_PORT}",
            "ssl": True,
            "verify_ssl": True,
            "ca_file": f"{CONFIGURATION}/tls/consul-ca.pem",
            "cert_file": f"{CONFIGURATION}/tls/consul.pem",
            "key_file": f"{CONFIGURATION}/tls/consul.key",
            "token": secrets["consul_token"],
            "auto_advertise": True,
            "checks_use_advertise": True,
            "server_auto_join": True,
            "client_auto_join": True,
            "allow_unauthenticated": True,
        },
        "telemetry": {
            "prometheus_metrics": True,
            "publish_node_metrics": True,
            "publish_allocation_metrics": True,
            "disable_hostname": True,
        },
        "limits": {"http_max_conns_per_client": 500, "rpc_max_conns_per_client": 100},
        "log_level": "INFO",
    }
    if Role.SERVER in roles:
        configuration["server"] = {
            "enabled": True,
            "bootstrap_expect": len(servers),
            "encrypt": secrets["gossip_key"],
            "raft_multiplier": timings.raft_multiplier,
            "server_join": _join([server for server in servers if server != address]),
            "min_heartbeat_ttl": text(timings.heartbeat_ttl),
            "heartbeat_grace": text(timings.heartbeat_grace),
            "failover_heartbeat_ttl": text(timings.failover_ttl),
        }
        configuration["autopilot"] = {
            "cleanup_dead_servers": True,
            "last_contact_threshold": text(timings.late_after),
            "max_trailing_logs": 250,
            "server_stabilization_time": "10s",
            "min_quorum": len(servers),
        }
    if Role.CLIENT in roles:
        configuration["client"] = {
            "enabled": True,
            "node_pool": "default",
            "cni_path": "/usr/lib/cni",
            **({} if control_group is None else {"cgroup_parent": control_group}),
            "server_join": _join(servers),
            "reserved": {"cpu": 200, "memory": 512, "disk": 1024},
            **client_part(drivers),
            "max_kill_timeout": "60s",
            "gc_interval": "1m",
            "host_network": [{"private": [{"cidr": str(network)}]}],
            **({"meta": dict(labels)} if labels else {}),
            # Or three nodes on one machine offer its memory three times.
            **({} if memory_mib is None else {"memory_total_mb": memory_mib}),
        }
        configuration["plugin"] = plugin_blocks(drivers)
        if programs(drivers):
            configuration["plugin_dir"] = PLUGINS
    return configuration


def _join(servers: Sequence[str]) -> dict[str, Any]:
    return {"retry_join": list(servers), "retry_interval": "1s", "retry_max": 0}


def unit(version: str, drivers: frozenset[Driver] = USUAL_DRIVERS, *, woken_every: float = 0.5) -> str:
    """The systemd unit. As root: Nomad sets up other people's processes."""
    before = " ".join(["network-online.target", "consul.service", *units(drivers)])
    return f"""[Unit]
Description=Nomad
Wants={before}
After={before}
StartLimitIntervalSec=0

[Service]
Type=exec
ExecStart={program(version)} agent -config={CONFIGURATION}
ExecStartPost=/bin/sh -c '{wake(woken_every)}'
ExecReload=/bin/kill -HUP $MAINPID
KillSignal=SIGINT
KillMode=process
Restart=always
RestartSec=1
TimeoutStopSec=20

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
                network=args.network,
                roles=args.host.roles,
                timings=args.timings,
                memory_mib=args.host.memory_mib,
                labels=args.host.labels,
                control_group=args.host.control_group,
                drivers=args.host.drivers,
                secrets=known,
            ),
            AT_START,
        )

    return pulumi.Output.all(
        address=args.host.address,
        servers=pulumi.Output.all(*(server.address for server in args.servers)),
        gossip_key=args.gossip_key,
        consul_token=args.consul["token"],
    ).apply(render)


def _closed(content: pulumi.Input[str]) -> dict[str, Any]:
    """For root alone, as whom Nomad runs."""
    return {"content": pulumi.Output.secret(content), "mode": "0600"}
