"""What a stack says of itself: the secret output that the program exports for these commands."""

import json

from pydantic import BaseModel

from mooring.cli import pulumi
from mooring.clients.http import Endpoint
from mooring.clients.ssh import Connection
from mooring.clients.way import Way


class NotUp(Exception):
    """The stack has no such output: it was never brought up, or not to its end."""


class HostOverview(BaseModel, frozen=True):
    name: str
    roles: tuple[str, ...]
    connection: Connection
    address: str = ""
    """As other hosts reach it. Empty in what an earlier version exported, when SSH went to no other."""

    @property
    def inside(self) -> str:
        """Its address in the clusters."""
        return self.address or self.connection.address


class RegistryOverview(BaseModel, frozen=True):
    addresses: tuple[str, ...]
    """Of each registry; every one holds the same images."""

    authority: str | None = None
    """PEM of its own authority; None where the public ones vouch for it."""

    through: tuple[Way, ...] = ()
    """How they are reached where nothing but SSH is open. Empty: by their addresses."""


class DrillRights(BaseModel, frozen=True):
    """What `mooring drill` may do: beyond reading, write keys and variables of its own, run jobs, drain nodes."""

    consul: Endpoint
    nomad: Endpoint


class Overview(BaseModel, frozen=True):
    hosts: tuple[HostOverview, ...]
    consul: Endpoint
    nomad: Endpoint
    """With the right to read, as Consul's."""

    deploy: Endpoint
    """Nomad, with the right to run jobs."""

    registry: RegistryOverview
    drill: DrillRights | None = None
    """None on a stack that may not be drilled."""

    url: str


def overview(stack: str) -> Overview:
    """Ask Pulumi; raises `NotUp` with Pulumi's own words when it cannot tell."""
    asked = pulumi.ask(["stack", "output", "--stack", stack, "--show-secrets", "--json"])
    if asked.returncode != 0:
        raise NotUp(f"stack {stack!r}: {asked.stderr.strip()}")
    found = json.loads(asked.stdout)
    if "overview" not in found or "url" not in found:
        raise NotUp(f"stack {stack!r} is not up: `make up STACK={stack}` brings it up")
    return Overview.model_validate({**found["overview"], "url": found["url"]})
