"""All hosts of a stack, whatever their kinds."""

from typing import Any

import pulumi

from components.hosts.host import Group, Host, HostNetwork, Role
from components.hosts.local import LocalHost, LocalHostArgs, addresses, published
from mooring.kinds.ssh import Identity, KeyPair
from mooring.toolchain import images, places

SERVED = ("local",)
"""The kinds of host that can be made today."""


class Hosts(pulumi.ComponentResource):
    """Every host of the stack, and the one SSH key that opens them."""

    def __init__(
        self,
        name: str,
        *,
        groups: list[Group],
        network: HostNetwork,
        port: int,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("platform:hosts:Hosts", name, None, opts)
        if problems := unserved(groups):
            raise pulumi.RunError("\n".join(problems))
        key = KeyPair(f"{name}-key", comment=f"{pulumi.get_project()}/{pulumi.get_stack()}", opts=_child(self))
        placed = addresses(groups, network.cidr)
        self.every: list[Host] = [
            LocalHost(
                f"{pulumi.get_stack()}-{group.name}-{index}",
                LocalHostArgs(
                    group=group,
                    index=index,
                    address=address,
                    network=network.name,
                    image=images.reference("machine"),
                    authorized_key=key.public_key,
                    private_key=key.private_key,
                    publish=port if (group.name, index) == (published(groups), 1) else None,
                    goes_with=network.resource,
                ),
                opts=_child(self),
            ).host
            for group in groups
            for index, address in enumerate(placed[group.name], start=1)
        ]
        self.goes_with: pulumi.Resource = network.resource
        self.identity = Identity(
            f"{name}-identity",
            directory=str(places.state() / "ssh" / f"{pulumi.get_project()}-{pulumi.get_stack()}"),
            private_key=key.private_key,
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


def unserved(groups: list[Group]) -> list[str]:
    """One sentence for each group that this version cannot make."""
    return [
        f"mooring:hosts: group {group.name!r} is of kind {group.kind!r}, whose hosts this version cannot make yet; "
        f"{' or '.join(SERVED)} would do"
        for group in groups
        if group.kind not in SERVED
    ]


def _child(parent: pulumi.Resource) -> pulumi.ResourceOptions:
    return pulumi.ResourceOptions(parent=parent)


def _known(hosts: list[Host]) -> pulumi.Output[dict[str, Any]]:
    pairs = [pulumi.Output.all(host.address, host.public_host_key) for host in hosts]
    return pulumi.Output.all(*pairs).apply(dict)
