"""What Amazon is told, down to each property."""

from ipaddress import IPv4Network
from typing import Any

import pytest
from fakes.engine import Engine
from unit.components.clouds import EDGE, NETWORK, OFFICE, SERVER, VISITORS, Made, declared, each, first_boot, told

from components.hosts import AwsGroup, Front, HetznerGroup
from components.hosts.cloud import part, within

REGION = "eu-central-1"
AMI = "ami-0123456789abcdef0"
VPC = "Vpc hosts-cloud-id"


def servers(count: int = 3, **changes: Any) -> AwsGroup:
    values: dict[str, Any] = {
        "name": "server",
        "count": count,
        "roles": SERVER,
        "size": "t3.medium",
        "image": AMI,
        "ssh_from": OFFICE,
        "zones": ("eu-central-1c", "eu-central-1a"),
        "disk_gib": 40,
    }
    return AwsGroup(**(values | changes))


def edges(front: Front, **changes: Any) -> AwsGroup:
    values: dict[str, Any] = {"name": "edge", "count": 2, "roles": EDGE, "size": "t3.small", "front": front}
    return servers(**(values | {"disk_gib": 20} | changes))


def tags(name: str) -> dict[str, str]:
    return {"Name": name, "mooring-stack": "mooring-dev"}


def ingress(port: int, why: str, **source: list[str]) -> dict[str, Any]:
    return {"protocol": "tcp", "fromPort": port, "toPort": port, "description": why, **source}


SSH = ingress(22, "SSH", cidrBlocks=["203.0.113.0/24"])
AMONG = {"protocol": "-1", "fromPort": 0, "toPort": 0, "cidrBlocks": [str(NETWORK)], "description": "the network"}


def security_group(name: str, *rules: dict[str, Any]) -> Made:
    return {
        ("SecurityGroup", name): {
            "name": f"mooring-{name}",
            "description": "What is let in",
            "vpcId": VPC,
            "ingress": list(rules),
            "egress": [
                {
                    "protocol": "-1",
                    "fromPort": 0,
                    "toPort": 0,
                    "cidrBlocks": ["0.0.0.0/0"],
                    "description": "everything",
                }
            ],
            "region": REGION,
            "tags": tags(f"mooring-{name}"),
        }
    }


def placement_groups(*names: str) -> Made:
    return {
        ("PlacementGroup", name): {
            "name": f"mooring-{name}",
            "strategy": "spread",
            "region": REGION,
            "tags": tags(f"mooring-{name}"),
        }
        for name in names
    }


def instance(name: str, address: str, zone: str, size: str, disk: int) -> dict[str, Any]:
    group = name.rpartition("-")[0]
    return {
        "ami": AMI,
        "instanceType": size,
        "subnetId": f"Subnet hosts-cloud-{zone}-id",
        "privateIp": address,
        "associatePublicIpAddress": True,
        "vpcSecurityGroupIds": [f"SecurityGroup {group}-id"],
        "placementGroup": f"mooring-{group}-1",
        "userData": first_boot(name, address),
        "userDataReplaceOnChange": False,
        "metadataOptions": {"httpEndpoint": "enabled", "httpTokens": "required", "httpPutResponseHopLimit": 1},
        "rootBlockDevice": {"volumeType": "gp3", "volumeSize": disk, "encrypted": True, "deleteOnTermination": True},
        "region": REGION,
        "tags": tags(f"mooring-{name}"),
    }


