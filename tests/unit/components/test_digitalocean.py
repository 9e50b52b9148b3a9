"""What DigitalOcean is told, down to each property."""

from typing import Any

import pytest
from fakes.engine import Engine
from unit.components.clouds import EDGE, NETWORK, OFFICE, SERVER, VISITORS, Made, declared, each, first_boot, told

from components.hosts import DigitalOceanGroup, Front, HetznerGroup


def servers(**changes: Any) -> DigitalOceanGroup:
    values: dict[str, Any] = {
        "name": "server",
        "count": 3,
        "roles": SERVER,
        "size": "s-2vcpu-4gb",
        "image": "debian-12-x64",
        "ssh_from": OFFICE,
        "region": "fra1",
    }
    return DigitalOceanGroup(**(values | changes))


def edges(front: Front, **changes: Any) -> DigitalOceanGroup:
    return servers(**{"name": "edge", "count": 2, "roles": EDGE, "size": "s-1vcpu-2gb", "front": front} | changes)


def inbound(protocol: str, ports: str | None, sources: list[str]) -> dict[str, Any]:
    said = {"protocol": protocol, "portRange": ports, "sourceAddresses": sources}
    return {key: value for key, value in said.items() if value is not None}


SSH = inbound("tcp", "22", ["203.0.113.0/24"])
AMONG = [inbound(protocol, ports, [str(NETWORK)]) for protocol, ports in (("tcp", "1-65535"), ("udp", "1-65535"))]
AMONG.append(inbound("icmp", None, [str(NETWORK)]))


def firewall(name: str, *rules: dict[str, Any]) -> Made:
    everywhere = ["0.0.0.0/0", "::/0"]
    return {
        ("Firewall", name): {
            "name": f"mooring-{name}",
            "tags": [f"mooring-{name}"],
            "inboundRules": [*rules, *AMONG],
            "outboundRules": [
                {"protocol": "tcp", "portRange": "1-65535", "destinationAddresses": everywhere},
                {"protocol": "udp", "portRange": "1-65535", "destinationAddresses": everywhere},
                {"protocol": "icmp", "destinationAddresses": everywhere},
            ],
        },
        ("Tag", name): {"name": f"mooring-{name}"},
    }


SHARED: Made = {
    ("Vpc", "hosts-cloud"): {"name": "mooring-dev", "region": "fra1", "ipRange": str(NETWORK)},
    ("SshKey", "hosts-cloud"): {"name": "mooring-dev", "publicKey": "hosts-key.public_key"},
    **{
        ("Droplet", name): {
            "name": f"mooring-{name}",
            "image": "debian-12-x64",
            "size": size,
            "region": "fra1",
            "vpcUuid": "hosts-cloud-id",
            "sshKeys": ["hosts-cloud-id"],
            "tags": [f"mooring-{name.rpartition('-')[0]}"],
            "userData": first_boot(name, "127.0.1.1"),
            "ipv6": False,
            "dropletAgent": False,
            "gracefulShutdown": True,
        }
        for name, size in (
            ("dev-server-1", "s-2vcpu-4gb"),
            ("dev-server-2", "s-2vcpu-4gb"),
            ("dev-server-3", "s-2vcpu-4gb"),
            ("dev-edge-1", "s-1vcpu-2gb"),
            ("dev-edge-2", "s-1vcpu-2gb"),
        )
    },
}
PAGE = ["198.51.100.0/24", "192.0.2.0/24"]


def test_everything_that_is_made_with_nothing_before_the_balancers(engine: Engine) -> None:
    hosts = declared(engine, servers(), edges(Front.NONE, open_to=VISITORS))

    assert told(engine, "digitalocean") == {
        **SHARED,
        **firewall("dev-server", SSH),
        **firewall("dev-edge", SSH, inbound("tcp", "80", PAGE)),
    }
    assert [engine.value(host.front) if host.front else None for host in hosts] == [
        *(None, None, None),
        *("dev-edge-1.ipv4Address", "dev-edge-1.ipv4Address"),
    ]
    assert [engine.value(host.address) for host in hosts][:2] == [
        "dev-server-1.ipv4AddressPrivate",
        "dev-server-2.ipv4AddressPrivate",
    ]


