"""All hosts of a stack, whatever their kinds."""

from collections.abc import Sequence
from typing import Any

import pulumi

from components.hosts.addresses import addresses
from components.hosts.adopted import AdoptedGroup, adopted_hosts, survey
from components.hosts.host import Ground, Group, Host, HostNetwork, Role
from components.hosts.local import LocalGroup, local_hosts
from components.hosts.virtual import VirtualGroup, virtual_hosts, virtual_site
from mooring.kinds.ssh import Identity, KeyPair
from mooring.toolchain import places


class Hosts(pulumi.ComponentResource):
    """Every host of the stack, and the one SSH key that opens them."""

    def __init__(
        self,
        name: str,
        *,
        groups: Sequence[Group],
        network: HostNetwork,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("platform:hosts:Hosts", name, None, opts)
        if problems := unserved(groups):
            raise pulumi.RunError("\n".join(problems))
        key = KeyPair(f"{name}-key", comment=f"{pulumi.get_project()}/{pulumi.get_stack()}", opts=_child(self))
        ground = Ground(
            parent=self,
            key=key,
            network=network,
            addresses=addresses(groups, network.cidr),
            site=virtual_site(f"{name}-virtual", groups, network.cidr, self),
            survey=survey(f"{name}-survey", groups, self),
        )
        self.every: list[Host] = [host for group in groups for host in _built(group, ground)]
        self.goes_with = all_go_with(self.every)
        self.identity = Identity(
            f"{name}-identity",
            directory=str(places.state() / "ssh" / f"{pulumi.get_project()}-{pulumi.get_stack()}"),
            private_key=self.builder.connection["private_key"],
            known_hosts=_known(self.every),
            opts=_child(self),
        )
        self.register_outputs({"addresses": pulumi.Output.all(**{h.name: h.address for h in self.every})})

    @property
    def builder(self) -> Host:
        """Whose engine builds images and, unless an external one does, serves them."""
        return (self.having(Role.REGISTRY) or self.having(Role.SERVER))[0]

    def having(self, role: Role) -> list[Host]:
        return [host for host in self.every if role in host.roles]


def _built(group: Group, ground: Ground) -> list[Host]:
    """The hosts of one group, declared by the one who knows its kind."""
    match group:
        case LocalGroup():
            return local_hosts(group, ground)
        case VirtualGroup():
            return virtual_hosts(group, ground)
        case AdoptedGroup():
            return adopted_hosts(group, ground)
        case _:
            raise NotImplementedError(group.kind)


SERVED: dict[str, type[Group]] = {"local": LocalGroup, "libvirt": VirtualGroup, "adopted": AdoptedGroup}
"""The kinds of host that can be made today."""


def unserved(groups: Sequence[Group]) -> list[str]:
    """One sentence for each group that this version cannot make."""
    return [
        f"mooring:hosts: group {group.name!r} is of kind {group.kind!r}, whose hosts this version cannot make yet; "
        f"{' or '.join(SERVED)} would do"
        for group in groups
        if group.kind not in SERVED
    ]


def all_go_with(hosts: Sequence[Host]) -> pulumi.Resource | None:
    """With what the stack's machines vanish as a whole; None where some stay, or they do not go together."""
    first, *others = [host.goes_with for host in hosts]
    return first if all(other is first for other in others) else None


def _child(parent: pulumi.Resource) -> pulumi.ResourceOptions:
    return pulumi.ResourceOptions(parent=parent)


def _known(hosts: list[Host]) -> pulumi.Output[dict[str, Any]]:
    pairs = [pulumi.Output.all(host.address, host.public_host_key) for host in hosts]
    return pulumi.Output.all(*pairs).apply(dict)
