"""`mooring:consul:Cluster`: the moment when Consul's agents have become a cluster.

Nothing is made here: the agents elect by themselves. What needs the cluster takes `endpoint` from this resource, and
so waits for a leader, for every server to be a voter and for every client to have joined.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import pulumi
from pydantic import Field
from typing_extensions import override

from mooring.clients import consul
from mooring.clients.answers import rows
from mooring.clients.errors import ApiError
from mooring.clients.http import Endpoint
from mooring.kinds.cluster import (
    CLUSTER_SECRETS,
    joined,
    key_agreed,
    lasting,
    odd_servers,
    once,
    quorum_complaints,
    quorum_kept,
)
from mooring.kinds.kind import Handler, Made, Problem, Props, Resource, Seen, Spec, Work, register
from mooring.kinds.membership import server_complaint


class ConsulClusterSpec(Spec):
    endpoint: Endpoint
    servers: tuple[str, ...]
    clients: tuple[str, ...] = ()
    gossip_key: str | None = Field(default=None, repr=False)
    """Base64. What the agents were told counts for their first start; after that they keep what they agreed on."""


@register
class ConsulClusterHandler(Handler[ConsulClusterSpec]):
    token = "mooring:consul:Cluster"  # noqa: S105 -- a type token, not a secret
    spec = ConsulClusterSpec
    access = frozenset({"endpoint"})
    secret_inputs = CLUSTER_SECRETS | {"gossip_key"}

    @override
    def check(self, spec: ConsulClusterSpec) -> Iterable[Problem]:
        yield from odd_servers(spec.servers)

    @override
    def create(self, spec: ConsulClusterSpec, work: Work) -> Made:
        joined("consul", lambda: complaints(spec), work, patience=spec.endpoint.patience)
        return Made(id="consul")

    @override
    def read(self, id_: str, spec: ConsulClusterSpec, outputs: Props, work: Work) -> Seen[ConsulClusterSpec] | None:
        return Seen(spec=spec, reasons=lasting(lambda: complaints(spec), work, patience=spec.endpoint.patience))

    @override
    def update(self, id_: str, old: ConsulClusterSpec, new: ConsulClusterSpec, outputs: Props, work: Work) -> Props:
        api = consul.cluster(new.endpoint)
        governed = once("consul", lambda: quorum_kept(api, new.servers))
        joined("consul", lambda: governed() or complaints(new), work, patience=new.endpoint.patience)
        # Only now: who is away would come back with a key that nobody takes any more.
        agreed = once("consul", lambda: key_agreed(api, new.gossip_key))
        joined("consul", lambda: agreed() or complaints(new), work, patience=new.endpoint.patience)
        return {}

    @override
    def delete(self, id_: str, spec: ConsulClusterSpec, outputs: Props, work: Work) -> None:
        """The cluster goes with its agents."""


def complaints(spec: ConsulClusterSpec) -> list[str]:
    """What is missing from a complete cluster, one sentence each; raises `Unreachable` when nobody answers."""
    api = consul.cluster(spec.endpoint)
    if api.leader() is None:
        return ["consul has no leader"]
    try:
        api.own_token()
        health = api.servers()
        alive = consul.alive(api.members())
        ruled = quorum_complaints(api, spec.servers)
    except ApiError as error:
        # A new leader answers 500 for a moment, and 403 until it has written the first token.
        return [f"consul is not ready: {error}"]
    missing = [server_complaint(name, rows(health["Servers"])) for name in spec.servers]
    return [m for m in missing if m] + [f"{n} has not joined consul" for n in spec.clients if n not in alive] + ruled


class Cluster(Resource):
    """A complete cluster. `endpoint` is how it is reached, with the first management token."""

    endpoint: pulumi.Output[dict[str, Any]]

    def __init__(
        self,
        resource_name: str,
        *,
        endpoint: pulumi.Input[Mapping[str, Any]],
        servers: list[str],
        clients: list[str],
        gossip_key: pulumi.Input[str] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        inputs = {"endpoint": endpoint, "servers": servers, "clients": clients, "gossip_key": gossip_key}
        super().__init__(ConsulClusterHandler, resource_name, inputs, opts=opts)
