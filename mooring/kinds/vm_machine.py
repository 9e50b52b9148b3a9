"""`mooring:vm:Machine`: a virtual machine of libvirt's, with the disk it lives on and what it is told at first boot."""

import tempfile
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pulumi
from pydantic import BaseModel, Field
from typing_extensions import override

from mooring.clients import tcp
from mooring.clients.errors import CommandFailed
from mooring.clients.iso import write_disc
from mooring.clients.libvirt import SYSTEM, Libvirt, Power, Volume
from mooring.kinds.kind import Handler, Made, NotHealthy, NotOurs, Problem, Props, Resource, Seen, Spec, Work, register
from mooring.kinds.vm_domain import Accelerator, Domain, mac
from mooring.kinds.vm_network import NAME, identifier
from mooring.kinds.vm_seed import LABEL, Seed
from mooring.waiting import TimedOut, wait_for

GIB = 1 << 30

STOPS_WITHIN = 120.0
"""Seconds from the power button to off. An emulated machine with a running cluster took 12, with busy containers more
than 30."""

RETURNS_WITHIN = 600.0
"""Seconds until a machine that was restarted accepts again what it accepted before; emulated ones took 90."""

_TURN = threading.Lock()
"""One machine at a time is restarted, whatever runs in parallel: they may be the servers of one cluster."""


class Boot(BaseModel, extra="forbid", frozen=True):
    """What it starts from."""

    base: str
    """Path of the disk that its own begins as a copy of; it keeps only what differs."""

    base_format: str = Field(pattern=r"^(raw|qcow2)$")
    kernel: str | None = None
    initrd: str | None = None
    command_line: str | None = None
    """The kernel's. Without these three the disk must boot by itself, as cloud images do."""


class MachineSpec(Spec):
    uri: str = SYSTEM
    name: str = Field(pattern=NAME)
    pool: str = Field(pattern=NAME)
    network: str = Field(pattern=NAME)
    accelerator: Accelerator
    cores: int = Field(ge=1)
    memory_mib: int = Field(ge=256)
    disk_gib: int = Field(ge=1)
    """As the machine sees it; what it takes of this one grows with what is written."""

    boot: Boot
    seed: Seed
    comes_back_with: tuple[int, ...] = (22,)
    """TCP ports. After a restart those of them that were open must be open again before the next machine's turn."""

    def domain(self, disk: str) -> Domain:
        """The machine as libvirt is told, with its disk at that path."""
        beside = str(Path(disk).parent / self.name)
        command_line = self.boot.command_line
        if command_line is not None and self.accelerator is Accelerator.TCG:
            # They guard against a processor that guesses ahead; one that is played does not.
            command_line += " mitigations=off"
        return Domain(
            name=self.name,
            accelerator=self.accelerator,
            cores=self.cores,
            memory_mib=self.memory_mib,
            disk=disk,
            seed=f"{beside}.seed",
            seed_digest=self.seed.digest(),
            console=f"{beside}.console",
            network=self.network,
            kernel=self.boot.kernel,
            initrd=self.boot.initrd,
            command_line=command_line,
        )


