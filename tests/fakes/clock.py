"""Time that passes only when somebody waits for it."""

import heapq
import itertools
import threading
from collections.abc import Callable

from mooring.waiting import Cancelled


class FakeClock:
    """A clock for waits, and the order of what happens meanwhile: a fake server says `after`, a wait lets it happen."""

    def __init__(self) -> None:
        self.cancelled = threading.Event()
        self._now = 0.0
        self._order = itertools.count()
        self._due: list[tuple[float, int, Callable[[], None]]] = []

    def now(self) -> float:
        return self._now

    def after(self, seconds: float, happens: Callable[[], None]) -> None:
        heapq.heappush(self._due, (self._now + seconds, next(self._order), happens))

    def sleep(self, seconds: float) -> None:
        """As a waiting client: ended at once by whoever asks to stop."""
        until = self._now + seconds
        self.pass_until(self.cancelled.is_set, within=seconds)
        if self.cancelled.is_set():
            raise Cancelled("cancelled while waiting")
        self._now = until

    def pass_until(self, reached: Callable[[], bool], *, within: float) -> None:
        """As a server that holds a question: let things happen until `reached`, or for `within` seconds."""
        until = self._now + within
        while not reached() and self._due and self._due[0][0] <= until:
            self._now, _, happens = heapq.heappop(self._due)
            happens()
        if not reached():
            self._now = until
