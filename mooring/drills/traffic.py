"""The request ledger: an open-loop load on the stack's own balancer, and what became of each request of it."""

import asyncio
import itertools
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from ipaddress import ip_address
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from mooring.waiting import SYSTEM, Clock

ANSWER_WITHIN = 5.0
"""Seconds after which a person has gone away."""

ID_HEADER = "X-Drill-Request"


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    number: int
    due: float
    """When it was to be sent. Counted from then on, an answer cannot look fast because the question came late."""

    ended: float
    status: int | None
    """None: no answer."""

    instance: str = ""
    """Which instance answered, where the app says so."""

    @property
    def failed(self) -> bool:
        return self.status != HTTPStatus.OK

    @property
    def took(self) -> float:
        return self.ended - self.due


class Traffic:
    """Sends `rate` requests a second to `url` until the block ends or `most` were sent.

    Each one is sent when it is due, on a connection of its own, whatever became of those before it.
    """

    def __init__(self, url: str, rate: float, *, most: int = 1_000_000, clock: Clock = SYSTEM) -> None:
        self._place = urlsplit(url)
        if not _is_ours(self._place.hostname or ""):
            raise ValueError(f"load goes to loopback and private addresses only, not to {url}")
        self.rate = rate
        self._most = most
        self._clock = clock
        self._requests: list[Request] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="traffic", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Send no more, and wait for what is under way."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(2 * ANSWER_WITHIN)

    @property
    def requests(self) -> list[Request]:
        """Those that have ended, in the order in which they were due."""
        return sorted(self._requests, key=lambda request: request.number)

    @property
    def count(self) -> int:
        return len(self._requests)

    @property
    def failed(self) -> list[Request]:
        return [request for request in self.requests if request.failed]

    async def _run(self) -> None:
        under_way: set[asyncio.Task[None]] = set()
        begun = self._clock.now()
        for number in itertools.islice(itertools.count(), self._most):
            due = begun + number / self.rate
            await asyncio.sleep(max(0.0, due - self._clock.now()))
            if self._stop.is_set():
                break
            task = asyncio.create_task(self._one(number, due))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
        await asyncio.gather(*under_way)

    async def _one(self, number: int, due: float) -> None:
        status: int | None = None
        headers: Mapping[str, str] = {}
        with suppress(OSError, TimeoutError, ValueError, IndexError, EOFError):
            status, headers = await asyncio.wait_for(self._ask(number), ANSWER_WITHIN)
        self._requests.append(
            Request(
                number=number,
                due=due,
                ended=self._clock.now(),
                status=status,
                instance=headers.get("x-instance", ""),
            )
        )

    async def _ask(self, number: int) -> tuple[int, Mapping[str, str]]:
        reader, writer = await asyncio.open_connection(self._place.hostname, self._place.port or 80)
        try:
            path = self._place.path or "/"
            lines = [
                f"GET {path} HTTP/1.1",
                f"Host: {self._place.netloc}",
                f"{ID_HEADER}: {number}",
                "Connection: close",
            ]
            writer.write("\r\n".join([*lines, "", ""]).encode())
            return parsed((await reader.read()).decode())
        finally:
            writer.close()


def parsed(answer: str) -> tuple[int, Mapping[str, str]]:
    """Status and headers; `ValueError` or `IndexError` for what is no whole answer."""
    head, end, body = answer.partition("\r\n\r\n")
    lines = head.split("\r\n")
    status = int(lines[0].split()[1])
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines[1:])}
    if not end or len(body.encode()) < int(headers.get("content-length", "0")):
        raise ValueError("the answer was cut off")
    return status, headers


def _is_ours(host: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return host == "localhost"
    return address.is_loopback or address.is_private
