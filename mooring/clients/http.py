"""HTTPS sessions to a cluster: mutual TLS from values in the state, and the next server when one is dead.

Where nothing but SSH is open, each connection is one that a host makes; all the rest is the same.
"""

import os
import ssl
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit, urlunsplit

import requests
from pydantic import BaseModel, Field
from requests.adapters import BaseAdapter, HTTPAdapter
from typing_extensions import override

from mooring.clients.errors import ApiError, Conflict, Forbidden, Unreachable, Untrusted
from mooring.clients.way import CONNECT_WITHIN, KEYS, Pools, Way, Ways, never_sent

ANSWER_WITHIN = 15.0
"""Seconds; longer than Consul (7) and Nomad (5) hold a call while they elect a leader."""


HELD = 3.0
"""Seconds; shorter than Consul and Nomad hold a call while there is no leader, and then no other server knows one."""

POOLED = 128
"""Connections to a server that are kept: as many as Pulumi has steps under way at most, since each beyond them would
cost two handshakes more, and a quarter of what an agent allows one address."""


class Endpoint(BaseModel, extra="forbid", frozen=True):
    """How a cluster's API is reached: any of its servers, our certificate, and the token that says what we may do."""

    addresses: tuple[str, ...]
    """Of every server, the first that answers serves."""

    port: int
    authority: str
    """PEM of the authority that signed the servers' certificates; no other is trusted."""

    certificate: str
    """PEM, for the server to know us by."""

    private_key: str = Field(repr=False)
    token: str = Field(repr=False, default="")
    through: tuple[Way, ...] = ()
    """How the addresses are reached where nothing but SSH is open. Empty: as they are."""

    patience: float = Field(default=1.0, ge=1)
    """How many times as long as usual everything there may take."""

    def only(self, server: str) -> Self:
        """That asks one server alone, which is named by its address or by the one that SSH goes to."""
        return self.model_copy(update={"addresses": (self._address(server),)})

    def but(self, server: str) -> Self:
        """That asks every server but this one."""
        others = tuple(known for known in self.addresses if known != self._address(server))
        return self.model_copy(update={"addresses": others})

    def _address(self, server: str) -> str:
        return next((way.to for way in self.through if way.address == server), server)


def secrets_of(path: str) -> frozenset[str]:
    """The paths of an endpoint's secrets, in inputs that have the endpoint at `path`."""
    return frozenset(f"{path}.{name}" for name in ("private_key", "token", KEYS))


def tls_context(endpoint: Endpoint) -> ssl.SSLContext:
    """A client context that trusts `endpoint.authority` alone and presents its certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(cadata=endpoint.authority)
    # OpenSSL reads a chain only from a file: one that only we can read, and that is gone before the next line.
    with tempfile.TemporaryDirectory(prefix="mooring-") as folder:
        chain = Path(folder, "chain.pem")
        descriptor = os.open(chain, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(endpoint.certificate + "\n" + endpoint.private_key)
        context.load_cert_chain(chain)
    return context


class _MutualTls(HTTPAdapter):
    """Carries requests to servers that our own authority vouches for, and shows them our certificate."""

    def __init__(self, context: ssl.SSLContext, ways: Ways) -> None:
        self._context = context
        self._ways = ways
        super().__init__(pool_connections=8, pool_maxsize=POOLED)

    @override
    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **said: Any) -> None:
        self.poolmanager = Pools(self._ways, num_pools=connections, maxsize=maxsize, block=block, **said)

    @override
    def build_connection_pool_key_attributes(
        self, request: requests.PreparedRequest, verify: Any, cert: Any = None
    ) -> Any:
        # The library would add the public authorities of the machine to our context; only ours may count.
        url = urlsplit(str(request.url))
        return (
            {"scheme": "https", "host": url.hostname, "port": url.port},
            {"ssl_context": self._context, "cert_reqs": "CERT_REQUIRED"},
        )

    @override
    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Verified by our own context, see above."""


