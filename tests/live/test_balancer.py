"""The balancers: one of two dies, is reloaded, loses Consul; who asks for the page notices next to nothing."""

from collections.abc import Iterator

import pytest
from live.stack import Stack, docker, on
from live.test_stack import time_to_settle

from mooring.cli.overview import HostOverview, Overview
from mooring.drills.traffic import Traffic
from mooring.waiting import SYSTEM, wait_for

pytestmark = pytest.mark.live


@pytest.fixture
def overview(stack: Stack) -> Overview:
    wait_for(lambda: stack.status()["healthy"] or None, "the stack is well", within=90, every=1)
    return stack.overview()


def edges(overview: Overview) -> list[HostOverview]:
    return [host for host in overview.hosts if "edge" in host.roles]


def holders(overview: Overview) -> list[HostOverview]:
    """The hosts that have the floating address: one, but for moments."""
    return [host for host in edges(overview) if ".10/" in on(host, "ip -brief address show eth0")]


@pytest.fixture
def traffic(overview: Overview) -> Iterator[Traffic]:
    with Traffic(overview.url, rate=100) as running:
        time_to_settle(running)
        yield running


def test_one_of_two_balancers_has_the_address(overview: Overview) -> None:
    assert len(edges(overview)) == 2
    assert len(holders(overview)) == 1


def test_the_balancer_with_the_address_dies_and_only_what_was_in_flight_is_lost(
    overview: Overview, traffic: Traffic
) -> None:
    (holder,) = holders(overview)
    (other,) = (host for host in edges(overview) if host != holder)
    killed = SYSTEM.now()
    docker("kill", f"mooring-{holder.name}")
    try:
        wait_for(lambda: ".10/" in on(other, "ip -brief address show eth0") or None, "the other has it", within=10)
        time_to_settle(traffic, 3)
    finally:
        docker("start", f"mooring-{holder.name}")

    print(f"{len(traffic.failed)} of {len(traffic.requests)} failed")
    assert all(request.due < killed + 1 for request in traffic.failed)
    assert len(traffic.failed) <= 5


def test_a_balancer_that_does_not_answer_gives_the_address_away(overview: Overview) -> None:
    (holder,) = holders(overview)
    on(holder, "systemctl stop mooring-haproxy")
    try:
        wait_for(lambda: [holder] != holders(overview) or None, "another has the address", within=15, every=0.2)
    finally:
        on(holder, "systemctl start mooring-haproxy")


def test_twenty_reloads_lose_nothing(overview: Overview, traffic: Traffic) -> None:
    (holder,) = holders(overview)
    for _ in range(20):
        on(holder, "systemctl reload mooring-haproxy")
        time_to_settle(traffic, 0.3)

    print(f"{len(traffic.failed)} of {len(traffic.requests)} failed")
    assert traffic.failed == []


def test_without_consul_everything_is_served_on_and_a_reload_forgets_nothing(
    stack: Stack, overview: Overview, traffic: Traffic
) -> None:
    try:
        for host in overview.hosts:
            on(host, "systemctl stop consul")
        time_to_settle(traffic, 10)
        (holder,) = holders(overview)
        on(holder, "systemctl reload mooring-haproxy")
        time_to_settle(traffic, 10)
    finally:
        for host in overview.hosts:
            on(host, "systemctl start --no-block consul")
    wait_for(lambda: stack.status()["healthy"] or None, "the stack is well", within=90, every=1)

    print(f"{len(traffic.failed)} of {len(traffic.requests)} failed")
    assert traffic.failed == []
