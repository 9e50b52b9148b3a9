"""`mooring:consul:PreparedQuery`: a question for healthy instances that is asked by name, also by DNS."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import pulumi
from pydantic import Field
from typing_extensions import override

from mooring.clients import consul
from mooring.clients.answers import rows
from mooring.clients.http import Endpoint
from mooring.kinds.cluster import CLUSTER_SECRETS, CONSUL
from mooring.kinds.complete import all_said
from mooring.kinds.kind import Handler, Made, Names, NotOurs, Props, Resource, Seen, Spec, Work, register


class QuerySpec(Spec):
    endpoint: Endpoint
    name: str = Field(min_length=1)
    """Consul chooses the id, so a create that was interrupted finds its query by name."""

    service: str = Field(min_length=1)
    tags: Names = ()
    """That an instance must have all of; with `!` in front, must not have."""

    only_passing: bool = False
    """Without it a check with a warning is good enough."""

    near: str = ""
    """The node to whose distance the answers are sorted, `_agent` for the one that asks."""

    nearest: int = Field(default=0, ge=0)
    """How many of the nearest datacenters are asked when this one has no instance."""

    datacenters: tuple[str, ...] = ()
    """That are asked after those, in this order."""

    ttl: str = ""
    """Of answers by DNS, such as `10s`."""

    def to_api(self) -> dict[str, Any]:
        return {
            "Name": self.name,
            "Service": {
                "Service": self.service,
                "Tags": list(self.tags),
                "OnlyPassing": self.only_passing,
                "Near": self.near,
                "Failover": {"NearestN": self.nearest, "Datacenters": list(self.datacenters)},
            },
            "DNS": {"TTL": self.ttl},
        }

    @classmethod
    def from_api(cls, body: Mapping[str, Any], endpoint: Endpoint) -> Self:
        service = body["Service"]
        return cls(
            endpoint=endpoint,
            name=body["Name"],
            service=service["Service"],
            tags=tuple(rows(service["Tags"])),
            only_passing=service["OnlyPassing"],
            near=service["Near"],
            nearest=service["Failover"]["NearestN"],
            datacenters=tuple(rows(service["Failover"]["Datacenters"])),
            ttl=body["DNS"]["TTL"],
        )


@register
class QueryHandler(Handler[QuerySpec]):
    token = "mooring:consul:PreparedQuery"  # noqa: S105 -- a type token, not a secret
    spec = QuerySpec
    identity = frozenset({"name"})
    access = frozenset({"endpoint"})
    secret_inputs = CLUSTER_SECRETS
    reached_as = CONSUL

    @override
    def named(self, id_: str) -> Props:
        return {"name": id_}

    @override
    def complete(self, id_: str, spec: QuerySpec) -> None:
        all_said(f"consul's query {id_!r}", consul.cluster(spec.endpoint).query(id_), spec.to_api())

    @override
    def create(self, spec: QuerySpec, work: Work) -> Made:
        api = consul.cluster(spec.endpoint)
        found = api.query(spec.name)
        if found is None:
            return Made(id=spec.name, outputs={"query_id": api.create_query(spec.to_api())})
        if QuerySpec.from_api(found, spec.endpoint) != spec:
            raise NotOurs(f"consul has a query {spec.name!r} that differs: delete it, or say what it says")
        return Made(id=spec.name, outputs={"query_id": found["ID"]})

    @override
    def read(self, id_: str, spec: QuerySpec, outputs: Props, work: Work) -> Seen[QuerySpec] | None:
        found = consul.cluster(spec.endpoint).query(id_)
        if found is None:
            return None
        return Seen(spec=QuerySpec.from_api(found, spec.endpoint), outputs={"query_id": found["ID"]})

    @override
    def update(self, id_: str, old: QuerySpec, new: QuerySpec, outputs: Props, work: Work) -> Props:
        consul.cluster(new.endpoint).replace_query(outputs["query_id"], new.to_api())
        return {"query_id": outputs["query_id"]}

    @override
    def delete(self, id_: str, spec: QuerySpec, outputs: Props, work: Work) -> None:
        api = consul.cluster(spec.endpoint)
        # Consul refuses to delete a query that it does not have, with the status of any failure.
        if found := api.query(id_):
            api.delete_query(found["ID"])


class PreparedQuery(Resource):
    query_id: pulumi.Output[str]
    name: pulumi.Output[str]

    def __init__(
        self,
        resource_name: str,
        *,
        endpoint: pulumi.Input[Mapping[str, Any]],
        name: str,
        service: pulumi.Input[str],
        tags: Sequence[str] = (),
        only_passing: bool = False,
        near: str = "",
        nearest: int = 0,
        datacenters: Sequence[str] = (),
        ttl: str = "",
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        inputs = {
            "endpoint": endpoint,
            "name": name,
            "service": service,
            "tags": list(tags),
            "only_passing": only_passing,
            "near": near,
            "nearest": nearest,
            "datacenters": list(datacenters),
            "ttl": ttl,
        }
        super().__init__(QueryHandler, resource_name, inputs, outputs=("query_id",), opts=opts)
