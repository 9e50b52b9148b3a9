"""The ledger of acknowledged writes, before stores that lose, refuse and fall silent."""

import threading
from collections.abc import Callable

from mooring.clients.errors import ApiError, Unreachable
from mooring.drills.writes import FOLDER, Ledger, Store, Write, audited, sweep
from mooring.waiting import wait_for


class Memory(Store):
    """Keeps keys, unless `when` says otherwise for the n-th of them."""

    name = "memory"

    def __init__(self, when: Callable[[int], str] = lambda _: "kept") -> None:
        self.keys: set[str] = set()
        self._when = when
        self._asked = 0
        self._lock = threading.Lock()

    def write(self, key: str) -> bool:
        with self._lock:
            number, self._asked = self._asked, self._asked + 1
        match self._when(number):
            case "kept":
                self.keys.add(key)
            case "lost":
                pass
            case "refused":
                return False
            case "silent":
                self.keys.add(key)
                raise Unreachable("did not answer in time")
            case "leaderless":
                raise ApiError("PUT", "/v1/txn", 500, "No cluster leader")
            case word:
                raise AssertionError(word)
        return True

    def present(self, prefix: str) -> set[str]:
        return {key for key in self.keys if key.startswith(prefix)}

    def clear(self, prefix: str) -> None:
        self.keys -= self.present(prefix)


def kept_by(*stores: Memory, writes: int = 30) -> Ledger:
    with Ledger(stores, every=0.001) as ledger:
        wait_for(lambda: len(ledger.writes) >= writes or None, "it has written", within=10, every=0.005)
    return ledger


def test_nothing_is_lost_by_a_store_that_keeps_everything_and_nothing_is_left_in_it() -> None:
    store = Memory()
    ledger = kept_by(store)

    (audit,) = ledger.audit([store])

    assert (audit.lost, audit.unknown) == ((), 0)
    assert audit.acknowledged == len(ledger.writes) >= 30
    assert store.keys == set()


def test_an_acknowledged_write_that_is_not_there_is_lost_and_named() -> None:
    store = Memory(lambda number: "lost" if number == 7 else "kept")
    ledger = kept_by(store)

    (audit,) = ledger.audit([store])

    assert audit.lost == (f"{ledger.prefix}0-7",)


def test_what_nobody_acknowledged_is_not_lost_whether_it_is_there_or_not() -> None:
    words = {3: "silent", 4: "leaderless", 5: "refused"}
    store = Memory(lambda number: words.get(number, "kept"))
    ledger = kept_by(store)

    (audit,) = ledger.audit([store])

    assert audit.unknown == 3
    assert audit.lost == ()


def test_a_server_that_fails_does_not_keep_the_others_from_being_written_through() -> None:
    dead, alive = Memory(lambda _: "leaderless"), Memory()
    ledger = kept_by(dead, alive, writes=60)

    assert sum(write.acknowledged for write in ledger.writes) > 5
    assert not dead.keys


def test_the_pause_is_the_longest_time_without_an_acknowledged_write() -> None:
    def write(ended: float, *, acknowledged: bool = True) -> Write:
        return Write(key=f"k{ended}", store="memory", began=ended, ended=ended, acknowledged=acknowledged)

    writes = [write(1), write(1.5), write(3, acknowledged=False), write(6), write(6.5)]

    assert audited(writes, "memory", {w.key for w in writes}).longest_pause == 4.5


def test_what_a_killed_drill_left_is_taken_away_and_nothing_else() -> None:
    store = Memory()
    store.keys = {f"{FOLDER}old/0-1", "somebody/elses"}

    sweep([store])

    assert store.keys == {"somebody/elses"}
