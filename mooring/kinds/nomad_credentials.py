"""`mooring:nomad:Credentials`: the secret of a region's management token, and the next one when it is exchanged.

The first is the program's, and becomes the bootstrap token. A successor is known to the region before anybody uses it.
The old one, with whose rights old tokens are deleted at the end of the run, is deleted by the next run.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pulumi
from pydantic import Field
from typing_extensions import override

from mooring.clients import nomad
from mooring.clients.http import Endpoint
from mooring.kinds.cluster import CLUSTER_SECRETS, only_upwards, unretired
from mooring.kinds.kind import Handler, Made, Names, Problem, Props, Resource, Seen, Spec, Work, register


class CredentialsSpec(Spec):
    endpoint: Endpoint
    """Without a token: the management token is this resource's own."""

    number: int = Field(default=1, ge=1)
    """Raised, the management token gets a successor."""

    first_management: str = Field(repr=False)
    """The secret of the first."""

    tokens: Names = ()
    """The names of the other tokens that are made with its rights."""

    settled: bool = True
    """A read says no while an old management token is left."""


@register
class CredentialsHandler(Handler[CredentialsSpec]):
    token = "mooring:nomad:Credentials"  # noqa: S105 -- a type token, not a secret
    spec = CredentialsSpec
    access = frozenset({"endpoint"})
    secret_inputs = CLUSTER_SECRETS | {"first_management"}
    secret_outputs = frozenset({"management"})
    not_imported = "the secret of a region's management token lives in the state of the stack that made it"

    @override
    def check_step(self, old: CredentialsSpec, new: CredentialsSpec) -> Iterable[Problem]:
        yield from only_upwards(old.number, new.number)

    @override
    def renewed(self, changed: frozenset[str]) -> Iterable[str]:
        return ("management",) if "number" in changed else ()

    @override
    def create(self, spec: CredentialsSpec, work: Work) -> Made:
        # Nothing is older than the secret that the program has chosen, whatever the number.
        return Made(id="nomad", outputs={"management": spec.first_management, "retiring": []})

    @override
    def read(self, id_: str, spec: CredentialsSpec, outputs: Props, work: Work) -> Seen[CredentialsSpec]:
        return Seen(spec=spec.model_copy(update={"settled": not outputs["retiring"]}), outputs=outputs)

    @override
    def update(self, id_: str, old: CredentialsSpec, new: CredentialsSpec, outputs: Props, work: Work) -> Props:
        if new.number == old.number and not outputs["retiring"]:
            return outputs
        api = nomad.region(new.endpoint.model_copy(update={"token": outputs["management"]}))
        present = api.acl_tokens()
        left: list[Any] = unretired(outputs["retiring"], {token["AccessorID"] for token in present})
        for gone in (each["accessor_id"] for each in outputs["retiring"] if each not in left):
            if api.acl_token(gone) is not None:
                api.delete_acl_token(gone)
        if new.number == old.number:
            return {**outputs, "retiring": left}
        own = api.own_token()
        name = f"{work.project} management {new.number}"
        # A run that was killed may have made it.
        known = [t["AccessorID"] for t in present if (t["Name"], t["Type"]) == (name, "management")]
        made = (api.acl_token(known[0]) if known else None) or api.put_acl_token({"Name": name, "Type": "management"})
        others = [token["AccessorID"] for token in present if token["Name"] in old.tokens]
        left = [*left, {"accessor_id": own["AccessorID"], "others": others}]
        return {"management": made["SecretID"], "retiring": left}

    @override
    def delete(self, id_: str, spec: CredentialsSpec, outputs: Props, work: Work) -> None:
        """It was nowhere but in the state; the token goes with the one who declared it."""


class Credentials(Resource):
    """Whose successor is there once it exists."""

    management: pulumi.Output[str]
    """Secret; of the management token that is in use."""

    def __init__(
        self,
        resource_name: str,
        *,
        endpoint: pulumi.Input[Mapping[str, Any]],
        number: int,
        first_management: pulumi.Input[str],
        tokens: Sequence[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        inputs = {"endpoint": endpoint, "number": number, "first_management": first_management, "tokens": list(tokens)}
        super().__init__(CredentialsHandler, resource_name, inputs, outputs=("management",), opts=opts)