SHARED: Made = {
    ("Vpc", "hosts-cloud"): {
        "cidrBlock": str(NETWORK),
        "enableDnsSupport": True,
        "enableDnsHostnames": True,
        "region": REGION,
        "tags": tags("mooring-dev"),
    },
    ("InternetGateway", "hosts-cloud"): {"vpcId": VPC, "region": REGION, "tags": tags("mooring-dev")},
    ("RouteTable", "hosts-cloud"): {
        "vpcId": VPC,
        "routes": [{"cidrBlock": "0.0.0.0/0", "gatewayId": "InternetGateway hosts-cloud-id"}],
        "region": REGION,
        "tags": tags("mooring-dev"),
    },
    **{
        ("Subnet", f"hosts-cloud-{zone}"): {
            "vpcId": VPC,
            "availabilityZone": zone,
            "cidrBlock": cidr,
            "region": REGION,
            "tags": tags(f"mooring-dev-{zone}"),
        }
        for zone, cidr in (("eu-central-1a", "10.40.0.0/19"), ("eu-central-1c", "10.40.64.0/19"))
    },
    **{
        ("RouteTableAssociation", f"hosts-cloud-{zone}"): {
            "subnetId": f"Subnet hosts-cloud-{zone}-id",
            "routeTableId": "RouteTable hosts-cloud-id",
            "region": REGION,
        }
        for zone in ("eu-central-1a", "eu-central-1c")
    },
}
INSTANCES: Made = {
    ("Instance", name): instance(name, address, zone, size, disk)
    for name, address, zone, size, disk in (
        ("dev-server-1", "10.40.64.11", "eu-central-1c", "t3.medium", 40),
        ("dev-server-2", "10.40.0.12", "eu-central-1a", "t3.medium", 40),
        ("dev-server-3", "10.40.64.13", "eu-central-1c", "t3.medium", 40),
        ("dev-edge-1", "10.40.64.61", "eu-central-1c", "t3.small", 20),
        ("dev-edge-2", "10.40.0.62", "eu-central-1a", "t3.small", 20),
    )
}
PAGE = ["198.51.100.0/24", "192.0.2.0/24"]


def test_everything_that_is_made_with_nothing_before_the_balancers(engine: Engine) -> None:
    hosts = declared(engine, servers(), edges(Front.NONE, open_to=VISITORS))

    assert told(engine, "aws") == {
        **SHARED,
        **security_group("dev-server", SSH, AMONG),
        **security_group("dev-edge", SSH, ingress(80, "the balancer", cidrBlocks=PAGE), AMONG),
        **placement_groups("dev-server-1", "dev-edge-1"),
        **INSTANCES,
    }
    assert [engine.value(host.front) if host.front else None for host in hosts] == [
        *(None, None, None),
        *("Instance dev-edge-1.publicIp", "Instance dev-edge-1.publicIp"),
    ]
    assert [engine.value(host.address) for host in hosts] == [made["privateIp"] for made in INSTANCES.values()]


def test_everything_that_is_made_for_a_load_balancer_which_alone_the_world_sees(engine: Engine) -> None:
    hosts = declared(engine, servers(), edges(Front.LOAD_BALANCER, open_to=VISITORS))
    balancer = {"region": REGION, "tags": tags("mooring-dev-edge-front")}

    assert told(engine, "aws") == {
        **SHARED,
        **security_group("dev-server", SSH, AMONG),
        **security_group("dev-edge-front", ingress(80, "the balancer", cidrBlocks=PAGE)),
        **security_group(
            "dev-edge",
            SSH,
            ingress(80, "the load balancer", securityGroups=["SecurityGroup dev-edge-front-id"]),
            AMONG,
        ),
        **placement_groups("dev-server-1", "dev-edge-1"),
        **INSTANCES,
        ("LoadBalancer", "dev-edge-front"): {
            "name": "mooring-dev-edge-front",
            "loadBalancerType": "network",
            "internal": False,
            "securityGroups": ["SecurityGroup dev-edge-front-id"],
            "subnets": ["Subnet hosts-cloud-eu-central-1a-id", "Subnet hosts-cloud-eu-central-1c-id"],
            "enableCrossZoneLoadBalancing": True,
            **balancer,
        },
        ("TargetGroup", "dev-edge-front"): {
            "name": "mooring-dev-edge-front",
            "port": 80,
            "protocol": "TCP",
            "targetType": "instance",
            "vpcId": VPC,
            "deregistrationDelay": 30,
            "healthCheck": {"protocol": "TCP", "interval": 5, "healthyThreshold": 2, "unhealthyThreshold": 2},
            **balancer,
        },
        ("Listener", "dev-edge-front"): {
            "loadBalancerArn": "LoadBalancer dev-edge-front.arn",
            "port": 80,
            "protocol": "TCP",
            "defaultActions": [{"type": "forward", "targetGroupArn": "TargetGroup dev-edge-front.arn"}],
            **balancer,
        },
        **{
            ("TargetGroupAttachment", f"dev-edge-front-{index}"): {
                "targetGroupArn": "TargetGroup dev-edge-front.arn",
                "targetId": f"Instance dev-edge-{index}-id",
                "port": 80,
                "region": REGION,
            }
            for index in (1, 2)
        },
    }
    assert hosts[3].front is not None
    assert engine.value(hosts[3].front) == "LoadBalancer dev-edge-front.dnsName"
    assert {"dev-edge-front-1", "dev-edge-front-2"} <= engine.behind(hosts[3].front)


