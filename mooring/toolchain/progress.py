"""What a person sees of a preparation: a line when something slow starts, a line when it is done.

Everything goes to standard error, whole lines at a time, as several things are under way at once.
"""

import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager

_WRITING = threading.Lock()


def say(line: str) -> None:
    with _WRITING:
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()


@contextmanager
def doing(what: str, how: str, about: str, done: str) -> Generator[None]:
    """Say that something slow begins and how long it may take; then that it is done, with the seconds it took."""
    say(f"{what}: {how} (about {about})")
    begun = time.monotonic()
    yield
    say(f"{what}: {done} in {time.monotonic() - begun:.0f} s")
