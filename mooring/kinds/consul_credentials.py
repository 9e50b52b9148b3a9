"""`mooring:consul:Credentials`: by which ids each token of a cluster goes, and the next ones when they are exchanged.

The first ids are the program's, which chooses them before there is a cluster. A successor has to be known to the
cluster before anybody uses it: with the rights of the one it follows, it is put there before an agent is told of it.
Old tokens are taken away by whoever declares them, at the end of the run; the old management token, with whose rights
that is done, is deleted by the next run.
"""

import uuid
from collections.abc import Iterable, Mapping
from typing import Any

import pulumi
from pydantic import Field
from typing_extensions import override

from mooring.clients import consul
from mooring.clients.answers import Json
from mooring.clients.http import Endpoint
from mooring.kinds.cluster import CLUSTER_SECRETS, only_upwards, unretired
from mooring.kinds.kind import Handler, Made, Problem, Props, Resource, Seen, Spec, Work, register


class Ids(Spec):
    accessor_id: str
    secret_id: str = Field(repr=False)


class CredentialsSpec(Spec):
    endpoint: Endpoint
    """Without a token: the management token is this resource's own."""

    number: int = Field(default=1, ge=1)
    """Raised, every token gets a successor."""

    first_management: str = Field(repr=False)
    """The secret of the first management token, which the servers install when they first elect a leader."""

    tokens: dict[str, Ids]
    """The first ids of every other token, by name."""

    settled: bool = True
    """A read says no while an old management token is left."""


@register
class CredentialsHandler(Handler[CredentialsSpec]):
    token = "mooring:consul:Credentials"  # noqa: S105 -- a type token, not a secret
    spec = CredentialsSpec
    access = frozenset({"endpoint"})
    secret_inputs = CLUSTER_SECRETS | {"first_management", "tokens.*.secret_id"}
    secret_outputs = frozenset({"management", "successors"})
    not_imported = "the secrets of a cluster's tokens live in the state of the stack that made them"

    @override
    def check_step(self, old: CredentialsSpec, new: CredentialsSpec) -> Iterable[Problem]:
        yield from only_upwards(old.number, new.number)

    @override
    def renewed(self, changed: frozenset[str]) -> Iterable[str]:
        return ("management", "successors") if "number" in changed else ()

    @override
    def create(self, spec: CredentialsSpec, work: Work) -> Made:
        # Nothing is older than the ids that the program has chosen, whatever the number.
        return Made(id="consul", outputs={"management": spec.first_management, "successors": {}, "retiring": []})

    @override
    def read(self, id_: str, spec: CredentialsSpec, outputs: Props, work: Work) -> Seen[CredentialsSpec]:
        return Seen(spec=spec.model_copy(update={"settled": not outputs["retiring"]}), outputs=outputs)

    @override
    def update(self, id_: str, old: CredentialsSpec, new: CredentialsSpec, outputs: Props, work: Work) -> Props:
        known = {name: ids for name, ids in outputs["successors"].items() if name in new.tokens}
        left: list[Any] = outputs["retiring"]
        if new.number == old.number and not left:
            return {**outputs, "successors": known}
        api = consul.cluster(new.endpoint.model_copy(update={"token": outputs["management"]}))
        left = _retired(api, left)
        if new.number == old.number:
            return {**outputs, "successors": known, "retiring": left}
        own = api.own_token()
        management = _successor(api, own, new.number)
        others: list[str] = []
        for done, (name, first) in enumerate(new.tokens.items(), start=1):
            work.say(f"{done} of {len(new.tokens)} tokens: {name}")
            accessor = known[name]["accessor_id"] if name in known else first.accessor_id
            found = api.token(accessor)
            # One that the cluster does not have is yet to be made, under the ids that are there for it.
            if found is not None:
                others.append(accessor)
                known[name] = _successor(api, found, new.number)
        left = [*left, {"accessor_id": own["AccessorID"], "others": others}]
        return {"management": management["secret_id"], "successors": known, "retiring": left}

    @override
    def delete(self, id_: str, spec: CredentialsSpec, outputs: Props, work: Work) -> None:
        """Ids were nowhere but in the state; tokens go with those who declared them."""


def _successor(api: consul.Consul, found: Json, number: int) -> Json:
    """A token with the rights of `found`; the one that a run which was killed has put there, if it has."""
    accessor = str(uuid.uuid5(uuid.UUID(found["AccessorID"]), str(number)))
    made = api.token(accessor)
    if made is None:
        rights: Json = {key: found[key] for key in ("Description", "Policies", "NodeIdentities") if key in found}
        made = api.put_token({**rights, "AccessorID": accessor, "SecretID": str(uuid.uuid4())}, new=True)
    return {"accessor_id": accessor, "secret_id": made["SecretID"]}


def _retired(api: consul.Consul, retiring: list[Any]) -> list[Any]:
    """Delete the old management tokens whose time is over; the others."""
    left = unretired(retiring, {token["AccessorID"] for token in api.tokens()})
    for old in retiring:
        if old not in left:
            api.delete_token(old["accessor_id"])
    return left


class Credentials(Resource):
    """Whose successors are there once it exists."""

    management: pulumi.Output[str]
    """Secret; of the management token that is in use."""

    successors: pulumi.Output[dict[str, dict[str, str]]]
    """Secret; `accessor_id` and `secret_id` by name, of each token that goes by its first ids no longer."""

    def __init__(
        self,
        resource_name: str,
        *,
        endpoint: pulumi.Input[Mapping[str, Any]],
        number: int,
        first_management: pulumi.Input[str],
        tokens: Mapping[str, Mapping[str, pulumi.Input[str]]],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        inputs = {"endpoint": endpoint, "number": number, "first_management": first_management, "tokens": tokens}
        super().__init__(CredentialsHandler, resource_name, inputs, outputs=("management", "successors"), opts=opts)
