"""Virtual machines of this machine's libvirt, on a network and a pool of disks of the stack's own."""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Literal

import pulumi

from components.hosts.host import Ground, Group, Host, Role
from components.hosts.needed import NEEDED
from components.hosts.virtual_site import CloudImage, VirtualSite
from mooring.kinds import host as kind
from mooring.kinds.ssh import KeyPair
from mooring.kinds.vm_machine import Machine
from mooring.toolchain import accelerator, disks

BOOTS_WITHIN = pulumi.CustomTimeouts(create="5m", update="5m")
BOOTS_EMULATED_WITHIN = pulumi.CustomTimeouts(create="20m", update="20m")
"""Three at once took 76 s on two cores that had nothing else to do, and one took 5 minutes on two that had."""

EMULATED_PATIENCE = 8
"""With three machines on two cores that ran four other stacks, starting a small service took more than 105 s."""

SSH = 22
AMONG_SERVERS = (8300, 4647)
"""Ports of Consul's and Nomad's servers for one another: one that was restarted is back when these are open."""


@dataclass(frozen=True, kw_only=True, slots=True)
class VirtualGroup(Group):
    kind: str = "libvirt"
    cores: int
    memory_mib: int
    disk_gib: int
    accelerator: Literal["auto", "kvm", "tcg"] = "auto"
    image: CloudImage | None = None
    """None: the disk that is made here from Debian's packages."""

    packages: tuple[str, ...] = ()
    """Installed at the first boot, beside what a host needs."""


class VirtualHost(pulumi.ComponentResource):
    """One virtual machine, up and reachable."""

    def __init__(
        self,
        name: str,
        *,
        group: VirtualGroup,
        address: str,
        site: VirtualSite,
        key: KeyPair,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("platform:hosts:VirtualHost", name, None, opts)
        how = accelerated(group)
        emulated = how is accelerator.Choice.TCG
        host_key = KeyPair(f"{name}-host-key", comment=name, opts=pulumi.ResourceOptions(parent=self))
        machine = Machine(
            name,
            name=f"{pulumi.get_project()}-{name}",
            pool=site.pool.name,
            network=site.network.name,
            accelerator=how.value,
            cores=group.cores,
            memory_mib=group.memory_mib,
            disk_gib=group.disk_gib,
            boot=site.boot(group.image),
            seed={
                "hostname": name,
                "address": f"{address}/{site.cidr.prefixlen}",
                "gateway": str(site.cidr[1]),
                "nameserver": str(site.cidr[1]),
                "authorized_keys": [key.public_key],
                "host_key": host_key.private_key,
                "packages": [*(NEEDED if group.image else ()), *group.packages],
            },
            comes_back_with=(SSH, *(AMONG_SERVERS if Role.SERVER in group.roles else ())),
            # A host keeps the disk it was born from, as machines do: a new one is for new hosts.
            opts=pulumi.ResourceOptions(parent=self, ignore_changes=["boot"]),
        )
        there = machine.uuid.apply(lambda _: address)
        way_in = {
            "private_key": key.private_key,
            "host_key": host_key.public_key,
            "patience": EMULATED_PATIENCE if emulated else 1,
        }
        ready = kind.Host(
            f"{name}-ready",
            name=name,
            connection={"address": there, **way_in},
            console=machine.console,
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=[machine],
                deleted_with=site.network,
                custom_timeouts=BOOTS_EMULATED_WITHIN if emulated else BOOTS_WITHIN,
            ),
        )
        booted = pulumi.Output.all(there, ready.machine_id).apply(lambda known: known[0])
        self.host = Host(
            name=name,
            roles=group.roles,
            address=there,
            connection={"address": booted, **way_in},
            public_host_key=host_key.public_key,
            memory_mib=None,
            goes_with=site.network,
            emulated=emulated,
            labels=group.labels,
            drivers=group.drivers,
        )
        self.register_outputs({"address": there})


def accelerated(group: VirtualGroup) -> accelerator.Choice:
    """How the group's processors are had; `auto` is KVM where that boots a kernel."""
    if group.accelerator != "auto":
        return accelerator.Choice(group.accelerator)
    return accelerator.accelerator(disks.locate().kernel.path).choice


def virtual_site(name: str, groups: Sequence[Group], cidr: IPv4Network, parent: pulumi.Resource) -> VirtualSite | None:
    """What the stack's virtual machines share; None where there are none."""
    if not any(isinstance(group, VirtualGroup) for group in groups):
        return None
    return VirtualSite(name, cidr, opts=pulumi.ResourceOptions(parent=parent))


def virtual_hosts(group: VirtualGroup, ground: Ground) -> list[Host]:
    """Declare every host of the group."""
    if ground.site is None:
        raise ValueError(f"group {group.name}: virtual machines need a network and a pool")
    return [
        VirtualHost(
            f"{pulumi.get_stack()}-{group.name}-{index}",
            group=group,
            address=address,
            site=ground.site,
            key=ground.key,
            opts=pulumi.ResourceOptions(parent=ground.parent),
        ).host
        for index, address in enumerate(ground.addresses[group.name], start=1)
    ]
