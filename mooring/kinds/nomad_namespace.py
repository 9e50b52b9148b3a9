"""`mooring:nomad:Namespace`: a room for jobs and variables, with the task drivers that may be used in it."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import pulumi
from pydantic import Field
from typing_extensions import override

from mooring.clients import nomad
from mooring.clients.answers import rows, table
from mooring.clients.http import Endpoint
from mooring.kinds.cluster import CLUSTER_SECRETS, NOMAD
from mooring.kinds.complete import all_said
from mooring.kinds.kind import Handler, Made, Names, NotOurs, Props, Resource, Seen, Spec, Work, register


class NamespaceSpec(Spec):
    endpoint: Endpoint
    name: str = Field(pattern=r"^[A-Za-z0-9-]{1,128}$")
    description: str = Field(default="", max_length=256)
    meta: dict[str, str] = Field(default_factory=dict)
    enabled_drivers: Names = ()
    """Empty allows every one that the nodes have."""

    disabled_drivers: Names = ()

    def to_api(self) -> dict[str, Any]:
        drivers = {
            "EnabledTaskDrivers": list(self.enabled_drivers),
            "DisabledTaskDrivers": list(self.disabled_drivers),
        }
        return {"Name": self.name, "Description": self.description, "Meta": self.meta, "Capabilities": drivers}

    @classmethod
    def from_api(cls, body: Mapping[str, Any], endpoint: Endpoint) -> Self:
        drivers = table(body["Capabilities"])  # null when nobody ever set any
        return cls(
            endpoint=endpoint,
            name=body["Name"],
            description=body["Description"],
            meta=table(body["Meta"]),
            enabled_drivers=tuple(rows(drivers.get("EnabledTaskDrivers"))),
            disabled_drivers=tuple(rows(drivers.get("DisabledTaskDrivers"))),
        )


@register
class NamespaceHandler(Handler[NamespaceSpec]):
    token = "mooring:nomad:Namespace"  # noqa: S105 -- a type token, not a secret
    spec = NamespaceSpec
    identity = frozenset({"name"})
    access = frozenset({"endpoint"})
    secret_inputs = CLUSTER_SECRETS
    reached_as = NOMAD

    @override
    def named(self, id_: str) -> Props:
        return {"name": id_}

    @override
    def complete(self, id_: str, spec: NamespaceSpec) -> None:
        all_said(f"nomad's namespace {id_!r}", nomad.region(spec.endpoint).namespace(id_), spec.to_api())

    @override
    def create(self, spec: NamespaceSpec, work: Work) -> Made:
        api = nomad.region(spec.endpoint)
        found = api.namespace(spec.name)
        if found is None:
            api.put_namespace(spec.to_api())
        elif NamespaceSpec.from_api(found, spec.endpoint) != spec:
            raise NotOurs(f"nomad has a namespace {spec.name!r} that differs: delete it, or say what it says")
        return Made(id=spec.name)

    @override
    def read(self, id_: str, spec: NamespaceSpec, outputs: Props, work: Work) -> Seen[NamespaceSpec] | None:
        found = nomad.region(spec.endpoint).namespace(id_)
        return None if found is None else Seen(spec=NamespaceSpec.from_api(found, spec.endpoint))

    @override
    def update(self, id_: str, old: NamespaceSpec, new: NamespaceSpec, outputs: Props, work: Work) -> Props:
        nomad.region(new.endpoint).put_namespace(new.to_api())
        return {}

    @override
    def delete(self, id_: str, spec: NamespaceSpec, outputs: Props, work: Work) -> None:
        nomad.region(spec.endpoint).delete_namespace(id_)


class Namespace(Resource):
    name: pulumi.Output[str]

    def __init__(
        self,
        resource_name: str,
        *,
        endpoint: pulumi.Input[Mapping[str, Any]],
        name: str,
        description: str = "",
        meta: Mapping[str, pulumi.Input[str]] | None = None,
        enabled_drivers: Sequence[str] = (),
        disabled_drivers: Sequence[str] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        inputs = {
            "endpoint": endpoint,
            "name": name,
            "description": description,
            "meta": dict(meta or {}),
            "enabled_drivers": list(enabled_drivers),
            "disabled_drivers": list(disabled_drivers),
        }
        super().__init__(NamespaceHandler, resource_name, inputs, opts=opts)
