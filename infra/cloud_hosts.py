"""What a stack file says of groups of cloud hosts, and what is wrong with it as far as no provider has to be asked."""

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Network, ip_network
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError
from typing_extensions import override

from components.hosts import AwsGroup, DigitalOceanGroup, Front, Group, HetznerGroup, Role
from components.hosts.addresses import capacity
from components.hosts.cloud import AWS_PARTS, AWS_ZONE, DIGITALOCEAN_OWN, EVERYBODY, HETZNER_ZONES, other_processor
from infra.any_hosts import AnyHosts, Counted, Values
from mooring.plugin.wire import is_list

WIDEST = 8
"""The length of the widest range that may be somebody's: nobody was ever given more addresses at once."""

PRIVATE = tuple(IPv4Network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))
"""The ranges that every provider takes for a network of its customers."""

ON_HOSTS = (IPv4Network("172.17.0.0/16"), IPv4Network("172.26.64.0/20"))
"""What Docker and Nomad give their bridges on every host."""


def _sources(value: Any) -> Any:
    """`everybody`, or ranges; what amounts to everybody must be said in that word."""
    if value == "everybody":
        return (EVERYBODY,)
    if not is_list(value):
        raise PydanticCustomError("no_sources", "must be a list of ranges such as 203.0.113.0/24, or everybody")
    if wide := [text for text in value if _prefix(text) < WIDEST]:
        problem = "{ranges} is as good as everybody; the word everybody in the place of the list would do"
        raise PydanticCustomError("too_wide", problem, {"ranges": ", ".join(wide)})
    return value


def _prefix(text: Any) -> int:
    """The length of a range's prefix; of what is none, which its own type tells, one that is narrow enough."""
    try:
        return ip_network(text).prefixlen
    except ValueError:
        return WIDEST


Sources = Annotated[tuple[IPv4Network, ...], Field(min_length=1), BeforeValidator(_sources)]


class Ssh(Values):
    sources: Annotated[Sources, Field(alias="from")]


class CloudHosts(Counted):
    size: str
    image: str
    ssh: Ssh
    open: Sources | None = None
    """Who may come to the balancers; None is everybody."""

    front: Front = Front.NONE

    @override
    def problems(self, network: IPv4Network) -> Iterator[str]:
        del network
        if other_processor(self.size):
            yield f"size: {self.size} has another processor than this machine, whose programs the hosts are given"
        if Role.EDGE not in self.roles:
            if self.open is not None:
                yield "open: only hosts with the role edge serve anybody"
            if self.front is not Front.NONE:
                yield f"front: {self.front} stands before balancers, and no host of the group has the role edge"

    @property
    def common(self) -> dict[str, Any]:
        """What the component is told of a group, whoever the provider is."""
        return {
            "name": self.name,
            "count": self.count,
            "roles": self.roles,
            "labels": self.labels,
            "drivers": self.drivers,
            "size": self.size,
            "image": self.image,
            "ssh_from": self.ssh.sources,
            "open_to": self.open or (EVERYBODY,),
            "front": self.front,
        }


class HetznerHosts(CloudHosts):
    kind: Literal["hetzner"]
    size: Annotated[str, Field(pattern=r"^c(x|px|cx|ax)[0-9]{2}$")]
    image: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")] = "debian-12"
    locations: Annotated[tuple[Literal["fsn1", "nbg1", "hel1", "ash", "hil", "sin"], ...], Field(min_length=1)]

    @property
    @override
    def group(self) -> Group:
        return HetznerGroup(**self.common, locations=self.locations)

    @override
    def problems(self, network: IPv4Network) -> Iterator[str]:
        yield from super().problems(network)
        held = Role.EDGE in self.roles and self.open not in (None, (EVERYBODY,))
        if held and self.front is Front.LOAD_BALANCER:
            yield "open: Hetzner's load balancer serves everybody; front: floating or none would keep to these ranges"


class AwsHosts(CloudHosts):
    kind: Literal["aws"]
    size: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*\.[a-z0-9-]+$")]
    image: Annotated[str, Field(pattern=r"^ami-[0-9a-f]{8,17}$")]
    zones: Annotated[tuple[Annotated[str, Field(pattern=AWS_ZONE)], ...], Field(min_length=1)]
    disk: Annotated[int, Field(ge=8, le=16384)] = 20
    """GiB."""

    @property
    @override
    def group(self) -> Group:
        return AwsGroup(**self.common, zones=self.zones, disk_gib=self.disk)


class DigitalOceanHosts(CloudHosts):
    placed: ClassVar[bool] = False
    kind: Literal["digitalocean"]
    size: Annotated[str, Field(pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)+$")]
    image: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")] = "debian-12-x64"
    region: Annotated[str, Field(pattern=r"^[a-z]{3}[0-9]$")]

    @property
    @override
    def group(self) -> Group:
        return DigitalOceanGroup(**self.common, region=self.region)


def together(hosts: Sequence[AnyHosts], network: IPv4Network) -> Iterator[str]:
    """What is wrong with the groups beside each other, and with the network that they share."""
    ours = [group.group for group in hosts if isinstance(group, CloudHosts)]
    if not ours:
        return
    kinds = sorted({group.group.kind for group in hosts})
    if len(kinds) > 1:
        yield f"hosts: hosts of {' and '.join(kinds)} have no network in common; groups of one of these kinds would do"
    if not any(network.subnet_of(private) for private in PRIVATE):
        yield f"network: {network} is no range that {kinds[0]} makes networks of; 10.40.0.0/16 would do"
    places = {place: zone for group in ours for place, zone in _places(group).items()}
    if len(kinds) == 1 and len(set(places.values())) > 1:
        said = ", ".join(f"{place} ({zone})" for place, zone in places.items())
        yield f"hosts: a network of {kinds[0]}'s is in one part of the world, and these are in several: {said}"
    for taken in ON_HOSTS:
        if network.overlaps(taken):
            yield f"network: {network} overlaps {taken}, which hosts use for their containers; 10.40.0.0/16 would do"
    yield from _network_problems(ours, network)


def _places(group: Group) -> dict[str, str]:
    """Where its hosts go, with the part of the world that their network cannot leave."""
    match group:
        case HetznerGroup():
            return {location: HETZNER_ZONES[location] for location in group.locations}
        case AwsGroup():
            return {zone: zone[:-1] for zone in group.zones}
        case DigitalOceanGroup():
            return {group.region: group.region}
        case _:
            return {}


def _network_problems(groups: Sequence[Group], network: IPv4Network) -> Iterator[str]:
    for kind, shortest, longest in (("hetzner", 8, 24), ("aws", 16, 28), ("digitalocean", 16, 24)):
        if any(group.kind == kind for group in groups) and not shortest <= network.prefixlen <= longest:
            yield f"network: {network}: {kind} makes networks from a /{shortest} to a /{longest}"
    part = network.num_addresses // AWS_PARTS
    if any(group.kind == "aws" for group in groups) and part < capacity(groups):
        yield (
            f"network: {network} is cut into {AWS_PARTS}, one for each zone that there may be, and these groups need "
            f"{capacity(groups)} addresses in each; a /16 would do"
        )
    for taken in DIGITALOCEAN_OWN if any(group.kind == "digitalocean" for group in groups) else ():
        if network.overlaps(taken):
            yield f"network: {network} overlaps {taken}, which DigitalOcean keeps for itself; 10.40.0.0/16 would do"
