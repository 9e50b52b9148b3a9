"""`mooring:host:Units`: services of a host that others brought, and whether they run and are started at a boot.

Agents of ours are `mooring:host:Agent`. This is for what stands beside them, such as the Docker engine: it must run,
and somebody may stop it.
"""

import shlex
from collections.abc import Iterable, Mapping
from typing import Any

import pulumi
from pydantic import Field
from typing_extensions import override

from mooring.clients import ssh
from mooring.clients.errors import CommandFailed
from mooring.clients.ssh import Connection
from mooring.kinds import ledger
from mooring.kinds.kind import Handler, Made, Problem, Props, Resource, Seen, Spec, Work, register


class Unit(Spec):
    running: bool = True
    enabled: bool = True


class UnitsSpec(Spec):
    connection: Connection
    units: dict[str, Unit] = Field(min_length=1)
    """By full name, as `docker.service`."""


@register
class UnitsHandler(Handler[UnitsSpec]):
    """How the units were before is kept on the host, and they are so again when the resource goes."""

    token = "mooring:host:Units"  # noqa: S105 -- a type token, not a secret
    spec = UnitsSpec
    access = frozenset({"connection"})
    secret_inputs = frozenset({"connection.private_key"})

    @override
    def check(self, spec: UnitsSpec) -> Iterable[Problem]:
        for name in spec.units:
            if "." not in name or shlex.quote(name) != name:
                yield Problem(path=f"units.{name}", reason="must be a unit's full name, as docker.service")

    @override
    def create(self, spec: UnitsSpec, work: Work) -> Made:
        _converge(spec, work)
        return Made(id=f"{spec.connection.address}:{min(spec.units)}")

    @override
    def read(self, id_: str, spec: UnitsSpec, outputs: Props, work: Work) -> Seen[UnitsSpec] | None:
        units = look(spec.connection, spec.units)
        return Seen(spec=spec.model_copy(update={"units": units})) if units else None

    @override
    def update(self, id_: str, old: UnitsSpec, new: UnitsSpec, outputs: Props, work: Work) -> Props:
        _converge(new, work)
        return {}

    @override
    def delete(self, id_: str, spec: UnitsSpec, outputs: Props, work: Work) -> None:
        before = _before(work)
        there = look(spec.connection, spec.units)
        noted = dict(_parsed(ssh.run(spec.connection, f"cat {before} 2>/dev/null || true").decode()))
        lines = [line for name, unit in noted.items() if name in there for line in _turning(name, there[name], unit)]
        folder = before.rpartition("/")[0]
        forget = f"rmdir --ignore-fail-on-non-empty {folder} {ledger.FOLDER} 2>/dev/null || true"
        ssh.run(spec.connection, "\n".join(["set -eu", *lines, f"rm -f {before}", forget]), within=120)


def _before(work: Work) -> str:
    return f"{ledger.FOLDER}/units/{work.name}.before"


def looking(names: Iterable[str]) -> str:
    """The script that prints, for each unit that there is, `NAME ACTIVE ENABLED` in systemd's words."""
    return "\n".join(
        f"if systemctl cat {name} >/dev/null 2>&1; then "
        f"echo {name} $(systemctl show -p ActiveState --value {name}) $(systemctl is-enabled {name} 2>/dev/null); fi"
        for name in sorted(names)
    )


def look(where: Connection, names: Iterable[str]) -> dict[str, Unit]:
    return dict(_parsed(ssh.run(where, looking(names)).decode()))


def _parsed(text: str) -> Iterable[tuple[str, Unit]]:
    for line in text.splitlines():
        name, active, *enabled = line.split()
        yield name, Unit(running=active in ("active", "activating", "reloading"), enabled=enabled == ["enabled"])


def _converge(spec: UnitsSpec, work: Work) -> None:
    there = look(spec.connection, spec.units)
    if missing := sorted(spec.units.keys() - there.keys()):
        raise CommandFailed(f"{spec.connection.address} has no unit {', '.join(missing)}: its package would bring it")
    before = _before(work)
    lines = [line for name, unit in spec.units.items() for line in _turning(name, there[name], unit)]
    work.say(f"turning {', '.join(sorted(spec.units))}")
    note = [f"[ -e {before} ] || {{ mkdir -p {before.rpartition('/')[0]}", looking(spec.units)]
    script = "\n".join(
        ["set -eu", f"{note[0]}", "(", note[1], f") > {before}.part; mv {before}.part {before}; }}", *lines]
    )
    ssh.run(spec.connection, script, within=120)


def _turning(name: str, now: Unit, wanted: Unit) -> Iterable[str]:
    if now.enabled != wanted.enabled:
        yield f"systemctl {'enable' if wanted.enabled else 'disable'} --quiet {name}"
    if now.running != wanted.running:
        yield f"systemctl {'start' if wanted.running else 'stop'} {name}"


class Units(Resource):
    def __init__(
        self,
        resource_name: str,
        *,
        connection: pulumi.Input[Mapping[str, Any]],
        units: Mapping[str, Any],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(UnitsHandler, resource_name, {"connection": connection, "units": units}, opts=opts)
