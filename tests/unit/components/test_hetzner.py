"""What Hetzner is told, down to each property."""

from typing import Any

from fakes.engine import Engine
from unit.components.clouds import EDGE, NETWORK, OFFICE, SERVER, VISITORS, declared, each, first_boot, told

from components.hosts import Front, HetznerGroup

LABELS = {"mooring-stack": "mooring-dev"}


def servers(count: int = 3, **changes: Any) -> HetznerGroup:
    values: dict[str, Any] = {
        "name": "server",
        "count": count,
        "roles": SERVER,
        "size": "cx33",
        "image": "debian-12",
        "ssh_from": OFFICE,
        "locations": ("fsn1", "nbg1"),
    }
    return HetznerGroup(**(values | changes))


def edges(front: Front, **changes: Any) -> HetznerGroup:
    return servers(**{"name": "edge", "count": 2, "roles": EDGE, "size": "cx23", "front": front} | changes)


def server(name: str, address: str, *, size: str, location: str, apart: str) -> dict[str, Any]:
    group = name.rpartition("-")[0]
    return {
        "name": f"mooring-{name}",
        "serverType": size,
        "image": "debian-12",
        "location": location,
        "userData": first_boot(name, address),
        "sshKeys": ["SshKey hosts-cloud"],
        "firewallIds": [f"#Firewall {group}"],
        "placementGroupId": f"#PlacementGroup {apart}",
        "publicNets": [{"ipv4Enabled": True, "ipv6Enabled": False}],
        "networks": [{"subnetId": "NetworkSubnet hosts-cloud", "ip": address, "aliasIps": []}],
        "shutdownBeforeDeletion": True,
        "labels": LABELS,
    }


def rule(port: int, sources: list[str], why: str) -> dict[str, Any]:
    return {"direction": "in", "protocol": "tcp", "port": str(port), "sourceIps": sources, "description": why}


SHARED = {
    ("Network", "hosts-cloud"): {"name": "mooring-dev", "ipRange": str(NETWORK), "labels": LABELS},
    ("NetworkSubnet", "hosts-cloud"): {
        "networkId": "#Network hosts-cloud",
        "type": "cloud",
        "networkZone": "eu-central",
        "ipRange": str(NETWORK),
    },
    ("SshKey", "hosts-cloud"): {"name": "mooring-dev", "publicKey": "hosts-key.public_key", "labels": LABELS},
}
SSH = rule(22, ["203.0.113.0/24"], "SSH")
SERVERS = {
    ("Server", name): server(name, address, size=size, location=location, apart=f"{name[:-2]}-{location}-1")
    for name, address, size, location in (
        ("dev-server-1", "10.40.0.11", "cx33", "fsn1"),
        ("dev-server-2", "10.40.0.12", "cx33", "nbg1"),
        ("dev-server-3", "10.40.0.13", "cx33", "fsn1"),
        ("dev-edge-1", "10.40.0.61", "cx23", "fsn1"),
        ("dev-edge-2", "10.40.0.62", "cx23", "nbg1"),
    )
}


def placement_groups(*names: str) -> dict[tuple[str, str], dict[str, Any]]:
    return {("PlacementGroup", name): {"name": f"mooring-{name}", "type": "spread", "labels": LABELS} for name in names}


def test_everything_that_is_made_with_nothing_before_the_balancers(engine: Engine) -> None:
    hosts = declared(engine, servers(), edges(Front.NONE, open_to=VISITORS))

    assert told(engine, "hcloud") == {
        **SHARED,
        ("Firewall", "dev-server"): {"name": "mooring-dev-server", "rules": [SSH], "labels": LABELS},
        ("Firewall", "dev-edge"): {
            "name": "mooring-dev-edge",
            "rules": [SSH, rule(80, ["198.51.100.0/24", "192.0.2.0/24"], "the balancer")],
            "labels": LABELS,
        },
        **placement_groups("dev-server-fsn1-1", "dev-server-nbg1-1", "dev-edge-fsn1-1", "dev-edge-nbg1-1"),
        **SERVERS,
    }
    assert [engine.value(host.front) if host.front else None for host in hosts] == [
        *(None, None, None),
        *("dev-edge-1.ipv4Address", "dev-edge-1.ipv4Address"),
    ]


