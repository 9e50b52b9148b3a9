"""Hosts at DigitalOcean. Imported only for a stack that has some, as its SDK is an extra."""

from collections.abc import Sequence
from functools import partial
from ipaddress import IPv4Network

import pulumi
import pulumi_digitalocean as digitalocean

from components.hosts.cloud import (
    EVERYBODY,
    PAGE_PORT,
    CloudGroup,
    DigitalOceanGroup,
    Front,
    openings,
)
from components.hosts.cloud_host import CloudHost, Made, as_born, number, of_kind, stack_name
from components.hosts.host import Ground, Host, Role
from mooring.kinds.ssh import KeyPair

EVERY_PORT = "1-65535"
EVERYWHERE = ("0.0.0.0/0", "::/0")


class DigitalOcean(pulumi.ComponentResource):
    """What the stack's hosts share there: a network in one data centre, and the key that opens them.

    Nothing keeps them apart: a data centre has no zones, and droplets cannot be asked to be on different machines.
    """

    def __init__(
        self,
        name: str,
        *,
        groups: Sequence[CloudGroup],
        cidr: IPv4Network,
        key: KeyPair,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("platform:hosts:DigitalOcean", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        (region,) = {of_kind(group, DigitalOceanGroup, "DigitalOcean").region for group in groups}
        self._cidr = cidr
        self.network = digitalocean.Vpc(name, name=stack_name(), region=region, ip_range=str(cidr), opts=child)
        # Without one DigitalOcean makes a password for root and sends it by mail.
        self.key = digitalocean.SshKey(name, name=stack_name(), public_key=key.public_key, opts=child)
        self.register_outputs({"network": self.network.id})

    def hosts(self, group: CloudGroup, ground: Ground) -> list[Host]:
        """Declare every host of the group."""
        group = of_kind(group, DigitalOceanGroup, "DigitalOcean")
        prefix = f"{pulumi.get_stack()}-{group.name}"
        tag = digitalocean.Tag(
            prefix, name=f"{pulumi.get_project()}-{prefix}", opts=pulumi.ResourceOptions(parent=self)
        )
        firewall = self._firewall(prefix, group, tag)
        made: list[CloudHost] = []
        for index in range(1, group.count + 1):
            name = f"{prefix}-{index}"
            make = partial(self._droplet, name=name, group=group, tag=tag, firewall=firewall)
            made.append(
                CloudHost(
                    name,
                    group=group,
                    key=ground.key,
                    goes_with=self.network,
                    make=make,
                    opts=pulumi.ResourceOptions(parent=ground.parent),
                )
            )
        front = self._front(prefix, group, made) if Role.EDGE in group.roles else None
        return [host.host(front) for host in made]

    def _firewall(self, name: str, group: DigitalOceanGroup, tag: digitalocean.Tag) -> digitalocean.Firewall:
        """For whatever has the tag, and so for a droplet from its first moment on.

        It stands before the network as well: the load balancer comes in by that, as the other hosts do.
        """
        every = [
            digitalocean.FirewallInboundRuleArgs(
                protocol=protocol,
                port_range=None if protocol == "icmp" else EVERY_PORT,
                source_addresses=[str(self._cidr)],
            )
            for protocol in ("tcp", "udp", "icmp")
        ]
        return digitalocean.Firewall(
            name,
            name=f"{pulumi.get_project()}-{name}",
            tags=[tag.name],
            inbound_rules=[
                *(
                    digitalocean.FirewallInboundRuleArgs(
                        protocol="tcp", port_range=str(opening.port), source_addresses=list(opening.sources)
                    )
                    for opening in openings(group)
                ),
                *every,
            ],
            # What is not let out is held.
            outbound_rules=[
                digitalocean.FirewallOutboundRuleArgs(
                    protocol=protocol,
                    port_range=None if protocol == "icmp" else EVERY_PORT,
                    destination_addresses=list(EVERYWHERE),
                )
                for protocol in ("tcp", "udp", "icmp")
            ],
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _droplet(
        self,
        user_data: pulumi.Output[str],
        parent: pulumi.Resource,
        *,
        name: str,
        group: DigitalOceanGroup,
        tag: digitalocean.Tag,
        firewall: digitalocean.Firewall,
    ) -> Made:
        droplet = digitalocean.Droplet(
            name,
            name=f"{pulumi.get_project()}-{name}",
            image=group.image,
            size=group.size,
            region=group.region,
            vpc_uuid=self.network.id,
            ssh_keys=[self.key.id],
            tags=[tag.name],
            user_data=user_data,
            ipv6=False,
            # It would let in whoever may open a console in the account.
            droplet_agent=False,
            graceful_shutdown=True,
            opts=as_born(parent, "image", "size", "sshKeys", "dropletAgent", after=[firewall]),
        )
        return Made(machine=droplet, address=droplet.ipv4_address_private, public=droplet.ipv4_address)

    def _front(self, prefix: str, group: DigitalOceanGroup, edges: Sequence[CloudHost]) -> pulumi.Output[str]:
        """Where the balancers are found from outside."""
        match group.front:
            case Front.NONE:
                return edges[0].made.public
            case Front.FLOATING:
                return self._reserved(f"{prefix}-front", group, edges[0])
            case Front.LOAD_BALANCER:
                return self._load_balancer(f"{prefix}-front", group, edges)

    def _reserved(self, name: str, group: DigitalOceanGroup, edge: CloudHost) -> pulumi.Output[str]:
        """The data centre leads it to whichever droplet has it, which needs to know nothing of it."""
        child = pulumi.ResourceOptions(parent=self)
        address = digitalocean.ReservedIp(name, region=group.region, opts=child)
        given = digitalocean.ReservedIpAssignment(
            name, ip_address=address.ip_address, droplet_id=number(edge.made.machine.id), opts=child
        )
        return pulumi.Output.all(address.ip_address, given.id).apply(lambda known: str(known[0]))

    def _load_balancer(self, name: str, group: DigitalOceanGroup, edges: Sequence[CloudHost]) -> pulumi.Output[str]:
        balancer = digitalocean.LoadBalancer(
            name,
            name=f"{pulumi.get_project()}-{name}",
            region=group.region,
            vpc_uuid=self.network.id,
            size_unit=1,
            forwarding_rules=[
                digitalocean.LoadBalancerForwardingRuleArgs(
                    entry_protocol="tcp", entry_port=PAGE_PORT, target_protocol="tcp", target_port=PAGE_PORT
                )
            ],
            healthcheck=digitalocean.LoadBalancerHealthcheckArgs(
                protocol="tcp",
                port=PAGE_PORT,
                check_interval_seconds=5,
                response_timeout_seconds=3,
                healthy_threshold=2,
                unhealthy_threshold=2,
            ),
            droplet_ids=[number(edge.made.machine.id) for edge in edges],
            firewall=_allowing(group.open_to),
            opts=pulumi.ResourceOptions(parent=self),
        )
        return balancer.ip


def _allowing(sources: Sequence[IPv4Network]) -> digitalocean.LoadBalancerFirewallArgs | None:
    if EVERYBODY in sources:
        return None
    return digitalocean.LoadBalancerFirewallArgs(allows=[f"cidr:{source}" for source in sources])
