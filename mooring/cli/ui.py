"""`mooring ui`: a vendor's own web interface on a local port that already carries the certificate and the login."""

import http.server
import threading
from collections.abc import Mapping
from http import HTTPStatus
from typing import Literal, cast
from urllib.parse import urlsplit

import requests
from typing_extensions import override

from mooring.cli.overview import Overview
from mooring.clients.errors import ApiError, Unreachable, Untrusted
from mooring.clients.http import Endpoint, session

Vendor = Literal["consul", "nomad"]

LOGIN: Mapping[Vendor, str] = {"consul": "X-Consul-Token", "nomad": "X-Nomad-Token"}

HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "transfer-encoding", "upgrade", "content-encoding", "content-length"}
)
"""Of one connection and not of the answer (RFC 9110, 7.6.1), or no longer true once the body is unpacked."""


def endpoint_of(vendor: Vendor, overview: Overview) -> Endpoint:
    return overview.consul if vendor == "consul" else overview.nomad


class Door(http.server.ThreadingHTTPServer):
    """Listens on the loopback alone; whoever can connect there has the rights of the endpoint's token."""

    daemon_threads = True

    def __init__(self, vendor: Vendor, endpoint: Endpoint, port: int) -> None:
        self.vendor: Vendor = vendor
        self.onward = session(endpoint, {LOGIN[vendor]: endpoint.token})
        super().__init__(("127.0.0.1", port), _Request)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/ui/"


class _Request(http.server.BaseHTTPRequestHandler):
    """One request, handed on with everything but the caller's own login."""

    protocol_version = "HTTP/1.1"

    @property
    def _door(self) -> Door:
        return cast("Door", self.server)

    def _hand_on(self) -> None:
        door = self._door
        if not self._from_here():
            self.send_error(HTTPStatus.FORBIDDEN, "this door is for pages that it has served itself")
            return
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length) if length else None
        dropped = HOP_BY_HOP | {"host", "origin", "referer", LOGIN[door.vendor].lower()}
        headers = {name: value for name, value in self.headers.items() if name.lower() not in dropped}
        try:
            url = f"https://{door.vendor}{self.path}"
            answer = door.onward.request(self.command, url, headers=headers, data=body, allow_redirects=False)
            status, text, found = answer.status_code, answer.content, dict(answer.headers)
        except ApiError as error:
            status, text, found = error.status, error.body.encode(), {"Content-Type": "text/plain"}
        except (Unreachable, Untrusted, requests.RequestException) as error:
            status, text, found = HTTPStatus.BAD_GATEWAY, str(error).encode(), {"Content-Type": "text/plain"}
        self.send_response(status)
        for name, value in found.items():
            if name.lower() not in HOP_BY_HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)

    def _from_here(self) -> bool:
        """Whether the request is for this door by its own address, and not sent by a page of another site.

        Otherwise a name that somebody points at the loopback, or a form on any page, would act with our token.
        """
        own = f"127.0.0.1:{self._door.server_port}"
        origin = self.headers.get("Origin")
        return self.headers.get("Host") == own and (origin is None or urlsplit(origin).netloc == own)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_OPTIONS = _hand_on  # noqa: N815 -- the library's names

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the browser shows what it asked."""


def serve(door: Door, stop: threading.Event) -> None:
    """Serve until `stop` is set."""
    thread = threading.Thread(target=door.serve_forever, daemon=True)
    thread.start()
    stop.wait()
    door.shutdown()
