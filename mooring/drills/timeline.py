"""What happened and when: everything that anybody saw during a drill, on one clock."""

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from mooring.waiting import SYSTEM, Clock


class What(StrEnum):
    FAULT = "fault"
    """The drill broke something."""

    RESTORED = "restored"
    """The drill put it back."""

    STEP = "step"
    """The drill did one of many equal things."""

    CAPACITY = "capacity"
    """`counts`: instances of the app that pass their checks, by node, as Consul has them."""

    BALANCER = "balancer"
    """`about` sends to `counts`: servers in use, by address."""

    CONSUL_LEADER = "consul leader"
    NOMAD_LEADER = "nomad leader"
    """`about`: the leader's address; empty while nobody knows one."""

    MEMBER = "member"
    """Gossip's verdict on the node `about`: `passing` or `critical`."""

    NODE = "node"
    """Nomad's verdict on the node `about`: `ready`, `down`, `initializing`."""

    ALLOCATION = "allocation"
    """`about` on `node` is `detail`."""

    DEPLOYMENT = "deployment"


@dataclass(frozen=True, kw_only=True)
class Event:
    at: float
    """Seconds on a clock that never goes back."""

    what: What
    about: str = ""
    detail: str = ""
    node: str = ""
    counts: Mapping[str, int] = field(default_factory=dict[str, int])


class Timeline:
    """Every event in the order in which it was seen; any thread may add to it."""

    def __init__(self, clock: Clock = SYSTEM, follower: Callable[[Event], None] = lambda _: None) -> None:
        self.clock = clock
        self._events: list[Event] = []
        self._follower = follower
        self._lock = threading.Lock()

    def add(
        self,
        what: What,
        about: str = "",
        detail: str = "",
        *,
        node: str = "",
        counts: Mapping[str, int] | None = None,
    ) -> Event:
        event = Event(at=self.clock.now(), what=what, about=about, detail=detail, node=node, counts=counts or {})
        with self._lock:
            self._events.append(event)
        self._follower(event)
        return event

    def events(self) -> list[Event]:
        with self._lock:
            return sorted(self._events, key=lambda event: event.at)

    def of(self, *what: What) -> Iterator[Event]:
        return (event for event in self.events() if event.what in what)
