"""`mooring:host:Sysctls`: settings of a host's kernel, as they are now and as they will be after a boot."""

import shlex
from collections.abc import Iterable, Mapping
from typing import Any

import pulumi
from pydantic import Field
from typing_extensions import override

from mooring.clients import ssh
from mooring.clients.ssh import Connection
from mooring.kinds import ledger, placement
from mooring.kinds.kind import Handler, Made, NotOurs, Problem, Props, Resource, Seen, Spec, Work, register
from mooring.kinds.placement import File


class SysctlsSpec(Spec):
    connection: Connection
    path: str = Field(pattern=r"^/etc/sysctl\.d/[a-z0-9][a-z0-9.-]*\.conf$")
    """The file that says them at a boot; its name orders it among the others."""

    values: dict[str, str]
    """By the kernel's own names, as `net.ipv4.tcp_retries2`."""


@register
class SysctlsHandler(Handler[SysctlsSpec]):
    """What the kernel said before is kept on the host, and is said again when the resource goes."""

    token = "mooring:host:Sysctls"  # noqa: S105 -- a type token, not a secret
    spec = SysctlsSpec
    identity = frozenset({"path"})
    access = frozenset({"connection"})
    secret_inputs = frozenset({"connection.private_key"})

    @override
    def check(self, spec: SysctlsSpec) -> Iterable[Problem]:
        if not spec.values:
            yield Problem(path="values", reason="must name at least one setting")
        for name, value in spec.values.items():
            if not name.replace("_", "").replace(".", "").replace("-", "").replace("/", "").isalnum():
                yield Problem(path=f"values.{name}", reason="is no name of a kernel's setting")
            if "\n" in value:
                yield Problem(path=f"values.{name}", reason="must be one line")

    @override
    def create(self, spec: SysctlsSpec, work: Work) -> Made:
        present, _ = placement.look(spec.connection, [spec.path])
        found = present.get(spec.path)
        if found is not None and found != _file(spec):
            raise NotOurs(f"{spec.connection.address} has another file at {spec.path}: move it away, or name another")
        _converge(spec, work)
        return Made(id=f"{spec.connection.address}:{spec.path}")

    @override
    def read(self, id_: str, spec: SysctlsSpec, outputs: Props, work: Work) -> Seen[SysctlsSpec] | None:
        present, _ = placement.look(spec.connection, [spec.path])
        if spec.path not in present:
            return None
        said = dict(_parsed(present[spec.path].content))
        now = dict(_parsed(ssh.run(spec.connection, looking(spec.values)).decode()))
        # As the kernel has it; where only the file differs, as that has it, since the next boot would bring it.
        values = {
            name: now[name] if now.get(name, wanted) != wanted else said.get(name, "(not in the file)")
            for name, wanted in spec.values.items()
        }
        values |= {name: value for name, value in said.items() if name not in spec.values}
        return Seen(spec=spec.model_copy(update={"values": values}))

    @override
    def update(self, id_: str, old: SysctlsSpec, new: SysctlsSpec, outputs: Props, work: Work) -> Props:
        _converge(new, work)
        return {}

    @override
    def delete(self, id_: str, spec: SysctlsSpec, outputs: Props, work: Work) -> None:
        ssh.run(spec.connection, removing(spec, _before(work)))


def _before(work: Work) -> str:
    return f"{ledger.FOLDER}/sysctls/{work.name}.before"


def _file(spec: SysctlsSpec) -> File:
    return File(content="".join(f"{name} = {value}\n" for name, value in sorted(spec.values.items())))


def _parsed(text: str) -> Iterable[tuple[str, str]]:
    for line in text.splitlines():
        name, is_setting, value = line.partition("=")
        if is_setting and not line.startswith(("#", ";")):
            # The kernel separates the parts of a value by tabs.
            yield name.strip(), " ".join(value.split())


def _converge(spec: SysctlsSpec, work: Work) -> None:
    files = {spec.path: _file(spec)}
    names = " ".join(map(shlex.quote, sorted(spec.values)))
    before = _before(work)
    script = "\n".join(
        [
            "set -eu",
            f"mkdir -p {before.rpartition('/')[0]}",
            # What is noted first is what was there before us; a setting that joins later is added to it.
            f'for n in {names}; do grep -q "^$n = " {before} 2>/dev/null || sysctl "$n" >> {before}; done',
            placement.placing(files, {}),
            f"sysctl -q -p {shlex.quote(spec.path)}",
        ]
    )
    ssh.run(spec.connection, script, stdin=placement.archive(files))


def looking(values: Mapping[str, str]) -> str:
    """The script that prints what the kernel says of each; a setting that it does not have is no line."""
    return f"sysctl {' '.join(map(shlex.quote, sorted(values)))} 2>/dev/null || true"


def removing(spec: SysctlsSpec, before: str) -> str:
    return "\n".join(
        [
            "set -eu",
            placement.removing([spec.path], []),
            f"[ ! -e {before} ] || sysctl -q -p {before}",
            f"rm -f {before}",
            f"rmdir --ignore-fail-on-non-empty {before.rpartition('/')[0]} {ledger.FOLDER} 2>/dev/null || true",
        ]
    )


class Sysctls(Resource):
    def __init__(
        self,
        resource_name: str,
        *,
        connection: pulumi.Input[Mapping[str, Any]],
        path: str,
        values: Mapping[str, str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        inputs = {"connection": connection, "path": path, "values": values}
        super().__init__(SysctlsHandler, resource_name, inputs, opts=opts)