def test_everything_that_is_made_for_a_load_balancer_which_alone_the_world_sees(engine: Engine) -> None:
    hosts = declared(engine, servers(), edges(Front.LOAD_BALANCER))

    assert told(engine, "hcloud") == {
        **SHARED,
        ("Firewall", "dev-server"): {"name": "mooring-dev-server", "rules": [SSH], "labels": LABELS},
        ("Firewall", "dev-edge"): {"name": "mooring-dev-edge", "rules": [SSH], "labels": LABELS},
        **placement_groups("dev-server-fsn1-1", "dev-server-nbg1-1", "dev-edge-fsn1-1", "dev-edge-nbg1-1"),
        **SERVERS,
        ("LoadBalancer", "dev-edge-front"): {
            "name": "mooring-dev-edge-front",
            "loadBalancerType": "lb11",
            "location": "fsn1",
            "labels": LABELS,
        },
        ("LoadBalancerNetwork", "dev-edge-front"): {
            "loadBalancerId": "#LoadBalancer dev-edge-front",
            "subnetId": "NetworkSubnet hosts-cloud",
        },
        ("LoadBalancerService", "dev-edge-front"): {
            "loadBalancerId": "LoadBalancer dev-edge-front",
            "protocol": "tcp",
            "listenPort": 80,
            "destinationPort": 80,
            "healthCheck": {"protocol": "tcp", "port": 80, "interval": 5, "timeout": 3, "retries": 2},
        },
        **{
            ("LoadBalancerTarget", f"dev-edge-front-{index}"): {
                "type": "server",
                "loadBalancerId": "#LoadBalancer dev-edge-front",
                "serverId": f"#Server dev-edge-{index}",
                "usePrivateIp": True,
            }
            for index in (1, 2)
        },
    }
    assert hosts[3].front is not None
    assert engine.value(hosts[3].front) == "dev-edge-front.ipv4"
    assert {"dev-edge-front-1", "dev-edge-front-2"} <= engine.behind(hosts[3].front)


def test_everything_that_is_made_for_a_floating_address(engine: Engine) -> None:
    hosts = declared(engine, servers(), edges(Front.FLOATING))

    made = told(engine, "hcloud")
    assert {key: said for key, said in made.items() if key[1] == "dev-edge-front"} == {
        ("FloatingIp", "dev-edge-front"): {
            "name": "mooring-dev-edge-front",
            "type": "ipv4",
            "homeLocation": "fsn1",
            "labels": LABELS,
        },
        ("FloatingIpAssignment", "dev-edge-front"): {
            "floatingIpId": "#FloatingIp dev-edge-front",
            "serverId": "#Server dev-edge-1",
        },
    }
    assert made["Firewall", "dev-edge"]["rules"] == [SSH, rule(80, ["0.0.0.0/0"], "the balancer")]
    assert hosts[3].front is not None
    assert engine.value(hosts[3].front) == "dev-edge-front.ipAddress"
    # Whichever host it is given to, it answers.
    assert {"dev-edge-1-floating-unit", "dev-edge-2-floating-unit"} <= engine.behind(hosts[3].front)
    (file,) = each(engine, "Files")[-1].inputs["files"].values()
    assert "ExecStart=/usr/sbin/ip address replace dev-edge-front.ipAddress/32 dev lo" in file["content"].splitlines()


def test_a_living_server_keeps_what_it_was_born_with(engine: Engine) -> None:
    """Each of these would replace or restart every server of the stack in the same moment."""
    declared(engine, servers(), edges(Front.NONE))

    for found in each(engine, "Server"):
        assert set(found.ignore_changes) == {
            *("image", "userData", "serverType", "location", "sshKeys", "placementGroupId")
        }
        assert found.deleted_before_replaced  # the next one has its name and its address
        assert found.secret_outputs == ("userData",)


def test_no_placement_group_has_more_servers_than_it_may(engine: Engine) -> None:
    declared(engine, servers(count=23))

    groups = [server["placementGroupId"] for (type_, _), server in told(engine, "hcloud").items() if type_ == "Server"]
    assert {name: groups.count(name) for name in groups} == {
        "#PlacementGroup dev-server-fsn1-1": 10,
        "#PlacementGroup dev-server-nbg1-1": 10,
        "#PlacementGroup dev-server-fsn1-2": 2,
        "#PlacementGroup dev-server-nbg1-2": 1,
    }
