"""What one component hands to another, so that none has to know the other: each value exists once it can be used."""

from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_docker as docker

from components.hosts import Host

Endpoint = pulumi.Output[dict[str, Any]]
"""The fields of `mooring.clients.http.Endpoint`."""


IMAGE_CREDENTIALS = "/etc/nomad/docker-auth.json"
"""Where Nomad's docker driver looks for passwords, at every pull, and where the registry puts its own. Not in Nomad's
configuration directory: the agent takes each JSON file there for configuration."""


def with_token(endpoint: Endpoint, token: pulumi.Output[str], *after: pulumi.Output[Any]) -> Endpoint:
    """The endpoint for whoever holds `token`, known once everything in `after` is."""
    return pulumi.Output.all(endpoint, token, *after).apply(lambda known: {**known[0], "token": known[1]})


@dataclass(frozen=True, kw_only=True, slots=True)
class ConsulAccess:
    status: Endpoint
    """With the right to read what `mooring status` shows."""

    nomad: pulumi.Output[dict[str, Any]]
    """`token`, `authority`, `certificate` and `private_key` with which Nomad registers services."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NomadAccess:
    deploy: Endpoint
    """With the right to run jobs."""

    status: Endpoint
    """With the right to read what `mooring status` shows."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RegistryAccess:
    address: pulumi.Output[str]
    """The first part of every image's name."""

    username: str
    password: pulumi.Output[str]
    authority: pulumi.Output[str] | None
    """PEM of its own authority; None where the public ones vouch for it."""

    builder: docker.Provider
    """A host's engine that can push there, for builds."""

    builder_host: Host
    ready: tuple[pulumi.Resource, ...]
    """What must be there before something can be pushed or pulled."""
