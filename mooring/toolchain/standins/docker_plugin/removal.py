"""Taking away what others may still be leaving: a network with containers on it, a volume that is mounted."""

from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus

from docker.errors import APIError, NotFound

from mooring.waiting import SYSTEM, Clock, TimedOut, wait_for

WITHIN = 30
"""Seconds to wait for the others, as in the official plugin."""


def remove_when_free(remove: Callable[[], object], *, busy: HTTPStatus, what: str, clock: Clock = SYSTEM) -> None:
    """Call `remove` until the engine no longer answers `busy`; what is gone already is fine."""

    def removed() -> bool | None:
        try:
            remove()
        except NotFound:
            return True
        except APIError as error:
            if error.status_code == busy:
                return None
            raise
        return True

    try:
        wait_for(removed, what, within=WITHIN, every=0.5, clock=clock)
    except TimedOut:
        with suppress(NotFound):
            remove()  # its refusal names who is in the way, which "timed out" does not
