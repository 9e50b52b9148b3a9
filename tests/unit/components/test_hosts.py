"""Where hosts go."""

from ipaddress import IPv4Network

from components.hosts import Group, LocalGroup, Role
from components.hosts.addresses import addresses, capacity

NETWORK = IPv4Network("198.18.0.0/24")


def group(name: str, count: int, *roles: Role) -> Group:
    return LocalGroup(name=name, count=count, roles=frozenset(roles or {Role.CLIENT}), memory_mib=1024)


def test_a_group_that_grows_leaves_the_next_one_where_it_is() -> None:
    before = addresses([group("server", 3), group("edge", 1)], NETWORK)
    after = addresses([group("server", 5), group("edge", 1)], NETWORK)

    assert before["edge"] == after["edge"]
    assert before["server"] == after["server"][:3]


def test_no_two_hosts_share_an_address() -> None:
    every = [
        a for block in addresses([group("a", 49), group("b", 49), group("c", 49)], NETWORK).values() for a in block
    ]

    assert len(set(every)) == len(every)


def test_the_capacity_covers_every_address_and_the_broadcast() -> None:
    groups = [group("a", 3), group("b", 2)]

    last = int(addresses(groups, NETWORK)["b"][-1].split(".")[-1])
    assert capacity(groups) == last + 2
