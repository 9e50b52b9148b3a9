"""Whether this machine can carry the virtual machines, decided from what was seen of it."""

from ipaddress import IPv4Network
from typing import Any

from infra.virtual_machines import Demand, Supply, lacking

MACHINES = {"mooring-vm-server-1": 1536, "mooring-vm-server-2": 1536}


def demand(**changes: Any) -> Demand:
    values: dict[str, Any] = {
        "stack": "vm",
        "network": IPv4Network("198.18.3.0/24"),
        "network_name": "mooring-vm",
        "machines": MACHINES,
        "own_disk": True,
        "local_nodes": False,
    }
    return Demand(**(values | changes))


def supply(**changes: Any) -> Supply:
    values: dict[str, Any] = {
        "routes": {"eth0": IPv4Network("192.0.2.0/24")},
        "memory_mib": 8000,
        "disk_mib": 50_000,
    }
    return Supply(**(values | changes))


def test_a_machine_with_everything_is_fine() -> None:
    assert list(lacking(demand(), supply())) == []


def test_everything_that_is_missing_is_said_at_once() -> None:
    bare = supply(missing_packages=("libvirt-clients", "qemu-utils"), libvirt="nobody", memory_mib=1000, disk_mib=1000)

    assert list(lacking(demand(), bare)) == [
        "virtual machines need libvirt-clients, qemu-utils, which is not here; `make prepare STACK=vm` installs it",
        (
            "mooring:hosts: 2 new virtual machines take 3472 MiB of memory, 1000 MiB are available; fewer or smaller "
            "ones would do"
        ),
        (
            "mooring:hosts: 2 new virtual machines need about 3072 MiB of disk, 1000 MiB are free at "
            "/var/lib/libvirt/images"
        ),
    ]


def test_a_libvirt_that_does_not_answer_is_told_with_what_starts_it() -> None:
    assert list(lacking(demand(), supply(libvirt="no socket"))) == [
        "virtual machines need libvirt: no socket; `make prepare STACK=vm` starts it, or says what would"
    ]


def test_memory_and_disk_are_asked_only_for_machines_that_do_not_exist() -> None:
    small = {"memory_mib": 1800, "disk_mib": 2100}

    assert len(list(lacking(demand(), supply(**small)))) == 2
    assert list(lacking(demand(), supply(**small, machines=frozenset({"mooring-vm-server-1"})))) == []


def test_a_missing_disk_matters_only_to_machines_that_start_from_it() -> None:
    without = supply(disk="it was not made yet")

    assert list(lacking(demand(), without)) == ["it was not made yet"]
    assert list(lacking(demand(own_disk=False), without)) == []


def test_a_range_that_this_machine_is_in_is_refused_unless_it_is_the_stacks_own() -> None:
    taken = {"virbr0": IPv4Network("198.18.0.0/16")}

    assert list(lacking(demand(), supply(routes=taken))) == [
        "mooring:network: 198.18.3.0/24 overlaps 198.18.0.0/16 (virbr0); another range would do"
    ]
    assert list(lacking(demand(), supply(routes=taken, networks=frozenset({"mooring-vm"})))) == []


def test_local_nodes_beside_virtual_machines_are_refused() -> None:
    (problem,) = lacking(demand(local_nodes=True), supply())

    assert problem.startswith("mooring:hosts: local nodes and virtual machines have no network in common yet")


def test_an_accelerator_that_could_not_be_found_out_is_told() -> None:
    (problem,) = lacking(demand(), supply(accelerator="this user may not open /dev/kvm"))

    assert problem == "mooring:hosts: accelerator auto: this user may not open /dev/kvm"
