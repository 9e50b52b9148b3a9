"""Requests to servers that only hosts reach, by real sshds on loopback: all is as on a connection of our own."""

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
import requests
from fakes.sshd import ANOTHER, CLIENT, HOST, Machine
from unit.clients.test_http import HOSTS, OURS, THEIRS, Cluster, get, hang_up

from mooring.clients import http, ssh, way
from mooring.clients.errors import Unreachable, Untrusted
from mooring.clients.registry import Place, Registry
from mooring.clients.ssh import AT_ONCE, Connection, Connections
from mooring.clients.way import Pools, Way, Ways
from mooring.drills.strangers import Heard, doors
from mooring.waiting import wait_for

MIB = 1 << 20


@pytest.fixture
def machines(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Machine]]:
    """The sshd of each host."""
    connections = Connections()
    monkeypatch.setattr(ssh, "hosts", lambda: connections)
    made = {host: Machine() for host in HOSTS}
    for machine in made.values():
        machine.start()
    yield made
    for machine in made.values():
        machine.stop()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    made = Cluster(tmp_path)
    yield made
    made.stop()


def way_to(host: str, machine: Machine, **changes: Any) -> Way:
    said: dict[str, Any] = {
        "to": host,
        "address": "127.0.0.1",
        "port": machine.port,
        "private_key": CLIENT["private_key"],
        "host_key": HOST["public_key"],
    }
    return Way(**(said | changes))


def through(cluster: Cluster, machines: dict[str, Machine], *hosts: str, **changes: Any) -> requests.Session:
    ways = tuple(way_to(host, machines[host], **changes) for host in hosts or HOSTS)
    return cluster.session(*hosts, through=ways)


def test_a_request_goes_by_its_host_and_by_nobody_else(cluster: Cluster, machines: dict[str, Machine]) -> None:
    server = cluster.start(HOSTS[1])

    assert get(through(cluster, machines, HOSTS[1])).json() == {"fine": True}
    assert [len(server.seen), machines[HOSTS[1]].dialled] == [1, [(HOSTS[1], cluster.port)]]
    assert not machines[HOSTS[0]].connections


def test_a_host_that_is_dead_is_passed_over_and_not_asked_first_again(
    cluster: Cluster, machines: dict[str, Machine]
) -> None:
    alive = cluster.start(HOSTS[1])
    cluster.start(HOSTS[0])
    machines[HOSTS[0]].stop()
    with through(cluster, machines) as session:
        session.post("https://consul/v1/one", json={})
        machines[HOSTS[0]].start()
        session.post("https://consul/v1/two", json={})

    assert [path for _, path, _ in alive.seen] == ["/v1/one", "/v1/two"]


def test_a_server_that_is_dead_on_a_host_that_is_not_is_passed_over(
    cluster: Cluster, machines: dict[str, Machine]
) -> None:
    cluster.start(HOSTS[2])

    assert get(through(cluster, machines)).ok
    assert [len(machine.dialled) for machine in machines.values()] == [1, 1, 1]


