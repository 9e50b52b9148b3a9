"""Requests to real TLS servers on loopback, some of which are dead, slow, rude or not who they should be."""

import ssl
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests
from typing_extensions import override

from mooring.clients import http
from mooring.clients.errors import ApiError, Conflict, Forbidden, Unreachable, Untrusted
from mooring.clients.http import Endpoint
from mooring.kinds.kind import Props, Work
from mooring.kinds.pki import AuthorityHandler, AuthoritySpec, CertificateHandler, CertificateSpec

WORK = Work(urn="", name="x", project="shop", stack="dev")
HOSTS = ("127.0.0.2", "127.0.0.3", "127.0.0.4")
TOKEN = "5a1c0f9e-the-token"  # noqa: S105 -- opens nothing


def authority() -> Props:
    return AuthorityHandler().create(AuthoritySpec(common_name="test"), WORK).outputs


def certificate(signer: Props) -> Props:
    spec = CertificateSpec(
        authority_certificate=signer["certificate_pem"],
        authority_private_key=signer["private_key_pem"],
        common_name="test",
        ip_addresses=HOSTS,
        usages=("server", "client"),
    )
    return CertificateHandler().create(spec, WORK).outputs


OURS, THEIRS = authority(), authority()
CERTIFICATE = certificate(OURS)


class Listening(ThreadingHTTPServer):
    @override
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever was refused is not a failure of the server's."""


@dataclass
class Server:
    """Answers everything with `status` and `body`, unless `does` something else first."""

    host: str
    status: int = 200
    body: str = '{"fine": true}'
    does: Callable[[], None] = lambda: None
    seen: list[tuple[str, str, str]] = field(default_factory=list[tuple[str, str, str]])
    """Method, path, token."""

    def listen(self, port: int, signer: Props, folder: Path) -> Listening:
        served = self

        class Answers(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            @override
            def log_message(self, *_: Any, **__: Any) -> None: ...

            def answer(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", "0")))
                served.seen.append((self.command, self.path, self.headers.get("X-Token", "")))
                try:
                    served.does()
                except ConnectionAbortedError:
                    self.close_connection = True
                    return
                self.send_response(served.status)
                self.send_header("Content-Length", str(len(served.body)))
                self.end_headers()
                self.wfile.write(served.body.encode())

            do_GET = do_POST = answer  # noqa: N815 -- the library's names

        listening = Listening((self.host, port), Answers)
        chain = folder / f"{self.host}.pem"
        made = certificate(signer)
        chain.write_text(made["certificate_pem"] + made["private_key_pem"])
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain)
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=OURS["certificate_pem"])
        listening.socket = context.wrap_socket(listening.socket, server_side=True)
        threading.Thread(target=lambda: listening.serve_forever(poll_interval=0.01), daemon=True).start()
        return listening


