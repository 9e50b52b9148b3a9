"""Cloud hosts, as far as nothing has to be asked of a provider: what a group says, and what follows from it."""

import platform
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from ipaddress import IPv4Address, IPv4Network

from components.hosts.host import Group, Role

PAGE_PORT = 80
"""What a balancer serves at."""

SSH_PORT = 22
EVERYBODY = IPv4Network("0.0.0.0/0")

HETZNER_ZONES = {
    "fsn1": "eu-central",
    "nbg1": "eu-central",
    "hel1": "eu-central",
    "ash": "us-east",
    "hil": "us-west",
    "sin": "ap-southeast",
}
"""Hetzner's locations, with the zone that a network of theirs cannot leave."""

AWS_ZONE = r"^[a-z]{2}(-[a-z]+)+-[0-9][a-h]$"
AWS_PARTS = 8
"""A network of AWS's is cut into so many subnets, one for each letter that a zone may have: none moves when another is
used as well."""

DIGITALOCEAN_OWN = tuple(IPv4Network(f"10.{part}.0.0/16") for part in (229, 244, 245, 246))
"""What DigitalOcean has in every data centre itself."""


class Front(StrEnum):
    """What stands before the balancers of a group."""

    NONE = "none"
    FLOATING = "floating"
    """An address that outlives the host that has it."""

    LOAD_BALANCER = "loadBalancer"
    """The provider's own."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CloudGroup(Group):
    size: str
    """The provider's own name for it."""

    image: str
    ssh_from: tuple[IPv4Network, ...]
    open_to: tuple[IPv4Network, ...] = (EVERYBODY,)
    """Who may come to the balancers."""

    front: Front = Front.NONE


@dataclass(frozen=True, kw_only=True, slots=True)
class HetznerGroup(CloudGroup):
    kind: str = "hetzner"
    locations: tuple[str, ...]
    """The first host goes to the first, the next one to the next, and so round."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AwsGroup(CloudGroup):
    kind: str = "aws"
    zones: tuple[str, ...]
    """As Hetzner's locations."""

    disk_gib: int


@dataclass(frozen=True, kw_only=True, slots=True)
class DigitalOceanGroup(CloudGroup):
    kind: str = "digitalocean"
    region: str
    """A data centre. There are no zones in it, and a network does not leave it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Opening:
    """A port that somebody outside of the network may come to."""

    port: int
    sources: tuple[str, ...]
    why: str


def openings(group: CloudGroup) -> list[Opening]:
    """All that a host of the group shows to the outside; a provider's load balancer comes in by the network."""
    found = [Opening(port=SSH_PORT, sources=_texts(group.ssh_from), why="SSH")]
    if Role.EDGE in group.roles and group.front is not Front.LOAD_BALANCER:
        found.append(Opening(port=PAGE_PORT, sources=_texts(group.open_to), why="the balancer"))
    return found


def spread(count: int, places: Sequence[str]) -> list[tuple[str, int]]:
    """For each host its place, and how many of the group are there before it."""
    return [(places[i % len(places)], i // len(places)) for i in range(count)]


def part(cidr: IPv4Network, zone: str) -> IPv4Network:
    """The part of the network that a zone of AWS's has, whichever others are used: the one of its letter."""
    parts = list(cidr.subnets(prefixlen_diff=AWS_PARTS.bit_length() - 1))
    return parts[ord(zone[-1]) - ord("a")]


def within(address: str, cidr: IPv4Network, zone: str) -> str:
    """The address that has the same place in the zone's part as `address` has in the whole network."""
    return str(part(cidr, zone)[int(IPv4Address(address)) - int(cidr.network_address)])


def short(name: str, most: int) -> str:
    """The name, or its beginning with a digest of the whole where a provider allows no more than `most` characters."""
    if len(name) <= most:
        return name
    return f"{name[: most - 9]}-{sha256(name.encode()).hexdigest()[:8]}"


def other_processor(size: str) -> bool:
    """Whether a machine of the size could not run the agents' programs, which are those of this machine."""
    ours = platform.machine() in ("aarch64", "arm64")
    return bool(re.match(r"cax[0-9]|[a-z]+[0-9]+[a-z]*g[a-z]*\.", size)) is not ours


def _texts(networks: Sequence[IPv4Network]) -> tuple[str, ...]:
    return tuple(str(network) for network in networks)
