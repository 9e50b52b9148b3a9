"""A kind that does nothing: what Pulumi and the plugin's machinery cost by themselves, before a kind does its work."""

from collections.abc import Mapping
from typing import Any

import pulumi
from typing_extensions import override

from mooring.kinds.cluster import CLUSTER_SECRETS
from mooring.kinds.kind import Handler, Made, Props, Resource, Seen, Spec, Work, register


class NothingSpec(Spec):
    """The inputs of a job, and none of them is looked at."""

    endpoint: dict[str, Any]
    catalogue: dict[str, Any]
    job_id: str
    job: dict[str, Any]


@register
class NothingHandler(Handler[NothingSpec]):
    token = "mooring:bench:Nothing"  # noqa: S105 -- a type token, not a secret
    spec = NothingSpec
    identity = frozenset({"job_id"})
    access = frozenset({"endpoint", "catalogue"})
    secret_inputs = CLUSTER_SECRETS | {"catalogue.private_key", "catalogue.token"}

    @override
    def create(self, spec: NothingSpec, work: Work) -> Made:
        return Made(id=work.name)

    @override
    def read(self, id_: str, spec: NothingSpec, outputs: Props, work: Work) -> Seen[NothingSpec]:
        return Seen(spec=spec, outputs=outputs)

    @override
    def update(self, id_: str, old: NothingSpec, new: NothingSpec, outputs: Props, work: Work) -> Props:
        return outputs

    @override
    def delete(self, id_: str, spec: NothingSpec, outputs: Props, work: Work) -> None:
        """There is nothing."""


class Nothing(Resource):
    def __init__(
        self,
        resource_name: str,
        *,
        endpoint: pulumi.Input[Mapping[str, Any]],
        catalogue: pulumi.Input[Mapping[str, Any]],
        job: Mapping[str, Any],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        inputs = {"endpoint": endpoint, "catalogue": catalogue, "job_id": job["ID"], "job": job}
        super().__init__(NothingHandler, resource_name, inputs, opts=opts)
