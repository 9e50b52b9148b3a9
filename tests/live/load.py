"""An open-loop load: a fixed rate, each request on a connection of its own, whatever became of the others."""

import asyncio
import threading
import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

ANSWER_WITHIN = 5.0
"""Seconds."""


@dataclass(frozen=True)
class Request:
    began: float
    """On the monotonic clock, as `ended`."""

    ended: float
    status: int | None
    """None: no answer."""

    instance: str = ""


@dataclass
class Load:
    """Sends `rate` requests a second to `url`, on this machine only, until the block ends or `most` were sent."""

    url: str
    rate: float
    most: int = 20_000
    requests: list[Request] = field(default_factory=list[Request])

    def __post_init__(self) -> None:
        self._place = urlsplit(self.url)
        if self._place.hostname != "127.0.0.1":
            raise ValueError(f"load goes to loopback only, not to {self.url}")
        self._stop = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(ANSWER_WITHIN + 5)

    @property
    def failed(self) -> list[Request]:
        return [request for request in self.requests if request.status != 200]

    async def _run(self) -> None:
        under_way: set[asyncio.Task[None]] = set()
        begun = time.monotonic()
        for number in range(self.most):
            if self._stop.is_set():
                break
            await asyncio.sleep(max(0.0, begun + number / self.rate - time.monotonic()))
            task = asyncio.create_task(self._one())
            under_way.add(task)
            task.add_done_callback(under_way.discard)
        await asyncio.gather(*under_way)

    async def _one(self) -> None:
        began = time.monotonic()
        try:
            status, instance = await asyncio.wait_for(self._ask(), ANSWER_WITHIN)
        except (OSError, TimeoutError, ValueError, IndexError):
            status, instance = None, ""
        self.requests.append(Request(began, time.monotonic(), status, instance))

    async def _ask(self) -> tuple[int, str]:
        reader, writer = await asyncio.open_connection(self._place.hostname, self._place.port)
        try:
            path = self._place.path or "/"
            writer.write(f"GET {path} HTTP/1.1\r\nHost: {self._place.netloc}\r\nConnection: close\r\n\r\n".encode())
            head, _, _ = (await reader.read()).decode().partition("\r\n\r\n")
        finally:
            writer.close()
        lines = head.split("\r\n")
        named = dict(line.lower().split(": ", 1) for line in lines[1:])
        return int(lines[0].split()[1]), named.get("x-instance", "")
