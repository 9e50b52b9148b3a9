"""A Consul cluster: servers on the hosts that decide, a client on every other, and the tokens that others need."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pulumi

from components.access import ConsulAccess
from components.hosts import Host, Role
from mooring.kinds import pki
from mooring.kinds.agent import Agent
from mooring.kinds.consul_acl import AclPolicy, AclToken
from mooring.kinds.consul_cluster import Cluster
from mooring.kinds.random import Bytes, Uuid
from mooring.toolchain import binaries

HTTPS_PORT = 8501
DNS_PORT = 8600
CONFIGURATION = "/etc/consul.d"
DATA = "/var/lib/consul"

POLICIES = {
    # What DNS answers to whoever asks the agent on its loopback: which instances there are, and where.
    "dns": 'node_prefix "" { policy = "read" }\nservice_prefix "" { policy = "read" }\n',
    # Nomad registers services for every app; without Connect it needs neither acl, mesh nor node:write.
    "nomad": (
        'agent_prefix "" { policy = "read" }\nnode_prefix "" { policy = "read" }\n'
        'service_prefix "" { policy = "write" }\n'
    ),
    # What `mooring status` looks at.
    "status": (
        'agent_prefix "" { policy = "read" }\nnode_prefix "" { policy = "read" }\n'
        'service_prefix "" { policy = "read" }\noperator = "read"\n'
    ),
}


class ConsulCluster(pulumi.ComponentResource):
    """The cluster is there when every server is a voter and every client has joined."""

    def __init__(
        self,
        name: str,
        *,
        hosts: Sequence[Host],
        authority: pki.Authority,
        datacenter: str,
        version: str,
        goes_with: pulumi.Resource,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("platform:consul:ConsulCluster", name, None, opts)
        self._name, self._authority, self._goes_with = name, authority, goes_with
        servers = [host for host in hosts if Role.SERVER in host.roles]
        clients = [host for host in hosts if Role.SERVER not in host.roles]
        gossip_key = Bytes(f"{name}-gossip-key", length=32, opts=self._child())
        management = Uuid(f"{name}-management", opts=self._child())
        operator = pki.Certificate(
            f"{name}-operator",
            authority=authority,
            common_name="operator",
            usages=["client"],
            opts=self._child(),
        )
        endpoint = pulumi.Output.all(
            addresses=pulumi.Output.all(*(host.address for host in servers)),
            port=HTTPS_PORT,
            authority=authority.certificate_pem,
            certificate=operator.certificate_pem,
            private_key=operator.private_key_pem,
            token=management.value,
        )
        # Chosen before the cluster exists, so that no agent has to be told later; they begin to work by themselves.
        agent_tokens = {host.name: self._ids(f"{name}-{host.name}") for host in hosts}
        dns = self._ids(f"{name}-dns")
        agents: list[Agent] = []
        for host in hosts:
            certificate = pki.Certificate(
                f"{name}-{host.name}-certificate",
                authority=authority,
                common_name=host.name,
                dns_names=server_names(host, datacenter),
                ip_addresses=[host.address, "127.0.0.1"],
                usages=["server", "client"],
                opts=self._child(),
            )
            configuration = pulumi.Output.all(
                address=host.address,
                servers=pulumi.Output.all(*(server.address for server in servers)),
                gossip_key=gossip_key.value,
                agent=agent_tokens[host.name][1].value,
                dns=dns[1].value,
                management=management.value,
            ).apply(_rendered(host, datacenter))
            agents.append(
                Agent(
                    f"{name}-{host.name}",
                    connection=host.connection,
                    service="consul",
                    user="consul",
                    version=version,
                    binary=f"/opt/mooring/bin/consul-{version}",
                    binary_source=str(binaries.locate("consul", version)),
                    directories={
                        CONFIGURATION: {"mode": "0750", "group": "consul"},
                        f"{CONFIGURATION}/tls": {"mode": "0750", "group": "consul"},
                        DATA: {"mode": "0750", "owner": "consul", "group": "consul"},
                    },
                    files={
                        f"{CONFIGURATION}/consul.json": _readable(configuration),
                        f"{CONFIGURATION}/tls/ca.pem": _readable(authority.certificate_pem),
                        f"{CONFIGURATION}/tls/agent.pem": _readable(certificate.certificate_pem),
                        f"{CONFIGURATION}/tls/agent.key": _readable(certificate.private_key_pem),
                    },
                    data=(DATA,),
                    unit=unit(version),
                    reload_on=(f"{CONFIGURATION}/tls/agent.pem", f"{CONFIGURATION}/tls/agent.key"),
                    listens=HTTPS_PORT,
                    member=pulumi.Output.all(endpoint=endpoint).apply(_membership(host)),
                    opts=pulumi.ResourceOptions(parent=self, deleted_with=host.goes_with),
                )
            )
        cluster = Cluster(
            name,
            endpoint=endpoint,
            servers=[host.name for host in servers],
            clients=[host.name for host in clients],
            opts=pulumi.ResourceOptions(parent=self, depends_on=agents, deleted_with=goes_with),
        )
        policies = {
            policy: AclPolicy(
                f"{name}-{policy}", endpoint=cluster.endpoint, name=policy, rules=rules, opts=self._going()
            )
            for policy, rules in POLICIES.items()
        }
        tokens = [
            self._token(
                f"{name}-{host.name}-agent", cluster, agent_tokens[host.name], identity=f"{host.name}:{datacenter}"
            )
            for host in hosts
        ]
        tokens.append(self._token(f"{name}-dns-token", cluster, dns, policy=policies["dns"]))
        nomad = self._token(f"{name}-nomad-token", cluster, self._ids(f"{name}-nomad"), policy=policies["nomad"])
        status = self._token(f"{name}-status-token", cluster, self._ids(f"{name}-status"), policy=policies["status"])
        nomad_certificate = pki.Certificate(
            f"{name}-nomad-certificate",
            authority=authority,
            common_name="nomad",
            usages=["client"],
            opts=self._child(),
        )
        usable = pulumi.Output.all(*(token.urn for token in tokens))
        self.access = ConsulAccess(
            status=pulumi.Output.all(cluster.endpoint, status.secret_id, usable).apply(
                lambda parts: {**parts[0], "token": parts[1]}
            ),
            nomad=pulumi.Output.all(
                token=nomad.secret_id,
                authority=authority.certificate_pem,
                certificate=nomad_certificate.certificate_pem,
                private_key=nomad_certificate.private_key_pem,
                usable=usable,
            ).apply(lambda parts: {key: value for key, value in parts.items() if key != "usable"}),
        )
        self.register_outputs({})

    def _child(self) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(parent=self)

    def _going(self) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(parent=self, deleted_with=self._goes_with)

    def _ids(self, name: str) -> tuple[Uuid, Uuid]:
        """A token's two ids: its accessor, and the secret."""
        return Uuid(f"{name}-accessor", opts=self._child()), Uuid(f"{name}-secret", opts=self._child())

    def _token(
        self,
        name: str,
        cluster: Cluster,
        ids: tuple[Uuid, Uuid],
        *,
        policy: AclPolicy | None = None,
        identity: str | None = None,
    ) -> AclToken:
        return AclToken(
            name,
            endpoint=cluster.endpoint,
            # A token's public name, under which Consul lists it.
            accessor_id=pulumi.Output.unsecret(ids[0].value),
            secret_id=ids[1].value,
            description=name,
            policies=[policy.name] if policy else [],
            node_identities=[identity] if identity else [],
            opts=self._going(),
        )


