"""The machine's own Docker engine: is there one, and starting it where nothing else would.

Spoken to over its socket with the standard library alone, as this runs before anything is installed. An engine that
we started is remembered by process id and start time, so that only that process is ever ended.
"""

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote, urlencode, urlsplit

from mooring.toolchain import places, progress
from mooring.toolchain.commands import answer, run
from mooring.toolchain.errors import CannotPrepare
from mooring.waiting import TimedOut, wait_for

DEFAULT_HOST = "unix:///var/run/docker.sock"

STARTS_WITHIN = 60.0
"""Seconds. An engine with an empty store answers in 1 to 3; one that recovers many containers takes longer."""

STOPS_WITHIN = 30.0
"""Seconds. dockerd itself gives its containers 15 to stop."""


class _SocketConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


@dataclass(frozen=True)
class Engine:
    """One engine, by its DOCKER_HOST."""

    host: str

    @classmethod
    def chosen(cls) -> "Engine":
        """The engine that every Docker client of this user would talk to."""
        host = os.environ.get("DOCKER_HOST") or DEFAULT_HOST
        if urlsplit(host).scheme not in {"unix", "tcp", "http"}:
            raise CannotPrepare(
                f"DOCKER_HOST is {host!r}: local nodes need an engine that unix:// or tcp:// reaches; unset it, or "
                f"forward that engine's socket"
            )
        return cls(host)

    def answers(self) -> bool:
        """Whether an engine is up and lets this user in."""
        try:
            with self._request("GET", "/_ping", timeout=3) as response:
                return response.status == HTTPStatus.OK and response.read() == b"OK"
        except OSError:
            return False

    def has_image(self, reference: str) -> bool:
        with self._request("GET", f"/images/{quote(reference, safe='/:')}/json") as response:
            found = response.status != HTTPStatus.NOT_FOUND
            (_checked(response) if found else response).read()
            return found

    def import_image(self, root: IO[bytes], reference: str, changes: Sequence[str]) -> None:
        """Make an image of one layer from a root file system, as `docker import` does."""
        repository, _, tag = reference.rpartition(":")
        query = urlencode([("fromSrc", "-"), ("repo", repository), ("tag", tag), *(("changes", c) for c in changes)])
        self._send(f"/images/create?{query}", root)

    def load_image(self, archive: IO[bytes]) -> None:
        self._send("/images/load?quiet=1", archive)

    def save_image(self, reference: str, into: IO[bytes]) -> None:
        with self._request("GET", f"/images/{quote(reference, safe='/:')}/get") as response:
            shutil.copyfileobj(_checked(response), into, 1 << 20)

    def _send(self, path: str, content: IO[bytes]) -> None:
        """Post a tar; the engine reports a failure as a line of its answer, after it has already said 200."""
        with self._request("POST", path, body=_chunks(content)) as response:
            for line in _checked(response).read().splitlines():
                said: dict[str, Any] = json.loads(line) if line.strip() else {}
                if "error" in said:
                    raise CannotPrepare(f"the Docker engine at {self.host} refused an image: {said['error']}")

    @contextmanager
    def _request(
        self, method: str, path: str, *, body: Iterable[bytes] | None = None, timeout: float = 600
    ) -> Generator[http.client.HTTPResponse]:
        parts = urlsplit(self.host)
        if parts.scheme == "unix":
            connection: http.client.HTTPConnection = _SocketConnection(parts.path, timeout)
        else:
            connection = http.client.HTTPConnection(parts.hostname or "localhost", parts.port or 2375, timeout=timeout)
        try:
            headers = {} if body is None else {"Content-Type": "application/x-tar"}
            connection.request(method, path, body=body, headers=headers, encode_chunked=body is not None)
            yield connection.getresponse()
        finally:
            connection.close()


def _chunks(content: IO[bytes]) -> Iterator[bytes]:
    while chunk := content.read(1 << 20):
        yield chunk


def _checked(response: http.client.HTTPResponse) -> http.client.HTTPResponse:
    if response.status != HTTPStatus.OK:
        said = response.read(256).decode(errors="replace")
        raise CannotPrepare(f"the Docker engine answered {response.status}: {said}")
    return response


