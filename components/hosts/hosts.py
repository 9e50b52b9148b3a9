"""All hosts of a stack, whatever their kinds."""

from collections.abc import Sequence
from ipaddress import IPv4Network
from typing import Any

import pulumi

from components.hosts.addresses import addresses
from components.hosts.adopted import AdoptedGroup, adopted_hosts, survey
from components.hosts.cloud import AwsGroup, CloudGroup, DigitalOceanGroup, HetznerGroup
from components.hosts.cloud_host import Cloud
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
        key = KeyPair(f"{name}-key", comment=f"{pulumi.get_project()}/{pulumi.get_stack()}", opts=_child(self))
        ground = Ground(
            parent=self,
            key=key,
            network=network,
            addresses=addresses(groups, network.cidr),
            site=virtual_site(f"{name}-virtual", groups, network.cidr, self),
            survey=survey(f"{name}-survey", groups, self),
        )
        provider = _cloud(f"{name}-cloud", groups, network.cidr, key, self)
        self.every: list[Host] = [host for group in groups for host in _built(group, ground, provider)]
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


def _built(group: Group, ground: Ground, provider: Cloud | None) -> list[Host]:
    """The hosts of one group, declared by the one who knows its kind."""
    match group:
        case LocalGroup():
            return local_hosts(group, ground)
        case VirtualGroup():
            return virtual_hosts(group, ground)
        case AdoptedGroup():
            return adopted_hosts(group, ground)
        case CloudGroup() if provider is not None:
            return provider.hosts(group, ground)
        case _:
            raise NotImplementedError(group.kind)


def _cloud(
    name: str, groups: Sequence[Group], cidr: IPv4Network, key: KeyPair, parent: pulumi.Resource
) -> Cloud | None:
    """The provider of the stack's cloud hosts; None where there are none.

    Its SDK is an extra, and slow to import: it comes with its file, and so only for a stack that has hosts there.
    """
    ours = [group for group in groups if isinstance(group, CloudGroup)]
    match next(iter(ours), None):
        case HetznerGroup():
            from components.hosts.hetzner import Hetzner  # noqa: PLC0415 -- see above

            return Hetzner(name, groups=ours, cidr=cidr, key=key, opts=_child(parent))
        case AwsGroup():
            from components.hosts.aws import Aws  # noqa: PLC0415 -- see above

            return Aws(name, groups=ours, cidr=cidr, key=key, opts=_child(parent))
        case DigitalOceanGroup():
            from components.hosts.digitalocean import DigitalOcean  # noqa: PLC0415 -- see above

            return DigitalOcean(name, groups=ours, cidr=cidr, key=key, opts=_child(parent))
        case _:
            return None


def all_go_with(hosts: Sequence[Host]) -> pulumi.Resource | None:
    """With what the stack's machines vanish as a whole; None where some stay, or they do not go together."""
    first, *others = [host.goes_with for host in hosts]
    return first if all(other is first for other in others) else None


def _child(parent: pulumi.Resource) -> pulumi.ResourceOptions:
    return pulumi.ResourceOptions(parent=parent)


def _known(hosts: list[Host]) -> pulumi.Output[dict[str, Any]]:
    # Where a person's `ssh` and the Docker provider's go: not every host is reached by its address in the network.
    places = [host.connection["address"] if host.behind_ssh else host.address for host in hosts]
    pairs = [pulumi.Output.all(place, host.public_host_key) for place, host in zip(places, hosts, strict=True)]
    return pulumi.Output.all(*pairs).apply(dict)
