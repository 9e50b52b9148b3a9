"""Whether this machine can carry the stack's virtual machines: asked before anything is touched, answered at once."""

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path
from typing import Self

import pulumi

from components.hosts import LocalGroup, VirtualGroup
from components.hosts.virtual import accelerated
from components.hosts.virtual_site import POOLS
from infra.settings import Settings
from mooring.clients.errors import CommandFailed, Unreachable
from mooring.clients.libvirt import Libvirt
from mooring.toolchain import disks, hypervisor, packages
from mooring.toolchain.errors import CannotPrepare

OVERHEAD_MIB = 200
"""What QEMU takes for a machine beside its memory."""

WRITTEN_MIB = 1024
"""What a machine writes to its disk with everything on it; its base is shared, and 55-100 MiB were seen at first."""

BASE_MIB = 1024
"""The base disk, once for each stack."""


@dataclass(frozen=True, kw_only=True)
class Demand:
    """What the stack asks of this machine's libvirt."""

    stack: str
    network: IPv4Network
    network_name: str
    machines: Mapping[str, int]
    """Memory in MiB, by libvirt's name."""

    own_disk: bool
    """Whether some start from the disk that is made here."""

    local_nodes: bool

    @classmethod
    def by(cls, settings: Settings) -> Self:
        prefix = f"{pulumi.get_project()}-{pulumi.get_stack()}"
        ours = [group for group in settings.groups if isinstance(group, VirtualGroup)]
        return cls(
            stack=pulumi.get_stack(),
            network=settings.network,
            network_name=prefix,
            machines={
                f"{prefix}-{group.name}-{i}": group.memory_mib for group in ours for i in range(1, group.count + 1)
            },
            own_disk=any(group.image is None for group in ours),
            local_nodes=any(isinstance(group, LocalGroup) for group in settings.groups),
        )


@dataclass(frozen=True, kw_only=True)
class Supply:
    """What was found here."""

    missing_packages: tuple[str, ...] = ()
    libvirt: str | None = None
    """Why none answers."""

    machines: frozenset[str] = frozenset()
    networks: frozenset[str] = frozenset()
    """Of libvirt, by name."""

    disk: str | None = None
    """Why the disk that machines start as cannot be used."""

    accelerator: str | None = None
    """Why it could not be found out."""

    routes: Mapping[str, IPv4Network]
    """The networks that this machine is in, by interface."""

    memory_mib: int
    disk_mib: int

    @classmethod
    def look(cls, settings: Settings, routes: Mapping[str, IPv4Network], memory_mib: int) -> Self:
        """Ask libvirt, the cache and, once in the life of this machine's kernel, QEMU; nothing is changed."""
        missing = tuple(one.package for one in packages.missing(hypervisor.NEEDED))
        libvirt, machines, networks = _ask_libvirt()
        disk, how = _look_at_disk(settings) if not missing else (None, None)
        pools = Path(POOLS)
        return cls(
            missing_packages=missing,
            libvirt=libvirt,
            machines=machines,
            networks=networks,
            disk=disk,
            accelerator=how,
            routes=routes,
            memory_mib=memory_mib,
            disk_mib=shutil.disk_usage(pools if pools.exists() else "/").free >> 20,
        )


def lacking(demand: Demand, supply: Supply) -> Iterator[str]:
    """Each thing that stands in the way: the setting, its value, and what would do."""
    prepare = f"`make prepare STACK={demand.stack}`"
    if demand.local_nodes:
        yield (
            "mooring:hosts: local nodes and virtual machines have no network in common yet; groups of one of the two "
            "kinds would do"
        )
    if supply.missing_packages:
        yield f"virtual machines need {', '.join(supply.missing_packages)}, which is not here; {prepare} installs it"
    elif supply.libvirt is not None:
        yield f"virtual machines need libvirt: {supply.libvirt}; {prepare} starts it, or says what would"
    if supply.disk is not None and demand.own_disk:
        yield supply.disk
    if supply.accelerator is not None:
        yield f"mooring:hosts: accelerator auto: {supply.accelerator}"
    if demand.network_name not in supply.networks:
        for interface, other in supply.routes.items():
            if demand.network.overlaps(other):
                yield f"mooring:network: {demand.network} overlaps {other} ({interface}); another range would do"
    yield from _too_little(demand, supply)


def _too_little(demand: Demand, supply: Supply) -> Iterator[str]:
    new = {name: memory for name, memory in demand.machines.items() if name not in supply.machines}
    memory = sum(new.values()) + OVERHEAD_MIB * len(new)
    if supply.memory_mib < memory:
        yield (
            f"mooring:hosts: {len(new)} new virtual machines take {memory} MiB of memory, {supply.memory_mib} MiB are "
            "available; fewer or smaller ones would do"
        )
    disk = (WRITTEN_MIB * len(new) + BASE_MIB) if new else 0
    if supply.disk_mib < disk:
        yield (
            f"mooring:hosts: {len(new)} new virtual machines need about {disk} MiB of disk, {supply.disk_mib} MiB are "
            f"free at {POOLS}"
        )


def _ask_libvirt() -> tuple[str | None, frozenset[str], frozenset[str]]:
    libvirt = Libvirt()
    try:
        return None, frozenset(libvirt.domains()), frozenset(libvirt.networks())
    except (Unreachable, CommandFailed) as error:
        return str(error), frozenset(), frozenset()


def _look_at_disk(settings: Settings) -> tuple[str | None, str | None]:
    try:
        disks.locate()
    except CannotPrepare as problem:
        return str(problem), None
    try:
        for group in settings.groups:
            if isinstance(group, VirtualGroup):
                accelerated(group)
    except CannotPrepare as problem:
        return None, str(problem)
    return None, None
