"""What stands where: pretended servers by address and port, in the place of the wire of `mooring.clients.http`."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Protocol
from urllib.parse import parse_qsl, unquote, urlsplit

import requests
from requests.adapters import BaseAdapter
from typing_extensions import override
from urllib3 import HTTPConnectionPool
from urllib3.connection import HTTPConnection
from urllib3.exceptions import MaxRetryError, NewConnectionError, ProtocolError

from mooring.clients.http import Endpoint


@dataclass(frozen=True, kw_only=True)
class Question:
    """A request, as a server's routes see it."""

    address: str
    """Of the server that is asked."""

    method: str
    path: list[str]
    """The parts after `/v1`, unquoted."""

    query: dict[str, str]
    body: Any
    token: str

    def not_taught(self) -> NotImplementedError:
        return NotImplementedError(f"{self.method} /v1/{'/'.join(self.path)}")


@dataclass(frozen=True, kw_only=True)
class Reply:
    body: Any = None
    """JSON, or a text that is sent as it is when `plain`."""

    status: int = HTTPStatus.OK
    plain: bool = False
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


def refusal(status: int, words: str) -> Reply:
    return Reply(status=status, body=words, plain=True)


class Server(Protocol):
    def reply(self, question: Question) -> Reply: ...


class Network:
    """Where nothing stands, nobody answers."""

    def __init__(self) -> None:
        self.servers: dict[tuple[str, int], Server] = {}
        self.hangs_up: set[tuple[str, int]] = set()
        """Accept, and close without an answer."""

    def wire(self, endpoint: Endpoint) -> BaseAdapter:
        del endpoint
        return _Wire(self)


class _Wire(BaseAdapter):
    def __init__(self, network: Network) -> None:
        super().__init__()
        self._network = network

    @override
    def close(self) -> None:
        """There is no connection to close."""

    @override
    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        url = urlsplit(str(request.url))
        place = (str(url.hostname), int(url.port or 0))
        if place in self._network.hangs_up:
            raise requests.exceptions.ConnectionError(ProtocolError("Connection aborted."), request=request)
        if place not in self._network.servers:
            # As requests tells it: what failed stands three exceptions deep.
            refused = NewConnectionError(HTTPConnection(place[0], place[1]), "Connection refused")
            pool = HTTPConnectionPool(place[0], place[1])
            raise requests.exceptions.ConnectionError(MaxRetryError(pool, url.path, refused), request=request)
        return _response(request, self._network.servers[place].reply(_question(request)))


def _question(request: requests.PreparedRequest) -> Question:
    url = urlsplit(str(request.url))
    version, *path = url.path.lstrip("/").split("/")
    assert version == "v1", url.path
    body = request.body.decode() if isinstance(request.body, bytes) else request.body
    return Question(
        address=str(url.hostname),
        method=str(request.method),
        path=[unquote(part) for part in path],
        query=dict(parse_qsl(url.query)),
        body=json.loads(str(body)) if body else None,
        token=request.headers.get("X-Consul-Token") or request.headers.get("X-Nomad-Token") or "",
    )


def _response(request: requests.PreparedRequest, reply: Reply) -> requests.Response:
    made = requests.Response()
    made.status_code = reply.status
    made.request = request
    made.url = str(request.url)
    made.headers.update(reply.headers)
    made.encoding = "utf-8"
    # Through text and back: nobody shares an object with a server.
    made._content = (reply.body if reply.plain else json.dumps(reply.body)).encode()  # noqa: SLF001
    made._content_consumed = True  # noqa: SLF001 -- all of it is here, whoever wants it as a stream
    return made
