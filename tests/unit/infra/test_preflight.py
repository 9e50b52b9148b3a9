"""Whether this machine can carry the nodes, decided from what was seen of it."""

from ipaddress import IPv4Network
from typing import Any

from infra.preflight import Machine, Wanted, problems

NODES = {"mooring-dev-server-1": 2048, "mooring-dev-server-2": 2048, "mooring-dev-edge-1": 512}


def wanted(**changes: Any) -> Wanted:
    values: dict[str, Any] = {
        "network": IPv4Network("198.18.0.0/24"),
        "network_name": "mooring-dev",
        "port": 8080,
        "nodes": NODES,
        "publisher": "mooring-dev-door",
        "images": (),
        "base_image": None,
    }
    return Wanted(**(values | changes))


def machine(**changes: Any) -> Machine:
    values: dict[str, Any] = {
        "networks": {"bridge": IPv4Network("172.17.0.0/16")},
        "containers": frozenset(),
        "missing_images": (),
        "port_taken": False,
        "memory_mib": 8000,
        "total_memory_mib": 8000,
        "disk_mib": 50_000,
    }
    return Machine(**(values | changes))


def test_a_machine_with_room_is_fine() -> None:
    assert list(problems(wanted(), machine())) == []


def test_an_overlapping_network_is_named_with_a_free_one() -> None:
    found = machine(networks={"office": IPv4Network("198.18.0.0/20")})

    assert list(problems(wanted(), found)) == [
        "mooring:network: 198.18.0.0/24 overlaps 198.18.0.0/20 (office); a free range such as 198.18.16.0/24 would do"
    ]


def test_the_stacks_own_network_is_no_overlap() -> None:
    found = machine(networks={"mooring-dev": IPv4Network("198.18.0.0/24")})

    assert list(problems(wanted(), found)) == []


def test_a_port_that_somebody_else_uses_is_refused() -> None:
    assert list(problems(wanted(), machine(port_taken=True))) == [
        "mooring:port: 8080 is in use on 127.0.0.1; another one would do"
    ]


def test_a_port_that_the_stacks_own_node_publishes_is_fine() -> None:
    found = machine(port_taken=True, containers=frozenset({"mooring-dev-door"}))

    assert list(problems(wanted(), found)) == []


def test_memory_and_disk_are_asked_only_for_nodes_that_do_not_exist() -> None:
    small = {"memory_mib": 700, "disk_mib": 1100}

    assert len(list(problems(wanted(), machine(**small)))) == 2
    assert list(problems(wanted(), machine(**small, containers=frozenset(list(NODES)[:2])))) == []


def test_nodes_that_would_come_up_degraded_are_refused() -> None:
    found = machine(watchers=7)

    (problem,) = problems(wanted(nodes={"mooring-dev-server-1": 512}), found)
    assert problem == (
        "mooring:hosts: 1 new nodes need 8 instances of inotify, 7 are free; "
        "`sysctl -w fs.inotify.max_user_instances=1024` would do"
    )
    assert list(problems(wanted(), machine(watchers=None))) == []


def test_a_node_larger_than_the_machine_is_refused() -> None:
    assert any(
        "may use 2048 MiB, this machine has 1500 MiB" in p for p in problems(wanted(), machine(total_memory_mib=1500))
    )


def test_without_an_engine_nothing_else_is_claimed() -> None:
    assert list(problems(wanted(), Machine.without_engine("connection refused"))) == [
        "no Docker engine answers on this machine (connection refused); `make prepare` installs and starts one"
    ]


def test_an_image_that_no_registry_knows_is_named() -> None:
    found = machine(unknown_image="manifest unknown")

    assert list(problems(wanted(base_image="docker.io/library/nope:1"), found)) == [
        "mooring:baseImage: docker.io/library/nope:1 cannot be had: manifest unknown; local:nodejs would do"
    ]
