"""`mooring:registry:Account`: somebody whom a registry lets in, as a line of the file that it looks at.

One resource for each name and password, so that a new one is let in before anybody uses it, and an old one until nobody
does: the file holds both meanwhile.
"""

from collections.abc import Mapping
from typing import Any

import pulumi
from pydantic import Field
from typing_extensions import override

from mooring.clients import ssh
from mooring.clients.ssh import Connection
from mooring.kinds import lines, placement
from mooring.kinds.kind import Handler, Made, Props, Resource, Seen, Spec, Work, register


class AccountSpec(Spec):
    connection: Connection
    path: str
    """Of the file, in the form of `htpasswd`; only root may read it."""

    user: str = Field(pattern=r"^[A-Za-z0-9-]+$")
    bcrypt: str = Field(repr=False, pattern=r"^\$2[aby]\$[^:\s]+$")

    @property
    def line(self) -> str:
        return f"{self.user}:{self.bcrypt}\n"


@register
class AccountHandler(Handler[AccountSpec]):
    token = "mooring:registry:Account"  # noqa: S105 -- a type token, not a secret
    spec = AccountSpec
    identity = frozenset({"path", "user", "bcrypt"})
    made_beside = True
    access = frozenset({"connection"})
    secret_inputs = frozenset({"connection.private_key", "bcrypt"})

    @override
    def create(self, spec: AccountSpec, work: Work) -> Made:
        ssh.run(spec.connection, lines.adding(spec.path, directory_mode="0700"), stdin=spec.line.encode())
        return Made(id=f"{spec.connection.address}:{spec.user}")

    @override
    def read(self, id_: str, spec: AccountSpec, outputs: Props, work: Work) -> Seen[AccountSpec] | None:
        files, _ = placement.look(spec.connection, [spec.path])
        there = spec.path in files and spec.line in files[spec.path].content.splitlines(keepends=True)
        return Seen(spec=spec) if there else None

    @override
    def update(self, id_: str, old: AccountSpec, new: AccountSpec, outputs: Props, work: Work) -> Props:
        return {}

    @override
    def delete(self, id_: str, spec: AccountSpec, outputs: Props, work: Work) -> None:
        ssh.run(spec.connection, lines.removing(spec.path), stdin=spec.line.encode())


class Account(Resource):
    def __init__(
        self,
        resource_name: str,
        *,
        connection: pulumi.Input[Mapping[str, Any]],
        path: str,
        user: str,
        bcrypt: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        inputs = {"connection": connection, "path": path, "user": user, "bcrypt": bcrypt}
        super().__init__(AccountHandler, resource_name, inputs, opts=opts)
