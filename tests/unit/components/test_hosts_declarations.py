"""What local nodes are declared as, and when one can be used."""

from collections.abc import Callable
from typing import Any

import pulumi
import pytest
from fakes.engine import Engine

from components.hosts import Hosts

CONTAINER = "docker:index/container:Container"
NAMES = ["dev-edge-1", "dev-server-1", "dev-server-2", "dev-server-3"]


@pytest.fixture
def hosts(engine: Engine, ground: Callable[[], Any]) -> Hosts:
    made: Hosts = engine.run(ground).hosts
    return made


def test_one_container_per_host_and_one_key_for_each(engine: Engine, hosts: Hosts) -> None:
    assert engine.names(CONTAINER) == [*NAMES, "platform-door"]
    assert engine.names("mooring:ssh:KeyPair") == sorted(["hosts-key", *(f"{name}-host-key" for name in NAMES)])
    assert sorted(host.name for host in hosts.every) == NAMES


def test_a_node_has_its_own_address_and_says_whose_it_is(engine: Engine, hosts: Hosts) -> None:
    del hosts
    containers = [found for found in engine.of(CONTAINER) if found.name != "platform-door"]

    assert len({found.inputs["networksAdvanced"][0]["ipv4Address"] for found in containers}) == len(NAMES)
    for found in containers:
        labels = {label["label"]: label["value"] for label in found.inputs["labels"]}
        assert labels == {"org.mooring.stack": "mooring/dev", "org.mooring.host": found.name}


def test_no_node_has_a_port_of_this_machine_which_would_die_with_it(engine: Engine, hosts: Hosts) -> None:
    del hosts
    published = {found.name: found.inputs["ports"] for found in engine.of(CONTAINER) if "ports" in found.inputs}

    assert published == {"platform-door": [{"internal": 8080, "external": 8080, "ip": "127.0.0.1"}]}


def test_no_node_is_privileged(engine: Engine, hosts: Hosts) -> None:
    del hosts
    for found in engine.of(CONTAINER):
        assert "privileged" not in found.inputs
        assert found.inputs["capabilities"]["drops"] == ["ALL"]
        assert not {"CAP_SYS_RESOURCE", "CAP_SYS_MODULE", "CAP_BPF"} & set(found.inputs["capabilities"].get("adds", []))


def test_a_new_machine_image_replaces_no_node(engine: Engine, hosts: Hosts) -> None:
    """All servers would go at once."""
    del hosts
    assert all("image" in found.ignore_changes for found in engine.of(CONTAINER))


def test_the_way_in_exists_only_once_the_node_has_booted(engine: Engine, hosts: Hosts) -> None:
    host = hosts.every[0]
    address = host.connection["address"]

    assert isinstance(address, pulumi.Output)
    assert {"dev-server-1", "dev-server-1-ready"} <= engine.behind(address)
    assert "dev-server-1-ready" not in engine.behind(host.address)


def test_the_network_goes_after_every_node(engine: Engine, hosts: Hosts) -> None:
    network = engine.one("docker:index/network:Network", "platform")

    assert engine.value(hosts.goes_with.urn) == network.urn
    for found in engine.of(CONTAINER):
        assert network in engine.before(found.urn)
