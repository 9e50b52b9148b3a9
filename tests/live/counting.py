"""In front of a cluster's API: lets every request through, and notes it."""

import ssl
import tempfile
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

import requests
from typing_extensions import override

from mooring.clients.http import ANSWER_WITHIN, Endpoint, session, wire
from mooring.kinds.kind import Work
from mooring.kinds.pki import AuthorityHandler, AuthoritySpec, CertificateHandler, CertificateSpec

Asked = tuple[str, str]
"""Method and path."""

HANDED_ON: Final = ("Content-Type", "X-Nomad-Token", "X-Consul-Token")
NOT_HANDED_BACK: Final = ("connection", "content-encoding", "content-length", "transfer-encoding")
READS_BY_POST: Final = ("/plan", "/v1/jobs/parse", "/v1/validate/job")
"""Where a question is too large for an address."""


def writes(asked: list[Asked]) -> list[Asked]:
    return [(verb, path) for verb, path in asked if verb != "GET" and not path.endswith(READS_BY_POST)]


def index(endpoint: Endpoint, name: str, table: str) -> int:
    """When it was last written to, in the count of raft, as `nomad` or `consul` tells it."""
    vendor = name.capitalize()
    with session(endpoint, {f"X-{vendor}-Token": endpoint.token}) as asking:
        answer = asking.get(f"https://{name}/v1/{table}", timeout=ANSWER_WITHIN)
    return int(answer.headers[f"X-{vendor}-Index"])


@contextmanager
def counting(endpoint: Endpoint) -> Generator[tuple[Endpoint, list[Asked]]]:
    """Another way to the same cluster, and the list that grows with every request on it.

    Who is told of this endpoint alone has no other way: it trusts an authority that only the one in between has.
    """
    asked: list[Asked] = []
    to = requests.Session()
    to.trust_env = False
    to.mount("https://", wire(endpoint))

    class Between(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def let_through(self) -> None:
            asked.append((self.command, self.path.partition("?")[0]))
            answer = to.request(
                self.command,
                f"https://{endpoint.addresses[0]}:{endpoint.port}{self.path}",
                data=self.rfile.read(int(self.headers.get("Content-Length", "0"))),
                headers={name: self.headers[name] for name in HANDED_ON if name in self.headers},
                timeout=2 * ANSWER_WITHIN,
            )
            self.send_response(answer.status_code)
            for name, value in answer.headers.items():
                if name.lower() not in NOT_HANDED_BACK:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        @override
        def log_message(self, format: str, *args: object) -> None:
            """Quietly."""

    for verb in ("GET", "PUT", "POST", "DELETE"):
        setattr(Between, f"do_{verb}", Between.let_through)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Between)
    authority, context = _identity()
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield (
            endpoint.model_copy(
                update={"addresses": ("127.0.0.1",), "port": server.server_port, "authority": authority}
            ),
            asked,
        )
    finally:
        server.shutdown()
        server.server_close()
        to.close()


def _identity() -> tuple[str, ssl.SSLContext]:
    work = Work(urn="", name="between", project="", stack="")
    authority = AuthorityHandler().create(AuthoritySpec(common_name="between"), work).outputs
    spec = CertificateSpec(
        common_name="between",
        authority_certificate=authority["certificate_pem"],
        authority_private_key=authority["private_key_pem"],
        ip_addresses=("127.0.0.1",),
        usages=("server",),
    )
    certificate = CertificateHandler().create(spec, work).outputs
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile("w") as chain:  # which only we can read
        chain.write(certificate["certificate_pem"] + "\n" + certificate["private_key_pem"])
        chain.flush()
        context.load_cert_chain(Path(chain.name))
    return authority["certificate_pem"], context