def test_everything_that_is_made_for_a_floating_address(engine: Engine) -> None:
    hosts = declared(engine, servers(), edges(Front.FLOATING))

    made = told(engine, "aws")
    assert {key: said for key, said in made.items() if key[0].startswith("Eip")} == {
        ("Eip", "dev-edge-front"): {"domain": "vpc", "region": REGION, "tags": tags("mooring-dev-edge-front")},
        ("EipAssociation", "dev-edge-1"): {
            "allocationId": "Eip dev-edge-front.allocationId",
            "instanceId": "Instance dev-edge-1-id",
            "region": REGION,
        },
    }
    assert made["SecurityGroup", "dev-edge"]["ingress"] == [
        SSH,
        ingress(80, "the balancer", cidrBlocks=["0.0.0.0/0"]),
        AMONG,
    ]
    assert hosts[3].front is not None
    assert engine.value(hosts[3].front) == "Eip dev-edge-front.publicIp"
    # The instance's own public address is taken from it in that moment: whoever comes by SSH waits for the other.
    assert [engine.value(host.connection["address"]) for host in hosts[3:]] == [
        "Eip dev-edge-front.publicIp",
        "Instance dev-edge-2.publicIp",
    ]
    assert engine.one("aws:ec2/eipAssociation:EipAssociation", "dev-edge-1") in engine.before(
        engine.one("mooring:host:Host", "dev-edge-1-ready").urn
    )


def test_a_living_instance_keeps_what_it_was_born_with(engine: Engine) -> None:
    """Each of these would replace or restart every instance of the stack in the same moment."""
    declared(engine, servers(), edges(Front.NONE))

    for found in each(engine, "Instance"):
        assert set(found.ignore_changes) == {
            *("ami", "associatePublicIpAddress", "instanceType", "placementGroup", "privateIp", "rootBlockDevice"),
            *("subnetId", "userData", "userDataReplaceOnChange"),
        }
        assert found.deleted_before_replaced  # the next one has its address
        assert found.secret_outputs == ("userData",)


def test_an_instance_boots_when_there_is_a_way_out_for_its_packages(engine: Engine) -> None:
    declared(engine, servers())

    for found in each(engine, "Instance"):
        assert {"RouteTableAssociation"} <= {before.type.rpartition(":")[2] for before in engine.before(found.urn)}


def test_no_placement_group_has_more_instances_in_a_zone_than_it_may(engine: Engine) -> None:
    declared(engine, servers(count=17))

    found = [(said["placementGroup"], said["subnetId"]) for key, said in told(engine, "aws").items() if "ami" in said]
    assert max(found.count(each) for each in found) == 7
    assert {name for name, _ in found} == {"mooring-dev-server-1", "mooring-dev-server-2"}


def test_a_zone_has_its_part_of_the_network_whichever_others_are_used() -> None:
    cidr = IPv4Network("10.40.0.0/16")

    assert [str(part(cidr, f"eu-central-1{letter}")) for letter in "abh"] == [
        "10.40.0.0/19",
        "10.40.32.0/19",
        "10.40.224.0/19",
    ]
    assert within("10.40.0.61", cidr, "eu-central-1b") == "10.40.32.61"


def test_a_group_of_another_provider_is_no_host_of_amazons(engine: Engine) -> None:
    other = HetznerGroup(name="web", count=1, roles=SERVER, size="", image="", ssh_from=OFFICE, locations=("fsn1",))

    with pytest.raises(TypeError, match="group web: hosts of kind hetzner share no network with Amazon's"):
        declared(engine, servers(), other)
