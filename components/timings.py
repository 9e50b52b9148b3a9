"""Every time span that decides how soon a stack heals, derived from what the stack is: the one place that says any.

Two forces pull at each of them. The sooner somebody silent counts as dead, the sooner what they did is done by another;
and the sooner somebody slow is taken for dead, who then does again what nobody needed to do again. How slow the living
can be depends on their processors, so there are two profiles. docs/explanation/timings.md has the whole reasoning and
what was measured; the numbers of a profile stand here, and what follows from them is calculated.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from math import ceil, floor
from typing import Protocol

HEARTBEATS_PER_SECOND = 50
"""Nomad's own `max_heartbeats_per_second`: from so many clients on, each is given more time than the shortest."""

MOVES_WITHIN = 14.0
"""Seconds until a client whose server's address has vanished talks to another one: 13.5 were measured, with
`tcp_retries2=4` in the machine image; without it 20. Nomad 1.6.3 has no `rpc {}` block that could shorten it."""

SHORTEST_TAKEOVER = 3
"""Announcements that an address's holder may miss until another takes it: VRRP's own rule (RFC 5798, 6.1)."""


class Profile(StrEnum):
    FAST = "fast"
    """For servers with processors of their own."""

    CAREFUL = "careful"
    """For servers that may stand still for seconds: emulated machines, crowded hosts."""


class Placed(Protocol):
    """A host, as far as time is concerned."""

    @property
    def emulated(self) -> bool: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Timings:
    """In seconds, where no other unit is said. What each was measured to do: docs/explanation/timings.md."""

    profile: Profile

    raft_multiplier: int
    """Of Raft's shortest heartbeat and election times, 1 s each, for Consul's servers and for Nomad's."""

    late_after: float
    """A server that has not been in touch with the leader for so long is not healthy (autopilot)."""

    gossip_probe: float
    """Between two questions of an agent of Consul to another, and for which it waits for the answer by any way."""

    gossip_timeout: float
    """For which it waits until it asks by way of others."""

    gossip_suspicion: int
    """Of those times, for which one that did not answer may still say that it lives."""

    heartbeat_ttl: int
    """The shortest time between two heartbeats of a Nomad client; each time is up to twice that."""

    heartbeat_grace: int
    """How much later than promised a heartbeat may come until its client is down."""

    failover_ttl: int
    """What a new leader of Nomad gives every client to appear."""

    check_interval: int
    check_timeout: int
    check_failures: int
    """Failed checks in a row after which a hung instance is started anew."""

    check_grace: int
    """For which a new instance may fail its checks."""

    healthy_within: int
    """For which a new instance may take to be healthy until its deployment counts as bad and is reverted."""

    restart_delay: int
    reschedule_delay: int
    """Between an instance that could not be restarted and its next on another host; Nomad's own minimum is 5."""

    reschedule_at_most: int
    """To which that delay doubles."""

    connect: float
    """For which the balancer waits for an instance's machine to answer."""

    balancer_check: float
    balancer_failures: int
    resolve: float
    """Between two questions of the balancer to Consul, and for which it waits for an answer."""

    remembered: float
    """For which the balancer keeps an instance that Consul no longer names."""

    advertise: float
    """Between two announcements of whoever holds the floating address."""

    @property
    def forgotten_within(self) -> int:
        """For which an instance that is to stop still serves: until the balancer has asked once more, has forgotten
        what it knew, and two seconds more.
        """
        return ceil(self.resolve + self.remembered) + 2

    @property
    def silent_agent_failed(self) -> float:
        """For which an agent of Consul may stand still at the least until another calls it dead."""
        return self.gossip_suspicion * self.gossip_probe

    @property
    def silent_client_down(self) -> int:
        """The longest until a client that died is known to be dead, while a leader is there."""
        return 2 * self.heartbeat_ttl + self.heartbeat_grace

    @property
    def address_taken_over(self) -> float:
        """The longest until another edge host has the floating address of one that died."""
        return (SHORTEST_TAKEOVER + 1) * self.advertise


def timings(servers: Iterable[Placed], *, clients: int, profile: Profile | None = None) -> Timings:
    """The time spans of a stack with these servers and so many clients; `profile` overrules what the servers are."""
    chosen = profile or (Profile.CAREFUL if any(server.emulated for server in servers) else Profile.FAST)
    return _careful(clients) if chosen is Profile.CAREFUL else _fast(clients)


