"""How a cluster sees one of its agents, and whether it can spare it: asked before and after an agent is touched."""

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from mooring.clients import consul, nomad
from mooring.clients.answers import Json, rows
from mooring.clients.errors import ApiError, Unreachable
from mooring.clients.http import Endpoint
from mooring.kinds.kind import Spec


class Membership(Spec):
    """What an agent is in its cluster."""

    cluster: Literal["consul", "nomad"]
    name: str
    roles: tuple[Literal["server", "client"], ...]
    endpoint: Endpoint
    at_once: int = Field(default=1, ge=1)
    """How many of the cluster's clients may be away at one time; of the servers it is always one."""

    drained_within: int = Field(default=300, ge=1)
    """Seconds that a Nomad client's instances have to move before its agent is restarted."""

    @property
    def name_as_server(self) -> str:
        """Nomad's servers carry the region in their name."""
        return self.name if self.cluster == "consul" else f"{self.name}.global"


def complaint(member: Membership, address: str) -> str | None:
    """Why the cluster does not see `member`, whose own API is at `address`, as a healthy one; None when it does."""
    try:
        found = _consul_complaint(member) if member.cluster == "consul" else _nomad_complaint(member)
        return found or (behind(member, address) if "server" in member.roles else None)
    except (ApiError, Unreachable) as error:
        # While a cluster elects, every question fails; that is a reason to wait, not to give up.
        return f"{member.cluster} does not answer: {error}"


def _consul_complaint(member: Membership) -> str | None:
    api = consul.cluster(member.endpoint)
    if member.name not in consul.alive(api.members()):
        return f"consul does not see {member.name} alive"
    return server_complaint(member.name_as_server, servers(member)) if "server" in member.roles else None


def _nomad_complaint(member: Membership) -> str | None:
    api = nomad.region(member.endpoint)
    if "client" in member.roles:
        nodes = [n for n in api.nodes() if n["Name"] == member.name]
        if not any(n["Status"] == "ready" for n in nodes):
            return f"nomad does not see {member.name} ready: {nodes[0]['Status'] if nodes else 'not registered'}"
    if "server" in member.roles:
        return server_complaint(member.name_as_server, servers(member))
    return None


def behind(member: Membership, address: str) -> str | None:
    """What the server itself still has to apply of what the cluster has decided.

    Autopilot looks every 2 s, so that it calls a server healthy that was restarted a second ago and knows nothing yet.
    """
    decided = max((int(server["LastIndex"]) for server in servers(member)), default=0)
    raft = _raft(member, address)
    if raft["state"] not in ("Follower", "Leader"):
        return f"{member.name} is a {raft['state'].lower()} and follows nobody yet"
    if (applied := int(raft["applied_index"])) < decided:
        return f"{member.name} has applied {applied} of {decided} entries"
    return None


def server_complaint(name: str, servers: Sequence[Json]) -> str | None:
    """What autopilot has against the server called `name`; None when it is a healthy voter."""
    for server in servers:
        if server["Name"] == name:
            if not server["Healthy"]:
                return f"{name} is not healthy: {server['SerfStatus']}, last contact {server['LastContact']}"
            return None if server["Voter"] else f"{name} is not a voter yet"
    return f"{name} is not a server of the cluster"


def unsafe_to_touch(member: Membership, servers: Sequence[Json], *, stands: bool) -> str | None:
    """Why `member` must not be restarted or taken away now; None when every other server is a healthy voter.

    With three servers a roll that goes on beside an ill one would cost the quorum, with five the next failure would.
    One that does not even stand adds nothing to the quorum, so it can always be touched. That a leader calls it
    unhealthy is no proof: after an election it says so of servers that it has only not heard of yet.
    """
    if not servers:
        # A new leader knows nothing of the servers for a moment, least of all that they could be spared.
        return f"{member.cluster} does not know its servers yet"
    name = member.name_as_server
    if "server" in member.roles and not (stands and any(s["Name"] == name and s["Voter"] for s in servers)):
        return None
    complaints = (server_complaint(s["Name"], servers) for s in servers if s["Name"] != name)
    return next((complaint for complaint in complaints if complaint), None)


def stands(member: Membership, address: str) -> bool:
    """Whether the server, whose own API is at `address`, runs and takes part in what its cluster decides."""
    try:
        return _raft(member, address)["state"] in ("Follower", "Candidate", "Leader")
    except (ApiError, Unreachable):
        return False


def _raft(member: Membership, address: str) -> Json:
    itself = member.endpoint.only(address)
    return consul.cluster(itself).raft() if member.cluster == "consul" else nomad.region(itself).raft()


def servers(member: Membership) -> list[Json]:
    """As autopilot sees them; none while it has not looked since the last election."""
    asked = consul.cluster(member.endpoint) if member.cluster == "consul" else nomad.region(member.endpoint)
    return rows(asked.servers()["Servers"])
