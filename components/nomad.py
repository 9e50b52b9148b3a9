"""A Nomad cluster: servers on the hosts that decide, clients on those that run apps, and tokens for who uses it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any

import pulumi

from components.access import NomadAccess
from components.hosts import Host, Role
from mooring.kinds import pki
from mooring.kinds.agent import Agent
from mooring.kinds.nomad_acl import AclPolicy, AclToken
from mooring.kinds.nomad_cluster import Cluster
from mooring.kinds.random import Bytes, Uuid
from mooring.toolchain import binaries

HTTP_PORT = 4646
CONSUL_PORT = 8501
CONFIGURATION = "/etc/nomad.d"
DATA = "/var/lib/nomad"
IMAGE_CREDENTIALS = "/etc/nomad/docker-auth.json"
"""Where the docker driver looks for passwords, at every pull. Not in CONFIGURATION: the agent takes each JSON file
there for its own."""

ENGINE_CAPABILITIES = (
    "chown",
    "dac_override",
    "fsetid",
    "fowner",
    "setgid",
    "setuid",
    "setpcap",
    "net_bind_service",
    "kill",
)
"""What an app may ask for at most: Docker's defaults without those that reach the network's or the host's insides."""

POLICIES = {
    "deploy": ('namespace "default" { policy = "write" }\nnode { policy = "read" }\nagent { policy = "read" }\n'),
    "status": (
        'namespace "default" { policy = "read" }\nnode { policy = "read" }\nagent { policy = "read" }\n'
        'operator { policy = "read" }\n'
    ),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Heartbeats:
    """How soon a silent client counts as down."""

    min_ttl: str
    grace: str
    failover_ttl: str


def heartbeats(clients: int) -> Heartbeats:
    """The fastest times at which no client was wrongly marked as down.

    A client beats every 2-4 s and is down 2 s after a missed one. After a change of leader each client is given
    `failover_ttl`; its default of 5 minutes is the whole outage when the server that led and hosted the app dies.
    Nomad asks for more than 2·clients/50 + 10·min_ttl; 12 s and 16 s marked healthy clients down, 21 s none, since a
    client whose server's address is gone needs up to 14 s to move to another.
    """
    seconds = 21 + 2 * clients // 50
    return Heartbeats(min_ttl="2s", grace="2s", failover_ttl=f"{seconds}s")


class NomadCluster(pulumi.ComponentResource):
    """The cluster is there when every server is a voter, every client is ready, and the ACLs are ours."""

    def __init__(
        self,
        name: str,
        *,
        hosts: Sequence[Host],
        authority: pki.Authority,
        datacenter: str,
        version: str,
        network: IPv4Network,
        consul: pulumi.Output[dict[str, Any]],
        goes_with: pulumi.Resource,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("platform:nomad:NomadCluster", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        carrying = [host for host in hosts if host.roles & {Role.SERVER, Role.CLIENT}]
        servers = [host for host in carrying if Role.SERVER in host.roles]
        clients = [host for host in carrying if Role.CLIENT in host.roles]
        gossip_key = Bytes(f"{name}-gossip-key", length=32, opts=child)
        management = Uuid(f"{name}-management", opts=child)
        operator = pki.Certificate(
            f"{name}-operator", authority=authority, common_name="operator", usages=["client"], opts=child
        )
        endpoint = pulumi.Output.all(
            addresses=pulumi.Output.all(*(host.address for host in servers)),
            port=HTTP_PORT,
            authority=authority.certificate_pem,
            certificate=operator.certificate_pem,
            private_key=operator.private_key_pem,
            token=management.value,
        )
        agents: list[Agent] = []
        for host in carrying:
            certificate = pki.Certificate(
                f"{name}-{host.name}-certificate",
                authority=authority,
                common_name=host.name,
                dns_names=role_names(host.roles),
                ip_addresses=[host.address, "127.0.0.1"],
                usages=["server", "client"],
                opts=child,
            )
            configuration = pulumi.Output.all(
                address=host.address,
                servers=pulumi.Output.all(*(server.address for server in servers)),
                gossip_key=gossip_key.value,
                consul_token=consul["token"],
            ).apply(_rendered(host, datacenter, network, len(clients)))
            agents.append(
                Agent(
                    f"{name}-{host.name}",
                    connection=host.connection,
                    service="nomad",
                    version=version,
                    binary=f"/opt/mooring/bin/nomad-{version}",
                    binary_source=str(binaries.locate("nomad", version)),
                    directories={
                        CONFIGURATION: {"mode": "0700"},
                        f"{CONFIGURATION}/tls": {"mode": "0700"},
                        DATA: {"mode": "0700"},
                    },
                    files={
                        f"{CONFIGURATION}/nomad.json": _closed(configuration),
                        f"{CONFIGURATION}/tls/ca.pem": _closed(authority.certificate_pem),
                        f"{CONFIGURATION}/tls/agent.pem": _closed(certificate.certificate_pem),
                        f"{CONFIGURATION}/tls/agent.key": _closed(certificate.private_key_pem),
                        f"{CONFIGURATION}/tls/consul-ca.pem": _closed(consul["authority"]),
                        f"{CONFIGURATION}/tls/consul.pem": _closed(consul["certificate"]),
                        f"{CONFIGURATION}/tls/consul.key": _closed(consul["private_key"]),
                    },
                    data=(DATA,),
                    unit=unit(version),
                    reload_on=(f"{CONFIGURATION}/tls/agent.pem", f"{CONFIGURATION}/tls/agent.key"),
                    listens=HTTP_PORT,
                    member=pulumi.Output.all(endpoint=endpoint).apply(_membership(host)),
                    opts=pulumi.ResourceOptions(parent=self, deleted_with=host.goes_with),
                )
            )
        going = pulumi.ResourceOptions(parent=self, deleted_with=goes_with)
        cluster = Cluster(
            name,
            endpoint=endpoint,
            servers=[host.name for host in servers],
            clients=[host.name for host in clients],
            opts=pulumi.ResourceOptions(parent=self, depends_on=agents, deleted_with=goes_with),
        )
        policies = {
            policy: AclPolicy(f"{name}-{policy}", endpoint=cluster.endpoint, name=policy, rules=rules, opts=going)
            for policy, rules in POLICIES.items()
        }
        tokens = {
            use: AclToken(
                f"{name}-{use}-token",
                endpoint=cluster.endpoint,
                name=f"{pulumi.get_project()} {use}",
                policies=[policy.name],
                opts=going,
            )
            for use, policy in policies.items()
        }
        self.access = NomadAccess(
            deploy=_with_token(cluster, tokens["deploy"]), status=_with_token(cluster, tokens["status"])
        )
        self.register_outputs({})


def role_names(roles: frozenset[Role]) -> list[str]:
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
    clients: int,
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
        # Tasks go on while their agent restarts, and a restarted server must not be forgotten.
        "leave_on_terminate": False,
        "leave_on_interrupt": False,
        "disable_update_check": True,
        "acl": {"enabled": True},
        "tls": {
            "http": True,
            "rpc": True,
            "ca_file": f"{CONFIGURATION}/tls/ca.pem",
            "cert_file": f"{CONFIGURATION}/tls/agent.pem",
            "key_file": f"{CONFIGURATION}/tls/agent.key",
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
        pace = heartbeats(clients)
        configuration["server"] = {
            "enabled": True,
            "bootstrap_expect": len(servers),
            "encrypt": secrets["gossip_key"],
            "raft_multiplier": 1,
            "server_join": _join([server for server in servers if server != address]),
            "min_heartbeat_ttl": pace.min_ttl,
            "heartbeat_grace": pace.grace,
            "failover_heartbeat_ttl": pace.failover_ttl,
        }
        configuration["autopilot"] = {
            "cleanup_dead_servers": True,
            "last_contact_threshold": "200ms",
            "max_trailing_logs": 250,
            "server_stabilization_time": "10s",
            "min_quorum": len(servers),
        }
    if Role.CLIENT in roles:
        configuration["client"] = {
            "enabled": True,
            "node_pool": "default",
            "cni_path": "/usr/lib/cni",
            # Local nodes share one tree of control groups.
            "cgroup_parent": f"/nomad-{name}",
            "server_join": _join(servers),
            "reserved": {"cpu": 200, "memory": 512, "disk": 1024},
            "options": {"driver.allowlist": "docker"},
            "max_kill_timeout": "60s",
            "gc_interval": "1m",
            "host_network": [{"private": [{"cidr": str(network)}]}],
        }
        configuration["plugin"] = [{"docker": [{"config": [_docker_driver()]}]}]
    return configuration


def _join(servers: Sequence[str]) -> dict[str, Any]:
    return {"retry_join": list(servers), "retry_interval": "1s", "retry_max": 0}


def _docker_driver() -> dict[str, Any]:
    return {
        "allow_privileged": False,
        "allow_caps": list(ENGINE_CAPABILITIES),
        "allow_runtimes": ["runc"],
        "volumes": [{"enabled": False}],
        "pids_limit": 512,
        "pull_activity_timeout": "2m",
        "auth": [{"config": IMAGE_CREDENTIALS}],
        # A day: an instance can be restarted while the registry is gone.
        "gc": [{"image": True, "image_delay": "24h", "container": True}],
        "extra_labels": ["job_name", "task_group_name", "task_name", "namespace", "node_name"],
    }


def unit(version: str) -> str:
    """The systemd unit. As root: Nomad sets up other people's processes."""
    return f"""[Unit]
Description=Nomad
Wants=network-online.target consul.service docker.service
After=network-online.target consul.service docker.service
StartLimitIntervalSec=0

[Service]
Type=exec
ExecStart=/opt/mooring/bin/nomad-{version} agent -config={CONFIGURATION}
ExecReload=/bin/kill -HUP $MAINPID
KillSignal=SIGINT
KillMode=process
Restart=always
RestartSec=1
TimeoutStopSec=20

[Install]
WantedBy=multi-user.target
"""


def _rendered(host: Host, datacenter: str, network: IPv4Network, clients: int) -> Any:
    def render(known: dict[str, Any]) -> str:
        return json.dumps(
            agent_configuration(
                name=host.name,
                address=known["address"],
                servers=known["servers"],
                datacenter=datacenter,
                network=network,
                roles=host.roles,
                clients=clients,
                secrets=known,
            ),
            indent=1,
        )

    return render


def _membership(host: Host) -> Any:
    roles = [role.value for role in (Role.SERVER, Role.CLIENT) if role in host.roles]

    def member(known: dict[str, Any]) -> dict[str, Any]:
        return {"cluster": "nomad", "name": host.name, "roles": roles, "endpoint": known["endpoint"]}

    return member


def _with_token(cluster: Cluster, token: AclToken) -> pulumi.Output[dict[str, Any]]:
    return pulumi.Output.all(cluster.endpoint, token.secret_id).apply(lambda parts: {**parts[0], "token": parts[1]})


def _closed(content: pulumi.Input[str]) -> dict[str, Any]:
    return {"content": pulumi.Output.secret(content), "mode": "0600"}
