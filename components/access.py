"""What one component hands to another, so that none has to know the other: each value exists once it can be used."""

from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_docker as docker

from components.hosts import Host

Endpoint = pulumi.Output[dict[str, Any]]
"""The fields of `mooring.clients.http.Endpoint`."""


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
