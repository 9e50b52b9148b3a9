"""`mooring:host:Program`: one program of another maker on a host, told by what it weighs in at."""

import hashlib
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pulumi
from pydantic import Field
from typing_extensions import override

from mooring.clients import ssh
from mooring.clients.ssh import Connection
from mooring.kinds import ledger
from mooring.kinds.kind import Handler, Made, NotOurs, Props, Resource, Seen, Spec, Work, register

COPIED_WITHIN = 600.0
"""Seconds; such a program has some 20 MB."""


class ProgramSpec(Spec):
    connection: Connection
    path: str = Field(pattern=r"^/[!-~]+$")
    """Where it lies on the host."""

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    source: str
    """The same program on the machine that runs this."""


@register
class ProgramHandler(Handler[ProgramSpec]):
    token = "mooring:host:Program"  # noqa: S105 -- a type token, not a secret
    spec = ProgramSpec
    identity = frozenset({"path"})
    access = frozenset({"connection", "source"})
    secret_inputs = frozenset({"connection.private_key"})

    @override
    def create(self, spec: ProgramSpec, work: Work) -> Made:
        there = weight(spec.connection, spec.path)
        if there not in (None, spec.sha256):
            raise NotOurs(
                f"{spec.connection.address} has another program at {spec.path}: move it away, or choose another path"
            )
        if there is None:
            _copy(spec, work)
        return Made(id=f"{spec.connection.address}:{spec.path}")

    @override
    def read(self, id_: str, spec: ProgramSpec, outputs: Props, work: Work) -> Seen[ProgramSpec] | None:
        there = weight(spec.connection, spec.path)
        return None if there is None else Seen(spec=spec.model_copy(update={"sha256": there}))

    @override
    def update(self, id_: str, old: ProgramSpec, new: ProgramSpec, outputs: Props, work: Work) -> Props:
        if weight(new.connection, new.path) != new.sha256:
            _copy(new, work)
        return {}

    @override
    def delete(self, id_: str, spec: ProgramSpec, outputs: Props, work: Work) -> None:
        ssh.run(spec.connection, f"rm -f -- {shlex.quote(spec.path)}")


def weight(where: Connection, path: str) -> str | None:
    """The SHA-256 of the file at `path`; None when there is none."""
    quoted = shlex.quote(path)
    said = ssh.run(where, f"if [ -f {quoted} ]; then sha256sum < {quoted}; fi").decode().split()
    return said[0] if said else None


def weigh(program: Path) -> str:
    """The SHA-256 of a program here."""
    with program.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _copy(spec: ProgramSpec, work: Work) -> None:
    program = Path(spec.source)
    if (found := weigh(program)) != spec.sha256:
        raise ValueError(f"{program} has SHA-256 {found}, not {spec.sha256}: it was changed since the program began")
    work.say(f"copying {program.name}")
    ssh.run(spec.connection, placing(spec.path), stdin=program.read_bytes(), within=COPIED_WITHIN)


def placing(path: str) -> str:
    """The script that puts its input at `path` as a program: beside it first, so that no half is ever run."""
    folder = str(Path(path).parent)
    target, beside = shlex.quote(path), shlex.quote(f"{path}.part")
    return "\n".join(
        [
            ledger.noting_directories([folder]),
            ledger.noting_file(path),
            f"set -eu; mkdir -p {shlex.quote(folder)}; cat > {beside}; chmod 0755 {beside}; mv {beside} {target}",
        ]
    )


class Program(Resource):
    def __init__(
        self,
        resource_name: str,
        *,
        connection: pulumi.Input[Mapping[str, Any]],
        path: str,
        source: str,
        sha256: str,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        inputs = {"connection": connection, "path": path, "sha256": sha256, "source": source}
        super().__init__(ProgramHandler, resource_name, inputs, opts=opts)
