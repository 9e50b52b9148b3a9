"""`mooring:host:Files`: files on a host that belong together, such as what makes an engine trust a registry."""

from collections.abc import Iterable, Mapping
from typing import Any

import pulumi
from pydantic import Field
from typing_extensions import override

from mooring.clients import ssh
from mooring.clients.ssh import Connection
from mooring.kinds import placement
from mooring.kinds.kind import Handler, Made, NotOurs, Problem, Props, Resource, Seen, Spec, Work, register
from mooring.kinds.placement import Directory, File


class FilesSpec(Spec):
    connection: Connection
    files: dict[str, File]
    """By absolute path."""

    directories: dict[str, Directory] = Field(default_factory=dict[str, Directory])
    """By absolute path; those that need another owner or mode than root's 0755. Parents are made as needed."""


@register
class FilesHandler(Handler[FilesSpec]):
    token = "mooring:host:Files"  # noqa: S105 -- a type token, not a secret
    spec = FilesSpec
    access = frozenset({"connection"})
    secret_inputs = frozenset({"connection.private_key"})

    @override
    def check(self, spec: FilesSpec) -> Iterable[Problem]:
        yield from placement.path_problems("files", spec.files)
        yield from placement.path_problems("directories", spec.directories)
        if not spec.files:
            yield Problem(path="files", reason="must name at least one file")

    @override
    def create(self, spec: FilesSpec, work: Work) -> Made:
        present, _ = placement.look(spec.connection, spec.files)
        _refuse_strangers(spec, placement.strangers(present, spec.files))
        _place(spec)
        return Made(id=f"{spec.connection.address}:{min(spec.files)}")

    @override
    def read(self, id_: str, spec: FilesSpec, outputs: Props, work: Work) -> Seen[FilesSpec] | None:
        files, directories = placement.look(spec.connection, spec.files, spec.directories)
        if not files:
            return None
        return Seen(spec=spec.model_copy(update={"files": files, "directories": directories}))

    @override
    def update(self, id_: str, old: FilesSpec, new: FilesSpec, outputs: Props, work: Work) -> Props:
        arrived = new.files.keys() - old.files.keys()
        present, _ = placement.look(new.connection, new.files)
        # `old` is what the last read saw, so a file that was taken away by hand has arrived as well: it is not there.
        _refuse_strangers(new, [p for p in placement.strangers(present, new.files) if p in arrived])
        _place(new)
        if gone := old.files.keys() - new.files.keys():
            ssh.run(new.connection, placement.removing(gone, old.directories.keys() - new.directories.keys()))
        return {}

    @override
    def delete(self, id_: str, spec: FilesSpec, outputs: Props, work: Work) -> None:
        ssh.run(spec.connection, placement.removing(spec.files, spec.directories))


def _place(spec: FilesSpec) -> None:
    script = f"set -eu\n{placement.placing(spec.files, spec.directories)}"
    ssh.run(spec.connection, script, stdin=placement.archive(spec.files))


def _refuse_strangers(spec: FilesSpec, paths: list[str]) -> None:
    if paths:
        raise NotOurs(
            f"{spec.connection.address} has other files at {', '.join(paths)}: move them away, or make the program say "
            "what they hold"
        )


class Files(Resource):
    def __init__(
        self,
        resource_name: str,
        *,
        connection: pulumi.Input[Mapping[str, Any]],
        files: pulumi.Input[Mapping[str, Any]],
        directories: pulumi.Input[Mapping[str, Any]] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        inputs = {"connection": connection, "files": files, "directories": directories}
        super().__init__(FilesHandler, resource_name, {k: v for k, v in inputs.items() if v is not None}, opts=opts)
