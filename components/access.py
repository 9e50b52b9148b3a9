"""What one component hands to another, so that none has to know the other: each value exists once it can be used."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_docker as docker

from components.hosts import Host
from components.timings import Timings

Endpoint = Mapping[str, pulumi.Input[Any]]
"""The fields of `mooring.clients.http.Endpoint`, each for itself so that only the key and the token are secret."""


Ways = Sequence[Mapping[str, pulumi.Input[Any]]]
"""The fields of several `mooring.clients.way.Way`."""


IMAGE_CREDENTIALS = "/etc/nomad/docker-auth.json"
"""Where Nomad's docker driver looks for passwords, at every pull, and where the registry puts its own. Not in Nomad's
configuration directory: the agent takes each JSON file there for configuration."""


def after(endpoint: Endpoint, *resources: pulumi.Resource) -> Endpoint:
    """The endpoint, with addresses that are known once all of `resources` exist."""
    known = pulumi.Output.all(endpoint["addresses"], *(resource.urn for resource in resources))
    return {**endpoint, "addresses": known.apply(lambda values: values[0])}


def ways_in(hosts: Sequence[Host]) -> Ways:
    """How these hosts' addresses are reached from the user's machine; none where nothing is in between.

    All by SSH as soon as one must be: two ways to reach one cluster would be one more thing that can differ.
    """
    if not any(host.behind_ssh for host in hosts):
        return ()
    before = [None, *(host.connection["private_key"] for host in hosts)]
    return [
        {
            "to": host.address,
            **{name: value for name, value in host.connection.items() if name != "private_key" or value is not key},
        }
        for host, key in zip(hosts, before, strict=False)
    ]


def reached(hosts: Sequence[Host]) -> Endpoint:
    """The part of an endpoint that says where the servers on `hosts` are, and how slow."""
    addresses = pulumi.Output.all(*(host.address for host in hosts))
    ways = ways_in(hosts)
    patience = max((host.patience for host in hosts), default=1)
    return {
        "addresses": addresses,
        **({"through": ways} if ways else {}),
        **({} if patience == 1 else {"patience": patience}),
    }


@dataclass(frozen=True, kw_only=True, slots=True)
class ConsulAccess:
    status: Endpoint
    """With the right to read what `mooring status` shows."""

    nomad: Mapping[str, pulumi.Output[str]]
    """`token`, `authority`, `certificate` and `private_key` with which Nomad registers services."""

    agents: Mapping[str, pulumi.Resource]
    """By host: who registers services by an agent goes before it, when the host goes."""

    drill: Endpoint | None = None
    """With the rights of `mooring drill`, on a stack that may be drilled."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NomadAccess:
    deploy: Endpoint
    """With the right to run jobs."""

    status: Endpoint
    """With the right to read what `mooring status` shows."""

    catalogue: Endpoint
    """Consul's, with the right to read which checks fail."""

    datacenter: str
    timings: Timings
    """How soon a job's instances are checked, restarted and placed anew."""

    goes_with: pulumi.Resource | None
    """When this is deleted, no job needs to be stopped first."""

    drill: Endpoint | None = None
    """With the rights of `mooring drill`, on a stack that may be drilled."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RegistryAccess:
    address: pulumi.Output[str]
    """The first part of every image's name, the same on every host."""

    registries: pulumi.Output[list[str]] | tuple[()]
    """`host:port` of each of the stack's own, as they are reached from elsewhere; each holds every image."""

    through: Ways
    """How they are reached from the user's machine, where that needs SSH."""

    patience: float
    """How many times as long as usual everything at them may take."""

    username: str
    password: pulumi.Output[str]
    authority: pulumi.Output[str] | None
    """PEM of its own authority; None where the public ones vouch for it."""

    builder: docker.Provider
    """A host's engine that can push there, for builds."""

    builder_host: Host
    ready: tuple[pulumi.Resource, ...]
    """What must be there before something can be pushed or pulled."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Service:
    """What a load balancer needs to know of an app."""

    name: str
    """In Consul."""

    health: str
    job: pulumi.Resource
    """There once the app is healthy."""
