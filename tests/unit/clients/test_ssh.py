"""Commands on a real sshd on loopback, which is now and then silent, rude or another one."""

import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from fakes.sshd import ANOTHER, CLIENT, HOST, Machine

from mooring.clients import ssh
from mooring.clients.errors import CommandFailed, Unreachable, Untrusted
from mooring.clients.ssh import AT_ONCE, Connection, Connections
from mooring.waiting import wait_for


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    # The connections of a process are kept for good; each test begins with none.
    connections = Connections()
    monkeypatch.setattr(ssh, "hosts", lambda: connections)
    made = Machine()
    made.start()
    yield made
    made.stop()


def way_to(machine: Machine, **changes: Any) -> Connection:
    said: dict[str, Any] = {
        "address": "127.0.0.1",
        "port": machine.port,
        "private_key": CLIENT["private_key"],
        "host_key": HOST["public_key"],
    }
    return Connection(**(said | changes))


def test_what_a_command_is_given_and_prints_goes_through_untouched(machine: Machine) -> None:
    every_byte = bytes(range(256)) * 1000

    assert ssh.run(way_to(machine), "cat", stdin=every_byte) == every_byte


def test_one_connection_carries_every_command(machine: Machine) -> None:
    for words in ("one", "two", "three"):
        assert ssh.run(way_to(machine), f"say {words}") == words.encode()

    assert len(machine.connections) == 1


def test_a_command_that_fails_tells_its_last_words(machine: Machine) -> None:
    lines = "|".join(f"line {number}" for number in range(40))

    with pytest.raises(CommandFailed, match=r"^127\.0\.0\.1: exit status 7: line 20\n") as caught:
        ssh.run(way_to(machine), f"fail {lines}")

    assert str(caught.value).endswith("line 39")
    assert ssh.answer(way_to(machine), "fail quietly").status == 7


def test_another_host_key_is_another_machine(machine: Machine) -> None:
    with pytest.raises(Untrusted, match="does not present the pinned host key"):
        ssh.run(way_to(machine, host_key=ANOTHER["public_key"]), "say hello")


def test_a_machine_that_does_not_know_our_key_is_no_silent_one(machine: Machine) -> None:
    with pytest.raises(Untrusted, match=r"127\.0\.0\.1 refused the key of root"):
        ssh.run(way_to(machine, private_key=ANOTHER["private_key"]), "say hello")


def test_no_refusal_holds_a_key(machine: Machine) -> None:
    for wrong in ({"host_key": ANOTHER["public_key"]}, {"private_key": ANOTHER["private_key"]}, {"port": 1}):
        with pytest.raises((Untrusted, Unreachable), match=r"127\.0\.0\.1") as caught:
            ssh.run(way_to(machine, **wrong), "say hello")
        lines = ANOTHER["private_key"].splitlines()[2:-1] + CLIENT["private_key"].splitlines()[2:-1]
        assert not [line for line in lines if line in f"{caught.value!r}"]


def test_a_silent_machine_is_not_asked_again_until_somebody_waits_for_it(machine: Machine) -> None:
    machine.stop()
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1:\d+ cannot be reached by SSH"):
        ssh.run(way_to(machine), "say hello")
    machine.start()
    before = len(machine.connections)

    with pytest.raises(Unreachable, match="cannot be reached"):
        ssh.run(way_to(machine), "say hello")
    assert len(machine.connections) == before

    ssh.forget_silence()
    assert ssh.run(way_to(machine), "say hello") == b"hello"


def test_a_command_that_does_not_end_is_no_answer_and_hinders_nobody_else(machine: Machine) -> None:
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1: no answer within 0.2 s"):
        ssh.run(way_to(machine), "hang", within=0.2)

    assert ssh.run(way_to(machine), "say hello") == b"hello"
    assert len(machine.connections) == 1


def test_after_a_broken_connection_there_is_a_new_one(machine: Machine) -> None:
    ssh.run(way_to(machine), "say hello")
    machine.hang_up()

    def again() -> bytes | None:
        with suppress(Unreachable):  # that the line is dead is noticed by asking
            return ssh.run(way_to(machine), "say again")
        return None

    assert wait_for(again, "a new connection", within=5, every=0.01) == b"again"
    assert len(machine.connections) == 2


def test_a_host_is_never_asked_more_at_once_than_its_sshd_takes(machine: Machine) -> None:
    threads = [threading.Thread(target=ssh.run, args=(way_to(machine), "pause")) for _ in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)

    assert machine.most_at_once == AT_ONCE
