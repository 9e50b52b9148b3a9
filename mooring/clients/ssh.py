"""Commands on hosts, and connections from there on, over SSH: the only code that opens an SSH connection.

One event loop in a thread of its own carries every connection, so that hundreds of handlers can wait at once
without a thread of asyncssh's each. A connection is opened once per host and shared.
"""

import asyncio
import math
import shlex
import socket
import threading
import time
from collections.abc import Generator
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import AbstractContextManager, contextmanager, suppress
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

PIECE = 1 << 16
"""Bytes that are carried on at a time: two of SSH's own packets."""

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


class WillNotForward(Unreachable):
    """The host's sshd makes no connections for anybody: a person must let it."""


class Hosts(Protocol):
    """Whoever can be told to run a command on a host, or to connect to somebody from there."""

    def answer(self, where: Connection, command: str, stdin: bytes, within: float) -> Answer: ...

    def dial(self, where: Connection, address: str, port: int, within: float) -> socket.socket: ...

    def forwarded(self, where: Connection, address: str, port: int) -> AbstractContextManager[int]: ...

    def forget_silence(self) -> None: ...


class Connections:
    """The open connections and the loop that carries them."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="ssh", daemon=True).start()
        self._open: dict[Connection, asyncio.Task[asyncssh.SSHClientConnection]] = {}
        self._slots: dict[Connection, asyncio.Semaphore] = {}
        self._silent: dict[Connection, tuple[float, str]] = {}
        self._carried: set[asyncio.Task[None]] = set()

    def answer(self, where: Connection, command: str, stdin: bytes, within: float) -> Answer:
        future = asyncio.run_coroutine_threadsafe(self._run(where, command, stdin), self._loop)
        try:
            return future.result(within * where.patience)
        except FutureTimeout:
            future.cancel()
            raise Unreachable(f"{where.address}: no answer within {within * where.patience:g} s") from None

    def dial(self, where: Connection, address: str, port: int, within: float) -> socket.socket:
        return asyncio.run_coroutine_threadsafe(self._dial(where, address, port, within), self._loop).result()

    @contextmanager
    def forwarded(self, where: Connection, address: str, port: int) -> Generator[int]:
        async def listen() -> Any:
            # Whoever connects to the port could only be hung up on, so what is in the way is told before.
            (await self._channel(where, address, port, CONNECT_WITHIN * where.patience))[1].close()
            return await (await self._connection(where)).forward_local_port("127.0.0.1", 0, address, port)

        listening = asyncio.run_coroutine_threadsafe(listen(), self._loop).result()
        try:
            yield listening.get_port()
        finally:
            self._loop.call_soon_threadsafe(listening.close)

    def forget_silence(self) -> None:
        self._silent.clear()

    async def _dial(self, where: Connection, address: str, port: int, within: float) -> socket.socket:
        reader, writer = await self._channel(where, address, port, within)
        ours, theirs = socket.socketpair()
        theirs.setblocking(False)  # noqa: FBT003 -- the library's own
        task = self._loop.create_task(_carry(theirs, reader, writer))
        # The loop itself forgets a task that nobody holds.
        self._carried.add(task)
        task.add_done_callback(self._carried.discard)
        return ours

    async def _channel(self, where: Connection, address: str, port: int, within: float) -> Any:
        library = _library()
        again = True
        while True:
            connection: Any = await self._connection(where)
            opening: asyncio.Task[Any] = self._loop.create_task(connection.open_connection(address, port))
            # Not cancelled when it takes too long: the host may have opened it by then, and it has to be closed.
            done, _ = await asyncio.wait([opening], timeout=within)
            if not done:
                opening.add_done_callback(_close_unused)
                raise Unreachable(f"{where.address} did not reach {address}:{port} within {within:g} s")
            try:
                return opening.result()
            except (library.Error, OSError) as error:
                if connection.is_closed() and again:
                    # It broke since it was last used, and nothing was said on the channel: as good as never opened.
                    again = False
                    continue
                if getattr(error, "code", None) == library.OPEN_ADMINISTRATIVELY_PROHIBITED:
                    raise WillNotForward(
                        f"sshd of {where.address} makes no connections for {where.user}, such as to {address}:{port}; "
                        "`AllowTcpForwarding local` in its sshd_config, for a key that is not restricted, would do"
                    ) from error
                raise Unreachable(f"{address}:{port} cannot be reached from {where.address}: {error}") from error

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


async def _carry(near: socket.socket, far_reader: Any, far_writer: Any) -> None:
    """Carry bytes both ways until either end closes; nobody here speaks on where the other has ended."""
    reader, writer = await asyncio.open_connection(sock=near)
    ways = [
        asyncio.create_task(_copy(reader, far_writer)),
        asyncio.create_task(_copy(far_reader, writer)),
    ]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        # What was written before is still sent.
        writer.close()
        far_writer.close()


async def _copy(source: Any, sink: Any) -> None:
    with suppress(OSError, _library().Error):  # either end may be gone at any time: then it is over
        while piece := await source.read(PIECE):
            sink.write(piece)
            await sink.drain()


def _close_unused(opening: "asyncio.Task[Any]") -> None:
    if opening.exception() is None:
        opening.result()[1].close()


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


def dial(where: Connection, address: str, port: int, *, within: float) -> socket.socket:
    """A TCP connection that the host makes to `address`; `within` is seconds, beside those that SSH itself takes.

    It begins and ends as one of our own does, so nothing was sent when it raises `Unreachable` or `Untrusted`.
    """
    return hosts().dial(where, address, port, within)


def forwarded(where: Connection, address: str, port: int) -> AbstractContextManager[int]:
    """A port of this machine's loopback whose connections the host makes to `address`, for programs of others.

    Raises `Unreachable` and `Untrusted` before the block is entered.
    """
    return hosts().forwarded(where, address, port)


def forget_silence() -> None:
    """Ask every host again, however lately it was silent: for callers that wait for one to come up."""
    hosts().forget_silence()