def test_a_host_that_stands_still_is_passed_over_as_soon_as_a_dead_one(
    cluster: Cluster, machines: dict[str, Machine], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It died with an open SSH connection, which tells so only when it has missed several signs of life."""
    monkeypatch.setattr(http, "CONNECT_WITHIN", 0.2)
    second = cluster.start(HOSTS[1])
    with socket.create_server((HOSTS[0], cluster.port)) as first, through(cluster, machines) as session:
        first.settimeout(5)
        ssh.run(Ways([way_to(HOSTS[0], machines[HOSTS[0]])]).hosts[HOSTS[0]], "say hello")
        well_again = threading.Event()
        machines[HOSTS[0]].stand_still(well_again)

        assert session.get("https://consul/v1/thing").ok
        well_again.set()
        # What it makes of the old question when it is well again is of no use to anybody, and must not stay.
        late, _ = first.accept()
        with late:
            late.settimeout(5)
            assert late.recv(100) == b""

    assert (len(second.seen), len(machines[HOSTS[0]].connections)) == (1, 1)


def test_when_all_are_dead_each_is_named_with_what_is_in_the_way(
    cluster: Cluster, machines: dict[str, Machine]
) -> None:
    cluster.start(HOSTS[0])
    cluster.stop()
    machines[HOSTS[0]].stop()
    machines[HOSTS[1]].forwards = False

    with pytest.raises(Unreachable) as caught:
        get(through(cluster, machines))

    words = str(caught.value)
    assert words.startswith(f"no server answers at 127.0.0.2, 127.0.0.3, 127.0.0.4 (port {cluster.port}); ")
    assert f"127.0.0.1:{machines[HOSTS[0]].port} cannot be reached by SSH" in words
    assert f"sshd of 127.0.0.1 makes no connections for root, such as to 127.0.0.3:{cluster.port}; `Allow" in words
    assert f"127.0.0.4:{cluster.port} cannot be reached from 127.0.0.1: " in words


def test_a_write_that_may_have_arrived_goes_to_no_second_server(cluster: Cluster, machines: dict[str, Machine]) -> None:
    rude = cluster.start(HOSTS[0], does=hang_up)
    other = cluster.start(HOSTS[1])

    with through(cluster, machines) as session, pytest.raises(Unreachable, match="hung up"):
        session.post("https://consul/v1/thing", json={})

    assert (len(rude.seen), len(other.seen)) == (1, 0)


def test_a_host_that_dies_with_a_write_on_the_way_has_hung_up(cluster: Cluster, machines: dict[str, Machine]) -> None:
    rude = cluster.start(HOSTS[0], does=machines[HOSTS[0]].hang_up)
    other = cluster.start(HOSTS[1])

    with through(cluster, machines) as session, pytest.raises(Unreachable, match="hung up"):
        session.post("https://consul/v1/thing", json={})

    assert (len(rude.seen), len(other.seen)) == (1, 0)


def test_a_connection_that_broke_while_nobody_spoke_is_made_anew(
    cluster: Cluster, machines: dict[str, Machine]
) -> None:
    """As one of our own would be: the pool sees that it has ended."""
    server = cluster.start(HOSTS[0])
    ways = Ways([way_to(HOSTS[0], machines[HOSTS[0]])])
    with through(cluster, machines, HOSTS[0]) as session, _echo() as port:
        for number in range(5):
            session.post(f"https://consul/v1/{number}", json={})
            with ways.dial("127.0.0.1", port, 5) as another:
                machines[HOSTS[0]].hang_up()
                assert another.recv(1) == b""
            # By the time of its answer everything that the broken one carried has ended.
            ssh.run(ways.hosts[HOSTS[0]], "say hello")
        session.post("https://consul/v1/last", json={})

    assert len(server.seen) == 6
    assert len(machines[HOSTS[0]].connections) == 6


def test_a_host_whose_ssh_breaks_as_it_is_asked_is_asked_again(
    cluster: Cluster, machines: dict[str, Machine], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = cluster.start(HOSTS[0])
    machine = machines[HOSTS[0]]
    with through(cluster, machines, HOSTS[0]) as session:
        session.get("https://consul/v1/one")
    # The moment between the look and the use.
    real: Any = vars(Connections)["_connection"]
    breaks = [True]

    async def breaking(self: Connections, where: Connection) -> Any:
        found = await real(self, where)
        if breaks:
            breaks.pop()
            found.abort()
        return found

    monkeypatch.setattr(Connections, "_connection", breaking)

    assert get(through(cluster, machines, HOSTS[0])).ok
    assert (len(server.seen), len(machine.connections)) == (2, 2)


def test_many_requests_at_once_share_one_connection_to_the_host(cluster: Cluster, machines: dict[str, Machine]) -> None:
    """More than the eight that commands may have at a time, which sshd counts and channels are not among."""
    together = threading.Barrier(AT_ONCE + 2, timeout=14)
    server = cluster.start(HOSTS[0], does=lambda: together.wait() and None)
    with through(cluster, machines, HOSTS[0]) as session, ThreadPoolExecutor(AT_ONCE + 2) as pool:
        asked = [pool.submit(session.get, "https://consul/v1/thing") for _ in range(AT_ONCE + 2)]
        answers = [each.result().status_code for each in asked]

    assert answers == [200] * (AT_ONCE + 2)
    assert (len(server.seen), len(machines[HOSTS[0]].connections)) == (AT_ONCE + 2, 1)


def test_what_is_large_arrives_whole_both_ways(machines: dict[str, Machine]) -> None:
    every_byte = bytes(range(256)) * 8192
    with _echo() as port, Ways([way_to("127.0.0.1", machines[HOSTS[0]])]).dial("127.0.0.1", port, 5) as ours:
        threading.Thread(target=ours.sendall, args=(every_byte,), daemon=True).start()
        heard = b""
        while len(heard) < len(every_byte):
            heard += ours.recv(MIB)

    assert heard == every_byte


def test_the_end_of_either_side_is_that_of_the_other(machines: dict[str, Machine]) -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    ways = Ways([way_to("127.0.0.1", machines[HOSTS[0]])])
    ours = ways.dial("127.0.0.1", listening.getsockname()[1], 5)
    theirs, _ = listening.accept()
    theirs.sendall(b"last words")
    theirs.close()

    assert ours.recv(100) == b"last words"
    assert ours.recv(100) == b""
    ours.close()

    ours = ways.dial("127.0.0.1", listening.getsockname()[1], 5)
    theirs, _ = listening.accept()
    ours.sendall(b"last words")
    ours.close()
    theirs.settimeout(5)

    assert (theirs.recv(100), theirs.recv(100)) == (b"last words", b"")
    theirs.close()
    listening.close()


def test_a_server_of_another_authority_is_told_nothing(cluster: Cluster, machines: dict[str, Machine]) -> None:
    stranger = cluster.start(HOSTS[0], signer=THEIRS)

    with pytest.raises(Untrusted, match=r"127\.0\.0\.2:\d+: "):
        get(through(cluster, machines, HOSTS[0]))
    assert stranger.seen == []


@pytest.mark.parametrize("wrong", [{"host_key": ANOTHER["public_key"]}, {"private_key": ANOTHER["private_key"]}])
def test_a_host_that_is_not_ours_connects_us_to_nothing(
    cluster: Cluster, machines: dict[str, Machine], wrong: dict[str, str]
) -> None:
    server = cluster.start(HOSTS[0])

    with pytest.raises(Untrusted, match=r"127\.0\.0\.1 (does not present|refused)"):
        get(through(cluster, machines, HOSTS[0], **wrong))
    assert server.seen == []


def test_a_key_that_hosts_share_is_said_once(cluster: Cluster, machines: dict[str, Machine]) -> None:
    cluster.start(HOSTS[2])
    ways = [way_to(HOSTS[0], machines[HOSTS[0]]), *(way_to(h, machines[h], private_key="") for h in HOSTS[1:])]

    assert get(cluster.session(through=tuple(ways))).ok


def test_who_has_no_way_of_its_own_is_reached_by_a_host_that_answers(
    cluster: Cluster, machines: dict[str, Machine]
) -> None:
    """A node that runs apps, which no endpoint names."""
    cluster.start(HOSTS[2])
    machines[HOSTS[0]].stop()
    ways = tuple(way_to(host, machines[host]) for host in HOSTS[:2])

    assert get(cluster.session(HOSTS[2], through=ways)).ok
    assert machines[HOSTS[1]].dialled == [(HOSTS[2], cluster.port)]


def test_one_server_is_named_by_its_address_or_by_that_of_its_ssh() -> None:
    ways = (
        Way(to="10.0.0.1", address="203.0.113.1", private_key="k", host_key="h"),
        Way(to="10.0.0.2", address="203.0.113.2", host_key="h"),
    )
    endpoint = http.Endpoint(
        addresses=("10.0.0.1", "10.0.0.2"), port=1, authority="", certificate="", private_key="", through=ways
    )

    for name in ("10.0.0.2", "203.0.113.2"):
        assert endpoint.only(name).addresses == ("10.0.0.2",)
        assert endpoint.but(name).addresses == ("10.0.0.1",)


def test_a_program_of_others_connects_to_the_loopback(machines: dict[str, Machine]) -> None:
    ways = Ways([way_to("127.0.0.1", machines[HOSTS[0]])])
    with _echo() as port, ways.door("127.0.0.1", port) as door:
        host, _, local = door.partition(":")
        with socket.create_connection((host, int(local)), 5) as ours:
            ours.sendall(b"hello")
            assert (host, ours.recv(5)) == ("127.0.0.1", b"hello")

    assert set(machines[HOSTS[0]].dialled) == {("127.0.0.1", port)}
    wait_for(lambda: None if _accepts(int(local)) else True, "the door closes", within=5, every=0.01)


def test_a_program_of_others_is_not_started_on_a_way_that_is_closed(machines: dict[str, Machine]) -> None:
    """It could not say why it was hung up on."""
    machines[HOSTS[0]].forwards = False

    with pytest.raises(Unreachable, match="makes no connections for root"), _door(machines[HOSTS[0]]):
        pass


def test_a_stranger_of_a_drill_comes_by_the_same_way(cluster: Cluster, machines: dict[str, Machine]) -> None:
    """Or nobody would be heard to refuse, and all would seem well."""
    server = cluster.start(HOSTS[0])
    endpoint = cluster.endpoint(HOSTS[0], through=(way_to(HOSTS[0], machines[HOSTS[0]]),))
    tried = {who: door for who, where, door in doors(endpoint, endpoint) if where.startswith("consul")}

    assert tried["without a certificate"]() is Heard.REFUSED
    assert server.seen == []
    assert tried["without a token"]() is Heard.LET_IN
    assert machines[HOSTS[0]].dialled == [(HOSTS[0], cluster.port)] * 2


def test_without_ways_a_program_of_others_connects_by_itself() -> None:
    with Ways(()).door("10.0.0.1", 4646) as door:
        assert door == "10.0.0.1:4646"


def test_what_is_not_there_is_no_connection(machines: dict[str, Machine]) -> None:
    pools = Pools(Ways([way_to("127.0.0.1", machines[HOSTS[0]])]), retries=False, timeout=way.CONNECT_WITHIN)

    with pytest.raises(way.NewConnectionError, match=r"127\.0\.0\.1:1 cannot be reached from 127\.0\.0\.1"):
        pools.request("GET", "https://127.0.0.1:1/v2/")


def _door(machine: Machine) -> AbstractContextManager[str]:
    return Ways([way_to("127.0.0.1", machine)]).door("127.0.0.1", 4646)


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class _echo:  # noqa: N801 -- read as a word of the `with`
    """A server that sends back what it is sent."""

    def __enter__(self) -> int:
        self._listening = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._serve, daemon=True).start()
        port: int = self._listening.getsockname()[1]
        return port

    def _serve(self) -> None:
        while True:
            theirs, _ = self._listening.accept()
            threading.Thread(target=self._repeat, args=(theirs,), daemon=True).start()

    def _repeat(self, theirs: socket.socket) -> None:
        with theirs:
            while piece := theirs.recv(MIB):
                theirs.sendall(piece)

    def __exit__(self, *_: object) -> None:
        self._listening.close()


def test_a_registry_that_is_not_reached_says_what_is_in_the_way(machines: dict[str, Machine]) -> None:
    machines[HOSTS[0]].forwards = False
    place = Place(
        address=f"{HOSTS[0]}:5000",
        username="",
        password="",
        authority=OURS["certificate_pem"],
        through=(way_to(HOSTS[0], machines[HOSTS[0]]),),
    )

    with pytest.raises(
        Unreachable, match=r"the registry at 127\.0\.0\.2:5000 does not answer: sshd of 127\.0\.0\.1 makes no"
    ):
        Registry(place).manifest("hello", "sha256:0")
