"""An agent that goes for good: it takes its leave while it still runs, and the cluster lets go of it.

A server that is merely stopped stays a voter whose vote is missed. Of two servers that would be the end of the cluster,
so a server leaves first and is stopped then.
"""

import shlex

from mooring.clients import consul, nomad
from mooring.clients.answers import Json
from mooring.clients.errors import ApiError, Unreachable
from mooring.clients.http import Endpoint
from mooring.kinds import drain
from mooring.kinds.kind import Work
from mooring.kinds.membership import Membership
from mooring.waiting import TimedOut, wait_for

LEFT_WITHIN = 30
"""Seconds. Consul gives itself 15 to leave in order and Nomad 5; then they end all the same."""

MISSED_WITHIN = 90.0
"""Seconds. Nomad's servers ask each other every 5, and hold one for dead that has not answered for 30."""

LET_GO_WITHIN = 10.0
"""Seconds for the cluster to forget by itself one that has left, before it is told to."""

FORGOTTEN_WITHIN = 30.0
"""Seconds. Removing a peer is one entry of the log."""


def leaving(service: str, signal: str) -> str:
    """The script that has a service take its leave; systemd must not start it again meanwhile."""
    unit = shlex.quote(f"{service}.service")
    folder = shlex.quote(f"/run/systemd/system/{service}.service.d")
    return f"""set -eu
mkdir -p {folder}
printf '[Service]\\nRestart=no\\n' > {folder}/leaving.conf
systemctl daemon-reload
systemctl kill --kill-who=main --signal={signal} {unit}
for _ in $(seq {LEFT_WITHIN * 10}); do systemctl is-active --quiet {unit} || break; sleep 0.1; done
rm -rf {folder}
"""


def is_missed(member: Membership, work: Work) -> bool:
    """Whether the cluster itself holds the agent for dead, so that nobody need ask the host; it may take a while."""

    def missed() -> bool | None:
        work.say(f"waiting for {member.cluster} to miss it")
        try:
            return _is_dead(member) or None
        except (ApiError, Unreachable):
            return None  # perhaps it was the leader that has died

    try:
        return wait_for(missed, f"{member.name} is missed", within=MISSED_WITHIN, every=1, clock=work.clock)
    except TimedOut:
        return False


def _is_dead(member: Membership) -> bool:
    if member.cluster == "consul":
        return member.name not in consul.alive(consul.cluster(member.endpoint).members())
    region = nomad.region(member.endpoint)
    nodes = [node for node in region.nodes() if node["Name"] == member.name]
    return member.name_as_server not in region.alive() and all(node["Status"] == "down" for node in nodes)


def let_go(member: Membership, address: str, work: Work) -> None:
    """Return when the cluster counts on the agent at `address` no longer; raises `TimedOut` when it still does."""
    endpoint = member.endpoint.but(address)
    if not endpoint.addresses:
        return
    deadline = work.clock.now() + LET_GO_WITHIN

    def forgotten() -> bool | None:
        try:
            peers = _peers(member, endpoint)
            if peers and work.clock.now() >= deadline:
                work.say(f"removing {member.name} from the servers of {member.cluster}")
                _remove(member, endpoint, peers)
        except (ApiError, Unreachable) as error:
            # The one that has left may have led: the others elect.
            work.say(f"{member.cluster} does not answer: {error}")
            return None
        else:
            return None if peers else True

    if "server" in member.roles:
        wait_for(
            forgotten,
            f"{member.cluster} lets go of {member.name}",
            within=LET_GO_WITHIN + FORGOTTEN_WITHIN,
            every=0.5,
            clock=work.clock,
        )
    _tidy(member, endpoint, work)


def _peers(member: Membership, endpoint: Endpoint) -> list[Json]:
    """Those of the servers that are the agent, by the name that it has there."""
    asked = consul.cluster(endpoint) if member.cluster == "consul" else nomad.region(endpoint)
    return [peer for peer in asked.peers() if peer["Node"] == member.name_as_server]


def _remove(member: Membership, endpoint: Endpoint, peers: list[Json]) -> None:
    asked = consul.cluster(endpoint) if member.cluster == "consul" else nomad.region(endpoint)
    for peer in peers:
        asked.remove_peer(peer["ID"])


def _tidy(member: Membership, endpoint: Endpoint, work: Work) -> None:
    """Take the agent off the lists of members and nodes, where it would be shown as failed for up to three days."""

    def tidied() -> bool | None:
        try:
            if member.cluster == "consul":
                consul.cluster(endpoint).forget_member(member.name)
                return True
            region = nomad.region(endpoint)
            if "server" in member.roles:
                region.forget_member(member.name_as_server)
            return drain.purged(region, member.name) or None
        except (ApiError, Unreachable) as error:
            work.say(f"{member.cluster} does not answer: {error}")
            return None

    try:
        wait_for(tidied, "the lists are tidy", within=FORGOTTEN_WITHIN, every=1, clock=work.clock)
    except TimedOut:
        work.warn(f"{member.name} has left {member.cluster} and is still on its lists; both forget it in three days")
