"""One list for everybody who asks at the same time, and no list at all while nothing has changed."""

import threading
from collections.abc import Callable, Mapping

from mooring.clients.answers import Json
from mooring.clients.errors import Unreachable


class Listing:
    """What a table of the server's holds, by id. A thousand reads side by side are one list and cheap questions.

    Nobody is told what was true before they asked: callers that come while a question is under way share the next
    one. An index is the server's own count of changes: the list is fetched only when it has moved.
    """

    def __init__(self, index: Callable[[], int], fetch: Callable[[], tuple[Mapping[str, Json], int]]) -> None:
        self._index = index
        self._fetch = fetch
        self._turn = threading.Condition()
        self._begun = self._ended = 0
        """Questions put and answered, so far."""

        self._asking = False
        self._found: Mapping[str, Json] = {}
        self._found_at: int | None = None
        self._silent: tuple[int, Unreachable] | None = None
        """The last question that nobody answered, and how that was told."""

    def now(self) -> Mapping[str, Json]:
        """Everything that is there; raises what the question raises."""
        with self._turn:
            wanted = self._begun + 1
            while self._asking and self._ended < wanted:
                self._turn.wait()
            if self._silent is not None and self._silent[0] >= wanted:
                # Or each of them would wait for silent servers in its turn.
                raise Unreachable(str(self._silent[1])) from self._silent[1]
            if self._ended >= wanted:
                return self._found
            self._asking, self._begun = True, self._begun + 1
            question = self._begun
        try:
            self._ask()
            with self._turn:
                self._ended = question
        except Unreachable as error:
            with self._turn:
                self._silent = question, error
            raise
        finally:
            with self._turn:
                self._asking = False
                self._turn.notify_all()
        return self._found

    def _ask(self) -> None:
        if self._found_at is None or self._index() != self._found_at:
            self._found, self._found_at = self._fetch()
