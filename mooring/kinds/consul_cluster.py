"""`mooring:consul:Cluster`: the moment when Consul's agents have become a cluster.

Nothing is made here: the agents elect by themselves. What needs the cluster takes `endpoint` from this resource, and
so waits for a leader, for every server to be a voter and for every client to have joined.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import pulumi
from typing_extensions import override

from mooring.clients import consul
from mooring.clients.answers import rows
from mooring.clients.errors import ApiError
from mooring.clients.http import Endpoint
from mooring.kinds.cluster import CLUSTER_SECRETS, joined, lasting, odd_servers, quorum_complaints, quorum_kept
from mooring.kinds.kind import Handler, Made, Problem, Props, Resource, Seen, Spec, Work, register
from mooring.kinds.membership import server_complaint


class ConsulClusterSpec(Spec):
    endpoint: Endpoint
    servers: tuple[str, ...]
    clients: tuple[str, ...] = ()


@register
class ConsulClusterHandler(Handler[ConsulClusterSpec]):
    token = "mooring:consul:Cluster"  # noqa: S105 -- a type token, not a secret
    spec = ConsulClusterSpec
    access = frozenset({"endpoint"})
    secret_inputs = CLUSTER_SECRETS

    @override
    def check(self, spec: ConsulClusterSpec) -> Iterable[Problem]:
        yield from odd_servers(spec.servers)

    @override
    def create(self, spec: ConsulClusterSpec, work: Work) -> Made:
        joined("consul", lambda: complaints(spec), work)
        return Made(id="consul")

    @override
    def read(self, id_: str, spec: ConsulClusterSpec, outputs: Props, work: Work) -> Seen[ConsulClusterSpec] | None:
        return Seen(spec=spec, reasons=lasting(lambda: complaints(spec), work))

    @override
    def update(self, id_: str, old: ConsulClusterSpec, new: ConsulClusterSpec, outputs: Props, work: Work) -> Props:
        joined("consul", lambda: _governed(new) or complaints(new), work)
        return {}

    @override
    def delete(self, id_: str, spec: ConsulClusterSpec, outputs: Props, work: Work) -> None:
        """The cluster goes with its agents."""


def _governed(spec: ConsulClusterSpec) -> list[str]:
    """Nothing, when autopilot goes by the number of servers."""
    try:
        quorum_kept(consul.cluster(spec.endpoint), spec.servers)
    except ApiError as error:
        return [f"consul is not ready: {error}"]
    return []


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
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        inputs = {"endpoint": endpoint, "servers": servers, "clients": clients}
        super().__init__(ConsulClusterHandler, resource_name, inputs, opts=opts)
