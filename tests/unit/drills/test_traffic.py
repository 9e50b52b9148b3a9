"""The request ledger, before servers that misbehave as servers do."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from mooring.drills.traffic import ANSWER_WITHIN, Traffic, parsed
from mooring.waiting import wait_for

Answer = Callable[[socket.socket, int], None]
"""Does something with one connection, told which one it is."""

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nX-Instance: abc\r\n\r\nyes"


@contextmanager
def server(answer: Answer) -> Iterator[str]:
    """A server of one behaviour on a free port, with a thread for every connection."""
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listening:

        def serve() -> None:
            number = 0
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                threading.Thread(target=one, args=(connection, number), daemon=True).start()
                number += 1

        def one(connection: socket.socket, number: int) -> None:
            with connection:
                connection.recv(4096)
                answer(connection, number)

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
        listening.shutdown(socket.SHUT_RDWR)


def sent(url: str, *, most: int, rate: float = 200) -> Traffic:
    """All of a load of `most` requests."""
    with Traffic(url, rate, most=most) as traffic:
        wait_for(lambda: traffic.count >= most or None, "all have ended", within=30, every=0.02)
    return traffic


def test_every_request_is_in_the_ledger_once_and_says_who_answered() -> None:
    with server(lambda connection, _: connection.sendall(OK)) as url:
        traffic = sent(url, most=40)

    assert [request.number for request in traffic.requests] == list(range(40))
    assert {request.instance for request in traffic.requests} == {"abc"}
    assert traffic.failed == []


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nye",
        b"no words of HTTP",
    ],
    ids=["hangs up", "502", "half a head", "half a body", "noise"],
)
def test_what_is_no_whole_good_answer_has_failed(answer: bytes) -> None:
    with server(lambda connection, number: connection.sendall(answer if number == 1 else OK)) as url:
        traffic = sent(url, most=4, rate=50)

    assert len(traffic.failed) == 1


def test_nobody_there_is_a_failure() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    traffic = sent(f"http://127.0.0.1:{port}/", most=3)

    assert [request.status for request in traffic.requests] == [None] * 3


def test_late_answers_do_not_slow_the_load_down() -> None:
    """A closed loop would send the second request only after the first answer, and so hide what a hang costs."""
    hold, asked = threading.Event(), list[int]()

    def slow(connection: socket.socket, number: int) -> None:
        asked.append(number)
        hold.wait(ANSWER_WITHIN)
        connection.sendall(OK)

    with server(slow) as url, Traffic(url, rate=100, most=50) as traffic:
        wait_for(lambda: len(asked) >= 50 or None, "all were asked before one was answered", within=4, every=0.02)
        assert traffic.count == 0
        hold.set()
        wait_for(lambda: traffic.count >= 50 or None, "all have ended", within=30, every=0.02)

    assert traffic.failed == []
    assert traffic.requests[-1].due - traffic.requests[0].due == pytest.approx(0.49)
    # Counted from when it was due: what was due first has waited for longest.
    assert traffic.requests[0].took > traffic.requests[-1].took > 0


def test_load_goes_to_nobody_else() -> None:
    for url in ("http://example.org/", "http://93.184.215.14/"):
        with pytest.raises(ValueError, match="loopback and private addresses only"):
            Traffic(url, 1)


def test_an_answer_is_read_as_it_is_written() -> None:
    assert parsed(OK.decode()) == (200, {"content-length": "3", "x-instance": "abc"})
