"""The event recorder: what Consul, Nomad and the balancer say of themselves, from every server of each at once.

Each server is asked by itself and for what it knows (`stale`), so that whoever is still there tells; what two of them
tell is written down once, by its index.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Self

from mooring.clients import ssh
from mooring.clients.answers import Json, table
from mooring.clients.consul import Consul
from mooring.clients.errors import ApiError, CommandFailed, Unreachable, Untrusted
from mooring.clients.http import Endpoint
from mooring.clients.nomad import Nomad
from mooring.drills.stage import Host, Stage, each
from mooring.drills.timeline import Timeline, What

FAILURES = (ApiError, CommandFailed, Unreachable, Untrusted)

LEADER_EVERY = 0.25
"""Seconds between two looks at who leads; an election takes one to four."""

BALANCER_EVERY = 0.25
AGAIN = 0.25
"""Seconds until somebody who did not answer is asked again."""

SERVERS = "echo 'show servers state' | socat -t2 stdio unix-connect:/run/mooring-haproxy.sock"
TOPICS = ("Node", "Allocation", "Deployment")
RUNNING = "2"
"""HAProxy's `srv_op_state` of a server in use."""


class Recorder:
    """Writes into a timeline until the block ends."""

    def __init__(self, stage: Stage, timeline: Timeline) -> None:
        self._stage = stage
        self._timeline = timeline
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._newest: dict[str, int] = {}
        """The index of what was last written down, by what it is about."""

        self._last: dict[tuple[What, str], object] = {}
        self._heard: set[tuple[int, str, str]] = set()
        self._nomad_since: int | None = None
        """Nomad's index when the first server was asked."""

        self._leaders: dict[tuple[What, str], str] = {}
        listeners: list[Callable[[], None]] = []
        for at in each(stage.consul):
            api = Consul(at)
            listeners += [_blocking(self._capacity, api), _blocking(self._members, api)]
            listeners.append(self._leader(What.CONSUL_LEADER, at, api.leader))
        for at in each(stage.nomad):
            region = Nomad(at)
            listeners.append(partial(self._nomad, region))
            listeners.append(self._leader(What.NOMAD_LEADER, at, region.leader))
        listeners += [partial(self._balancer, edge) for edge in stage.having("edge")]
        self._threads = [
            threading.Thread(target=self._again, args=(listener,), name=f"recorder {number}", daemon=True)
            for number, listener in enumerate(listeners)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        # Daemons that may be in the middle of a long question: what they hear from now on is not written down.
        self._stop.set()

    def _again(self, listener: Callable[[], None]) -> None:
        while not self._stop.is_set():
            with suppress(*FAILURES):
                listener()
            self._stop.wait(AGAIN)

    def _capacity(self, api: Consul, index: int) -> int:
        found, index = api.service_after(self._stage.service, index)
        if self._news("capacity", index):
            self._changed(What.CAPACITY, "", passing(found))
        return index

    def _members(self, api: Consul, index: int) -> int:
        found, index = api.checks_after(index)
        if self._news("members", index):
            for node, status in members(found).items():
                self._changed(What.MEMBER, node, status)
        return index

    def _leader(self, what: What, at: Endpoint, ask: Callable[[], str | None]) -> Callable[[], None]:
        servers = len((self._stage.consul if what is What.CONSUL_LEADER else self._stage.nomad).addresses)

        def listen() -> None:
            while not self._stop.wait(LEADER_EVERY):
                said = ""
                try:
                    said = (ask() or "").partition(":")[0]
                finally:
                    with self._lock:
                        self._leaders[what, at.addresses[0]] = said
                        views = [leader for (of, _), leader in self._leaders.items() if of is what]
                    leader = agreed(views, servers)
                    # Before the servers were all asked once, that they do not agree means nothing.
                    if leader or len(views) == servers:
                        self._changed(what, leader, None)

        return listen

    def _nomad(self, region: Nomad) -> None:
        # What was before is of no interest, and a server that comes back tells it all again while it catches up.
        with self._lock:
            if self._nomad_since is None:
                self._nomad_since = region.index()
            since = self._nomad_since
        for event in region.events(TOPICS, since + 1):
            if self._stop.is_set():
                return
            key = (int(event["Index"]), str(event["Topic"]), str(event["Key"]))
            with self._lock:
                known = key in self._heard
                self._heard.add(key)
            if not known and key[0] > since:
                self._told(event)

    def _told(self, event: Json) -> None:
        payload = table(event["Payload"])
        match event["Topic"]:
            case "Node":
                node = payload["Node"]
                self._changed(What.NODE, node["Name"], node["Status"])
            case "Allocation":
                found = payload["Allocation"]
                if found["JobID"] == self._stage.job:
                    words = " ".join(_allocation(found))
                    self._changed(What.ALLOCATION, found["ID"][:8], words, node=found["NodeName"])
            case "Deployment":
                found = payload["Deployment"]
                if found["JobID"] == self._stage.job:
                    self._changed(What.DEPLOYMENT, found["ID"][:8], found["Status"])
            case _:
                pass

    def _balancer(self, edge: Host) -> None:
        while not self._stop.wait(BALANCER_EVERY):
            ssh.forget_silence()
            said = ssh.run(edge.connection, SERVERS, within=3).decode()
            self._changed(What.BALANCER, edge.name, in_use(said, self._stage.service))

    def _news(self, what: str, index: int) -> bool:
        with self._lock:
            # An index that goes back is a server's that lost its memory: it has to be believed from there on.
            news = index > self._newest.get(what, 0)
            self._newest[what] = max(index, self._newest.get(what, 0))
        return news

    def _changed(self, what: What, about: str, said: Mapping[str, int] | str | None, *, node: str = "") -> None:
        """Write it down if it is not what was last written of the same thing."""
        key = (what, "" if said is None else about)
        value = about if said is None else said
        with self._lock:
            if self._stop.is_set() or self._last.get(key) == value:
                return
            self._last[key] = value
        if isinstance(said, str | None):
            self._timeline.add(what, about, said or "", node=node)
        else:
            self._timeline.add(what, about, counts=said)


def _blocking(ask: Callable[[Consul, int], int], api: Consul) -> Callable[[], None]:
    index = 0

    def listen() -> None:
        nonlocal index
        index = ask(api, index)

    return listen


def agreed(views: Sequence[str], servers: int) -> str:
    """The leader that a majority of the servers names; empty when there is none."""
    counted = Counter(view for view in views if view)
    return next((leader for leader, votes in counted.items() if votes * 2 > servers), "")


def passing(instances: Iterable[Json]) -> dict[str, int]:
    """How many instances pass all of their checks, by node."""
    return dict(
        Counter(
            str(instance["Node"]["Node"])
            for instance in instances
            if all(check["Status"] == "passing" for check in instance["Checks"])
        )
    )


def members(checks: Iterable[Json]) -> dict[str, str]:
    """What gossip makes of each node."""
    return {check["Node"]: check["Status"] for check in checks if check["CheckID"] == "serfHealth"}


def in_use(state: str, backend: str) -> dict[str, int]:
    """How many servers of a backend HAProxy sends to, by address, from its `show servers state`."""
    heads = [line[2:].split() for line in state.splitlines() if line.startswith("# be_id")]
    columns = heads[0] if heads else []
    servers = [dict(zip(columns, line.split(), strict=False)) for line in state.splitlines() if line[:1].isdigit()]
    return dict(
        Counter(
            server["srv_addr"]
            for server in servers
            if server.get("be_name") == backend and server.get("srv_op_state") == RUNNING and server["srv_addr"] != "-"
        )
    )


def _allocation(found: Json) -> list[str]:
    words = [str(found["ClientStatus"])]
    healthy = table(found.get("DeploymentStatus")).get("Healthy")
    if healthy is not None:
        words.append("healthy" if healthy else "unhealthy")
    if found["DesiredStatus"] != "run":
        words.append(f"to {found['DesiredStatus']}")
    return words
