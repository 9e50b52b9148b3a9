"""How a cluster sees one of its agents, and whether it can spare it: asked before and after an agent is touched."""

import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Literal

from mooring.clients import consul, nomad
from mooring.clients.answers import Json, rows
from mooring.clients.errors import ApiError, Unreachable
from mooring.clients.http import Endpoint
from mooring.kinds.kind import Spec
from mooring.waiting import Clock, TimedOut, wait_for

KNOWN_WITHIN = 10.0
"""Seconds. Autopilot looks at the servers every 2 s, but only once it leads."""


class Membership(Spec):
    """What an agent is in its cluster."""

    cluster: Literal["consul", "nomad"]
    name: str
    roles: tuple[Literal["server", "client"], ...]
    endpoint: Endpoint


class CannotSpare(Exception):
    """Touching this agent now could cost the cluster its quorum: heal the others first."""


def complaint(member: Membership) -> str | None:
    """Why the cluster does not see `member` as a healthy one of its own; None when it does."""
    try:
        return _consul_complaint(member) if member.cluster == "consul" else _nomad_complaint(member)
    except (ApiError, Unreachable) as error:
        # While a cluster elects, every question fails; that is a reason to wait, not to give up.
        return f"{member.cluster} does not answer: {error}"


def _consul_complaint(member: Membership) -> str | None:
    api = consul.cluster(member.endpoint)
    if member.name not in consul.alive(api.members()):
        return f"consul does not see {member.name} alive"
    return server_complaint(_name_as_server(member), _servers(member)) if "server" in member.roles else None


def _nomad_complaint(member: Membership) -> str | None:
    api = nomad.region(member.endpoint)
    if "client" in member.roles:
        nodes = [n for n in api.nodes() if n["Name"] == member.name]
        if not any(n["Status"] == "ready" for n in nodes):
            return f"nomad does not see {member.name} ready: {nodes[0]['Status'] if nodes else 'not registered'}"
    if "server" in member.roles:
        return server_complaint(_name_as_server(member), _servers(member))
    return None


def server_complaint(name: str, servers: Sequence[Json]) -> str | None:
    """What autopilot has against the server called `name`; None when it is a healthy voter."""
    for server in servers:
        if server["Name"] == name:
            if not server["Healthy"]:
                return f"{name} is not healthy: {server['SerfStatus']}, last contact {server['LastContact']}"
            return None if server["Voter"] else f"{name} is not a voter yet"
    return f"{name} is not a server of the cluster"


def unsafe_to_touch(name: str, servers: Sequence[Json]) -> str | None:
    """Why the server called `name` must not be restarted now: without it, the healthy voters would be no majority.

    A server that is itself unhealthy adds nothing to the quorum, so it can always be touched.
    """
    voters = [s for s in servers if s["Voter"]]
    if not any(s["Name"] == name and s["Healthy"] for s in voters):
        return None
    if len(voters) == 1:
        return None  # alone there is no quorum to keep, only an outage that the topology chose
    left = [s for s in voters if s["Healthy"] and s["Name"] != name]
    if len(left) * 2 > len(voters):
        return None
    ill = ", ".join(s["Name"] for s in voters if not s["Healthy"])
    return f"{name} is needed for the quorum while {ill or 'nobody else'} is not healthy"


_TURNS: dict[tuple[str, tuple[str, ...]], threading.Lock] = {}
"""Of every cluster that was touched, by what it is and where."""


def _turn(member: Membership) -> threading.Lock:
    # Not a cached function: two threads that are the first to come would each be given a lock of their own.
    return _TURNS.setdefault((member.cluster, member.endpoint.addresses), threading.Lock())


@contextmanager
def turn(member: Membership | None, clock: Clock) -> Generator[None]:
    """Hold the cluster's turn: one agent of a cluster is touched at a time, whatever the engine runs in parallel.

    Raises `CannotSpare` when the cluster could lose its quorum.
    """
    if member is None:
        yield
        return
    with _turn(member):
        if "server" in member.roles and (reason := _reason_to_wait(member, clock)):
            raise CannotSpare(f"not touched: {reason}; heal the others, then run `pulumi up` again")
        yield


def _reason_to_wait(member: Membership, clock: Clock) -> str | None:
    try:
        servers = wait_for(
            # A new leader knows nothing of the servers for a moment, least of all that they could be spared.
            lambda: _servers(member) or None,
            f"{member.cluster} knows its servers",
            within=KNOWN_WITHIN,
            every=0.5,
            clock=clock,
        )
    except TimedOut as error:
        return str(error)
    except (ApiError, Unreachable):
        # Without a leader there is no quorum to lose, and the change may be what brings it back.
        return None
    return unsafe_to_touch(_name_as_server(member), servers)


def _servers(member: Membership) -> list[Json]:
    """As autopilot sees them."""
    asked = consul.cluster(member.endpoint) if member.cluster == "consul" else nomad.region(member.endpoint)
    return rows(asked.servers()["Servers"])


def _name_as_server(member: Membership) -> str:
    # Nomad's servers carry the region in their name.
    return member.name if member.cluster == "consul" else f"{member.name}.global"
