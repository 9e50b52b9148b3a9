"""`mooring:consul:AclPolicy`, `AclToken` and `AclRole`: who may do what in Consul."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import pulumi
from pydantic import Field
from typing_extensions import override

from mooring.clients import consul
from mooring.clients.http import Endpoint
from mooring.kinds.cluster import CLUSTER_SECRETS, CONSUL
from mooring.kinds.complete import all_said
from mooring.kinds.kind import CannotImport, Handler, Made, Names, NotOurs, Props, Resource, Seen, Spec, Work, register

HIDDEN = "<hidden>"
"""What Consul tells of a token's secret to whoever may only read."""


class PolicySpec(Spec):
    endpoint: Endpoint
    name: str = Field(pattern=r"^[A-Za-z0-9_-]{1,128}$")
    description: str = ""
    rules: str
    """HCL, as Consul documents it."""

    def to_api(self) -> dict[str, Any]:
        return {"Name": self.name, "Description": self.description, "Rules": self.rules}

    @classmethod
    def from_api(cls, body: Mapping[str, Any], endpoint: Endpoint) -> Self:
        return cls(endpoint=endpoint, name=body["Name"], description=body["Description"], rules=body["Rules"])


@register
class PolicyHandler(Handler[PolicySpec]):
    token = "mooring:consul:AclPolicy"  # noqa: S105 -- a type token, not a secret
    spec = PolicySpec
    identity = frozenset({"name"})
    access = frozenset({"endpoint"})
    secret_inputs = CLUSTER_SECRETS
    reached_as = CONSUL

    @override
    def named(self, id_: str) -> Props:
        return {"name": id_}

    @override
    def complete(self, id_: str, spec: PolicySpec) -> None:
        all_said(f"consul's policy {id_!r}", consul.cluster(spec.endpoint).policy(id_), spec.to_api())

    @override
    def create(self, spec: PolicySpec, work: Work) -> Made:
        api = consul.cluster(spec.endpoint)
        found = api.policy(spec.name)
        if found is None:
            found = api.put_policy(spec.to_api())
        elif PolicySpec.from_api(found, spec.endpoint) != spec:
            raise NotOurs(f"consul has a policy {spec.name!r} with other rules: delete it, or say what it says")
        return Made(id=spec.name, outputs={"policy_id": found["ID"]})

    @override
    def read(self, id_: str, spec: PolicySpec, outputs: Props, work: Work) -> Seen[PolicySpec] | None:
        found = consul.cluster(spec.endpoint).policy(id_)
        if found is None:
            return None
        return Seen(spec=PolicySpec.from_api(found, spec.endpoint), outputs={"policy_id": found["ID"]})

    @override
    def update(self, id_: str, old: PolicySpec, new: PolicySpec, outputs: Props, work: Work) -> Props:
        consul.cluster(new.endpoint).put_policy({"ID": outputs["policy_id"], **new.to_api()})
        return {"policy_id": outputs["policy_id"]}

    @override
    def delete(self, id_: str, spec: PolicySpec, outputs: Props, work: Work) -> None:
        api = consul.cluster(spec.endpoint)
        if found := api.policy(id_):
            api.delete_policy(found["ID"])


class AclPolicy(Resource):
    policy_id: pulumi.Output[str]
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
        super().__init__(PolicyHandler, resource_name, inputs, outputs=("policy_id",), opts=opts)


