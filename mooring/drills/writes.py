"""The acknowledged-write ledger: what a server said it had kept must be there when all is over."""

import threading
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from types import TracebackType
from typing import Protocol, Self

from typing_extensions import override

from mooring.clients.consul import Consul
from mooring.clients.errors import ApiError, Unreachable, Untrusted
from mooring.clients.http import Endpoint
from mooring.clients.nomad import Nomad
from mooring.drills.stage import each
from mooring.waiting import SYSTEM, Clock

FOLDER = "mooring-drill/"
"""Below which everything is ours: what a drill that was killed left there, the next one takes away."""

EVERY = 0.5
"""Seconds between two writes through one server."""

FAILURES = (ApiError, Unreachable, Untrusted)


class Store(Protocol):
    """Something that keeps what it is given, seen through one of its servers."""

    name: str

    def write(self, key: str) -> bool:
        """Keep `key`; False when it was refused. Any exception means that nobody knows whether it is kept."""
        ...

    def present(self, prefix: str) -> set[str]:
        """Every key below `prefix`, by a read that no server answers alone from what it remembers."""
        ...

    def clear(self, prefix: str) -> None: ...


class ConsulKeys(Store):
    name = "consul"

    def __init__(self, endpoint: Endpoint) -> None:
        self._api = Consul(endpoint)

    @override
    def write(self, key: str) -> bool:
        return self._api.put_key({"Key": key, "Value": ""}, unless_changed_since=0) is not None

    @override
    def present(self, prefix: str) -> set[str]:
        return self._api.keys(prefix)

    @override
    def clear(self, prefix: str) -> None:
        self._api.delete_keys(prefix)


class NomadVariables(Store):
    name = "nomad"

    def __init__(self, endpoint: Endpoint) -> None:
        self._api = Nomad(endpoint)

    @override
    def write(self, key: str) -> bool:
        body = {"Namespace": "default", "Path": key, "Items": {"drill": key}}
        return self._api.put_variable(body, unless_changed_since=0) is not None

    @override
    def present(self, prefix: str) -> set[str]:
        return self._api.variables(prefix, namespace="default")

    @override
    def clear(self, prefix: str) -> None:
        with ThreadPoolExecutor(8) as pool:
            for done in [pool.submit(self._delete, path) for path in self.present(prefix)]:
                done.result()

    def _delete(self, path: str) -> None:
        self._api.delete_variable(path, namespace="default")


@dataclass(frozen=True, kw_only=True, slots=True)
class Write:
    key: str
    store: str
    began: float
    ended: float
    acknowledged: bool
    """False: not kept, or nobody knows."""


@dataclass(frozen=True, kw_only=True)
class Audit:
    """What became of the writes of one store."""

    store: str
    acknowledged: int
    unknown: int
    """Not acknowledged: kept or not, both would be right."""

    lost: tuple[str, ...]
    longest_pause: float
    """Seconds between two acknowledged writes through whichever server."""


class Ledger:
    """Writes through every server at a steady pace until the block ends; `audit` then says what is lost."""

    def __init__(
        self,
        through: Sequence[Store],
        *,
        clock: Clock = SYSTEM,
        every: float = EVERY,
        name: Callable[[], str] = lambda: uuid.uuid4().hex,
    ) -> None:
        self.prefix = f"{FOLDER}{name()}/"
        self.writes: list[Write] = []
        self._clock = clock
        self._every = every
        self._stop = threading.Event()
        self._through = through
        self._threads = [
            threading.Thread(target=self._write, args=(number, store), name=f"writes {number}", daemon=True)
            for number, store in enumerate(through)
        ]

    @classmethod
    def on(cls, consul: Endpoint, nomad: Endpoint) -> Self:
        """Through each server of both clusters by itself, so that a lone one that says yes is heard."""
        return cls([*map(ConsulKeys, each(consul)), *map(NomadVariables, each(nomad))])

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(30)  # a server may hold its last answer until a leader is found

    def _write(self, writer: int, store: Store) -> None:
        number = 0
        while not self._stop.wait(self._every):
            key, began = f"{self.prefix}{writer}-{number}", self._clock.now()
            kept = False
            with suppress(*FAILURES):
                kept = store.write(key)
            ended = self._clock.now()
            self.writes.append(Write(key=key, store=store.name, began=began, ended=ended, acknowledged=kept))
            number += 1

    def audit(self, stores: Sequence[Store]) -> list[Audit]:
        """Ask `stores`, one of each name, for what was acknowledged, and take it away again."""
        audits = [audited(self.writes, store.name, store.present(self.prefix)) for store in stores]
        for store in stores:
            store.clear(self.prefix)
        return audits


def audited(writes: Sequence[Write], store: str, present: set[str]) -> Audit:
    of_store = [write for write in writes if write.store == store]
    kept = [write for write in of_store if write.acknowledged]
    ends = sorted(write.ended for write in kept)
    return Audit(
        store=store,
        acknowledged=len(kept),
        unknown=len(of_store) - len(kept),
        lost=tuple(sorted(write.key for write in kept if write.key not in present)),
        longest_pause=max((later - earlier for earlier, later in pairwise(ends)), default=0.0),
    )


def sweep(stores: Sequence[Store]) -> None:
    """Take away what earlier drills left that were killed."""
    for store in stores:
        store.clear(FOLDER)
