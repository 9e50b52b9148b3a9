"""A Nomad cluster: servers on the hosts that decide, clients on those that run apps, and tokens for who uses it."""

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network

import pulumi

from components.access import ConsulAccess, Endpoint, NomadAccess, after, reached
from components.gossip import gossip_key
from components.hosts import Host, Role
from components.nomad.agent import HTTP_PORT, AgentArgs, agent
from components.timings import Timings
from mooring.kinds import pki
from mooring.kinds.agent import Agent
from mooring.kinds.host_ensemble import Ensemble
from mooring.kinds.nomad_acl import AclPolicy, AclToken
from mooring.kinds.nomad_cluster import Cluster
from mooring.kinds.nomad_credentials import Credentials
from mooring.kinds.random import Uuid
from mooring.kinds.release import Release

POLICIES = {
    # A namespace's own policy says nothing of its variables, which hold the secrets of apps.
    "deploy": (
        'namespace "default" {\n  policy = "write"\n'
        '  variables { path "*" { capabilities = ["list", "read", "write", "destroy"] } }\n}\n'
        'node { policy = "read" }\nagent { policy = "read" }\n'
    ),
    "status": (
        'namespace "default" { policy = "read" }\nnode { policy = "read" }\nagent { policy = "read" }\n'
        'operator { policy = "read" }\n'
    ),
    # What `mooring drill` breaks, and the variables that it writes to see whether one is lost.
    "drill": (
        'namespace "default" {\n  policy = "write"\n  variables {\n    path "mooring-drill/*" {\n'
        '      capabilities = ["write", "read", "list", "destroy"]\n    }\n  }\n}\n'
        'node { policy = "write" }\nagent { policy = "read" }\noperator { policy = "read" }\n'
    ),
}


def policies(*, drillable: bool) -> dict[str, str]:
    """The rules by use: nobody may drill a stack that is not marked for it."""
    return {use: rules for use, rules in POLICIES.items() if use != "drill" or drillable}


def token_name(use: str, number: int) -> str:
    """The name by which a token of ours is known in Nomad; another number is another token."""
    return f"{pulumi.get_project()} {use}" if number == 1 else f"{pulumi.get_project()} {use} {number}"


class NomadCluster(pulumi.ComponentResource):
    """The cluster is there when every server is a voter, every client is ready, and the ACLs are ours."""

    def __init__(
        self,
        name: str,
        *,
        hosts: Sequence[Host],
        authority: pki.Authority,
        datacenter: str,
        timings: Timings,
        version: str,
        gossip_keys: int = 1,
        tokens: int = 1,
        network: IPv4Network,
        consul: ConsulAccess,
        goes_with: pulumi.Resource | None,
        drillable: bool = False,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("platform:nomad:NomadCluster", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        servers = [host for host in hosts if Role.SERVER in host.roles]
        clients = [host for host in hosts if Role.CLIENT in host.roles]
        members = [host for host in hosts if host in servers or host in clients]
        operator = pki.Certificate(
            f"{name}-operator", authority=authority, common_name="operator", usages=["client"], opts=child
        )
        place: Endpoint = {
            **reached(servers),
            "port": HTTP_PORT,
            "authority": authority.certificate_pem,
            "certificate": operator.certificate_pem,
            "private_key": operator.private_key_pem,
        }
        credentials = Credentials(
            f"{name}-credentials",
            endpoint=place,
            number=tokens,
            tokens=[token_name(use, tokens) for use in policies(drillable=drillable)],
            first_management=Uuid(f"{name}-management", opts=child).value,
            opts=pulumi.ResourceOptions(parent=self, deleted_with=goes_with),
        )
        management: Endpoint = {**place, "token": credentials.management}
        gossip = gossip_key(name, gossip_keys, child)

        release = Release(f"{name}-release", tool="nomad", version=version, opts=child)

        def on(these: Iterable[Host], after: Sequence[pulumi.Resource]) -> list[Agent]:
            return [
                agent(
                    f"{name}-{host.name}",
                    AgentArgs(
                        host=host,
                        servers=servers,
                        timings=timings,
                        datacenter=datacenter,
                        version=version,
                        network=network,
                        authority=authority,
                        gossip_key=gossip,
                        consul=consul.nomad,
                        endpoint=management,
                        goes_with=goes_with,
                    ),
                    self,
                    after=[*after, consul.agents[host.name]],
                )
                for host in these
            ]

        # Who decides is changed first: a client may be older than its servers, and not the other way round.
        deciding = on(servers, [release])
        agents = [
            *deciding,
            *on((host for host in members if host not in servers), [release, *deciding]),
        ]
        # Where the machines stay, the agents are taken away one by one, when none needs to be spared any more.
        ensembles = (
            []
            if goes_with is not None
            else [
                Ensemble(
                    f"{name}-ensemble",
                    service="nomad",
                    connections={host.name: host.connection for host in members},
                    opts=pulumi.ResourceOptions(parent=self, depends_on=agents),
                )
            ]
        )
        cluster = Cluster(
            name,
            endpoint=management,
            servers=[host.name for host in servers],
            gossip_key=gossip,
            clients=[host.name for host in clients],
            opts=pulumi.ResourceOptions(parent=self, depends_on=[*agents, *ensembles], deleted_with=goes_with),
        )
        formed = after(management, cluster)
        # What is kept in the cluster goes with it, even where the machines stay.
        going = pulumi.ResourceOptions(parent=self, deleted_with=goes_with or cluster)
        rights = {
            use: AclPolicy(f"{name}-{use}", endpoint=formed, name=use, rules=rules, opts=going)
            for use, rules in policies(drillable=drillable).items()
        }
        made = {
            use: AclToken(
                f"{name}-{use}-token",
                endpoint=formed,
                name=token_name(use, tokens),
                policies=[rights[use].name],
                opts=going,
            )
            for use in rights
        }
        self.access = NomadAccess(
            deploy={**formed, "token": made["deploy"].secret_id},
            status={**formed, "token": made["status"].secret_id},
            drill={**formed, "token": made["drill"].secret_id} if drillable else None,
            catalogue=consul.status,
            datacenter=datacenter,
            timings=timings,
            goes_with=goes_with,
        )
        self.register_outputs({})