class Cluster:
    """Servers that share a port, each on an address of its own; where none was started, nothing listens."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._listening: list[Listening] = []
        self.port = 0

    def start(self, host: str, *, signer: Props = OURS, **behaviour: Any) -> Server:
        made = Server(host, **behaviour)
        self._listening.append(made.listen(self.port, signer, self._folder))
        self.port = self._listening[0].server_port
        return made

    def endpoint(self, *hosts: str, **changes: Any) -> Endpoint:
        return Endpoint(
            addresses=hosts or HOSTS,
            port=self.port,
            authority=OURS["certificate_pem"],
            certificate=CERTIFICATE["certificate_pem"],
            private_key=CERTIFICATE["private_key_pem"],
            token=TOKEN,
        ).model_copy(update=changes)

    def session(self, *hosts: str, **changes: Any) -> requests.Session:
        return http.session(self.endpoint(*hosts, **changes), {"X-Token": TOKEN})

    def stop(self) -> None:
        for listening in self._listening:
            listening.shutdown()
            listening.server_close()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    made = Cluster(tmp_path)
    yield made
    made.stop()


def get(session: requests.Session) -> requests.Response:
    with session:
        return session.get("https://consul/v1/thing")


def test_a_server_that_is_up_answers_with_our_token_on_the_request(cluster: Cluster) -> None:
    server = cluster.start(HOSTS[0])

    assert get(cluster.session(HOSTS[0])).json() == {"fine": True}
    assert server.seen == [("GET", "/v1/thing", TOKEN)]


def test_a_dead_server_is_passed_over_and_not_asked_first_again(cluster: Cluster) -> None:
    alive = cluster.start(HOSTS[1])
    with cluster.session() as session:
        session.get("https://consul/v1/one")
        cluster.start(HOSTS[0], status=500)
        session.get("https://consul/v1/two")

    assert [path for _, path, _ in alive.seen] == ["/v1/one", "/v1/two"]


def test_when_all_are_dead_each_is_named(cluster: Cluster) -> None:
    cluster.start(HOSTS[0])
    cluster.stop()

    with pytest.raises(Unreachable, match=r"no server answers at 127.0.0.2, 127.0.0.3, 127.0.0.4 \(port \d+\)"):
        get(cluster.session())


def hang_up() -> None:
    raise ConnectionAbortedError


def test_a_write_that_may_have_arrived_goes_to_no_second_server(cluster: Cluster) -> None:
    rude = cluster.start(HOSTS[0], does=hang_up)
    other = cluster.start(HOSTS[1])

    with cluster.session() as session, pytest.raises(Unreachable, match="hung up"):
        session.post("https://consul/v1/thing", json={})

    assert (len(rude.seen), len(other.seen)) == (1, 0)


def test_a_server_that_takes_too_long_is_no_answer(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "ANSWER_WITHIN", 0.1)
    given_up = threading.Event()

    def take_time() -> None:
        given_up.wait(5)

    cluster.start(HOSTS[0], does=take_time)

    with pytest.raises(Unreachable, match=r"127\.0\.0\.2:\d+ did not answer in time"):
        get(cluster.session(HOSTS[0]))
    given_up.set()


def test_a_slow_server_is_given_as_many_times_as_long(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "ANSWER_WITHIN", 0.1)

    def take_time() -> None:
        threading.Event().wait(0.4)

    cluster.start(HOSTS[0], does=take_time)

    assert get(cluster.session(HOSTS[0], patience=20)).json() == {"fine": True}


def test_what_one_server_cannot_answer_is_asked_of_the_next(cluster: Cluster) -> None:
    """It called the leader dead, which had stood still for a moment."""
    lost = cluster.start("127.0.0.2", status=500, body="Raft leader not found in server lookup mapping")
    cluster.start("127.0.0.3")
    session = cluster.session()

    assert session.get("https://any/v1/kv").json() == {"fine": True}
    session.post("https://any/v1/kv", data=b"x")
    assert [method for method, *_ in lost.seen] == ["GET"]


def test_what_no_server_can_answer_is_told_as_it_was_refused(cluster: Cluster) -> None:
    for host in HOSTS:
        cluster.start(host, status=500, body=f"no leader at {host}")

    with pytest.raises(ApiError, match=r"GET /v1/kv: 500 no leader at 127\.0\.0\.4"):
        cluster.session().get("https://any/v1/kv")


def test_a_write_that_was_refused_goes_to_no_second_server(cluster: Cluster) -> None:
    cluster.start("127.0.0.2", status=500)
    second = cluster.start("127.0.0.3")

    with pytest.raises(ApiError):
        cluster.session().post("https://any/v1/kv", data=b"x")
    assert second.seen == []


def test_a_server_that_has_waited_for_a_leader_speaks_for_all(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "HELD", 0.05)

    def slow() -> None:
        threading.Event().wait(0.1)

    cluster.start("127.0.0.2", status=500, does=slow)
    second = cluster.start("127.0.0.3")

    with pytest.raises(ApiError):
        cluster.session().get("https://any/v1/kv")
    assert second.seen == []


def test_a_server_of_another_authority_is_told_nothing(cluster: Cluster) -> None:
    stranger = cluster.start(HOSTS[0], signer=THEIRS)

    with pytest.raises(Untrusted, match=r"127\.0\.0\.2:\d+: "):
        get(cluster.session(HOSTS[0]))
    assert stranger.seen == []


def test_a_caller_of_another_authority_is_heard_by_none(cluster: Cluster) -> None:
    server = cluster.start(HOSTS[0])
    foreign = certificate(THEIRS)

    with pytest.raises((Untrusted, Unreachable), match=r"127\.0\.0\.2"):
        get(cluster.session(HOSTS[0], certificate=foreign["certificate_pem"], private_key=foreign["private_key_pem"]))
    assert server.seen == []


@pytest.mark.parametrize(
    ("status", "kind"), [(400, ApiError), (401, Forbidden), (403, Forbidden), (409, Conflict), (500, ApiError)]
)
def test_a_refusal_says_what_was_asked_and_what_was_answered_and_no_secret(
    cluster: Cluster, status: int, kind: type[ApiError]
) -> None:
    cluster.start(HOSTS[0], status=status, body="No! " * 200)

    with pytest.raises(ApiError, match=rf"^GET /v1/thing: {status} No! ") as caught:
        get(cluster.session(HOSTS[0]))

    assert type(caught.value) is kind
    assert caught.value.status == status
    assert len(str(caught.value)) < 300
    assert TOKEN not in f"{caught.value!r} {caught.value.__dict__}"


@pytest.mark.parametrize("status", [200, 404, 429])
def test_an_answer_is_no_failure(cluster: Cluster, status: int) -> None:
    cluster.start(HOSTS[0], status=status)

    assert get(cluster.session(HOSTS[0])).status_code == status


def test_what_the_person_has_set_for_other_programs_does_not_matter(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere")
    cluster.start(HOSTS[0])

    assert get(cluster.session(HOSTS[0])).ok


def test_no_key_is_left_on_the_disk(cluster: Cluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    cluster.start(HOSTS[0])

    get(cluster.session(HOSTS[0]))

    assert list(scratch.iterdir()) == []
