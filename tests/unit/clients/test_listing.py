"""A list shared by everybody who asks at once: few calls, nothing stale, and silence told once."""

import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from mooring.clients.errors import Unreachable
from mooring.clients.listing import Listing
from mooring.waiting import wait_for


class Server:
    """A table with an index, that counts what it is asked, and can be held in the middle of an answer."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, Any]] = {"a": {"n": 1}}
        self.index = 7
        self.asked = self.fetched = 0
        self.answers = threading.Event()
        self.answers.set()
        self.began = threading.Event()
        self.silent = False

    def change(self, **rows: dict[str, Any]) -> None:
        self.rows |= rows
        self.index += 1

    def ask(self) -> int:
        self.asked += 1
        self.began.set()
        self.answers.wait(10)
        if self.silent:
            raise Unreachable("no server answers")
        return self.index

    def fetch(self) -> tuple[Mapping[str, dict[str, Any]], int]:
        self.fetched += 1
        return dict(self.rows), self.index


def all_wait(listing: Listing, count: int) -> None:
    """There is no other way to see from outside that a thread has come as far as to wait."""
    waiting = listing._turn._waiters  # type: ignore[attr-defined]  # noqa: SLF001
    wait_for(lambda: len(waiting) == count or None, "everybody waits", within=10, every=0.01)


@pytest.fixture
def server() -> Server:
    return Server()


def test_what_has_not_changed_is_not_fetched_again(server: Server) -> None:
    listing = Listing(server.ask, server.fetch)

    for _ in range(5):
        assert listing.now() == {"a": {"n": 1}}
    assert server.fetched == 1


def test_nobody_is_told_what_was_true_before_they_asked(server: Server) -> None:
    listing = Listing(server.ask, server.fetch)
    listing.now()

    server.change(b={"n": 2})

    assert listing.now().keys() == {"a", "b"}


def test_those_who_come_while_a_question_is_under_way_share_the_next_one(server: Server) -> None:
    listing = Listing(server.ask, server.fetch)
    listing.now()
    server.answers.clear()
    with ThreadPoolExecutor(30) as others:
        first = others.submit(listing.now)
        assert server.began.wait(10)
        rest = [others.submit(listing.now) for _ in range(29)]
        all_wait(listing, 29)
        server.change(b={"n": 2})
        server.answers.set()
        found = [each.result(10) for each in rest]

    assert first.result().keys() >= {"a"}
    assert all(each.keys() == {"a", "b"} for each in found)
    assert server.asked == 2


def test_silence_is_waited_out_once_for_all_who_were_waiting(server: Server) -> None:
    """Each in its turn would make a preview of a thousand jobs wait a thousand times for servers that are down."""
    listing = Listing(server.ask, server.fetch)
    listing.now()
    server.silent = True
    server.answers.clear()
    with ThreadPoolExecutor(30) as others:
        first = others.submit(listing.now)
        assert server.began.wait(10)
        rest = [others.submit(listing.now) for _ in range(29)]
        all_wait(listing, 29)
        server.answers.set()
        raised = [each.exception(10) for each in (first, *rest)]

    assert all(isinstance(each, Unreachable) for each in raised)
    assert server.asked == 2
    server.silent = False
    assert listing.now() == {"a": {"n": 1}}
