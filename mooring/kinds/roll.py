"""Whose turn it is: of a cluster one server is touched at a time, and a bounded number of clients, in a safe order.

The engine runs whatever it can in parallel, each agent by itself. Here those that wait for the same cluster meet: who
is ill goes first, as nobody else may be touched before, and who leads goes last, so that a roll costs one election.
The first that does not come back ends the roll; the engine calls the others anyway, and they are left alone.
"""

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import IntEnum

from mooring.clients.errors import ApiError, Unreachable
from mooring.kinds import membership
from mooring.kinds.membership import Membership
from mooring.waiting import Cancelled, Clock, TimedOut, wait_for

WHOLE_WITHIN = 120.0
"""Seconds. A server that joins is a voter after autopilot's stabilisation time of 10; one that has died is known to be
dead, and can be taken off, within 90."""

LEADERLESS_WITHIN = 15.0
"""Seconds. An election takes 1-4, and under load it is sometimes held twice."""

GATHERED_WITHIN = 0.3
"""Seconds. The engine starts the changes of a roll within some hundredths of each other."""


class CannotSpare(Exception):
    """The agent must not be touched now: heal what the message names first."""


class Rank(IntEnum):
    """Who of those that wait is next, smallest first."""

    ILL = 0
    FOLLOWER = 1
    LEADER = 2
    CLIENT = 3


@dataclass
class Roll:
    """What has been and is being done to one cluster in this run."""

    addresses: set[str]
    change: threading.Condition = field(default_factory=threading.Condition)
    waiting: list[tuple[Rank, str]] = field(default_factory=list[tuple[Rank, str]])
    servers_away: int = 0
    clients_away: int = 0
    stopped_by: str = ""
    """Why nobody else is touched in this run."""

    def is_free(self, rank: Rank, name: str, at_once: int) -> bool:
        """Whether `name` may go now."""
        if self.servers_away or (rank is not Rank.CLIENT and self.clients_away):
            return False
        return min(self.waiting) == (rank, name) and (rank is not Rank.CLIENT or self.clients_away < at_once)


_ROLLS: dict[str, list[Roll]] = {}
_FINDING = threading.Lock()


def _roll(member: Membership) -> Roll:
    """The roll of `member`'s cluster: a cluster that grows keeps an address, so any that is shared will do."""
    known = set(member.endpoint.addresses)
    with _FINDING:
        rolls = _ROLLS.setdefault(member.cluster, [])
        found = next((roll for roll in rolls if roll.addresses & known), None)
        if found is None:
            found = Roll(known)
            rolls.append(found)
        found.addresses |= known
        return found


def forget() -> None:
    """Begin as a new run does."""
    with _FINDING:
        _ROLLS.clear()


@contextmanager
def turn(
    member: Membership | None, address: str, clock: Clock, say: Callable[[str], None] = lambda _: None
) -> Generator[None]:
    """Hold the turn while an agent is touched, from the moment when its cluster can spare it until it is back.

    `address` is the agent's own, by which it can be asked itself.

    Raises `CannotSpare` when the cluster could lose its quorum, or when the roll was stopped by another agent.
    """
    if member is None:
        yield
        return
    roll = _roll(member)
    with _place(roll, member, address, clock, say) as rank:
        if rank is not Rank.ILL and roll.stopped_by:
            raise CannotSpare(f"not touched: {roll.stopped_by}; heal it, then run `pulumi up` again")
        if reason := reason_to_wait(member, address, clock, say):
            raise CannotSpare(f"not touched: {reason}; heal the others, then run `pulumi up` again")
        try:
            yield
        except Cancelled:
            raise
        except Exception as error:
            roll.stopped_by = roll.stopped_by or f"{member.name} did not come back ({_first_line(error)})"
            raise


@contextmanager
def _place(roll: Roll, member: Membership, address: str, clock: Clock, say: Callable[[str], None]) -> Generator[Rank]:
    rank = rank_of(member, address)
    ticket = (rank, member.name)
    say("waiting for its turn")
    with roll.change:
        roll.waiting.append(ticket)
    try:
        clock.sleep(GATHERED_WITHIN)
        with roll.change:
            while not roll.is_free(*ticket, member.at_once):
                # With a deadline, as whoever is asked to stop must hear of it.
                roll.change.wait(0.2)
                clock.sleep(0)
            roll.waiting.remove(ticket)
            _count(roll, rank, 1)
            roll.change.notify_all()
    except BaseException:
        with roll.change:
            roll.waiting.remove(ticket)
            roll.change.notify_all()
        raise
    try:
        yield rank
    finally:
        with roll.change:
            _count(roll, rank, -1)
            roll.change.notify_all()


def _count(roll: Roll, rank: Rank, by: int) -> None:
    if rank is Rank.CLIENT:
        roll.clients_away += by
    else:
        roll.servers_away += by


def rank_of(member: Membership, address: str) -> Rank:
    """Where `member` stands in the order of a roll, as the cluster sees it now."""
    if "server" not in member.roles:
        return Rank.CLIENT
    try:
        servers = membership.servers(member)
    except (ApiError, Unreachable):
        return Rank.ILL
    mine = [server for server in servers if server["Name"] == member.name_as_server]
    if not any(server["Voter"] for server in mine) or not membership.stands(member, address):
        return Rank.ILL
    return Rank.LEADER if mine[0]["Leader"] else Rank.FOLLOWER


def reason_to_wait(member: Membership, address: str, clock: Clock, say: Callable[[str], None]) -> str | None:
    """Why `member` must still not be touched, after the cluster was given time to become whole."""
    last: str | None = None
    asked_in_vain = 0.0

    def spared() -> bool | None:
        nonlocal last, asked_in_vain
        try:
            standing = "server" not in member.roles or membership.stands(member, address)
            last = membership.unsafe_to_touch(member, membership.servers(member), stands=standing)
            asked_in_vain = 0.0
        except (ApiError, Unreachable):
            asked_in_vain += 0.5
            if asked_in_vain > LEADERLESS_WITHIN * member.endpoint.patience:
                # There is no quorum to lose, and the change may be what brings it back.
                return True
            last = f"{member.cluster} has no leader"
        if last:
            say(f"waiting: {last}")
        return None if last else True

    try:
        wait_for(spared, "the cluster is whole", within=WHOLE_WITHIN * member.endpoint.patience, every=0.5, clock=clock)
    except TimedOut:
        return last
    return None


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0].rstrip(":")
