"""The one way to wait: a deadline, a reason, and a clock that tests can turn."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

T = TypeVar("T")


class TimedOut(Exception):
    """What was waited for did not come within its deadline: the reason says what it was."""


class Cancelled(Exception):
    """The person asked to stop while we were waiting: leave a state the next run continues from."""


class Clock(Protocol):
    def now(self) -> float:
        """Seconds on a clock that never goes back."""
        ...

    def sleep(self, seconds: float) -> None:
        """Let `seconds` pass, or raise `Cancelled` as soon as somebody asks to stop."""
        ...


@dataclass(frozen=True)
class SystemClock:
    """The machine's own clock; setting `cancelled` ends every sleep on it at once."""

    cancelled: threading.Event = field(default_factory=threading.Event)

    def now(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        if self.cancelled.wait(seconds):
            raise Cancelled("cancelled while waiting")


SYSTEM = SystemClock()


def wait_for(
    probe: Callable[[], T | None],
    what: str,
    *,
    within: float,
    every: float = 0.2,
    clock: Clock = SYSTEM,
) -> T:
    """Return the first answer of `probe` that is not None; `within` and `every` are seconds.

    An exception from `probe` ends the wait: a broken server is not a slow one.
    Raises `TimedOut` at the deadline and `Cancelled` when the clock is told to stop.
    """
    deadline = clock.now() + within
    while (answer := probe()) is None:
        if clock.now() + every > deadline:
            raise TimedOut(f"{what}: not within {within:g} s")
        clock.sleep(every)
    return answer