@pytest.mark.parametrize(
    ("sources", "held"),
    [
        ({}, {}),
        ({"open_to": VISITORS}, {"firewall": {"allows": ["cidr:198.51.100.0/24", "cidr:192.0.2.0/24"]}}),
    ],
    ids=["everybody", "some"],
)
def test_everything_that_is_made_for_a_load_balancer_which_alone_the_world_sees(
    engine: Engine, sources: dict[str, Any], held: dict[str, Any]
) -> None:
    hosts = declared(engine, servers(), edges(Front.LOAD_BALANCER, **sources))

    assert told(engine, "digitalocean") == {
        **SHARED,
        **firewall("dev-server", SSH),
        **firewall("dev-edge", SSH),
        ("LoadBalancer", "dev-edge-front"): {
            "name": "mooring-dev-edge-front",
            "region": "fra1",
            "vpcUuid": "hosts-cloud-id",
            "sizeUnit": 1,
            "forwardingRules": [
                {"entryProtocol": "tcp", "entryPort": 80, "targetProtocol": "tcp", "targetPort": 80},
            ],
            "healthcheck": {
                "protocol": "tcp",
                "port": 80,
                "checkIntervalSeconds": 5,
                "responseTimeoutSeconds": 3,
                "healthyThreshold": 2,
                "unhealthyThreshold": 2,
            },
            "dropletIds": ["#Droplet dev-edge-1", "#Droplet dev-edge-2"],
            **held,
        },
    }
    assert hosts[3].front is not None
    assert engine.value(hosts[3].front) == "dev-edge-front.ip"


def test_everything_that_is_made_for_a_floating_address(engine: Engine) -> None:
    hosts = declared(engine, servers(), edges(Front.FLOATING))

    assert told(engine, "digitalocean") == {
        **SHARED,
        **firewall("dev-server", SSH),
        **firewall("dev-edge", SSH, inbound("tcp", "80", ["0.0.0.0/0"])),
        ("ReservedIp", "dev-edge-front"): {"region": "fra1"},
        ("ReservedIpAssignment", "dev-edge-front"): {
            "ipAddress": "dev-edge-front.ipAddress",
            "dropletId": "#Droplet dev-edge-1",
        },
    }
    assert hosts[3].front is not None
    assert engine.value(hosts[3].front) == "dev-edge-front.ipAddress"
    assert engine.one("digitalocean:index/reservedIpAssignment:ReservedIpAssignment", "dev-edge-front").name in (
        engine.behind(hosts[3].front)
    )


def test_a_living_droplet_keeps_what_it_was_born_with(engine: Engine) -> None:
    """Each of these would replace or restart every droplet of the stack in the same moment."""
    declared(engine, servers(), edges(Front.NONE))

    for found in each(engine, "Droplet"):
        assert set(found.ignore_changes) == {"userData", "image", "size", "sshKeys", "dropletAgent"}
        assert found.deleted_before_replaced
        assert found.secret_outputs == ("userData",)


def test_a_droplet_is_behind_its_firewall_from_its_first_moment_on(engine: Engine) -> None:
    declared(engine, servers())

    for found in each(engine, "Droplet"):
        assert "Firewall" in {before.type.rpartition(":")[2] for before in engine.before(found.urn)}


def test_a_group_of_another_provider_is_no_host_of_digitaloceans(engine: Engine) -> None:
    other = HetznerGroup(name="web", count=1, roles=SERVER, size="", image="", ssh_from=OFFICE, locations=("fsn1",))

    with pytest.raises(TypeError, match="group web: hosts of kind hetzner share no network with DigitalOcean's"):
        declared(engine, servers(), other)