def failover_ttl(*, heartbeat_ttl: int, heartbeat_grace: int, clients: int, spare: int = 0) -> int:
    """What a new leader should give every client to appear.

    Nomad's default of 5 minutes is the whole outage when the host dies that led and carried the app: the dead client's
    time starts anew with the new leader. There are two lower bounds. Nomad's own documentation asks for more than
    2·clients/50 + 10·ttl, so that every client has had its turn at the rate at which heartbeats are taken. And a client
    that was connected to the dead server needs its longest interval, the grace, and the time to move to another server.
    """
    asked_for = 2 * clients / HEARTBEATS_PER_SECOND + 10 * heartbeat_ttl
    moved = 2 * heartbeat_ttl + heartbeat_grace + MOVES_WITHIN
    return floor(max(asked_for, moved)) + 1 + spare


def text(seconds: float) -> str:
    """As Consul, Nomad and HAProxy all write a time span: whole seconds, or milliseconds."""
    return f"{int(seconds)}s" if seconds == int(seconds) else f"{round(seconds * 1000)}ms"


def _fast(clients: int) -> Timings:
    """Measured with three servers on two cores: the fastest at which no healthy client was taken for dead."""
    ttl, grace = 2, 2
    return Timings(
        profile=Profile.FAST,
        # Consul's default of 5 elects within 5-20 s, with 1 it took 2.7-3.7 s, which is within what calls are held for.
        raft_multiplier=1,
        late_after=0.2,
        # Consul's own.
        gossip_probe=1,
        gossip_timeout=0.5,
        gossip_suspicion=4,
        heartbeat_ttl=ttl,
        heartbeat_grace=grace,
        # 21 s for three clients. 12 s marked a healthy client as down in two of three runs, 16 s in one, 21 s in none.
        failover_ttl=failover_ttl(heartbeat_ttl=ttl, heartbeat_grace=grace, clients=clients),
        check_interval=1,
        check_timeout=1,
        # The watch for them runs on over a restart: with 3, an instance that had ended by itself was ended once more by
        # its check, as it did not pass again within 2 s on a busy machine.
        check_failures=4,
        check_grace=10,
        healthy_within=90,
        restart_delay=0,
        reschedule_delay=5,
        reschedule_at_most=60,
        connect=0.5,
        balancer_check=1,
        balancer_failures=2,
        resolve=0.5,
        remembered=2,
        advertise=0.2,
    )


def _careful(clients: int) -> Timings:
    """Measured on three virtual machines of one emulated processor each, which stood still for half a second at times.

    With the fast profile their leaders changed without a fault; with raft 5 and heartbeats of 5/10/60 s nothing but a
    fault changed them in eleven minutes, yet one healthy client was marked as down when its server's address vanished:
    so the grace is longer than the time to move.
    """
    ttl, grace = 5, ceil(MOVES_WITHIN) + 1
    return Timings(
        profile=Profile.CAREFUL,
        raft_multiplier=5,
        # What a follower waits before it wants to lead: on a host that did other work too, healthy ones stood still for
        # up to 3.3 s.
        late_after=5,
        # 12 s. With Consul's own 4 a server called the leader dead that stood still for 3 s, and could answer nothing.
        gossip_probe=2,
        gossip_timeout=1.5,
        gossip_suspicion=6,
        heartbeat_ttl=ttl,
        heartbeat_grace=grace,
        failover_ttl=failover_ttl(heartbeat_ttl=ttl, heartbeat_grace=grace, clients=clients, spare=9),
        check_interval=5,
        check_timeout=4,
        # 30 s, for a container takes about 20 to be started again.
        check_failures=7,
        # 47 s from the job to three healthy instances, and with 5 s of grace one was restarted before it had started.
        check_grace=60,
        # Its first image must be pulled and unpacked as well, by all hosts at once. Twice, for a canary and the rest,
        # it is still less than what a deployment is waited for.
        healthy_within=420,
        restart_delay=2,
        reschedule_delay=10,
        reschedule_at_most=120,
        connect=2,
        balancer_check=2,
        balancer_failures=3,
        resolve=1,
        remembered=5,
        advertise=1,
    )
