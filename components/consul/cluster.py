"""A Consul cluster: servers on the hosts that decide, a client on every other, and the tokens that others need."""

from collections.abc import Iterable, Sequence

import pulumi

from components.access import ConsulAccess, Endpoint, after, reached
from components.consul.agent import HTTPS_PORT, AgentArgs, Secrets, agent
from components.consul.tokens import FirstIds, TokenIds, policies, policy, token
from components.gossip import gossip_key
from components.hosts import Host, Role
from components.timings import Timings
from mooring.kinds import pki
from mooring.kinds.agent import Agent
from mooring.kinds.consul_cluster import Cluster
from mooring.kinds.consul_credentials import Credentials
from mooring.kinds.host_ensemble import Ensemble
from mooring.kinds.random import Uuid
from mooring.kinds.release import Release


class ConsulCluster(pulumi.ComponentResource):
    """The cluster is there when every server is a voter and every client has joined."""

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
        goes_with: pulumi.Resource | None,
        drillable: bool = False,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("platform:consul:ConsulCluster", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        servers = [host for host in hosts if Role.SERVER in host.roles]
        operator = pki.Certificate(
            f"{name}-operator", authority=authority, common_name="operator", usages=["client"], opts=child
        )
        place: Endpoint = {
            **reached(servers),
            "port": HTTPS_PORT,
            "authority": authority.certificate_pem,
            "certificate": operator.certificate_pem,
            "private_key": operator.private_key_pem,
        }
        uses_ids = {use: FirstIds(f"{name}-{use}", self) for use in policies(drillable=drillable)}
        hosts_ids = {host.name: FirstIds(f"{name}-{host.name}", self) for host in hosts}
        first = {f"{host}-agent": ids for host, ids in hosts_ids.items()}
        first |= {f"{use}-token": ids for use, ids in uses_ids.items()}
        credentials = Credentials(
            f"{name}-credentials",
            endpoint=place,
            number=tokens,
            first_management=Uuid(f"{name}-management", opts=child).value,
            tokens={each: {"accessor_id": ids.accessor, "secret_id": ids.secret} for each, ids in first.items()},
            opts=pulumi.ResourceOptions(parent=self, deleted_with=goes_with),
        )
        ids = {each: TokenIds(each, known, credentials) for each, known in first.items()}
        management: Endpoint = {**place, "token": credentials.management}
        secrets = Secrets(
            gossip_key=gossip_key(name, gossip_keys, child),
            management=credentials.management,
            dns=ids["dns-token"].secret,
        )

        release = Release(f"{name}-release", tool="consul", version=version, opts=child)

        def on(these: Iterable[Host], after: Sequence[pulumi.Resource]) -> list[Agent]:
            return [
                agent(
                    f"{name}-{host.name}",
                    AgentArgs(
                        host=host,
                        servers=servers,
                        datacenter=datacenter,
                        version=version,
                        authority=authority,
                        secrets=secrets,
                        timings=timings,
                        own_token=ids[f"{host.name}-agent"].secret,
                        endpoint=management,
                        goes_with=goes_with,
                    ),
                    self,
                    after=after,
                )
                for host in these
            ]

        # Who decides is changed first: a client may be older than its servers, and not the other way round.
        deciding = on(servers, [release])
        rest = [host for host in hosts if host not in servers]
        following = on(rest, [release, *deciding])
        agents = [*deciding, *following]
        # Where the machines stay, the agents are taken away one by one, when none needs to be spared any more.
        ensembles = (
            []
            if goes_with is not None
            else [
                Ensemble(
                    f"{name}-ensemble",
                    service="consul",
                    connections={host.name: host.connection for host in hosts},
                    opts=pulumi.ResourceOptions(parent=self, depends_on=agents),
                )
            ]
        )
        cluster = Cluster(
            name,
            endpoint=management,
            servers=[host.name for host in servers],
            gossip_key=secrets.gossip_key,
            clients=[host.name for host in hosts if host not in servers],
            opts=pulumi.ResourceOptions(parent=self, depends_on=[*agents, *ensembles], deleted_with=goes_with),
        )
        formed = after(management, cluster)
        # What is kept in the cluster goes with it, even where the machines stay.
        going = pulumi.ResourceOptions(parent=self, deleted_with=goes_with or cluster)
        agents_tokens = [
            token(
                f"{name}-{host.name}-agent",
                ids[f"{host.name}-agent"],
                formed,
                going,
                node_identity=f"{host.name}:{datacenter}",
            )
            for host in hosts
        ]
        uses = {
            use: token(
                f"{name}-{use}-token",
                ids[f"{use}-token"],
                formed,
                going,
                policy=policy(name, use, formed, going),
            )
            for use in uses_ids
        }
        nomad = pki.Certificate(
            f"{name}-nomad-certificate", authority=authority, common_name="nomad", usages=["client"], opts=child
        )
        # Whoever uses the cluster waits for all of these: an agent without its token cannot register anything.
        working = after(formed, *agents_tokens, uses["dns"])
        self.access = ConsulAccess(
            agents={host.name: found for host, found in zip([*servers, *rest], agents, strict=True)},
            status={**working, "token": uses["status"].secret_id},
            drill={**working, "token": uses["drill"].secret_id} if drillable else None,
            nomad={
                "token": pulumi.Output.all(uses["nomad"].secret_id, working["addresses"]).apply(lambda known: known[0]),
                "authority": authority.certificate_pem,
                "certificate": nomad.certificate_pem,
                "private_key": nomad.private_key_pem,
            },
        )
        self.register_outputs({})
