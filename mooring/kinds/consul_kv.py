"""`mooring:consul:Key`: one key of Consul's key-value store, never written over somebody else's change."""

from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from typing import Any, Self

import pulumi
from pydantic import Field
from typing_extensions import override

from mooring.clients import consul
from mooring.clients.http import Endpoint
from mooring.kinds.cluster import CLUSTER_SECRETS, CONSUL
from mooring.kinds.kind import CannotImport, Handler, Made, NotOurs, Props, Resource, Seen, Spec, Work, register
from mooring.kinds.meanwhile import ChangedMeanwhile


class KeySpec(Spec):
    endpoint: Endpoint
    key: str = Field(pattern=r"^[^/]")
    """With a slash in front Consul's own tools could not reach it."""

    value: str = Field(repr=False)
    flags: int = Field(default=0, ge=0, lt=2**53)
    """Consul takes 64 bits; Pulumi's numbers are exact up to here."""

    def to_api(self) -> dict[str, Any]:
        return {"Key": self.key, "Value": b64encode(self.value.encode()).decode(), "Flags": self.flags}

    @classmethod
    def from_api(cls, body: Mapping[str, Any], endpoint: Endpoint) -> Self:
        return cls(
            endpoint=endpoint,
            key=body["Key"],
            # Null for an empty one. Bytes that are no text are certainly not what a program said: shown as they can be.
            value=b64decode(body["Value"] or "").decode(errors="replace"),
            flags=body["Flags"],
        )


@register
class KeyHandler(Handler[KeySpec]):
    token = "mooring:consul:Key"  # noqa: S105 -- a type token, not a secret
    spec = KeySpec
    identity = frozenset({"key"})
    access = frozenset({"endpoint"})
    secret_inputs = CLUSTER_SECRETS
    reached_as = CONSUL
    perhaps_secret = frozenset({"value"})

    @override
    def renewed(self, changed: frozenset[str]) -> Iterable[str]:
        return ("modify_index",)

    @override
    def named(self, id_: str) -> Props:
        return {"key": id_}

    @override
    def imported(self, id_: str, access: Props, work: Work) -> Seen[KeySpec] | None:
        seen = super().imported(id_, access, work)
        if seen is not None and "\ufffd" in seen.spec.value:
            raise CannotImport(f"consul's key {id_!r} holds bytes that are no text, which a program cannot say")
        return seen

    @override
    def create(self, spec: KeySpec, work: Work) -> Made:
        api = consul.cluster(spec.endpoint)
        found = api.key(spec.key)
        if found is None:
            return Made(id=spec.key, outputs=self._put(spec, unless_changed_since=0))
        if KeySpec.from_api(found, spec.endpoint) != spec:
            raise NotOurs(f"consul has a key {spec.key!r} with another value: delete it, or say what it says")
        return Made(id=spec.key, outputs={"modify_index": found["ModifyIndex"]})

    @override
    def read(self, id_: str, spec: KeySpec, outputs: Props, work: Work) -> Seen[KeySpec] | None:
        found = consul.cluster(spec.endpoint).key(id_)
        if found is None:
            return None
        return Seen(spec=KeySpec.from_api(found, spec.endpoint), outputs={"modify_index": found["ModifyIndex"]})

    @override
    def update(self, id_: str, old: KeySpec, new: KeySpec, outputs: Props, work: Work) -> Props:
        return self._put(new, unless_changed_since=outputs["modify_index"])

    @override
    def delete(self, id_: str, spec: KeySpec, outputs: Props, work: Work) -> None:
        consul.cluster(spec.endpoint).delete_key(id_)

    @staticmethod
    def _put(spec: KeySpec, *, unless_changed_since: int) -> Props:
        index = consul.cluster(spec.endpoint).put_key(spec.to_api(), unless_changed_since=unless_changed_since)
        if index is None:
            raise ChangedMeanwhile(f"consul's key {spec.key!r}")
        return {"modify_index": index}


class Key(Resource):
    key: pulumi.Output[str]
    modify_index: pulumi.Output[int]

    def __init__(
        self,
        resource_name: str,
        *,
        endpoint: pulumi.Input[Mapping[str, Any]],
        key: str,
        value: pulumi.Input[str],
        flags: int = 0,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        inputs = {"endpoint": endpoint, "key": key, "value": value, "flags": flags}
        super().__init__(KeyHandler, resource_name, inputs, outputs=("modify_index",), opts=opts)
