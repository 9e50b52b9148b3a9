"""Where hosts go in the stack's network, for the kinds whose hosts take their addresses from it."""

from collections.abc import Sequence
from ipaddress import IPv4Network

from components.hosts.host import Group

BLOCK = 50
"""Addresses kept for each group: a group that grows must not move the hosts of the next one."""

FIRST = 11
"""The first host's place in the network; the bridge and whatever else a person puts there come before it."""

FLOATING = FIRST - 1
"""The place of the address that whichever load balancer serves holds."""

DOOR = FIRST - 2
"""The place of what leads from a port of the user's loopback to that address."""


def addresses(groups: Sequence[Group], cidr: IPv4Network) -> dict[str, list[str]]:
    """The addresses of every group's hosts: each group has a block of its own."""
    return {
        group.name: [str(cidr[FIRST + BLOCK * place + i]) for i in range(group.count)]
        for place, group in enumerate(groups)
    }


def capacity(groups: Sequence[Group]) -> int:
    """How many addresses a network must have for these groups, its first and last included."""
    return FIRST + BLOCK * (len(groups) - 1) + groups[-1].count + 1
