"""What a host is to everything that is put on it, and how a group of equal ones is asked for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Network
from typing import Any

import pulumi
import pulumi_docker as docker

from components.hosts.virtual_site import VirtualSite
from mooring.kinds.host_survey import Survey
from mooring.kinds.ssh import KeyPair


class Role(StrEnum):
    SERVER = "server"
    """Carries a server of Consul and of Nomad: one of those that decide."""

    CLIENT = "client"
    """Runs apps."""

    REGISTRY = "registry"
    EDGE = "edge"
    """Carries a load balancer."""


class Driver(StrEnum):
    """What a host's apps may be run by; Nomad's word for it."""

    DOCKER = "docker"
    EXEC = "exec"
    JAVA = "java"
    PODMAN = "podman"
    LXC = "lxc"


USUAL_DRIVERS = frozenset({Driver.DOCKER})


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """A number of equal hosts. What a kind asks for beside this stands in its own file, as a class of its own."""

    name: str
    """Part of every host's name, so it must stay: another name is other hosts."""

    kind: str
    count: int
    roles: frozenset[Role]
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    """What apps may choose a host by: Nomad's `meta` of the node."""

    drivers: frozenset[Driver] = USUAL_DRIVERS


@dataclass(frozen=True, kw_only=True, slots=True)
class HostNetwork:
    """The network that a stack's hosts share."""

    cidr: IPv4Network
    bridge: docker.Network | None
    """Of this machine's engine, where there are local nodes. It is deleted last, when every node is gone and with them
    whatever was on them."""

    floating: str | None
    """An address of the range that no host has for good: whichever load balancer serves holds it. None where the range
    is not ours to take one from."""

    door: pulumi.Output[str] | None = None
    """`host:port` on the user's own machine that leads to the floating address, where there is one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ground:
    """What the builder of every kind of host is given."""

    parent: pulumi.Resource
    key: KeyPair
    """The stack's own: what it opens on a host is for the kind to arrange."""

    network: HostNetwork
    addresses: Mapping[str, list[str]]
    """By group, the places that its hosts have in the network."""

    site: VirtualSite | None
    """What virtual machines share, where there are some."""

    survey: Survey | None
    """There once every machine that somebody else made was found fit to be a host."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Host:
    """A machine that is up, with a way in."""

    name: str
    """Also as node of Consul and Nomad."""

    roles: frozenset[Role]
    address: pulumi.Output[str]
    """IPv4, as every other host of the stack reaches it."""

    connection: Mapping[str, pulumi.Input[Any]]
    """The fields of `mooring.clients.ssh.Connection`, each for itself so that the key alone is secret; the address is
    known only once the host has booted."""

    public_host_key: pulumi.Output[str]
    memory_mib: int | None
    """What may be used, where the machine itself sees more than that; None where it can tell."""

    goes_with: pulumi.Resource | None
    """When this is deleted, nothing on the host needs to be taken away first."""

    machine: pulumi.Resource | None = None
    """What is on the host is gone with this one, and need not be taken away first; None where the machine stays."""

    emulated: bool = False
    """Its processor is emulated: all it does takes about ten times as long, so whoever waits for it must be patient."""

    front: pulumi.Output[str] | None = None
    """Where the balancers are found from outside of the network; None where that is by the hosts' own addresses."""

    control_group: str | None = None
    """Where Nomad puts the groups of its tasks, on a host that shares one tree of them with others."""

    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    drivers: frozenset[Driver] = USUAL_DRIVERS
    behind_ssh: bool = False
    """Of its ports the user's machine reaches that of SSH alone, beside what the host serves to everybody."""

    @property
    def patience(self) -> float:
        """How many times as long as usual everything on it may take."""
        known: Any = self.connection.get("patience", 1)
        return float(known)
