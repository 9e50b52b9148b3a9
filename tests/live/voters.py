"""How many servers of a cluster were there to decide, at every moment of a while.

Each is asked itself. Autopilot's own count of the healthy ones is of the leader's last look: after an election it calls
servers unhealthy that it has only not heard of yet.
"""

import threading
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from mooring.cli.overview import Overview
from mooring.clients import consul, nomad
from mooring.clients.errors import ApiError, Unreachable

EVERY = 0.25
"""Seconds."""


@dataclass
class Voters:
    """Asks every server of both clusters until the block ends."""

    overview: Overview
    consul: list[int] = field(default_factory=list[int])
    nomad: list[int] = field(default_factory=list[int])
    """One number for each time that all were asked."""

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._watch, args=(cluster, seen), daemon=True)
            for cluster, seen in (("consul", self.consul), ("nomad", self.nomad))
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(30)

    def _watch(self, cluster: str, seen: list[int]) -> None:
        endpoint = self.overview.consul if cluster == "consul" else self.overview.nomad
        each = [endpoint.model_copy(update={"addresses": (address,)}) for address in endpoint.addresses]
        asked = [consul.Consul(one) if cluster == "consul" else nomad.Nomad(one) for one in each]
        while not self._stop.wait(EVERY):
            seen.append(sum(_decides(server) for server in asked))


def _decides(server: consul.Consul | nomad.Nomad) -> bool:
    try:
        raft = server.raft()
    except (ApiError, Unreachable):
        return False
    # Without peers it has just started and has not read its own copy of who decides.
    return raft["state"] in ("Follower", "Candidate", "Leader") and int(raft["num_peers"]) > 0
