"""How components say that hosts are reached through SSH alone, and that they say nothing where it is not so."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pulumi
from fakes.engine import Engine

from components.access import ways_in
from components.consul import ConsulCluster
from components.hosts import Host
from components.image import Image
from components.registry import Registry
from components.timings import timings
from mooring.plugin.wire import is_secret, plain

Laid = Callable[[], Any]


PACE = timings([], clients=3)


def declare(ground: Laid, *, behind: Callable[[Host], bool]) -> None:
    """Consul and the registries on three servers and an edge."""
    laid = ground()
    hosts = [replace(host, behind_ssh=behind(host)) for host in laid.hosts.every]
    ConsulCluster(
        "consul",
        hosts=hosts,
        authority=laid.authority.consul,
        datacenter="dc1",
        version="1.13.9",
        timings=PACE,
        goes_with=laid.hosts.goes_with,
    )
    registry = Registry(
        "registry",
        on=hosts[:2],
        builder=hosts[0],
        hosts=hosts,
        authority=laid.authority.registry,
        identity=laid.hosts.identity,
    )
    Image("hello", context="../apps/hello", base="local:nodejs", registry=registry.access)


def endpoints(engine: Engine) -> dict[str, Any]:
    """Whatever says how a server is reached, by the resource's name."""
    found: dict[str, Any] = {}
    for each in engine.declared.values():
        inputs: dict[str, Any] = each.inputs
        if each.type == "mooring:registry:Copies":
            found[each.name] = inputs
        elif "endpoint" in inputs:
            found[each.name] = inputs["endpoint"]
        elif "member" in inputs:
            found[each.name] = inputs["member"]["endpoint"]
    assert {"consul", "hello-copies", "consul-dev-edge-1", "consul-status-token"} <= found.keys()
    return found


def test_what_is_reached_as_it_is_has_no_ways_in_its_state(engine: Engine, ground: Laid) -> None:
    engine.run(lambda: declare(ground, behind=lambda _: False))

    assert [name for name, endpoint in endpoints(engine).items() if "through" in endpoint] == []


def test_each_address_has_its_way_and_the_key_is_said_once_and_is_a_secret(engine: Engine, ground: Laid) -> None:
    engine.run(lambda: declare(ground, behind=lambda _: True))

    for name, endpoint in endpoints(engine).items():
        ways = endpoint["through"]
        addresses = plain(endpoint.get("addresses") or endpoint["registries"])
        assert [way["to"] for way in ways] == [address.partition(":")[0] for address in addresses], name
        assert [is_secret(way.get("private_key")) for way in ways] == [True, *[False] * (len(ways) - 1)], name
        assert "private_key" not in ways[1], name
    assert list(engine.told()) == []


def test_two_ways_to_one_cluster_would_be_one_too_many(engine: Engine, ground: Laid) -> None:
    engine.run(lambda: declare(ground, behind=lambda host: host.name == "dev-server-3"))

    assert len(endpoints(engine)["consul"]["through"]) == 3
    assert "through" not in endpoints(engine)["hello-copies"]


def test_a_key_of_its_own_is_said_by_each(engine: Engine, ground: Laid) -> None:
    def keys() -> list[bool]:
        hosts = [replace(host, behind_ssh=True) for host in ground().hosts.every[:3]]
        own = {**hosts[1].connection, "private_key": pulumi.Output.secret("another")}
        return ["private_key" in way for way in ways_in([hosts[0], replace(hosts[1], connection=own), hosts[2]])]

    assert engine.run(keys) == [True, True, True]
