"""A machine of its own for each test, and publishers that are small servers on it."""

import hashlib
import io
import json
import os
import tarfile
import threading
import zipfile
from collections.abc import Generator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from mooring.toolchain import pins
from mooring.toolchain.pins import Publisher


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache and state; no setting of the person who runs the tests reaches them."""
    for name in list(os.environ):
        if name.startswith(("MOORING_", "PULUMI_", "DOCKER_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("MOORING_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("MOORING_STATE", str(tmp_path / "state"))
    return tmp_path


class Mirror:
    """Every publisher's files, by path; what was not published is answered with 404."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []

    def publish(self, path: str, content: bytes) -> None:
        self.files[f"/{path}"] = content

    def publish_nomad(self, version: str, *, sha256: str | None = None) -> None:
        archive = zipped({"nomad": b"#!/bin/sh\necho nomad\n", "LICENSE.txt": b"its licence\n"})
        name = f"nomad_{version}_linux_amd64.zip"
        digest = sha256 or hashlib.sha256(archive).hexdigest()
        self.publish(f"nomad/{version}/{name}", archive)
        self.publish(
            f"nomad/{version}/nomad_{version}_SHA256SUMS", f"{'0' * 64}  other.zip\n{digest}  {name}\n".encode()
        )

    def publish_docker_plugin(self, version: str, *, digest: str | None = "") -> None:
        archive = tarred({"pulumi-resource-docker": b"#!/bin/sh\n", "README.md": b"read me\n"})
        name = f"pulumi-resource-docker-v{version}-linux-amd64.tar.gz"
        digest = f"sha256:{hashlib.sha256(archive).hexdigest()}" if digest == "" else digest
        record = {"assets": [{"name": "other", "digest": None}, {"name": name, "digest": digest}]}
        self.publish(f"pulumi/pulumi-docker/releases/download/v{version}/{name}", archive)
        self.publish(f"repos/pulumi/pulumi-docker/releases/tags/v{version}", json.dumps(record).encode())


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def tarred(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch) -> Generator[Mirror]:
    """All publishers at once, on a loopback port."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.asked.append(self.path)
            content = served.files.get(self.path)
            self.send_response(HTTPStatus.OK if content is not None else HTTPStatus.NOT_FOUND)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name for it
            del format, args

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        served = Mirror(f"http://127.0.0.1:{server.server_port}")
        for publisher in Publisher:
            monkeypatch.setenv(publisher.setting, served.url)
        monkeypatch.setattr(pins, "ARCHITECTURES", dict.fromkeys(pins.ARCHITECTURES, "amd64"))
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        yield served
        server.shutdown()
        serving.join()
