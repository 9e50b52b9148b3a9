"""Who may do what in Consul: each policy with its reason, and tokens whose ids are chosen before the cluster exists."""

import pulumi

from components.access import Endpoint
from mooring.kinds.consul_acl import AclPolicy, AclToken
from mooring.kinds.consul_credentials import Credentials
from mooring.kinds.random import Uuid

POLICIES = {
    # What DNS answers to whoever asks the agent on its loopback: which instances there are, and where.
    "dns": 'node_prefix "" { policy = "read" }\nservice_prefix "" { policy = "read" }\n',
    # Nomad registers services for every app; without Connect it needs neither acl, mesh nor node:write.
    "nomad": (
        'agent_prefix "" { policy = "read" }\nnode_prefix "" { policy = "read" }\n'
        'service_prefix "" { policy = "write" }\n'
    ),
    # What `mooring status` looks at.
    "status": (
        'agent_prefix "" { policy = "read" }\nnode_prefix "" { policy = "read" }\n'
        'service_prefix "" { policy = "read" }\noperator = "read"\n'
    ),
    # What `mooring drill` looks at, and the keys that it writes to see whether one is lost.
    "drill": (
        'agent_prefix "" { policy = "read" }\nnode_prefix "" { policy = "read" }\n'
        'service_prefix "" { policy = "read" }\noperator = "read"\nkey_prefix "mooring-drill/" { policy = "write" }\n'
    ),
}


def policies(*, drillable: bool) -> list[str]:
    """The uses that a cluster has tokens for: nobody may drill a stack that is not marked for it."""
    return [use for use in POLICIES if use != "drill" or drillable]


class FirstIds:
    """A token's two ids. They exist before the token, so that a configuration can hold it before anybody leads."""

    def __init__(self, name: str, parent: pulumi.Resource) -> None:
        opts = pulumi.ResourceOptions(parent=parent)
        # The accessor is a token's public name, under which Consul lists it.
        self.accessor = pulumi.Output.unsecret(Uuid(f"{name}-accessor", opts=opts).value)
        self.secret = Uuid(f"{name}-secret", opts=opts).value


class TokenIds:
    """By which ids a token goes now: its first ones, until it has a successor."""

    def __init__(self, name: str, first: FirstIds, credentials: Credentials) -> None:
        def current(field: str, otherwise: pulumi.Output[str]) -> pulumi.Output[str]:
            known = pulumi.Output.all(credentials.successors, otherwise)
            return known.apply(lambda ids: str(ids[0].get(name, {field: ids[1]})[field]))

        self.accessor = pulumi.Output.unsecret(current("accessor_id", first.accessor))
        self.secret = current("secret_id", first.secret)


def policy(name: str, use: str, endpoint: Endpoint, opts: pulumi.ResourceOptions) -> AclPolicy:
    return AclPolicy(f"{name}-{use}", endpoint=endpoint, name=use, rules=POLICIES[use], opts=opts)


def token(
    name: str,
    ids: TokenIds,
    endpoint: Endpoint,
    opts: pulumi.ResourceOptions,
    *,
    policy: AclPolicy | None = None,
    node_identity: str | None = None,
) -> AclToken:
    """Register a token under ids that are already in use; `node_identity` is `node:datacenter`."""
    return AclToken(
        name,
        endpoint=endpoint,
        accessor_id=ids.accessor,
        secret_id=ids.secret,
        description=name,
        policies=[policy.name] if policy else [],
        node_identities=[node_identity] if node_identity else [],
        opts=opts,
    )