def ensure_running() -> Engine:
    """An engine that answers: the one there is, or else the installed one, started."""
    engine = Engine.chosen()
    if engine.answers():
        return engine
    if engine.host != DEFAULT_HOST:
        raise CannotPrepare(f"no Docker engine answers at DOCKER_HOST={engine.host}; start it, or unset DOCKER_HOST")
    if Path("/var/run/docker.sock").is_socket() and not os.access("/var/run/docker.sock", os.W_OK):
        raise CannotPrepare(
            "this user may not talk to the Docker engine at /var/run/docker.sock; membership of its group would do "
            "(sudo usermod -aG docker $USER, then log in again), and so would running as root"
        )
    if os.geteuid() != 0:
        raise CannotPrepare(
            "no Docker engine answers at /var/run/docker.sock; `sudo systemctl start docker` would do, and so would "
            "running as root"
        )
    if Path("/run/systemd/system").is_dir():
        with progress.doing("docker", "starting the engine through systemd", "5 s", "running"):
            run(["systemctl", "start", "docker"], what="docker: systemd could not start the engine")
            _wait_until_it_answers(engine, None)
    else:
        _start(engine)
    return engine


def _start(engine: Engine) -> None:
    """Start dockerd in a session of its own, where no service manager would."""
    program = shutil.which("dockerd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if program is None:
        raise CannotPrepare("no Docker engine answers and none is installed; `apt-get install docker.io` would do")
    places.private(places.state())
    with (
        progress.doing("docker", "starting the engine (`make down ALL=1` ends it)", "5 s", "running"),
        _log().open("wb") as log,
    ):
        started = subprocess.Popen(  # noqa: S603 - a fixed program, found above
            [program], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/"
        )
        _record().write_text(json.dumps({"pid": started.pid, "since": start_time(started.pid)}))
        _wait_until_it_answers(engine, started)


def _wait_until_it_answers(engine: Engine, started: "subprocess.Popen[bytes] | None") -> None:
    def probe() -> bool | None:
        if started is not None and started.poll() is not None:
            last = "\n".join(f"  {line}" for line in _log().read_text(errors="replace").splitlines()[-10:])
            _record().unlink(missing_ok=True)
            raise CannotPrepare(f"dockerd ended with {started.returncode} instead of serving:\n{last}")
        return engine.answers() or None

    try:
        wait_for(probe, "the Docker engine's first answer", within=STARTS_WITHIN)
    except TimedOut as late:
        raise CannotPrepare(f"{late}; its log is {_log()}") from late


def stop() -> bool:
    """End the engine that `ensure_running` itself started, if it still runs; any other is left alone."""
    if not _record().is_file():
        return False
    record: dict[str, Any] = json.loads(_record().read_text())
    pid, since = int(record["pid"]), record["since"]
    ours = since is not None and start_time(pid) == since
    if ours:
        os.kill(pid, signal.SIGTERM)
        try:
            wait_for(lambda: start_time(pid) != since or None, "the end of the Docker engine", within=STOPS_WITHIN)
        except TimedOut as late:
            raise CannotPrepare(f"{late}; process {pid} is still there, its log is {_log()}") from late
        # The engine leaves its bridge and its run-time files; with nobody to answer for them, they only take up an
        # address range and a name. Its store stays: the next one starts from it.
        if not Engine(DEFAULT_HOST).answers():
            if answer(["ip", "link", "show", "docker0"]) is not None:
                run(["ip", "link", "delete", "docker0"], what="docker: its bridge could not be removed")
            shutil.rmtree("/run/docker", ignore_errors=True)
    _record().unlink()
    _log().unlink(missing_ok=True)
    return ours


def start_time(pid: int) -> str | None:
    """When a process began, in the kernel's ticks; with the id it names one process for ever. None: it is gone."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return None
    # The second field is the program's name in brackets and may hold anything.
    state, *fields = status.rpartition(")")[2].split()
    return None if state == "Z" else fields[18]


def _record() -> Path:
    return places.state() / "engine.json"


def _log() -> Path:
    return places.state() / "engine.log"
