"""Hosts at Amazon's EC2. Imported only for a stack that has some, as its SDK is an extra."""

from collections.abc import Sequence
from functools import partial
from ipaddress import IPv4Network

import pulumi
import pulumi_aws as aws

from components.hosts.cloud import (
    EVERYBODY,
    PAGE_PORT,
    AwsGroup,
    CloudGroup,
    Front,
    Opening,
    openings,
    part,
    short,
    spread,
    within,
)
from components.hosts.cloud_host import CloudHost, Made, as_born, of_kind, stack_name
from components.hosts.host import Ground, Host, Role
from mooring.kinds.ssh import KeyPair

TOGETHER = 7
"""Instances that one placement group can keep apart in a zone, Amazon's own limit."""

LONGEST = 32
"""Characters of a load balancer's name."""

EVERYTHING = "-1"
"""Every protocol, in Amazon's words."""


class Aws(pulumi.ComponentResource):
    """What the stack's hosts share there: a network with a subnet in each zone, and its way out."""

    def __init__(
        self,
        name: str,
        *,
        groups: Sequence[CloudGroup],
        cidr: IPv4Network,
        key: KeyPair,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("platform:hosts:Aws", name, None, opts)
        del key  # cloud-init puts it there, and Amazon wants no other
        child = pulumi.ResourceOptions(parent=self)
        zones = sorted({zone for group in groups for zone in of_kind(group, AwsGroup, "Amazon").zones})
        self._cidr = cidr
        (self._region,) = {zone[:-1] for zone in zones}
        self.network = aws.ec2.Vpc(
            name,
            cidr_block=str(cidr),
            enable_dns_support=True,
            enable_dns_hostnames=True,
            region=self._region,
            tags=_tags(stack_name()),
            opts=child,
        )
        gateway = aws.ec2.InternetGateway(
            name, vpc_id=self.network.id, region=self._region, tags=_tags(stack_name()), opts=child
        )
        routes = aws.ec2.RouteTable(
            name,
            vpc_id=self.network.id,
            routes=[aws.ec2.RouteTableRouteArgs(cidr_block=str(EVERYBODY), gateway_id=gateway.id)],
            region=self._region,
            tags=_tags(stack_name()),
            opts=child,
        )
        self._subnets = {
            zone: aws.ec2.Subnet(
                f"{name}-{zone}",
                vpc_id=self.network.id,
                availability_zone=zone,
                cidr_block=str(part(cidr, zone)),
                region=self._region,
                tags=_tags(f"{stack_name()}-{zone}"),
                opts=child,
            )
            for zone in zones
        }
        self._ways_out = [
            aws.ec2.RouteTableAssociation(
                f"{name}-{zone}", subnet_id=subnet.id, route_table_id=routes.id, region=self._region, opts=child
            )
            for zone, subnet in self._subnets.items()
        ]
        self.register_outputs({"network": self.network.id})

    def hosts(self, group: CloudGroup, ground: Ground) -> list[Host]:
        """Declare every host of the group."""
        group = of_kind(group, AwsGroup, "Amazon")
        prefix = f"{pulumi.get_stack()}-{group.name}"
        edge = Role.EDGE in group.roles
        balancer = self._security_group(f"{prefix}-front", _front_openings(group), ()) if _balanced(group) else None
        shown = self._security_group(prefix, openings(group), () if balancer is None else (balancer,), among=True)
        floating = self._floating(f"{prefix}-front") if edge and group.front is Front.FLOATING else None
        apart: dict[str, aws.ec2.PlacementGroup] = {}
        made: list[CloudHost] = []
        places = zip(ground.addresses[group.name], spread(group.count, group.zones), strict=True)
        for index, (place, (zone, before)) in enumerate(places, start=1):
            name, together = f"{prefix}-{index}", f"{prefix}-{before // TOGETHER + 1}"
            if together not in apart:
                apart[together] = self._placement_group(together)
            address = within(place, self._cidr, zone)
            make = partial(
                self._instance,
                name=name,
                group=group,
                zone=zone,
                address=address,
                shown=shown,
                apart=apart[together],
                floating=floating if index == 1 else None,
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
        front = made[0].made.public if edge else None
        if balancer is not None:
            front = self._load_balancer(f"{prefix}-front", group, made, balancer)
        return [host.host(front) for host in made]

    def _security_group(
        self,
        name: str,
        shown: Sequence[Opening],
        balancers: Sequence[aws.ec2.SecurityGroup],
        *,
        among: bool = False,
    ) -> aws.ec2.SecurityGroup:
        """Its rules are said in it and nowhere else, so that one more that somebody adds is a difference.

        `among` lets in everything from the network itself.
        """
        return aws.ec2.SecurityGroup(
            name,
            name=f"{pulumi.get_project()}-{name}",
            description="What is let in",
            vpc_id=self.network.id,
            ingress=[
                *(_ingress(opening.port, opening.why, sources=opening.sources) for opening in shown),
                *(_ingress(PAGE_PORT, "the load balancer", groups=[each.id]) for each in balancers),
                *([_everything("the network", str(self._cidr))] if among else []),
            ],
            egress=[
                aws.ec2.SecurityGroupEgressArgs(
                    protocol=EVERYTHING, from_port=0, to_port=0, cidr_blocks=[str(EVERYBODY)], description="everything"
                )
            ],
            region=self._region,
            tags=_tags(f"{pulumi.get_project()}-{name}"),
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _placement_group(self, name: str) -> aws.ec2.PlacementGroup:
        return aws.ec2.PlacementGroup(
            name,
            name=f"{pulumi.get_project()}-{name}",
            strategy="spread",
            region=self._region,
            tags=_tags(f"{pulumi.get_project()}-{name}"),
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _instance(
        self,
        user_data: pulumi.Output[str],
        parent: pulumi.Resource,
        *,
        name: str,
        group: AwsGroup,
        zone: str,
        address: str,
        shown: aws.ec2.SecurityGroup,
        apart: aws.ec2.PlacementGroup,
        floating: aws.ec2.Eip | None,
    ) -> Made:
        instance = aws.ec2.Instance(
            name,
            ami=group.image,
            instance_type=group.size,
            subnet_id=self._subnets[zone].id,
            private_ip=address,
            associate_public_ip_address=True,
            vpc_security_group_ids=[shown.id],
            placement_group=apart.name,
            user_data=user_data,
            user_data_replace_on_change=False,
            metadata_options=aws.ec2.InstanceMetadataOptionsArgs(
                # One hop is the host itself: a container is the second.
                http_endpoint="enabled",
                http_tokens="required",
                http_put_response_hop_limit=1,
            ),
            root_block_device=aws.ec2.InstanceRootBlockDeviceArgs(
                volume_type="gp3", volume_size=group.disk_gib, encrypted=True, delete_on_termination=True
            ),
            region=self._region,
            tags=_tags(f"{pulumi.get_project()}-{name}"),
            opts=as_born(
                parent,
                *("ami", "instanceType", "subnetId", "privateIp", "placementGroup", "rootBlockDevice"),
                *("userDataReplaceOnChange", "associatePublicIpAddress"),
                after=self._ways_out,
            ),
        )
        public = instance.public_ip
        if floating is not None:
            # The address that the instance had is gone with it: this one is its way in.
            given = aws.ec2.EipAssociation(
                name,
                allocation_id=floating.allocation_id,
                instance_id=instance.id,
                region=self._region,
                opts=pulumi.ResourceOptions(parent=parent),
            )
            public = pulumi.Output.all(floating.public_ip, given.id).apply(lambda known: str(known[0]))
        return Made(machine=instance, address=instance.private_ip, public=public)

    def _floating(self, name: str) -> aws.ec2.Eip:
        return aws.ec2.Eip(
            name,
            domain="vpc",
            region=self._region,
            tags=_tags(f"{pulumi.get_project()}-{name}"),
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _load_balancer(
        self, name: str, group: AwsGroup, edges: Sequence[CloudHost], shown: aws.ec2.SecurityGroup
    ) -> pulumi.Output[str]:
        child = pulumi.ResourceOptions(parent=self)
        called = short(f"{pulumi.get_project()}-{name}", LONGEST)
        balancer = aws.lb.LoadBalancer(
            name,
            name=called,
            load_balancer_type="network",
            internal=False,
            security_groups=[shown.id],
            subnets=[self._subnets[zone].id for zone in sorted(set(group.zones))],
            # Or the visitors of a zone whose edge host is down are sent there all the same.
            enable_cross_zone_load_balancing=True,
            region=self._region,
            tags=_tags(called),
            opts=pulumi.ResourceOptions(parent=self, depends_on=self._ways_out),
        )
        targets = aws.lb.TargetGroup(
            name,
            name=called,
            port=PAGE_PORT,
            protocol="TCP",
            target_type="instance",
            vpc_id=self.network.id,
            deregistration_delay=30,
            health_check=aws.lb.TargetGroupHealthCheckArgs(
                protocol="TCP", interval=5, healthy_threshold=2, unhealthy_threshold=2
            ),
            region=self._region,
            tags=_tags(called),
            opts=child,
        )
        listener = aws.lb.Listener(
            name,
            load_balancer_arn=balancer.arn,
            port=PAGE_PORT,
            protocol="TCP",
            default_actions=[aws.lb.ListenerDefaultActionArgs(type="forward", target_group_arn=targets.arn)],
            region=self._region,
            tags=_tags(called),
            opts=child,
        )
        reached = [
            aws.lb.TargetGroupAttachment(
                f"{name}-{index}",
                target_group_arn=targets.arn,
                target_id=edge.made.machine.id,
                port=PAGE_PORT,
                region=self._region,
                opts=child,
            )
            for index, edge in enumerate(edges, start=1)
        ]
        there = [listener.id, *(each.id for each in reached)]
        return pulumi.Output.all(balancer.dns_name, *there).apply(lambda known: str(known[0]))


def _balanced(group: AwsGroup) -> bool:
    return Role.EDGE in group.roles and group.front is Front.LOAD_BALANCER


def _front_openings(group: AwsGroup) -> list[Opening]:
    return [Opening(port=PAGE_PORT, sources=tuple(map(str, group.open_to)), why="the balancer")]


def _ingress(
    port: int, why: str, *, sources: Sequence[str] = (), groups: Sequence[pulumi.Output[str]] = ()
) -> aws.ec2.SecurityGroupIngressArgs:
    return aws.ec2.SecurityGroupIngressArgs(
        protocol="tcp",
        from_port=port,
        to_port=port,
        cidr_blocks=list(sources) or None,
        security_groups=list(groups) or None,
        description=why,
    )


def _everything(why: str, source: str) -> aws.ec2.SecurityGroupIngressArgs:
    return aws.ec2.SecurityGroupIngressArgs(
        protocol=EVERYTHING, from_port=0, to_port=0, cidr_blocks=[source], description=why
    )


def _tags(name: str) -> dict[str, str]:
    return {"Name": name, "mooring-stack": stack_name()}
