"""`mooring:nomad:Variable`: secrets that Nomad keeps for jobs, never written over somebody else's change."""

from collections.abc import Iterable, Mapping
from typing import Any, Self

import pulumi
from pydantic import Field
from typing_extensions import override

from mooring.clients import nomad
from mooring.clients.http import Endpoint
from mooring.kinds.cluster import CLUSTER_SECRETS, NOMAD
from mooring.kinds.kind import CannotImport, Handler, Made, NotOurs, Props, Resource, Seen, Spec, Work, register
from mooring.kinds.meanwhile import ChangedMeanwhile


class VariableSpec(Spec):
    endpoint: Endpoint
    path: str = Field(pattern=r"^[A-Za-z0-9_~-][A-Za-z0-9_~/-]{0,127}$")
    """`nomad/jobs/…` is readable by the job of that name without any policy."""

    namespace: str = "default"
    items: dict[str, str] = Field(min_length=1, repr=False)

    def to_api(self) -> dict[str, Any]:
        return {"Namespace": self.namespace, "Path": self.path, "Items": self.items}

    @classmethod
    def from_api(cls, body: Mapping[str, Any], endpoint: Endpoint) -> Self:
        return cls(endpoint=endpoint, path=body["Path"], namespace=body["Namespace"], items=body["Items"])


@register
class VariableHandler(Handler[VariableSpec]):
    token = "mooring:nomad:Variable"  # noqa: S105 -- a type token, not a secret
    spec = VariableSpec
    identity = frozenset({"namespace", "path"})
    access = frozenset({"endpoint"})
    secret_inputs = CLUSTER_SECRETS | {"items.*"}
    reached_as = NOMAD

    @override
    def renewed(self, changed: frozenset[str]) -> Iterable[str]:
        return ("modify_index",)

    @override
    def named(self, id_: str) -> Props:
        namespace, _, path = id_.partition("/")
        if not path:
            raise CannotImport(f"a variable is imported as NAMESPACE/PATH, got {id_!r}")
        return {"namespace": namespace, "path": path}

    @override
    def create(self, spec: VariableSpec, work: Work) -> Made:
        id_ = f"{spec.namespace}/{spec.path}"
        found = nomad.region(spec.endpoint).variable(spec.path, namespace=spec.namespace)
        if found is None:
            return Made(id=id_, outputs=self._put(spec, unless_changed_since=0))
        if VariableSpec.from_api(found, spec.endpoint) != spec:
            raise NotOurs(f"nomad has a variable {id_!r} with other items: delete it, or say what it says")
        return Made(id=id_, outputs={"modify_index": found["ModifyIndex"]})

    @override
    def read(self, id_: str, spec: VariableSpec, outputs: Props, work: Work) -> Seen[VariableSpec] | None:
        found = nomad.region(spec.endpoint).variable(spec.path, namespace=spec.namespace)
        if found is None:
            return None
        return Seen(spec=VariableSpec.from_api(found, spec.endpoint), outputs={"modify_index": found["ModifyIndex"]})

    @override
    def update(self, id_: str, old: VariableSpec, new: VariableSpec, outputs: Props, work: Work) -> Props:
        return self._put(new, unless_changed_since=outputs["modify_index"])

    @override
    def delete(self, id_: str, spec: VariableSpec, outputs: Props, work: Work) -> None:
        nomad.region(spec.endpoint).delete_variable(spec.path, namespace=spec.namespace)

    @staticmethod
    def _put(spec: VariableSpec, *, unless_changed_since: int) -> Props:
        index = nomad.region(spec.endpoint).put_variable(spec.to_api(), unless_changed_since=unless_changed_since)
        if index is None:
            raise ChangedMeanwhile(f"nomad's variable '{spec.namespace}/{spec.path}'")
        return {"modify_index": index}


class Variable(Resource):
    path: pulumi.Output[str]
    modify_index: pulumi.Output[int]

    def __init__(
        self,
        resource_name: str,
        *,
        endpoint: pulumi.Input[Mapping[str, Any]],
        path: str,
        items: Mapping[str, pulumi.Input[str]],
        namespace: pulumi.Input[str] = "default",
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        inputs = {"endpoint": endpoint, "path": path, "namespace": namespace, "items": dict(items)}
        super().__init__(VariableHandler, resource_name, inputs, outputs=("modify_index",), opts=opts)
