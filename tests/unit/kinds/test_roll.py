"""In which order the agents of a cluster are touched, and where a roll ends."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

import pytest
from fakes.consul import server
from fakes.world import CONSUL_PORT, SERVERS, World

from mooring.kinds import roll
from mooring.kinds.membership import Membership
from mooring.kinds.roll import CannotSpare, turn
from mooring.waiting import SYSTEM


@pytest.fixture
def touched() -> list[str]:
    return []


@pytest.fixture
def away() -> list[int]:
    """How many were away at each moment when one more left."""
    return []


def member(world: World, name: str, role: str = "server", **more: Any) -> Membership:
    said = {"cluster": "consul", "name": name, "roles": [role], "endpoint": world.consul_endpoint, **more}
    return Membership.model_validate(said)


def address(name: str) -> str:
    known: dict[str, str] = dict(zip(("s1", "s2", "s3"), SERVERS, strict=True))
    return known.get(name, "198.18.0.99")


def all_at_once(touch: Callable[[Membership], None], *members: Membership) -> list[Future[None]]:
    """Everybody asks for a turn before the first one gets one."""
    ready = threading.Barrier(len(members))

    def update(one: Membership) -> None:
        ready.wait(5)
        # On the real clock, as they have to meet.
        with turn(one, address(one.name), SYSTEM):
            touch(one)

    with ThreadPoolExecutor(len(members)) as pool:
        asked = [pool.submit(update, one) for one in members]
        wait(asked)
    return asked


def fell(world: World, name: str) -> None:
    world.consul.servers = [server(each, Leader=each == "s1", Healthy=each != name) for each in ("s1", "s2", "s3")]
    del world.network.servers[address(name), CONSUL_PORT]


def test_who_leads_is_last_so_that_a_roll_costs_one_election(world: World, touched: list[str]) -> None:
    members = [member(world, name) for name in ("s1", "s2", "s3")]  # s1 leads

    all_at_once(lambda one: touched.append(one.name), *members)

    assert touched == ["s2", "s3", "s1"]


def test_who_has_fallen_is_first_and_the_others_go_on_when_it_is_well(world: World, touched: list[str]) -> None:
    fell(world, "s3")

    def heal(one: Membership) -> None:
        touched.append(one.name)
        if one.name == "s3":
            world.network.servers[address("s3"), CONSUL_PORT] = world.consul
            world.consul.servers = [server("s1", Leader=True), server("s2"), server("s3")]

    all_at_once(heal, *(member(world, name) for name in ("s1", "s2", "s3")))

    assert touched == ["s3", "s2", "s1"]


def test_a_roll_ends_with_the_first_that_does_not_come_back(world: World, touched: list[str]) -> None:
    def break_it(one: Membership) -> None:
        touched.append(one.name)
        raise RuntimeError("consul does not listen\nits last lines")

    asked = all_at_once(break_it, *(member(world, name) for name in ("s1", "s2", "s3")))

    assert touched == ["s2"]
    refused = [str(done.exception()) for done in asked if isinstance(done.exception(), CannotSpare)]
    reason = "not touched: s2 did not come back (consul does not listen); heal it, then run `pulumi up` again"
    assert refused == [reason] * 2


def test_the_next_run_goes_on(world: World, touched: list[str]) -> None:
    with pytest.raises(RuntimeError), turn(member(world, "s2"), address("s2"), world.clock):
        raise RuntimeError
    roll.forget()

    with turn(member(world, "s3"), address("s3"), world.clock):
        touched.append("s3")

    assert touched == ["s3"]


def test_the_one_that_has_fallen_may_be_healed_also_after_a_roll_has_ended(world: World, touched: list[str]) -> None:
    with pytest.raises(RuntimeError), turn(member(world, "s2"), address("s2"), world.clock):
        raise RuntimeError
    fell(world, "s3")

    with turn(member(world, "s3"), address("s3"), world.clock):
        touched.append("s3")

    assert touched == ["s3"]


@pytest.mark.parametrize("at_once", [1, 2])
def test_of_the_clients_no_more_than_the_stated_number_are_away(world: World, away: list[int], at_once: int) -> None:
    lock, now = threading.Lock(), 0

    def leave(_: Membership) -> None:
        nonlocal now
        with lock:
            now += 1
            away.append(now)
        threading.Event().wait(0.05)
        with lock:
            now -= 1

    all_at_once(leave, *(member(world, f"c{number}", "client", at_once=at_once) for number in range(6)))

    assert (len(away), max(away)) == (6, at_once)


def test_a_server_and_a_client_are_never_away_together(world: World, away: list[int]) -> None:
    lock, now = threading.Lock(), 0

    def leave(_: Membership) -> None:
        nonlocal now
        with lock:
            now += 1
            away.append(now)
        threading.Event().wait(0.05)
        with lock:
            now -= 1

    clients = [member(world, f"c{number}", "client", at_once=5) for number in range(2)]
    all_at_once(leave, *clients, member(world, "s2"), member(world, "s3"))

    assert len(away) == 4
    # The servers went first, one by one, and then both clients together.
    assert away[:2] == [1, 1]


def test_a_cluster_that_has_grown_is_the_same_cluster(world: World, touched: list[str]) -> None:
    """Who leaves knows the cluster by other addresses than who stays."""
    grown = world.consul_endpoint.model_copy(update={"addresses": (*world.consul_endpoint.addresses, "198.18.0.14")})
    with pytest.raises(RuntimeError), turn(member(world, "s2"), address("s2"), world.clock):
        raise RuntimeError

    with (
        pytest.raises(CannotSpare, match="s2 did not come back"),
        turn(member(world, "s3", endpoint=grown), address("s3"), world.clock),
    ):
        touched.append("s3")

    assert touched == []


def test_nobody_is_touched_while_a_leader_is_being_elected(world: World, touched: list[str]) -> None:
    leader, world.consul.leader = world.consul.leader, ""
    world.clock.after(4, lambda: setattr(world.consul, "leader", leader))

    with turn(member(world, "s2"), address("s2"), world.clock):
        touched.append(f"{world.clock.now():.0f} s")

    assert touched == ["4 s"]
