"""What a person sees of a preparation: a line when something slow starts, a line when it is done.

Everything goes to standard error, whole lines at a time, as several things are under way at once.
"""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_WRITING = threading.Lock()


def say(line: str) -> None:
    with _WRITING:
        print(line, file=sys.stderr, flush=True)


@contextmanager
def doing(what: str, about: str, done: str = "done") -> Iterator[None]:
    """Say that something slow begins and how long it may take; then that it is done, with the seconds it took."""
    say(f"{what} (about {about})")
    begun = time.monotonic()
    yield
    say(f"{what}: {done} in {time.monotonic() - begun:.0f} s")


def minutes(count: float) -> str:
    return f"{count:.0f} min" if count >= 2 else f"{count * 60:.0f} s"