def server_names(host: Host, datacenter: str) -> list[str]:
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
    is_server: bool,
    answers_dns: bool,
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
                "ca_file": f"{CONFIGURATION}/tls/ca.pem",
                "cert_file": f"{CONFIGURATION}/tls/agent.pem",
                "key_file": f"{CONFIGURATION}/tls/agent.key",
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
        # Multiplier 1: Consul's default of 5 is for machines without a core of their own, and elects in 5-20 s.
        "performance": {"raft_multiplier": 1, "rpc_hold_timeout": "7s", "leave_drain_time": "5s"},
        # An agent that is restarted must not leave: its services would vanish from the catalogue for that time.
        "leave_on_terminate": False,
        "skip_leave_on_interrupt": True,
        "disable_update_check": True,
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
                "last_contact_threshold": "200ms",
                "max_trailing_logs": 250,
                "server_stabilization_time": "10s",
                "min_quorum": len(servers),
            },
            "peering": {"enabled": False},
        }
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
ExecStart=/opt/mooring/bin/consul-{version} agent -config-dir={CONFIGURATION}
ExecReload=/bin/kill -HUP $MAINPID
KillSignal=SIGTERM
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


def _rendered(host: Host, datacenter: str) -> Any:
    def render(known: dict[str, Any]) -> str:
        return json.dumps(
            agent_configuration(
                name=host.name,
                address=known["address"],
                servers=known["servers"],
                datacenter=datacenter,
                is_server=Role.SERVER in host.roles,
                answers_dns=Role.EDGE in host.roles,
                secrets=known,
            ),
            indent=1,
        )

    return render


def _membership(host: Host) -> Any:
    role = "server" if Role.SERVER in host.roles else "client"

    def member(known: dict[str, Any]) -> dict[str, Any]:
        return {"cluster": "consul", "name": host.name, "roles": [role], "endpoint": known["endpoint"]}

    return member


def _readable(content: pulumi.Input[str]) -> dict[str, Any]:
    return {"content": pulumi.Output.secret(content), "mode": "0640", "owner": "root", "group": "consul"}
