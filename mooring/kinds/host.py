"""`mooring:host:Host`: a machine that has booted, answers by SSH as itself, and runs its services."""

import json
from collections.abc import Mapping
from typing import Any

import pulumi
from typing_extensions import override

from mooring.clients import ssh
from mooring.clients.ssh import Connection
from mooring.kinds.kind import Handler, Made, NotHealthy, Props, Resource, Seen, Spec, Unreachable, Work, register
from mooring.waiting import TimedOut, wait_for

BOOT_WITHIN = 90.0
"""Seconds, unless the program allows another time. A local node boots in 2."""

FACTS = """
set -u
state=$(timeout 60 systemctl is-system-running --wait 2>/dev/null)
state=${state:-starting}
. /etc/os-release
printf '{"state": "%s", "machine_id": "%s", "distribution": "%s", "architecture": "%s", "cpus": %s, "memory_mib": %s}' \
  "$state" "$(cat /etc/machine-id)" "$ID $VERSION_ID" "$(uname -m)" "$(nproc)" \
  "$(awk '/MemTotal/ {print int($2/1024)}' /proc/meminfo)"
"""

FAILED_UNITS = "systemctl list-units --state=failed --plain --no-legend | awk '{print $1}' | paste -sd ' '"


BOOTING = ("starting", "initializing")
"""systemd's words for a machine of which nothing can be said yet."""


class HostSpec(Spec):
    name: str
    """What the host is called everywhere: as node of Consul and Nomad too."""

    connection: Connection
    console: str | None = None
    """The command that shows what it printed while it booted, for the day when it does not."""


@register
class HostHandler(Handler[HostSpec]):
    """Nothing is made: a create waits until the machine that something else made is ready to be used."""

    token = "mooring:host:Host"  # noqa: S105 -- a type token, not a secret
    spec = HostSpec
    identity = frozenset({"name"})
    access = frozenset({"connection", "console"})
    secret_inputs = frozenset({"connection.private_key"})

    @override
    def create(self, spec: HostSpec, work: Work) -> Made:
        return Made(id=spec.name, outputs=_booted(spec, work))

    @override
    def read(self, id_: str, spec: HostSpec, outputs: Props, work: Work) -> Seen[HostSpec] | None:
        try:
            facts = _facts(spec)
        except Unreachable as error:
            # To answer is what this kind is about: the next `up`, which may have started the machine, waits for it.
            return Seen(spec=spec, outputs=outputs, reasons=(str(error),))
        return Seen(spec=spec, outputs=facts, reasons=_complaints(spec, facts))

    @override
    def update(self, id_: str, old: HostSpec, new: HostSpec, outputs: Props, work: Work) -> Props:
        return _booted(new, work)

    @override
    def delete(self, id_: str, spec: HostSpec, outputs: Props, work: Work) -> None:
        """The machine is taken away by what made it."""


def _booted(spec: HostSpec, work: Work) -> Props:
    work.say("waiting for it to boot")
    address = spec.connection.address

    def answering() -> Props | None:
        ssh.forget_silence()
        try:
            facts = _facts(spec)
        except Unreachable:
            return None
        return None if facts["state"] in BOOTING else facts

    try:
        facts = wait_for(
            answering,
            f"{address} answers by SSH and has started what it starts",
            within=work.timeout or BOOT_WITHIN,
            every=0.1,
            clock=work.clock,
        )
    except TimedOut as error:
        where = [] if spec.console is None else [f"what its console said: {spec.console}"]
        raise NotHealthy(spec.name, {}, [str(error), *where]) from error
    if complaints := _complaints(spec, facts):
        raise NotHealthy(spec.name, facts, complaints)
    return facts


def _facts(spec: HostSpec) -> Props:
    facts: Props = json.loads(ssh.run(spec.connection, FACTS))
    return facts


def _complaints(spec: HostSpec, facts: Props) -> tuple[str, ...]:
    if facts["state"] == "running":
        return ()
    units = ssh.run(spec.connection, FAILED_UNITS).decode().strip()
    return (f"{spec.name} ({spec.connection.address}): systemd says {facts['state']}: {units or 'no unit failed'}",)


class Host(Resource):
    """A machine that is up. Whatever is to be put on it takes `connection` from here, and so waits for it."""

    connection: pulumi.Output[dict[str, Any]]
    machine_id: pulumi.Output[str]
    distribution: pulumi.Output[str]
    architecture: pulumi.Output[str]
    cpus: pulumi.Output[int]
    memory_mib: pulumi.Output[int]

    def __init__(
        self,
        resource_name: str,
        *,
        name: pulumi.Input[str],
        connection: pulumi.Input[Mapping[str, Any]],
        console: pulumi.Input[str] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        outputs = ("state", "machine_id", "distribution", "architecture", "cpus", "memory_mib")
        inputs = {"name": name, "connection": connection, "console": console}
        super().__init__(HostHandler, resource_name, inputs, outputs=outputs, opts=opts)
