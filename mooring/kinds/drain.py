"""Emptying a Nomad client before its agent is restarted, and using it again afterwards.

Instances of batch jobs are left alone: they go on while their agent restarts, and moving one means starting it over.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from mooring.clients import nomad
from mooring.clients.answers import Json, table
from mooring.kinds.kind import Work
from mooring.kinds.membership import Membership
from mooring.waiting import TimedOut, wait_for

BY_US: Final = {"mooring": "roll"}
"""Written on a drain of ours, so that one that a killed run left behind is told from a person's own."""

OVER: Final = {"mooring": "over"}
"""Written before the drain is taken away: Nomad keeps the words, and a person may make the node ineligible later."""


class NotDrained(Exception):
    """Instances had nowhere to go: make room for those that are named, or give them more time."""


def node_of(nodes: Sequence[Json], name: str) -> Json | None:
    """The node that is called `name` and not gone: a replaced host leaves one of the same name behind."""
    return next((node for node in nodes if node["Name"] == name and node["Status"] != "down"), None)


def has_refuge(nodes: Sequence[Json], node: Json) -> bool:
    """Whether there is another client of the same pool for the instances to go to."""
    return any(
        other["ID"] != node["ID"]
        and other["Status"] == "ready"
        and other["SchedulingEligibility"] == "eligible"
        and other["NodePool"] == node["NodePool"]
        for other in nodes
    )


def staying(allocations: Sequence[Json]) -> list[str]:
    """The instances of services that still run."""
    return sorted(
        allocation["Name"]
        for allocation in allocations
        if allocation["JobType"] == "service" and allocation["ClientStatus"] in ("pending", "running")
    )


def left_by_us(node: Mapping[str, Any]) -> bool:
    """Whether a roll of ours emptied the node and nobody has let it be used again."""
    words = table(table(node["LastDrain"]).get("Meta"))
    return node["SchedulingEligibility"] == "ineligible" and (words == BY_US or (words == OVER and node["Drain"]))


def emptied(member: Membership, work: Work) -> None:
    """Move a client's instances elsewhere; raise `NotDrained`, with the client in use again, when they cannot go.

    A client without another one beside it keeps them: they go on while the agent restarts.
    """
    region = nomad.region(member.endpoint)
    nodes = region.nodes()
    node = node_of(nodes, member.name)
    if node is None or node["Status"] != "ready":
        return
    if node["SchedulingEligibility"] == "ineligible" and not left_by_us(node):
        work.tell(f"{member.name} was made ineligible by somebody else, and stays so")
        return
    if not has_refuge(nodes, node):
        work.tell(f"{member.name} is not drained: no other client could take its instances")
        return
    region.move_off(node["ID"], words=BY_US)
    left: list[str] = []

    def empty() -> bool | None:
        nonlocal left
        left = staying(region.allocations_on(node["ID"]))
        if left:
            work.say(f"draining: {len(left)} still here, {', '.join(left[:3])}")
        return None if left else True

    try:
        wait_for(empty, "the client is empty", within=member.drained_within, every=0.5, clock=work.clock)
    except TimedOut as error:
        _end(region, node)
        raise NotDrained(
            f"{member.name} could not be drained within {member.drained_within} s and is in use again, unchanged: "
            f"{', '.join(left)} found no other place"
        ) from error


def used_again(member: Membership) -> None:
    """Let the scheduler use the client again, if it was we who emptied it."""
    region = nomad.region(member.endpoint)
    node = node_of(region.nodes(), member.name)
    if node is not None and left_by_us(node):
        _end(region, node)


def release(region: nomad.Nomad) -> None:
    """Let the scheduler use every client again that a roll of ours, cut off since, has emptied."""
    for node in region.nodes():
        if left_by_us(node):
            _end(region, node)


def purged(region: nomad.Nomad, name: str) -> bool:
    """Forget every node called `name` that is down; False while one is not."""
    nodes = [node for node in region.nodes() if node["Name"] == name]
    for node in nodes:
        if node["Status"] == "down":
            region.purge(node["ID"])
    return all(node["Status"] == "down" for node in nodes)


def _end(region: nomad.Nomad, node: Json) -> None:
    region.move_off(node["ID"], words=OVER)
    region.undrain(node["ID"])
