"""`mooring:host:Claim`: a machine that somebody else owns, lent to one stack.

The first thing that is put on such a host and the last that is taken away. From it on the host keeps a ledger of what
was made there, and when it goes, whatever of that is still there goes with it.
"""

from collections.abc import Mapping
from typing import Any

import pulumi
from typing_extensions import override

from mooring.clients import ssh
from mooring.clients.ssh import Connection
from mooring.kinds import ledger, placement
from mooring.kinds.kind import Handler, Made, NotOurs, Props, Resource, Seen, Spec, Work, register
from mooring.kinds.placement import File

CLAIM = f"{ledger.FOLDER}/claim"
LOOK = f"cat {CLAIM} 2>/dev/null || true"


class ClaimSpec(Spec):
    connection: Connection


@register
class ClaimHandler(Handler[ClaimSpec]):
    token = "mooring:host:Claim"  # noqa: S105 -- a type token, not a secret
    spec = ClaimSpec
    access = frozenset({"connection"})
    secret_inputs = frozenset({"connection.private_key"})

    @override
    def create(self, spec: ClaimSpec, work: Work) -> Made:
        holder = holder_of(spec.connection)
        if holder is not None and holder != stack(work):
            raise NotOurs(
                f"{spec.connection.address} is lent to the stack {holder}: take it away there first, or choose another"
            )
        made = {CLAIM: File(content=f"{stack(work)}\n"), **({} if holder else {ledger.MADE: File(content="")})}
        ssh.run(spec.connection, f"set -eu\n{placement.placing(made, {})}", stdin=placement.archive(made))
        return Made(id=f"{spec.connection.address}:claim")

    @override
    def read(self, id_: str, spec: ClaimSpec, outputs: Props, work: Work) -> Seen[ClaimSpec] | None:
        return Seen(spec=spec) if holder_of(spec.connection) == stack(work) else None

    @override
    def update(self, id_: str, old: ClaimSpec, new: ClaimSpec, outputs: Props, work: Work) -> Props:
        return {}

    @override
    def delete(self, id_: str, spec: ClaimSpec, outputs: Props, work: Work) -> None:
        if holder_of(spec.connection) == stack(work):
            ssh.run(spec.connection, ledger.SWEEP)


def stack(work: Work) -> str:
    return f"{work.project}/{work.stack}"


def holder_of(where: Connection) -> str | None:
    """The stack that the host is lent to."""
    return ssh.run(where, LOOK).decode().strip() or None


class Claim(Resource):
    def __init__(
        self,
        resource_name: str,
        *,
        connection: pulumi.Input[Mapping[str, Any]],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(ClaimHandler, resource_name, {"connection": connection}, opts=opts)
