"""Ways to addresses that nothing but hosts reaches: a TCP connection through SSH, where a plain one would be refused.

What is spoken on it is not changed by it: TLS still ends at whoever is reached, who proves to be the one we mean.
"""

import socket
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

import requests
from pydantic import Field
from typing_extensions import override
from urllib3 import HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, MaxRetryError, NewConnectionError

from mooring.clients import ssh
from mooring.clients.errors import Unreachable
from mooring.clients.ssh import Connection

CONNECT_WITHIN = 2.0
"""Seconds; a host of the same network accepts in milliseconds, and the next one is waiting to be asked."""


class Way(Connection, frozen=True):
    """An address, and the host that connects to it for us."""

    to: str
    """As hosts reach it; SSH itself may go to another one."""

    private_key: str = Field(default="", repr=False)
    """Empty: that of the way before. Hosts mostly share a key, and each thing in a state holds all of these."""


KEYS = "through.*.private_key"
"""Where the secrets are of whatever holds ways as `through`; a path as `secret_inputs` has it."""


class Ways:
    """By address, the host that connects to it."""

    def __init__(self, through: Sequence[Way]) -> None:
        self.hosts: dict[str, Connection] = {}
        key = ""
        for way in through:
            key = way.private_key or key
            said = way.model_dump(exclude={"to", "private_key"})
            # The very one that commands take, so that both share what is open.
            self.hosts[way.to] = Connection(**said, private_key=key)

    def __bool__(self) -> bool:
        return bool(self.hosts)

    def dial(self, address: str, port: int, within: float) -> socket.socket:
        """Connect; raises `Unreachable`, `Untrusted`, and without any ways `OSError`.

        An address without a way of its own is that of some other host of the stack, which each of these reaches.
        """
        if not self.hosts:
            return socket.create_connection((address, port), timeout=within)
        own = self.hosts.get(address)
        last: Unreachable | None = None
        for host in [own] if own is not None else self.hosts.values():
            try:
                made = ssh.dial(host, address, port, within=within)
            except Unreachable as error:
                last = error
            else:
                made.settimeout(within)
                return made
        raise last or Unreachable(f"there is no way to {address}")

    @contextmanager
    def door(self, address: str, port: int) -> Generator[str]:
        """`host:port` by which a program of somebody else's connects, while the block lasts.

        By a way that is a port of the loopback, for which the agents' certificates hold as well. Raises as `dial`.
        """
        if not self.hosts:
            yield f"{address}:{port}"
            return
        host = self.hosts.get(address) or next(iter(self.hosts.values()))
        with ssh.forwarded(host, address, port) as local:
            yield f"127.0.0.1:{local}"


def never_sent(error: requests.exceptions.RequestException) -> Exception | None:
    """Why no connection was had; None when there was one."""
    cause = error.args[0] if error.args else None
    reason = cause.reason if isinstance(cause, MaxRetryError) else None
    return reason if isinstance(reason, NewConnectionError | ConnectTimeoutError) else None


class Pools(PoolManager):
    """The library's connections, each made by its way."""

    def __init__(self, ways: Ways, **said: Any) -> None:
        super().__init__(**said)
        if ways:
            self.pool_classes_by_scheme = {"https": _pool(ways)}


def _pool(ways: Ways) -> type[HTTPSConnectionPool]:
    class ByItsWay(HTTPSConnection):
        @override
        def _new_conn(self) -> socket.socket:
            within = self.timeout if isinstance(self.timeout, int | float) else CONNECT_WITHIN
            try:
                return ways.dial(self.host, int(self.port or 443), within)
            except Unreachable as error:
                # As the library tells that nothing was sent.
                raise NewConnectionError(self, str(error)) from error

    class Pool(HTTPSConnectionPool):
        ConnectionCls: Any = ByItsWay  # which the library's own types do not allow for its own class either

    return Pool