def wire(endpoint: Endpoint) -> BaseAdapter:
    """What carries a request to the server that its URL names. The one place that tests put something else in."""
    return _MutualTls(tls_context(endpoint), Ways(endpoint.through))


class _AnyServer(BaseAdapter):
    """Sends each request to the first server that accepts the connection."""

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__()
        self._endpoint = endpoint
        self._wire = wire(endpoint)
        self._first = 0

    @override
    def close(self) -> None:
        self._wire.close()

    @override
    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        patience = self._endpoint.patience
        kwargs["timeout"] = (CONNECT_WITHIN * patience, _read_timeout(kwargs.get("timeout")) * patience)
        servers = self._endpoint.addresses
        silent: list[str] = []
        why: list[str] = []
        refusal: requests.Response | None = None
        for turn in range(len(servers)):
            place = (self._first + turn) % len(servers)
            request.url = urlunsplit(
                urlsplit(str(request.url))._replace(netloc=f"{servers[place]}:{self._endpoint.port}")
            )
            begun = time.monotonic()
            try:
                response = self._wire.send(request, *args, **kwargs)
            except requests.exceptions.SSLError as error:
                raise Untrusted(f"{servers[place]}:{self._endpoint.port}: {error}") from error
            except requests.exceptions.Timeout as error:
                if not isinstance(error, requests.exceptions.ConnectTimeout):
                    raise Unreachable(f"{servers[place]}:{self._endpoint.port} did not answer in time") from error
                silent.append(servers[place])
            except requests.exceptions.ConnectionError as error:
                # Only what was certainly not sent may go to the next server: a write must not happen twice.
                if (reason := never_sent(error)) is None:
                    raise Unreachable(f"{servers[place]}:{self._endpoint.port} hung up") from error
                silent.append(servers[place])
                # A way has more than one end that may be closed, and says which.
                why += [str(reason.__cause__)] if isinstance(reason.__cause__, Unreachable) else []
            else:
                if _others_may_know(request, response, (time.monotonic() - begun) / patience):
                    refusal = response
                    continue
                self._first = place
                return response
        if refusal is not None:
            return refusal
        words = [f"no server answers at {', '.join(silent)} (port {self._endpoint.port})", *dict.fromkeys(why)]
        raise Unreachable("; ".join(words))


def _read_timeout(asked: Any) -> float:
    match asked:
        case (_, float() | int() as read):
            return float(read)
        case float() | int():
            return float(asked)
        case _:
            return ANSWER_WITHIN


def _others_may_know(request: requests.PreparedRequest, response: requests.Response, took: float) -> bool:
    """Whether a question that one server cannot answer is put to the next.

    One that stood still for a moment holds the leader for gone, which is known to all others, and says so at once.
    """
    return request.method == "GET" and response.status_code >= SERVER_ERROR and took < HELD


def session(endpoint: Endpoint, headers: Mapping[str, str]) -> requests.Session:
    """A session whose every URL reaches a server of `endpoint`; environment variables do not matter to it."""
    made = requests.Session()
    made.trust_env = False
    made.headers.update(headers)
    made.adapters.clear()
    made.mount("https://", _AnyServer(endpoint))
    # Here and not in the vendors' libraries, which tell failures apart by class in one and by text in the other.
    made.hooks["response"].append(_refuse)
    return made


SERVER_ERROR = 500

ANSWERS = (404, 429)
"""Statuses that are answers, not failures: "there is none", and Consul's "not healthy" (with the usual body)."""


def _refuse(response: requests.Response, *_: Any, **__: Any) -> None:
    if response.ok or response.status_code in ANSWERS:
        return
    request = response.request
    kind = {401: Forbidden, 403: Forbidden, 409: Conflict}.get(response.status_code, ApiError)
    raise kind(str(request.method), urlsplit(str(request.url)).path, response.status_code, response.text)
