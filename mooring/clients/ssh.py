"""Commands on hosts, over SSH: the only code that opens an SSH connection.

One event loop in a thread of its own carries every connection, so that hundreds of handlers can wait at once
without a thread of asyncssh's each. A connection is opened once per host and shared.
"""

import asyncio
import math
import shlex
import threading
import time
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

from pydantic import BaseModel, Field

from mooring.clients.errors import CommandFailed, Unreachable, Untrusted

if TYPE_CHECKING:
    import asyncssh

CONNECT_WITHIN = 4.0
"""Seconds. A host on the same network answers in milliseconds; the kernel itself gives up on a dead address of the
local network (no ARP answer) after 3 s."""

AT_ONCE = 8
"""Commands at a time on one connection: below sshd's MaxSessions of 10, which belongs to people as well."""

REMEMBER_SILENCE = 5.0
"""Seconds for which a host that did not answer is not asked again: a preview reads a dozen things on each."""


class Connection(BaseModel, extra="forbid", frozen=True):
    """How a host is reached: everything that opening an SSH connection takes, its identity included."""

    address: str
    port: int = 22
    user: str = "root"
    """Root, or somebody who may do everything by `sudo` without a password."""

    private_key: str = Field(repr=False)
    """OpenSSH PEM."""

    host_key: str
    """The host's public key, pinned: `ssh-ed25519 AAAA…`. Another key is another host."""

    patience: float = Field(default=1.0, ge=1)
    """How many times as long as usual everything on it may take."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a command printed and how it ended."""

    status: int
    stdout: bytes
    stderr: str


class Hosts(Protocol):
    """Whoever can be told to run a command on a host."""

    def answer(self, where: Connection, command: str, stdin: bytes, within: float) -> Answer: ...

    def forget_silence(self) -> None: ...


class Connections:
    """The open connections and the loop that carries them."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="ssh", daemon=True).start()
        self._open: dict[Connection, asyncio.Task[asyncssh.SSHClientConnection]] = {}
        self._slots: dict[Connection, asyncio.Semaphore] = {}
        self._silent: dict[Connection, tuple[float, str]] = {}

    def answer(self, where: Connection, command: str, stdin: bytes, within: float) -> Answer:
        future = asyncio.run_coroutine_threadsafe(self._run(where, command, stdin), self._loop)
        try:
            return future.result(within * where.patience)
        except FutureTimeout:
            future.cancel()
            raise Unreachable(f"{where.address}: no answer within {within * where.patience:g} s") from None

    def forget_silence(self) -> None:
        self._silent.clear()

    async def _run(self, where: Connection, command: str, stdin: bytes) -> Answer:
        async with self._slots.setdefault(where, asyncio.Semaphore(AT_ONCE)):
            connection = await self._connection(where)
            library = _library()
            try:
                done = await connection.run(command, input=stdin, encoding=None)
            except (library.Error, OSError) as error:
                self._open.pop(where, None)
                raise Unreachable(f"{where.address}: the connection broke: {error}") from error
        if done.exit_status is None:
            raise CommandFailed(f"{where.address}: the command was ended by signal {done.exit_signal}")
        return Answer(
            status=done.exit_status,
            stdout=_bytes(done.stdout),
            stderr=_bytes(done.stderr).decode(errors="replace"),
        )

    async def _connection(self, where: Connection) -> "asyncssh.SSHClientConnection":
        since, why = self._silent.get(where, (-math.inf, ""))
        if time.monotonic() - since < REMEMBER_SILENCE:
            raise Unreachable(why)
        task = self._open.get(where)
        if task is None or (task.done() and (task.exception() is not None or task.result().is_closed())):
            task = self._open[where] = self._loop.create_task(_connect(where))
        try:
            # Shielded: one caller's deadline must not end the connection that others wait for.
            return await asyncio.shield(task)
        except Unreachable as error:
            self._silent[where] = (time.monotonic(), str(error))
            raise


def _library() -> Any:
    """asyncssh, when a connection is really wanted.

    It takes a tenth of a second to import, and every run of the program imports this file without ever connecting.
    """
    import asyncssh  # noqa: PLC0415 -- see above

    return asyncssh


async def _connect(where: Connection) -> "asyncssh.SSHClientConnection":
    library = _library()
    pinned = library.import_public_key(where.host_key)
    try:
        return await asyncio.wait_for(
            library.connect(
                where.address,
                where.port,
                username=where.user,
                client_keys=[library.import_private_key(where.private_key)],
                known_hosts=([pinned], [], []),
                server_host_key_algs=[pinned.get_algorithm()],
                config=None,  # the person's own ~/.ssh/config must not change what a run does
                agent_path=None,
                keepalive_interval=5 * where.patience,
                keepalive_count_max=3,
            ),
            CONNECT_WITHIN * where.patience,
        )
    except (library.HostKeyNotVerifiable, library.KeyExchangeFailed) as error:
        raise Untrusted(
            f"{where.address} does not present the pinned host key: it is another machine than the one this stack "
            "made, or somebody is in between"
        ) from error
    except library.PermissionDenied as error:
        raise Untrusted(f"{where.address} refused the key of {where.user}") from error
    except (library.Error, OSError, TimeoutError) as error:
        reason = str(error) or f"no answer within {CONNECT_WITHIN * where.patience:g} s"
        raise Unreachable(f"{where.address}:{where.port} cannot be reached by SSH: {reason}") from error


def _bytes(value: bytes | str | None) -> bytes:
    return value.encode() if isinstance(value, str) else value or b""


@cache
def _connections() -> Connections:
    return Connections()


_FIRST = threading.Lock()
"""Two threads that call a cached function before it has an answer are each given one of their own."""


def hosts() -> Hosts:
    """The connections of this process. The one place that tests put something else in."""
    with _FIRST:
        return _connections()


def answer(where: Connection, command: str, *, stdin: bytes = b"", within: float = 60.0) -> Answer:
    """Run `command` as root by the host's shell; `within` is seconds. Whatever its exit status, it is an answer.

    The command is visible in the host's process list, so secrets go through `stdin` alone.
    Raises `Unreachable` and `Untrusted`.
    """
    elevated = command if where.user == "root" else f"sudo -n -- bash -c {shlex.quote(command)}"
    return hosts().answer(where, elevated, stdin, within)


def run(where: Connection, command: str, *, stdin: bytes = b"", within: float = 60.0) -> bytes:
    """Run `command` and return what it printed; a failure raises `CommandFailed` with its last words."""
    got = answer(where, command, stdin=stdin, within=within)
    if got.status != 0:
        words = "\n".join((got.stderr or got.stdout.decode(errors="replace")).strip().splitlines()[-20:])
        raise CommandFailed(f"{where.address}: exit status {got.status}: {words}")
    return got.stdout


def forget_silence() -> None:
    """Ask every host again, however lately it was silent: for callers that wait for one to come up."""
    hosts().forget_silence()
