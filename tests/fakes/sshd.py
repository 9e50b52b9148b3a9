"""A real sshd on loopback, which is now and then silent, rude or another one."""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

import asyncssh
from asyncssh import constants

from mooring.kinds.kind import Work
from mooring.kinds.ssh import KeyPairHandler, KeyPairSpec

T = TypeVar("T")

WORK = Work(urn="", name="key", project="shop", stack="dev")
HOST, CLIENT, ANOTHER = (KeyPairHandler().create(KeyPairSpec(), WORK).outputs for _ in range(3))


class Machine:
    """Its shell knows four commands: `cat`, `say …`, `fail …` and `hang`."""

    def __init__(self) -> None:
        self.connections: list[asyncssh.SSHServerConnection] = []
        self.at_once = self.most_at_once = 0
        self.port = 0
        self.forwards = True
        self.dialled: list[tuple[str, int]] = []
        """Where it was asked to connect to."""

        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(5)

    def start(self) -> None:
        machine = self

        class Doorman(asyncssh.SSHServer):
            def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
                machine.connections.append(conn)

            def begin_auth(self, username: str) -> bool:
                return username == "root"

            def connection_requested(self, dest_host: str, dest_port: int, orig_host: str, orig_port: int) -> bool:
                del orig_host, orig_port
                machine.dialled.append((dest_host, dest_port))
                if not machine.forwards:  # as OpenSSH says it
                    raise asyncssh.ChannelOpenError(constants.OPEN_ADMINISTRATIVELY_PROHIBITED, "open failed")
                return True

        async def listen() -> asyncssh.SSHAcceptor:
            return await asyncssh.listen(
                "127.0.0.1",
                self.port,
                server_factory=Doorman,
                server_host_keys=[asyncssh.import_private_key(HOST["private_key"])],
                authorized_client_keys=asyncssh.import_authorized_keys(CLIENT["public_key"]),
                process_factory=self._run,
                encoding=None,
            )

        self._listening = self._call(listen())
        self.port = self._listening.get_port()

    def stop(self) -> None:
        async def close() -> None:
            self._listening.close()
            for connection in self.connections:
                connection.abort()
            await self._listening.wait_closed()

        self._call(close())

    def stand_still(self, until: threading.Event) -> None:
        self._loop.call_soon_threadsafe(until.wait, 10)

    def hang_up(self) -> None:
        self._loop.call_soon_threadsafe(self.connections[-1].abort)

    async def _run(self, process: "asyncssh.SSHServerProcess[bytes]") -> None:
        self.at_once += 1
        self.most_at_once = max(self.at_once, self.most_at_once)
        verb, _, words = str(process.command).partition(" ")
        status = 0
        match verb:
            case "cat":
                process.stdout.write(await process.stdin.read())
            case "say":
                process.stdout.write(words.encode())
            case "fail":
                process.stderr.write(words.replace("|", "\n").encode())
                status = 7
            case "pause":
                await asyncio.sleep(0.02)
            case _:
                await asyncio.sleep(5)
        self.at_once -= 1
        process.exit(status)
