"""What forming a Consul and a Nomad cluster have in common: odd servers, and one way to wait until all is well."""

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from typing import Any, Protocol

from mooring.clients.answers import Json
from mooring.clients.errors import ApiError, Unreachable
from mooring.clients.http import secrets_of
from mooring.kinds.kind import NotHealthy, Problem, Work
from mooring.waiting import Cancelled, TimedOut, wait_for

FORMED_WITHIN = 120.0
"""Seconds. Three servers that start together take 2 on real cores and about 40 under emulation."""

SETTLED_WITHIN = 5.0
"""Seconds. On a busy machine a server is now and then late for one heartbeat (254 ms were seen, autopilot allows 200),
which it makes up for with the next."""

CONSUL = "mooring:consul:Cluster"
NOMAD = "mooring:nomad:Cluster"
"""What a stack has recorded of how its cluster is reached."""

CLUSTER_SECRETS = secrets_of("endpoint")


def odd_servers(servers: Sequence[str]) -> Iterable[Problem]:
    if len(servers) % 2 == 0:
        yield Problem(
            path="servers",
            reason=f"must be 1, 3 or 5 hosts, so that a split leaves one side with a majority; got {len(servers)}",
        )


def only_upwards(old: int, new: int) -> Iterable[Problem]:
    """A credential that was deleted does not come back with its number."""
    if new < old:
        yield Problem(path="number", reason=f"was {old} already and can only be raised, got {new}")


def unretired(retiring: Iterable[Mapping[str, Any]], present: Container[str]) -> list[Mapping[str, Any]]:
    """Of old management tokens, those whose rights are still needed: another token of their time is to be deleted."""
    return [old for old in retiring if any(other in present for other in old["others"])]


class Governed(Protocol):
    """A cluster whose servers autopilot looks after."""

    def autopilot(self) -> Json: ...
    def put_autopilot(self, body: Mapping[str, Any]) -> None: ...
    def gossip_keys(self) -> set[str]: ...
    def install_gossip_key(self, key: str) -> None: ...
    def use_gossip_key(self, key: str) -> None: ...
    def remove_gossip_key(self, key: str) -> None: ...


def quorum_kept(api: Governed, servers: Sequence[str]) -> None:
    """Have autopilot never clean away dead servers below the number that there are meant to be.

    What an agent is told of it counts only for the first election; a cluster that has grown or shrunk goes by the old
    number until it is told.
    """
    rules = api.autopilot()
    if int(rules["MinQuorum"]) != len(servers):
        api.put_autopilot({**rules, "MinQuorum": len(servers)})


def key_agreed(api: Governed, key: str | None) -> None:
    """Have everybody talk with `key` and no other, without a moment in which two do not understand each other."""
    if key is None or (known := api.gossip_keys()) == {key}:
        return
    api.install_gossip_key(key)
    api.use_gossip_key(key)
    for old in sorted(known - {key}):
        api.remove_gossip_key(old)


def once(name: str, settle: Callable[[], None]) -> Callable[[], list[str]]:
    """A step of `joined` that is done when it has gone well once; until then it says why it has not."""
    done = False

    def step() -> list[str]:
        nonlocal done
        try:
            if not done:
                settle()
        except ApiError as error:
            return [f"{name} is not ready: {error}"]
        done = True
        return []

    return step


def quorum_complaints(api: Governed, servers: Sequence[str]) -> list[str]:
    found = int(api.autopilot()["MinQuorum"])
    return [] if found == len(servers) else [f"autopilot is to keep {found} servers; there are to be {len(servers)}"]


def joined(name: str, complaints: Callable[[], Sequence[str]], work: Work, *, patience: float = 1) -> None:
    """Wait until nothing is missing; raise `NotHealthy` with what still is."""
    last: Sequence[str] = ()

    def complete() -> bool | None:
        nonlocal last
        try:
            last = complaints()
        except Unreachable as error:
            last = [str(error)]
        if last:
            work.say(last[0] if len(last) == 1 else f"{last[0]} and {len(last) - 1} more")
        return None if last else True

    try:
        wait_for(complete, name, within=FORMED_WITHIN * patience, every=0.1 * patience, clock=work.clock)
    except (TimedOut, Cancelled) as error:
        raise NotHealthy(name, {}, [*last, str(error)]) from error


def lasting(complaints: Callable[[], Sequence[str]], work: Work, *, patience: float = 1) -> tuple[str, ...]:
    """What is missing and still is after a moment: a read must not take a hiccup for a change."""
    last: Sequence[str] = ()

    def none() -> bool | None:
        nonlocal last
        last = complaints()
        return None if last else True

    try:
        wait_for(none, "the cluster is complete", within=SETTLED_WITHIN * patience, every=0.5, clock=work.clock)
    except TimedOut:
        return tuple(last)
    return ()
