"""`mooring:nomad:NodePool`: a set of clients that jobs can be bound to."""

from collections.abc import Iterable, Mapping
from typing import Any, Final, Self

import pulumi
from pydantic import Field
from typing_extensions import override

from mooring.clients import nomad
from mooring.clients.answers import table
from mooring.clients.http import Endpoint
from mooring.kinds.cluster import CLUSTER_SECRETS, NOMAD
from mooring.kinds.complete import all_said
from mooring.kinds.kind import (
    CannotImport,
    Handler,
    Made,
    NotOurs,
    Problem,
    Props,
    Resource,
    Seen,
    Spec,
    Work,
    register,
)

BUILT_IN: Final = ("all", "default")


class NodePoolSpec(Spec):
    endpoint: Endpoint
    name: str = Field(pattern=r"^[A-Za-z0-9_-]{1,128}$")
    description: str = Field(default="", max_length=256)
    meta: dict[str, str] = Field(default_factory=dict)

    def to_api(self) -> dict[str, Any]:
        return {"Name": self.name, "Description": self.description, "Meta": self.meta}

    @classmethod
    def from_api(cls, body: Mapping[str, Any], endpoint: Endpoint) -> Self:
        return cls(endpoint=endpoint, name=body["Name"], description=body["Description"], meta=table(body["Meta"]))


@register
class NodePoolHandler(Handler[NodePoolSpec]):
    token = "mooring:nomad:NodePool"  # noqa: S105 -- a type token, not a secret
    spec = NodePoolSpec
    identity = frozenset({"name"})
    access = frozenset({"endpoint"})
    secret_inputs = CLUSTER_SECRETS
    reached_as = NOMAD

    @override
    def check(self, spec: NodePoolSpec) -> Iterable[Problem]:
        if spec.name in BUILT_IN:
            yield Problem(path="name", reason=f"{spec.name!r} is Nomad's own pool and cannot be changed")

    @override
    def named(self, id_: str) -> Props:
        if id_ in BUILT_IN:
            raise CannotImport(f"{id_!r} is Nomad's own pool and cannot be changed")
        return {"name": id_}

    @override
    def complete(self, id_: str, spec: NodePoolSpec) -> None:
        all_said(f"nomad's node pool {id_!r}", nomad.region(spec.endpoint).node_pool(id_), spec.to_api())

    @override
    def create(self, spec: NodePoolSpec, work: Work) -> Made:
        api = nomad.region(spec.endpoint)
        found = api.node_pool(spec.name)
        if found is None:
            api.put_node_pool(spec.to_api())
        elif NodePoolSpec.from_api(found, spec.endpoint) != spec:
            raise NotOurs(f"nomad has a node pool {spec.name!r} that differs: delete it, or say what it says")
        return Made(id=spec.name)

    @override
    def read(self, id_: str, spec: NodePoolSpec, outputs: Props, work: Work) -> Seen[NodePoolSpec] | None:
        found = nomad.region(spec.endpoint).node_pool(id_)
        return None if found is None else Seen(spec=NodePoolSpec.from_api(found, spec.endpoint))

    @override
    def update(self, id_: str, old: NodePoolSpec, new: NodePoolSpec, outputs: Props, work: Work) -> Props:
        nomad.region(new.endpoint).put_node_pool(new.to_api())
        return {}

    @override
    def delete(self, id_: str, spec: NodePoolSpec, outputs: Props, work: Work) -> None:
        api = nomad.region(spec.endpoint)
        # Nomad refuses to delete a pool that it does not have, with the status of any failure.
        if api.node_pool(id_) is not None:
            api.delete_node_pool(id_)


class NodePool(Resource):
    name: pulumi.Output[str]

    def __init__(
        self,
        resource_name: str,
        *,
        endpoint: pulumi.Input[Mapping[str, Any]],
        name: str,
        description: str = "",
        meta: Mapping[str, pulumi.Input[str]] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        inputs = {"endpoint": endpoint, "name": name, "description": description, "meta": dict(meta or {})}
        super().__init__(NodePoolHandler, resource_name, inputs, opts=opts)
