"""An engine is found, started where nobody else would, and ended only if it is the one we started."""

import json
import os
import subprocess
import threading
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer
from typing import IO

import pytest

from mooring.toolchain import engine
from mooring.toolchain.engine import Engine
from mooring.toolchain.errors import CannotPrepare


class FakeEngine(ThreadingMixIn, UnixStreamServer):
    """The four calls that are made of an engine, with a store of its own."""

    daemon_threads = True

    def __init__(self, path: str) -> None:
        self.images: dict[str, bytes] = {}
        self.refuse_with = ""
        super().__init__(path, Answers)


class Answers(BaseHTTPRequestHandler):
    server: FakeEngine  # type: ignore[assignment]

    def do_GET(self) -> None:
        match self.path.strip("/").split("/"):
            case ["_ping"]:
                self.answer(200, b"OK")
            case ["images", *name, "json"]:
                found = "/".join(name) in self.server.images
                self.answer(200 if found else 404, b"{}")
            case ["images", *name, "get"]:
                self.answer(200, self.server.images["/".join(name)])
            case _:
                raise NotImplementedError(self.path)

    def do_POST(self) -> None:
        content = b"".join(iter(self.chunk, b""))
        if self.server.refuse_with:
            # As the real one does it: the refusal comes after the 200.
            self.answer(200, json.dumps({"error": self.server.refuse_with}).encode() + b"\r\n")
        elif self.path == "/images/load?quiet=1":
            self.server.images["loaded:1"] = content
            self.answer(200, b'{"stream": "Loaded image: loaded:1"}\r\n')
        elif self.path.startswith("/images/create?fromSrc=-&repo=made&tag=1&changes=CMD+"):
            self.server.images["made:1"] = content
            self.answer(200, b'{"status": "sha256:1"}\r\n')
        else:
            raise NotImplementedError(self.path)

    def chunk(self) -> bytes:
        size = int(self.rfile.readline(), 16)
        content = self.rfile.read(size)
        self.rfile.readline()
        return content

    def answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def address_string(self) -> str:
        return "local"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name for it
        del format, args


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[FakeEngine]:
    socket = tmp_path / "s"
    with FakeEngine(str(socket)) as server:
        monkeypatch.setenv("DOCKER_HOST", f"unix://{socket}")
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        yield server
        server.shutdown()
        serving.join()


def content(path: Path, data: bytes) -> IO[bytes]:
    path.write_bytes(data)
    return path.open("rb")


def test_an_engine_that_answers_is_taken_as_it_is(fake: FakeEngine) -> None:
    del fake

    assert engine.ensure_running().answers()


def test_an_image_that_is_not_there_is_an_answer(fake: FakeEngine) -> None:
    fake.images["mooring/machine:1"] = b""

    assert Engine.chosen().has_image("mooring/machine:1")
    assert not Engine.chosen().has_image("mooring/machine:2")


def test_images_go_in_and_out_whole(fake: FakeEngine, tmp_path: Path) -> None:
    data = os.urandom(3 << 20)
    with content(tmp_path / "root.tar", data) as root:
        Engine.chosen().import_image(root, "made:1", ['CMD ["node"]'])
    with (tmp_path / "saved").open("wb") as saved:
        Engine.chosen().save_image("made:1", saved)

    assert (tmp_path / "saved").read_bytes() == data
    assert list(fake.images) == ["made:1"]


def test_a_refusal_after_the_answer_began_is_still_an_error(fake: FakeEngine, tmp_path: Path) -> None:
    fake.refuse_with = "no space left on device"

    with (
        content(tmp_path / "tar", b"tar") as tar,
        pytest.raises(CannotPrepare, match="refused an image: no space left on device"),
    ):
        Engine.chosen().load_image(tar)


def test_an_engine_named_by_the_user_is_not_replaced_by_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")

    with pytest.raises(CannotPrepare, match=r"no Docker engine answers at DOCKER_HOST=unix:///nowhere/docker\.sock"):
        engine.ensure_running()


def test_an_engine_behind_ssh_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "ssh://root@elsewhere")

    with pytest.raises(CannotPrepare, match=r"DOCKER_HOST is 'ssh://root@elsewhere': .*unset it"):
        Engine.chosen()


def test_stopping_what_was_never_started_does_nothing() -> None:
    assert not engine.stop()


def test_only_the_very_process_that_was_started_is_ended(machine: Path) -> None:
    """Process ids are used again: after a reboot the recorded one may be anybody's."""
    with subprocess.Popen(["sleep", "60"]) as stranger:
        (machine / "state").mkdir()
        record = machine / "state" / "engine.json"
        record.write_text(json.dumps({"pid": stranger.pid, "since": "1"}))

        assert not engine.stop()
        assert stranger.poll() is None
        assert not record.exists()
        stranger.kill()