@register
class MachineHandler(Handler[MachineSpec]):
    token = "mooring:vm:Machine"  # noqa: S105 -- a type token, not a secret
    spec = MachineSpec
    # What a first boot read is part of what the machine is: other words make another machine.
    identity = frozenset({"name", "pool", "network", "boot", "seed"})
    access = frozenset({"uri", "comes_back_with"})
    secret_inputs = frozenset({"seed.host_key"})

    @override
    def check(self, spec: MachineSpec) -> Iterable[Problem]:
        direct = (spec.boot.kernel, spec.boot.initrd, spec.boot.command_line)
        if None in direct and set(direct) != {None}:
            yield Problem(path="boot", reason="kernel, initrd and command_line go together: all three, or none")

    @override
    def create(self, spec: MachineSpec, work: Work) -> Made:
        libvirt = Libvirt(spec.uri)
        found = libvirt.domain(spec.name)
        disk = _disk(libvirt, spec)
        if found is not None and (disk is None or Domain.from_xml(found) != spec.domain(disk.path)):
            raise NotOurs(
                f"libvirt has a machine {spec.name!r} that differs: remove it (`virsh undefine {spec.name}`), or "
                "choose another name"
            )
        if found is None:
            path = _grown_disk(libvirt, spec, disk)
            _put_seed(libvirt, spec)
            libvirt.put_domain(spec.domain(path).to_xml())
        return Made(id=spec.name, outputs=_started(libvirt, spec, work))

    @override
    def read(self, id_: str, spec: MachineSpec, outputs: Props, work: Work) -> Seen[MachineSpec] | None:
        libvirt = Libvirt(spec.uri)
        definition = libvirt.domain(id_)
        if definition is None:
            return None
        found, disk = Domain.from_xml(definition), _disk(libvirt, spec)
        direct = found.kernel is not None
        same = found.command_line == spec.domain(found.disk).command_line
        boot = Boot(
            base=spec.boot.base if disk is None else disk.base or "",
            base_format=spec.boot.base_format,
            kernel=found.kernel,
            initrd=found.initrd,
            command_line=spec.boot.command_line if same else found.command_line if direct else None,
        )
        observed = spec.model_copy(
            update={
                "network": found.network,
                "accelerator": found.accelerator,
                "cores": found.cores,
                "memory_mib": found.memory_mib,
                "disk_gib": spec.disk_gib if disk is None else disk.capacity // GIB,
                "boot": boot,
            }
        )
        return Seen(spec=observed, outputs=_outputs(spec), reasons=tuple(_reasons(libvirt, spec, found, disk)))

    @override
    def update(self, id_: str, old: MachineSpec, new: MachineSpec, outputs: Props, work: Work) -> Props:
        libvirt = Libvirt(new.uri)
        disk = _disk(libvirt, new)
        if disk is not None and disk.capacity > new.disk_gib * GIB:
            raise CannotShrink(
                f"the disk of {new.name} has {disk.capacity // GIB} GiB and {new.disk_gib} are asked for: a disk only "
                "grows; say at least what it has, or let the machine be made anew (`pulumi up --replace`)"
            )
        wanted = new.domain(_grown_disk(libvirt, new, disk))
        definition = libvirt.domain(new.name)
        if definition is None or Domain.from_xml(definition) != wanted:
            _put_seed(libvirt, new)
            libvirt.put_domain(wanted.to_xml())
        if libvirt.power(new.name).on and _behind(libvirt, wanted):
            with _TURN:
                _restart(libvirt, new, work)
        return _started(libvirt, new, work)

    @override
    def delete(self, id_: str, spec: MachineSpec, outputs: Props, work: Work) -> None:
        libvirt = Libvirt(spec.uri)
        libvirt.remove_domain(id_)
        if spec.pool not in libvirt.pools(only="active"):
            return
        for volume in libvirt.volumes(spec.pool):
            if volume in {f"{id_}.qcow2", f"{id_}.seed"} or volume.startswith(f"{id_}.console"):
                libvirt.remove_volume(spec.pool, volume)


class CannotShrink(Exception):
    """A smaller disk than there is was asked for: libvirt would cut it, and the data with it, without a word."""


def _outputs(spec: MachineSpec) -> Props:
    return {
        "uuid": identifier("machine", spec.name),
        "mac": mac(spec.name),
        "console": f"virsh -c {spec.uri} vol-download --pool {spec.pool} {spec.name}.console /dev/stdout",
    }


def _disk(libvirt: Libvirt, spec: MachineSpec) -> Volume | None:
    return libvirt.volume(spec.pool, f"{spec.name}.qcow2")


def _grown_disk(libvirt: Libvirt, spec: MachineSpec, found: Volume | None) -> str:
    """The path of the machine's own disk, which is made or grown if need be."""
    name, size = f"{spec.name}.qcow2", spec.disk_gib * GIB
    if found is None:
        libvirt.grow_from(spec.pool, name, size, spec.boot.base, spec.boot.base_format)
        made = _disk(libvirt, spec)
        if made is None:
            raise CommandFailed(f"{name} was made in the pool {spec.pool}, and libvirt does not find it there")
        return made.path
    if found.base != spec.boot.base:
        # What a killed run or a removed machine left: its data is somebody's, if it stands on what we mean at all.
        raise NotOurs(f"the pool {spec.pool} has a disk {name} that stands on {found.base}: delete it, or move it away")
    if found.capacity < size:
        if spec.name in libvirt.domains() and libvirt.power(spec.name).on:
            libvirt.grow_disk(spec.name, "vda", size)
        else:
            libvirt.resize(spec.pool, name, size)
    return found.path


