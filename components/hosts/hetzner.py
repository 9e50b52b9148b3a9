"""Hosts at Hetzner Cloud. Imported only for a stack that has some, as its SDK is an extra."""

from collections.abc import Sequence
from functools import partial
from ipaddress import IPv4Network

import pulumi
import pulumi_hcloud as hcloud

from components.hosts.cloud import (
    HETZNER_ZONES,
    PAGE_PORT,
    CloudGroup,
    Front,
    HetznerGroup,
    openings,
    spread,
)
from components.hosts.cloud_host import CloudHost, Made, as_born, number, of_kind, stack_name
from components.hosts.host import Ground, Host, Role
from mooring.kinds.ssh import KeyPair

TOGETHER = 10
"""Servers that one placement group can keep apart, Hetzner's own limit."""

LOAD_BALANCER = "lb11"
"""The smallest: 10,000 connections at a time, 25 targets."""

FLOATING_UNIT = "mooring-floating.service"


class Hetzner(pulumi.ComponentResource):
    """What the stack's hosts share there: a network, and the key that opens them."""

    def __init__(
        self,
        name: str,
        *,
        groups: Sequence[CloudGroup],
        cidr: IPv4Network,
        key: KeyPair,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("platform:hosts:Hetzner", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        (zone,) = {
            HETZNER_ZONES[place] for group in groups for place in of_kind(group, HetznerGroup, "Hetzner").locations
        }
        self.network = hcloud.Network(name, name=stack_name(), ip_range=str(cidr), labels=_labels(), opts=child)
        self.subnet = hcloud.NetworkSubnet(
            name,
            network_id=number(self.network.id),
            type="cloud",
            network_zone=zone,
            ip_range=str(cidr),
            opts=child,
        )
        # Without one Hetzner makes a password for root and sends it by mail.
        self.key = hcloud.SshKey(name, name=stack_name(), public_key=key.public_key, labels=_labels(), opts=child)
        self.register_outputs({"network": self.network.name})

    def hosts(self, group: CloudGroup, ground: Ground) -> list[Host]:
        """Declare every host of the group."""
        group = of_kind(group, HetznerGroup, "Hetzner")
        prefix = f"{pulumi.get_stack()}-{group.name}"
        firewall = self._firewall(prefix, group)
        apart: dict[str, hcloud.PlacementGroup] = {}
        made: list[CloudHost] = []
        places = spread(group.count, group.locations)
        for index, (address, (location, before)) in enumerate(
            zip(ground.addresses[group.name], places, strict=True), start=1
        ):
            name = f"{prefix}-{index}"
            together = f"{prefix}-{location}-{before // TOGETHER + 1}"
            if together not in apart:
                apart[together] = hcloud.PlacementGroup(
                    together,
                    name=f"{pulumi.get_project()}-{together}",
                    type="spread",
                    labels=_labels(),
                    opts=pulumi.ResourceOptions(parent=self),
                )
            make = partial(
                self._server,
                name=name,
                group=group,
                location=location,
                address=address,
                firewall=firewall,
                apart=apart[together],
            )
            made.append(
                CloudHost(
                    name,
                    group=group,
                    key=ground.key,
                    goes_with=self.network,
                    make=make,
                    address=address,
                    opts=pulumi.ResourceOptions(parent=ground.parent),
                )
            )
        front = self._front(prefix, group, made) if Role.EDGE in group.roles else None
        return [host.host(front) for host in made]

    def _firewall(self, prefix: str, group: HetznerGroup) -> hcloud.Firewall:
        """It stands before the public addresses alone: the network is the hosts' own, and what they ask is not held."""
        return hcloud.Firewall(
            prefix,
            name=f"{pulumi.get_project()}-{prefix}",
            rules=[
                hcloud.FirewallRuleArgs(
                    direction="in",
                    protocol="tcp",
                    port=str(opening.port),
                    source_ips=list(opening.sources),
                    description=opening.why,
                )
                for opening in openings(group)
            ],
            labels=_labels(),
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _server(
        self,
        user_data: pulumi.Output[str],
        parent: pulumi.Resource,
        *,
        name: str,
        group: HetznerGroup,
        location: str,
        address: str,
        firewall: hcloud.Firewall,
        apart: hcloud.PlacementGroup,
    ) -> Made:
        server = hcloud.Server(
            name,
            name=f"{pulumi.get_project()}-{name}",
            server_type=group.size,
            image=group.image,
            location=location,
            user_data=user_data,
            ssh_keys=[self.key.id],
            firewall_ids=[number(firewall.id)],
            placement_group_id=number(apart.id),
            public_nets=[hcloud.ServerPublicNetArgs(ipv4_enabled=True, ipv6_enabled=False)],
            # Said although it is empty: what is left out is shown as a difference for ever.
            networks=[hcloud.ServerNetworkArgs(subnet_id=self.subnet.id, ip=address, alias_ips=[])],
            shutdown_before_deletion=True,
            labels=_labels(),
            opts=as_born(parent, "image", "serverType", "location", "sshKeys", "placementGroupId"),
        )
        return Made(machine=server, address=server.ipv4_address.apply(lambda _: address), public=server.ipv4_address)

    def _front(self, prefix: str, group: HetznerGroup, edges: Sequence[CloudHost]) -> pulumi.Output[str]:
        """Where the balancers are found from outside."""
        match group.front:
            case Front.NONE:
                return edges[0].made.public
            case Front.FLOATING:
                return self._floating(f"{prefix}-front", group, edges)
            case Front.LOAD_BALANCER:
                return self._load_balancer(f"{prefix}-front", group, edges)

    def _floating(self, name: str, group: HetznerGroup, edges: Sequence[CloudHost]) -> pulumi.Output[str]:
        address = hcloud.FloatingIp(
            name,
            name=f"{pulumi.get_project()}-{name}",
            type="ipv4",
            home_location=group.locations[0],
            labels=_labels(),
            # Where it lives says only over which way it is reached first; another would be another address.
            opts=pulumi.ResourceOptions(parent=self, ignore_changes=["homeLocation"]),
        )
        # Every edge host answers to it, so that whichever it is given to serves at once.
        held = [edge.service("floating", FLOATING_UNIT, address.ip_address.apply(holding)) for edge in edges]
        given = hcloud.FloatingIpAssignment(
            name,
            floating_ip_id=number(address.id),
            server_id=number(edges[0].made.machine.id),
            opts=pulumi.ResourceOptions(parent=self, depends_on=held),
        )
        return pulumi.Output.all(address.ip_address, given.id).apply(lambda known: str(known[0]))

    def _load_balancer(self, name: str, group: HetznerGroup, edges: Sequence[CloudHost]) -> pulumi.Output[str]:
        child = pulumi.ResourceOptions(parent=self)
        balancer = hcloud.LoadBalancer(
            name,
            name=f"{pulumi.get_project()}-{name}",
            load_balancer_type=LOAD_BALANCER,
            location=group.locations[0],
            labels=_labels(),
            opts=pulumi.ResourceOptions(parent=self, ignore_changes=["location"]),
        )
        inside = hcloud.LoadBalancerNetwork(
            name, load_balancer_id=number(balancer.id), subnet_id=self.subnet.id, opts=child
        )
        service = hcloud.LoadBalancerService(
            name,
            load_balancer_id=balancer.id,
            protocol="tcp",
            listen_port=PAGE_PORT,
            destination_port=PAGE_PORT,
            health_check=hcloud.LoadBalancerServiceHealthCheckArgs(
                protocol="tcp", port=PAGE_PORT, interval=5, timeout=3, retries=2
            ),
            opts=child,
        )
        targets = [
            hcloud.LoadBalancerTarget(
                f"{name}-{index}",
                type="server",
                load_balancer_id=number(balancer.id),
                server_id=number(edge.made.machine.id),
                use_private_ip=True,
                opts=pulumi.ResourceOptions(parent=self, depends_on=[inside]),
            )
            for index, edge in enumerate(edges, start=1)
        ]
        there = [service.id, *(target.id for target in targets)]
        return pulumi.Output.all(balancer.ipv4, *there).apply(lambda known: str(known[0]))


def holding(address: str) -> str:
    """The unit by which a host answers to an address that Hetzner leads to it."""
    return f"""[Unit]
Description=The floating address of the stack's load balancers
After=network-online.target
Wants=network-online.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/ip address replace {address}/32 dev lo
ExecStop=/usr/sbin/ip address delete {address}/32 dev lo

[Install]
WantedBy=multi-user.target
"""


def _labels() -> dict[str, str]:
    return {"mooring-stack": stack_name()}
