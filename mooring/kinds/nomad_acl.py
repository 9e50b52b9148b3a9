"""`mooring:nomad:AclPolicy`, `AclToken` and `AclRole`: who may do what in Nomad."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import pulumi
from pydantic import Field
from typing_extensions import override

from mooring.clients import nomad
from mooring.clients.http import Endpoint
from mooring.kinds.cluster import CLUSTER_SECRETS, NOMAD
from mooring.kinds.complete import all_said
from mooring.kinds.kind import CannotImport, Handler, Made, Names, NotOurs, Props, Resource, Seen, Spec, Work, register


class PolicySpec(Spec):
    endpoint: Endpoint
    name: str = Field(pattern=r"^[A-Za-z0-9-]{1,128}$")
    description: str = ""
    rules: str
    """HCL, as Nomad documents it."""

    def to_api(self) -> dict[str, Any]:
        return {"Name": self.name, "Description": self.description, "Rules": self.rules}

    @classmethod
    def from_api(cls, body: Mapping[str, Any], endpoint: Endpoint) -> Self:
        return cls(endpoint=endpoint, name=body["Name"], description=body["Description"], rules=body["Rules"])


@register
class PolicyHandler(Handler[PolicySpec]):
    token = "mooring:nomad:AclPolicy"  # noqa: S105 -- a type token, not a secret
    spec = PolicySpec
    identity = frozenset({"name"})
    access = frozenset({"endpoint"})
    secret_inputs = CLUSTER_SECRETS
    reached_as = NOMAD

    @override
    def named(self, id_: str) -> Props:
        return {"name": id_}

    @override
    def complete(self, id_: str, spec: PolicySpec) -> None:
        all_said(f"nomad's policy {id_!r}", nomad.region(spec.endpoint).acl_policy(id_), spec.to_api())

    @override
    def create(self, spec: PolicySpec, work: Work) -> Made:
        api = nomad.region(spec.endpoint)
        found = api.acl_policy(spec.name)
        if found is None:
            api.put_acl_policy(spec.to_api())
        elif PolicySpec.from_api(found, spec.endpoint) != spec:
            raise NotOurs(f"nomad has a policy {spec.name!r} with other rules: delete it, or say what it says")
        return Made(id=spec.name)

    @override
    def read(self, id_: str, spec: PolicySpec, outputs: Props, work: Work) -> Seen[PolicySpec] | None:
        found = nomad.region(spec.endpoint).acl_policy(id_)
        return None if found is None else Seen(spec=PolicySpec.from_api(found, spec.endpoint))

    @override
    def update(self, id_: str, old: PolicySpec, new: PolicySpec, outputs: Props, work: Work) -> Props:
        nomad.region(new.endpoint).put_acl_policy(new.to_api())
        return {}

    @override
    def delete(self, id_: str, spec: PolicySpec, outputs: Props, work: Work) -> None:
        nomad.region(spec.endpoint).delete_acl_policy(id_)


class AclPolicy(Resource):
    name: pulumi.Output[str]

    def __init__(
        self,
        resource_name: str,
        *,
        endpoint: pulumi.Input[Mapping[str, Any]],
        name: str,
        rules: pulumi.Input[str],
        description: str = "",
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        inputs = {"endpoint": endpoint, "name": name, "rules": rules, "description": description}
        super().__init__(PolicyHandler, resource_name, inputs, opts=opts)


class TokenSpec(Spec):
    endpoint: Endpoint
    name: str = Field(min_length=1)
    """Unique among our tokens: Nomad chooses the ids, so a create that was interrupted finds its token by name."""

    policies: Names

    def to_api(self) -> dict[str, Any]:
        return {"Name": self.name, "Type": "client", "Policies": list(self.policies)}

    @classmethod
    def from_api(cls, body: Mapping[str, Any], endpoint: Endpoint) -> Self:
        return cls(endpoint=endpoint, name=body["Name"], policies=tuple(body["Policies"] or ()))


@register
class TokenHandler(Handler[TokenSpec]):
    token = "mooring:nomad:AclToken"  # noqa: S105 -- a type token, not a secret
    spec = TokenSpec
    identity = frozenset({"name"})
    made_beside = True
    access = frozenset({"endpoint"})
    secret_inputs = CLUSTER_SECRETS
    reached_as = NOMAD
    secret_outputs = frozenset({"secret_id"})

    @override
    def named(self, id_: str) -> Props:
        return {}

    @override
    def imported(self, id_: str, access: Props, work: Work) -> Seen[TokenSpec] | None:
        seen = super().imported(id_, access, work)
        if seen is not None and not seen.spec.policies:
            raise CannotImport(f"nomad's token {id_} has no policy: a program declares no management tokens")
        return seen

    @override
    def complete(self, id_: str, spec: TokenSpec) -> None:
        own = {"AccessorID": id_, "SecretID": ""}  # Nomad chooses both
        all_said(f"nomad's token {id_}", nomad.region(spec.endpoint).acl_token(id_), own | spec.to_api())

    @override
    def create(self, spec: TokenSpec, work: Work) -> Made:
        api = nomad.region(spec.endpoint)
        known = [t["AccessorID"] for t in api.acl_tokens() if t["Name"] == spec.name]
        found = api.acl_token(known[0]) if known else None
        if found is None:
            found = api.put_acl_token(spec.to_api())
        elif TokenSpec.from_api(found, spec.endpoint) != spec:
            raise NotOurs(f"nomad has a token named {spec.name!r} with other rights")
        return Made(id=found["AccessorID"], outputs={"secret_id": found["SecretID"]})

    @override
    def read(self, id_: str, spec: TokenSpec, outputs: Props, work: Work) -> Seen[TokenSpec] | None:
        found = nomad.region(spec.endpoint).acl_token(id_)
        if found is None:
            return None
        return Seen(spec=TokenSpec.from_api(found, spec.endpoint), outputs={"secret_id": found["SecretID"]})

    @override
    def update(self, id_: str, old: TokenSpec, new: TokenSpec, outputs: Props, work: Work) -> Props:
        put = nomad.region(new.endpoint).put_acl_token({"AccessorID": id_, **new.to_api()})
        return {"secret_id": put["SecretID"]}

    @override
    def delete(self, id_: str, spec: TokenSpec, outputs: Props, work: Work) -> None:
        api = nomad.region(spec.endpoint)
        # Nomad refuses to delete a token that it does not have, and says so with the status of any bad request.
        if api.acl_token(id_) is not None:
            api.delete_acl_token(id_)


class AclToken(Resource):
    secret_id: pulumi.Output[str]

    def __init__(
        self,
        resource_name: str,
        *,
        endpoint: pulumi.Input[Mapping[str, Any]],
        name: str,
        policies: Sequence[pulumi.Input[str]],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        inputs = {"endpoint": endpoint, "name": name, "policies": list(policies)}
        super().__init__(TokenHandler, resource_name, inputs, outputs=("secret_id",), opts=opts)


class RoleSpec(Spec):
    endpoint: Endpoint
    name: str = Field(pattern=r"^[A-Za-z0-9-]{1,128}$")
    description: str = Field(default="", max_length=256)
    policies: Names = Field(min_length=1)

    def to_api(self) -> dict[str, Any]:
        policies = [{"Name": name} for name in self.policies]
        return {"Name": self.name, "Description": self.description, "Policies": policies}

    @classmethod
    def from_api(cls, body: Mapping[str, Any], endpoint: Endpoint) -> Self:
        return cls(
            endpoint=endpoint,
            name=body["Name"],
            description=body["Description"],
            policies=tuple(link["Name"] for link in body["Policies"]),
        )


@register
class RoleHandler(Handler[RoleSpec]):
    token = "mooring:nomad:AclRole"  # noqa: S105 -- a type token, not a secret
    spec = RoleSpec
    identity = frozenset({"name"})
    access = frozenset({"endpoint"})
    secret_inputs = CLUSTER_SECRETS
    reached_as = NOMAD

    @override
    def named(self, id_: str) -> Props:
        return {"name": id_}

    @override
    def complete(self, id_: str, spec: RoleSpec) -> None:
        all_said(f"nomad's role {id_!r}", nomad.region(spec.endpoint).acl_role(id_), spec.to_api())

    @override
    def create(self, spec: RoleSpec, work: Work) -> Made:
        api = nomad.region(spec.endpoint)
        found = api.acl_role(spec.name)
        if found is None:
            found = api.put_acl_role(spec.to_api())
        elif RoleSpec.from_api(found, spec.endpoint) != spec:
            raise NotOurs(f"nomad has a role {spec.name!r} with other policies: delete it, or say what it says")
        return Made(id=spec.name, outputs={"role_id": found["ID"]})

    @override
    def read(self, id_: str, spec: RoleSpec, outputs: Props, work: Work) -> Seen[RoleSpec] | None:
        found = nomad.region(spec.endpoint).acl_role(id_)
        if found is None:
            return None
        return Seen(spec=RoleSpec.from_api(found, spec.endpoint), outputs={"role_id": found["ID"]})

    @override
    def update(self, id_: str, old: RoleSpec, new: RoleSpec, outputs: Props, work: Work) -> Props:
        nomad.region(new.endpoint).put_acl_role({"ID": outputs["role_id"], **new.to_api()})
        return {"role_id": outputs["role_id"]}

    @override
    def delete(self, id_: str, spec: RoleSpec, outputs: Props, work: Work) -> None:
        api = nomad.region(spec.endpoint)
        if found := api.acl_role(id_):
            api.delete_acl_role(found["ID"])


class AclRole(Resource):
    role_id: pulumi.Output[str]
    name: pulumi.Output[str]

    def __init__(
        self,
        resource_name: str,
        *,
        endpoint: pulumi.Input[Mapping[str, Any]],
        name: str,
        policies: Sequence[pulumi.Input[str]],
        description: str = "",
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        inputs = {"endpoint": endpoint, "name": name, "description": description, "policies": list(policies)}
        super().__init__(RoleHandler, resource_name, inputs, outputs=("role_id",), opts=opts)