def _put_seed(libvirt: Libvirt, spec: MachineSpec) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        disc = Path(scratch) / "seed"
        write_disc(spec.seed.documents(mac(spec.name)), LABEL, disc)
        libvirt.upload(spec.pool, f"{spec.name}.seed", disc)


def _started(libvirt: Libvirt, spec: MachineSpec, work: Work) -> Props:
    """Let it run, now and after every start of this machine."""
    libvirt.start_with_machine(spec.name)
    if not libvirt.power(spec.name).on:
        work.say("starting")
        try:
            libvirt.start(spec.name)
        except CommandFailed as error:
            raise NotHealthy(spec.name, _outputs(spec), [f"{spec.name} does not start: {error}"]) from error
    return _outputs(spec)


def _reasons(libvirt: Libvirt, spec: MachineSpec, found: Domain, disk: Volume | None) -> Iterable[str]:
    power = libvirt.power(found.name)
    if disk is None:
        yield f"{found.name} has no disk: {found.disk} is gone"
    if found.seed_digest != spec.seed.digest():
        yield f"{found.name} was given another seed than this stack's"
    if not power.on:
        yield f"{found.name} does not run: it is {power.name.lower().replace('_', ' ')}"
    elif _behind(libvirt, found):
        yield f"{found.name} still runs as it was before it was changed: a restart would do"


def _behind(libvirt: Libvirt, wanted: Domain) -> bool:
    """Whether what runs is not what would be started."""
    running = Domain.from_xml(libvirt.running_domain(wanted.name))
    return (running.cores, running.memory_mib, running.accelerator) != (
        wanted.cores,
        wanted.memory_mib,
        wanted.accelerator,
    )


def _restart(libvirt: Libvirt, spec: MachineSpec, work: Work) -> None:
    """Stop it in order, start it, and wait until it accepts what it accepted before."""
    address = spec.seed.address.partition("/")[0]
    was_open = [port for port in spec.comes_back_with if tcp.accepts(address, port)]
    work.say("stopping, to start it as it should be")
    libvirt.ask_to_stop(spec.name)
    try:
        wait_for(
            lambda: libvirt.power(spec.name) is Power.OFF or None,
            f"{spec.name} is off",
            within=STOPS_WITHIN,
            every=1.0,
            clock=work.clock,
        )
    except TimedOut:
        libvirt.pull_the_plug(spec.name)
    _started(libvirt, spec, work)
    for port in was_open:
        _wait_for_port(spec, address, port, work)


def _wait_for_port(spec: MachineSpec, address: str, port: int, work: Work) -> None:
    work.say(f"waiting for port {port}, which was open before")
    try:
        wait_for(
            lambda: tcp.accepts(address, port) or None,
            f"{spec.name} ({address}) accepts on port {port} again",
            within=RETURNS_WITHIN,
            every=1.0,
            clock=work.clock,
        )
    except TimedOut as error:
        raise NotHealthy(spec.name, _outputs(spec), [str(error)]) from error


class Machine(Resource):
    """A virtual machine that was started. Whether it has booted is for `mooring:host:Host` to say."""

    name: pulumi.Output[str]
    uuid: pulumi.Output[str]
    mac: pulumi.Output[str]
    console: pulumi.Output[str]
    """The command that prints what its serial console said, from its first boot on."""

    def __init__(
        self,
        resource_name: str,
        *,
        name: str,
        pool: pulumi.Input[str],
        network: pulumi.Input[str],
        accelerator: str,
        cores: int,
        memory_mib: int,
        disk_gib: int,
        boot: Mapping[str, pulumi.Input[Any]],
        seed: Mapping[str, pulumi.Input[Any]],
        comes_back_with: Sequence[int] = (22,),
        uri: str = SYSTEM,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        inputs = {
            "uri": uri,
            "name": name,
            "pool": pool,
            "network": network,
            "accelerator": accelerator,
            "cores": cores,
            "memory_mib": memory_mib,
            "disk_gib": disk_gib,
            "boot": dict(boot),
            "seed": dict(seed),
            "comes_back_with": list(comes_back_with),
        }
        super().__init__(MachineHandler, resource_name, inputs, outputs=("uuid", "mac", "console"), opts=opts)
