"""Uploads to a real TLS server on loopback that takes its time."""

import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from typing_extensions import override

from mooring.clients import registry
from mooring.clients.errors import Unreachable
from mooring.clients.registry import PIECE, Place, Registry
from mooring.kinds.kind import Work
from mooring.kinds.pki import AuthorityHandler, AuthoritySpec, CertificateHandler, CertificateSpec

WORK = Work(urn="", name="x", project="shop", stack="dev")
HOST = "127.0.0.2"
PIECES = 32
"""More than a connection on loopback holds by itself."""


class Slow(BaseHTTPRequestHandler):
    """A registry that begins to read an upload only after a while."""

    protocol_version = "HTTP/1.1"

    @override
    def log_message(self, *_: object, **__: object) -> None: ...

    def do_POST(self) -> None:
        self._say(202, {"Location": "/v2/hello/blobs/uploads/1?state=x"})

    def do_PUT(self) -> None:
        threading.Event().wait(0.5)
        while size := int(self.rfile.readline(), 16):
            self.rfile.read(size + 2)
        self.rfile.readline()
        self._say(201, {})

    def _say(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    authority = AuthorityHandler().create(AuthoritySpec(common_name="test"), WORK).outputs
    made = CertificateHandler().create(
        CertificateSpec(
            authority_certificate=authority["certificate_pem"],
            authority_private_key=authority["private_key_pem"],
            common_name="registry",
            ip_addresses=(HOST,),
            usages=("server",),
        ),
        WORK,
    )
    chain = tmp_path / "chain.pem"
    chain.write_text(made.outputs["certificate_pem"] + made.outputs["private_key_pem"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    server = ThreadingHTTPServer((HOST, 0), Slow)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=lambda: server.serve_forever(poll_interval=0.01), daemon=True).start()
    yield Place(
        address=f"{HOST}:{server.server_port}",
        username="mooring",
        password="opens nothing",  # noqa: S106 -- of a server that does not ask
        authority=authority["certificate_pem"],
    )
    server.shutdown()
    server.server_close()


def test_an_upload_may_stand_still_for_longer_than_a_connection_takes(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library bounds each write by the time to connect: one to a slow registry was broken off after 2 s."""
    monkeypatch.setattr(registry, "CONNECT_WITHIN", 0.2)

    Registry(place).put_blob("hello", "sha256:" + "0" * 64, (bytes(PIECE) for _ in range(PIECES)))


def test_a_slow_registry_is_given_as_many_times_as_long(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "ANSWER_WITHIN", 0.1)

    with pytest.raises(Unreachable, match="does not answer"):
        Registry(place).put_blob("hello", "sha256:" + "0" * 64, iter([b"x"]))
    Registry(place.model_copy(update={"patience": 20.0})).put_blob("hello", "sha256:" + "0" * 64, iter([b"x"]))
