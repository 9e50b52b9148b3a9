"""The way to a Docker engine: a socket of this machine, or one behind SSH; and its failures in one sentence."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import requests
from docker.errors import APIError, DockerException

from mooring.toolchain.standins.docker_plugin.api import DockerApi, connect
from mooring.waiting import SYSTEM, TimedOut, wait_for

DEFAULT_HOST: Final = "unix:///var/run/docker.sock"
_REMOTE_SOCKET: Final = "/var/run/docker.sock"

_ANSWER_WITHIN: Final = 60
"""Seconds for one plain call; a container on a busy disk takes several to be created."""

_TUNNEL_WITHIN: Final = 30
"""Seconds for SSH to connect, log in and listen."""

_STEPS_AT_ONCE: Final = 64

_FAILURE_HOLDS: Final = 10
"""Seconds for which one failed attempt speaks for the next ones."""


class Unreachable(Exception):
    """The engine did not answer, so nothing is known about what it holds."""


@dataclass(frozen=True, kw_only=True)
class Address:
    """Where an engine listens, as the program says it."""

    host: str = DEFAULT_HOST
    ssh_options: Sequence[str] = ()

    def problem(self) -> str | None:
        """Why this address cannot be used, if it cannot."""
        parts = urlsplit(self.host)
        match parts.scheme:
            case "unix":
                return None
            case "ssh" if parts.hostname and parts.path in ("", "/"):
                return None
            case "ssh":
                return f"docker stand-in: host {self.host!r} must be ssh://user@address:port"
            case _:
                return f"docker stand-in: host {self.host!r} is not implemented; unix:// and ssh:// are"


def ssh_command(address: Address, local_socket: Path) -> list[str]:
    """The argv that forwards the engine's socket to `local_socket`.

    A remote `cat` stands in the place of -N: it ends with its input, and so with this process, however that ends.
    Of two equal options SSH takes the first, so the program's own come before ours.
    """
    parts = urlsplit(address.host)
    target = f"{parts.username}@{parts.hostname}" if parts.username else str(parts.hostname)
    return [
        "ssh", "-T", "-L", f"{local_socket}:{_REMOTE_SOCKET}", *address.ssh_options,
        "-o", "ConnectTimeout=10",
        "-o", "BatchMode=yes",  # a question would wait for an answer nobody can give
        "-o", "ExitOnForwardFailure=yes",
        "-o", "ServerAliveInterval=10", "-o", "ServerAliveCountMax=3",  # a host that dies must not hang us
        *(["-p", str(parts.port)] if parts.port else []),
        target, "cat",
    ]  # fmt: skip


class Tunnel:
    """One SSH connection that forwards an engine's socket.

    It ends, and takes its folder with it, when this process does: after SIGINT or SIGKILL nothing of ours could.
    """

    def __init__(self, address: Address) -> None:
        """Return once it listens; an `Unreachable` says what SSH said."""
        self._folder = Path(tempfile.mkdtemp(prefix="mooring-docker-"))  # mode 0700: an open door to an engine
        self.socket = self._folder / "docker.sock"
        command = ssh_command(address, self.socket)
        self._process = subprocess.Popen(  # noqa: S603 -- the program's own address and options, as arguments
            ["/bin/sh", "-c", '"$@"; code=$?; rm -rf -- "$0"; exit $code', str(self._folder), *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,  # the engine's SIGINT for us would end the shell before it has tidied up
        )
        try:
            wait_for(self._listening, "ssh does not listen", within=_TUNNEL_WITHIN, every=0.05)
        except TimedOut as late:
            raise Unreachable(self._last_words(str(late))) from late
        except BaseException:
            self.close()
            raise

    def alive(self) -> bool:
        return self._process.poll() is None

    def _listening(self) -> bool | None:
        if not self.alive():
            raise Unreachable(self._last_words(f"ssh ended with {self._process.returncode}"))
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as probe:
            return True if probe.connect_ex(str(self.socket)) == 0 else None

    def _last_words(self, what: str) -> str:
        """`what` and the end of SSH's own complaint; it is over then."""
        self.close()
        complaint = self._process.stderr.read().decode(errors="replace") if self._process.stderr else ""
        return "; ".join([what, *complaint.strip().splitlines()[-3:]])

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)


@dataclass
class Engine:
    """One Docker engine, reached at the first use and again when the way to it was lost."""

    address: Address
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _tunnel: Tunnel | None = None
    _clients: tuple[DockerApi, DockerApi] | None = None
    _failure: tuple[float, Unreachable] | None = None

    def clients(self) -> tuple[DockerApi, DockerApi]:
        """For plain calls, and for streams without a time limit."""
        with self._lock:
            if self._clients is None or (self._tunnel and not self._tunnel.alive()):
                # The old tunnel is gone already when there was one: only then are we here again.
                self._clients = self._connected()
            return self._clients

    def _connected(self) -> tuple[DockerApi, DockerApi]:
        # Those that waited for this attempt need not each wait for one of their own.
        if self._failure and SYSTEM.now() - self._failure[0] < _FAILURE_HOLDS:
            raise self._failure[1]
        try:
            return self._attempt()
        except (Unreachable, *LOST) as error:
            reason = f"cannot reach the Docker engine at {self.address.host}: {words(error)}"
            self._failure = SYSTEM.now(), Unreachable(reason)
            raise self._failure[1] from error

    def _attempt(self) -> tuple[DockerApi, DockerApi]:
        if urlsplit(self.address.host).scheme == "ssh":
            self._tunnel = Tunnel(self.address)
            door = self._tunnel.socket
        else:
            door = Path(self.address.host.removeprefix("unix://"))
        # docker's client buries what the system says under three errors of its own and forgets to close the socket.
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as probe:
            probe.connect(str(door))
        api = connect(f"unix://{door}", version="auto", timeout=_ANSWER_WITHIN, at_once=_STEPS_AT_ONCE)
        return api, connect(f"unix://{door}", version=api.api_version, timeout=None, at_once=_STEPS_AT_ONCE)


def words(error: BaseException) -> str:
    """What went wrong, in the words of whoever knows best: the engine, else the operating system."""
    if isinstance(error, Unreachable):
        return str(error)
    if isinstance(error, APIError):
        return str(error.explanation or error).strip()
    for cause in _causes(error):
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror.lower()
    return str(error)


def _causes(error: BaseException) -> Sequence[BaseException]:
    """`error` and all it was raised from; requests hands some of them on as an argument only."""
    found: list[BaseException] = []
    pending: list[object] = [error]
    while pending:
        next_one = pending.pop(0)
        if isinstance(next_one, BaseException) and next_one not in found:
            found.append(next_one)
            pending += [*next_one.args, next_one.__cause__, next_one.__context__]
    return found


LOST: Final = (requests.exceptions.RequestException, OSError, DockerException)
"""What a call raises when the engine, or the way to it, is gone; `APIError` is an answer and is caught before."""


def default_host() -> str:
    return os.environ.get("DOCKER_HOST") or DEFAULT_HOST