class TokenSpec(Spec):
    endpoint: Endpoint
    accessor_id: str
    """Chosen by us, so that a create that was interrupted finds its own token again."""

    secret_id: str = Field(repr=False)
    """Chosen by us, so that an agent's configuration can hold it before the cluster exists."""

    description: str = ""
    policies: Names = ()
    node_identities: Names = ()
    """`node:datacenter`: what the agent of that node needs, and no more."""

    def to_api(self) -> dict[str, Any]:
        pairs = [identity.rsplit(":", 1) for identity in self.node_identities]
        return {
            "AccessorID": self.accessor_id,
            "SecretID": self.secret_id,
            "Description": self.description,
            "Policies": [{"Name": name} for name in self.policies],
            "NodeIdentities": [{"NodeName": node, "Datacenter": dc} for node, dc in pairs],
        }

    @classmethod
    def from_api(cls, body: Mapping[str, Any], endpoint: Endpoint) -> Self:
        return cls(
            endpoint=endpoint,
            accessor_id=body["AccessorID"],
            secret_id=body["SecretID"],
            description=body["Description"],
            # Consul leaves lists out that are empty.
            policies=tuple(link["Name"] for link in body.get("Policies") or ()),
            node_identities=tuple(f"{i['NodeName']}:{i['Datacenter']}" for i in body.get("NodeIdentities") or ()),
        )


@register
class TokenHandler(Handler[TokenSpec]):
    token = "mooring:consul:AclToken"  # noqa: S105 -- a type token, not a secret
    spec = TokenSpec
    identity = frozenset({"accessor_id", "secret_id"})
    made_beside = True
    access = frozenset({"endpoint"})
    secret_inputs = CLUSTER_SECRETS | {"secret_id"}
    reached_as = CONSUL

    @override
    def named(self, id_: str) -> Props:
        return {"accessor_id": id_}

    @override
    def imported(self, id_: str, access: Props, work: Work) -> Seen[TokenSpec] | None:
        seen = super().imported(id_, access, work)
        if seen is not None and seen.spec.secret_id == HIDDEN:
            raise CannotImport(f"consul does not tell the secret of the token {id_} to a token without acl:write")
        return seen

    @override
    def complete(self, id_: str, spec: TokenSpec) -> None:
        all_said(f"consul's token {id_}", consul.cluster(spec.endpoint).token(id_), spec.to_api())

    @override
    def create(self, spec: TokenSpec, work: Work) -> Made:
        api = consul.cluster(spec.endpoint)
        found = api.token(spec.accessor_id)
        if found is None:
            api.put_token(spec.to_api(), new=True)
        elif TokenSpec.from_api(found, spec.endpoint) != spec:
            raise NotOurs(f"consul has a token {spec.accessor_id} with other rights")
        return Made(id=spec.accessor_id)

    @override
    def read(self, id_: str, spec: TokenSpec, outputs: Props, work: Work) -> Seen[TokenSpec] | None:
        found = consul.cluster(spec.endpoint).token(id_)
        return None if found is None else Seen(spec=TokenSpec.from_api(found, spec.endpoint))

    @override
    def update(self, id_: str, old: TokenSpec, new: TokenSpec, outputs: Props, work: Work) -> Props:
        consul.cluster(new.endpoint).put_token(new.to_api(), new=False)
        return {}

    @override
    def delete(self, id_: str, spec: TokenSpec, outputs: Props, work: Work) -> None:
        api = consul.cluster(spec.endpoint)
        if api.token(id_) is not None:
            api.delete_token(id_)


class AclToken(Resource):
    secret_id: pulumi.Output[str]

    def __init__(
        self,
        resource_name: str,
        *,
        endpoint: pulumi.Input[Mapping[str, Any]],
        accessor_id: pulumi.Input[str],
        secret_id: pulumi.Input[str],
        description: str,
        policies: Sequence[pulumi.Input[str]] = (),
        node_identities: Sequence[str] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        inputs = {
            "endpoint": endpoint,
            "accessor_id": accessor_id,
            "secret_id": secret_id,
            "description": description,
            "policies": list(policies),
            "node_identities": list(node_identities),
        }
        super().__init__(TokenHandler, resource_name, inputs, opts=opts)


class RoleSpec(Spec):
    endpoint: Endpoint
    name: str = Field(pattern=r"^[A-Za-z0-9_-]{1,256}$")
    description: str = ""
    policies: Names = ()
    service_identities: Names = ()
    """`service` or `service:datacenter,datacenter`: what an instance of that service needs, and no more."""

    node_identities: Names = ()
    """As a token's."""

    def to_api(self) -> dict[str, Any]:
        services = [identity.partition(":") for identity in self.service_identities]
        nodes = [identity.rsplit(":", 1) for identity in self.node_identities]
        return {
            "Name": self.name,
            "Description": self.description,
            "Policies": [{"Name": name} for name in self.policies],
            "ServiceIdentities": [
                {"ServiceName": service, "Datacenters": places.split(",") if places else []}
                for service, _, places in services
            ],
            "NodeIdentities": [{"NodeName": node, "Datacenter": dc} for node, dc in nodes],
        }

    @classmethod
    def from_api(cls, body: Mapping[str, Any], endpoint: Endpoint) -> Self:
        return cls(
            endpoint=endpoint,
            name=body["Name"],
            description=body["Description"],
            # Consul leaves lists out that are empty.
            policies=tuple(link["Name"] for link in body.get("Policies") or ()),
            service_identities=tuple(
                ":".join([identity["ServiceName"], *([",".join(places)] if places else [])])
                for identity in body.get("ServiceIdentities") or ()
                for places in [identity.get("Datacenters")]
            ),
            node_identities=tuple(f"{i['NodeName']}:{i['Datacenter']}" for i in body.get("NodeIdentities") or ()),
        )


@register
class RoleHandler(Handler[RoleSpec]):
    token = "mooring:consul:AclRole"  # noqa: S105 -- a type token, not a secret
    spec = RoleSpec
    identity = frozenset({"name"})
    access = frozenset({"endpoint"})
    secret_inputs = CLUSTER_SECRETS
    reached_as = CONSUL

    @override
    def named(self, id_: str) -> Props:
        return {"name": id_}

    @override
    def complete(self, id_: str, spec: RoleSpec) -> None:
        all_said(f"consul's role {id_!r}", consul.cluster(spec.endpoint).role(id_), spec.to_api())

    @override
    def create(self, spec: RoleSpec, work: Work) -> Made:
        api = consul.cluster(spec.endpoint)
        found = api.role(spec.name)
        if found is None:
            found = api.put_role(spec.to_api())
        elif RoleSpec.from_api(found, spec.endpoint) != spec:
            raise NotOurs(f"consul has a role {spec.name!r} with other rights: delete it, or say what it says")
        return Made(id=spec.name, outputs={"role_id": found["ID"]})

    @override
    def read(self, id_: str, spec: RoleSpec, outputs: Props, work: Work) -> Seen[RoleSpec] | None:
        found = consul.cluster(spec.endpoint).role(id_)
        if found is None:
            return None
        return Seen(spec=RoleSpec.from_api(found, spec.endpoint), outputs={"role_id": found["ID"]})

    @override
    def update(self, id_: str, old: RoleSpec, new: RoleSpec, outputs: Props, work: Work) -> Props:
        consul.cluster(new.endpoint).put_role({"ID": outputs["role_id"], **new.to_api()})
        return {"role_id": outputs["role_id"]}

    @override
    def delete(self, id_: str, spec: RoleSpec, outputs: Props, work: Work) -> None:
        api = consul.cluster(spec.endpoint)
        if found := api.role(id_):
            api.delete_role(found["ID"])


class AclRole(Resource):
    role_id: pulumi.Output[str]
    name: pulumi.Output[str]

    def __init__(
        self,
        resource_name: str,
        *,
        endpoint: pulumi.Input[Mapping[str, Any]],
        name: str,
        description: str = "",
        policies: Sequence[pulumi.Input[str]] = (),
        service_identities: Sequence[str] = (),
        node_identities: Sequence[str] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        inputs = {
            "endpoint": endpoint,
            "name": name,
            "description": description,
            "policies": list(policies),
            "service_identities": list(service_identities),
            "node_identities": list(node_identities),
        }
        super().__init__(RoleHandler, resource_name, inputs, outputs=("role_id",), opts=opts)
