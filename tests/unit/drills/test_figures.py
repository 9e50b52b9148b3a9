"""Numbers out of what was seen: each from a few events that are written down here."""

from collections.abc import Mapping

import pytest

from mooring.drills.figures import Facts, Figures, figures, percentile
from mooring.drills.strangers import Attempt, Heard
from mooring.drills.timeline import Event, What
from mooring.drills.traffic import Request
from mooring.drills.writes import Audit

FAULT = 100.0
ALL = {"n1": 1, "n2": 1, "n3": 1}
ADDRESSES = {"10.0.0.1": 1, "10.0.0.2": 1, "10.0.0.3": 1}


def facts(victims: Mapping[str, str] | None = None, **changes: float) -> Facts:
    known = {"settled": 140.0, "restored": None, **changes}
    return Facts(fault=FAULT, ended=150, victims=victims or {}, desired=3, **known)  # type: ignore[arg-type] -- times


def at(seconds: float, what: What, about: str = "", detail: str = "", **counts: int) -> Event:
    return Event(at=FAULT + seconds, what=what, about=about, detail=detail, counts=counts)


def capacity(seconds: float, **counts: int) -> Event:
    return at(seconds, What.CAPACITY, **counts)


def balancer(seconds: float, counts: Mapping[str, int], edge: str = "edge") -> Event:
    return Event(at=FAULT + seconds, what=What.BALANCER, about=edge, counts=counts)


def request(number: int, due: float, took: float = 0.01, status: int | None = 200) -> Request:
    return Request(number=number, due=FAULT + due, ended=FAULT + due + took, status=status)


def of(*events: Event, known: Facts | None = None, requests: tuple[Request, ...] = ()) -> Figures:
    return figures(known or facts(), sorted(events, key=lambda e: e.at), requests, [], [])


class TestCapacity:
    def test_it_is_full_again_when_the_last_that_was_missing_is_there(self) -> None:
        found = of(capacity(-5, **ALL), capacity(1, n1=1, n2=1), capacity(3.5, **ALL))

        assert (found.lost_capacity, found.full, found.fewest) == (True, 3.5, 2)

    def test_an_instance_that_starts_anew_between_two_checks_was_missing_though_consul_never_missed_it(self) -> None:
        known = Facts(
            fault=FAULT, ended=150, victims={}, struck=frozenset({"a1"}), desired=3, settled=140, restored=None
        )
        again = at(0.55, What.ALLOCATION, "a1", "pending healthy"), at(0.75, What.ALLOCATION, "a1", "running healthy")
        other = at(0.6, What.ALLOCATION, "b2", "pending")

        found = of(capacity(-5, **ALL), *again, other, known=known)

        assert (found.lost_capacity, found.full, found.fewest) == (True, 0.75, 2)
        assert of(capacity(-5, **ALL), again[0], known=known).full is None

    def test_a_short_recovery_in_between_does_not_count(self) -> None:
        found = of(
            capacity(-5, **ALL),
            capacity(1, n1=1, n2=1),
            capacity(3, **ALL),
            capacity(4, n2=1, n3=1),
            capacity(9, **ALL),
        )

        assert found.full == 9

    def test_instances_that_nobody_ever_missed_were_never_less(self) -> None:
        found = of(capacity(-5, **ALL))

        assert (found.lost_capacity, found.full) == (False, 0)

    def test_what_never_came_back_is_not_full(self) -> None:
        assert of(capacity(-5, **ALL), capacity(1, n1=1)).full is None

    def test_an_instance_on_a_taken_host_is_missing_from_the_fault_on_whatever_consul_believes(self) -> None:
        found = of(
            capacity(-5, **ALL),
            capacity(7, n1=1, n2=2, n3=1),
            known=facts({"n3": "10.0.0.3"}),
        )

        assert (found.lost_capacity, found.full, found.fewest) == (True, 7, 2)

    def test_what_happens_once_the_fault_is_undone_is_another_thing(self) -> None:
        found = of(
            capacity(-5, **ALL), capacity(1, n1=1), capacity(4, **ALL), capacity(25, n1=1), known=facts(restored=120.0)
        )

        assert found.full == 4


class TestBalancer:
    LOST: Mapping[str, str] = {"n3": "10.0.0.3"}

    def test_a_taken_host_is_out_when_no_server_of_its_address_is_used(self) -> None:
        found = of(balancer(-5, ADDRESSES), balancer(2.5, {"10.0.0.1": 1, "10.0.0.2": 1}), known=facts(self.LOST))

        assert found.out_of_balancer == 2.5

    def test_every_balancer_must_know(self) -> None:
        two = {"10.0.0.1": 1, "10.0.0.2": 1}
        found = of(
            balancer(-5, ADDRESSES),
            balancer(-5, ADDRESSES, "other"),
            balancer(1, two),
            balancer(2, two, "other"),
            known=facts(self.LOST),
        )
        forgetful = of(
            balancer(-5, ADDRESSES), balancer(-5, ADDRESSES, "other"), balancer(1, two), known=facts(self.LOST)
        )

        assert found.out_of_balancer == 2
        assert forgetful.out_of_balancer is None

    def test_a_balancer_that_was_taken_itself_is_not_waited_for(self) -> None:
        found = of(
            balancer(-5, ADDRESSES, "n3"),
            balancer(-5, ADDRESSES),
            balancer(1, {"10.0.0.1": 1}),
            known=facts(self.LOST),
        )

        assert found.out_of_balancer == 1


class TestDetection:
    @pytest.mark.parametrize(
        "event",
        [
            capacity(2, n1=1, n2=1),
            balancer(2, {"10.0.0.1": 1, "10.0.0.2": 1}),
            at(2, What.CONSUL_LEADER),
            at(2, What.NODE, "n3", "down"),
            at(2, What.MEMBER, "n3", "critical"),
            at(2, What.ALLOCATION, "abc", "pending healthy"),
            at(2, What.DEPLOYMENT, "abc", "failed"),
        ],
        ids=lambda event: event.what.value,
    )
    def test_whoever_notes_it_first(self, event: Event) -> None:
        assert of(capacity(-5, **ALL), balancer(-5, ADDRESSES), event, capacity(9, n1=1)).detected == 2

    def test_what_is_no_worse_than_before_is_nothing(self) -> None:
        found = of(capacity(-5, **ALL), capacity(1, n1=1, n2=1, n3=1, n4=1), at(2, What.NODE, "n3", "ready"))

        assert found.detected is None


class TestRequests:
    def test_it_serves_again_when_the_last_failed_one_has_ended(self) -> None:
        requests = (request(0, -1), request(1, 0.5, took=2, status=None), request(2, 1, status=502), request(3, 4))
        found = of(requests=requests)

        assert (found.requests, found.failed, found.serving) == (4, 2, 2.5)

    def test_without_a_failure_it_never_stopped(self) -> None:
        assert of(requests=(request(0, 0),)).serving == 0

    def test_when_nothing_goes_well_afterwards_it_never_served_again(self) -> None:
        assert of(requests=(request(0, 0), request(1, 1, status=None))).serving is None

    def test_the_longest_gap_is_between_answers_that_went_well(self) -> None:
        requests = (request(0, 0), request(1, 1, status=None), request(2, 3), request(3, 3.5))

        assert of(requests=requests).longest_gap == 3

    def test_percentiles_are_of_the_nearest_rank(self) -> None:
        hundred = [number / 1000 for number in range(1, 101)]

        assert (percentile(hundred, 50), percentile(hundred, 99)) == (50.0, 99.0)
        assert percentile([], 99) == 0.0


class TestHosts:
    def test_one_that_was_marked_down_and_not_taken_is_named(self) -> None:
        events = (
            at(3, What.NODE, "n3", "down"),
            at(4, What.NODE, "n1", "down"),
            at(4, What.MEMBER, "n2", "critical"),
            at(5, What.NODE, "n1", "ready"),
        )

        assert of(*events, known=facts({"n3": "10.0.0.3"})).wrongly_down == ("n1", "n2")

    def test_one_whose_agent_was_taken_may_be(self) -> None:
        known = Facts(
            fault=FAULT, ended=150, victims={}, unwell=frozenset({"n1"}), desired=3, settled=None, restored=None
        )

        assert of(at(4, What.NODE, "n1", "down"), known=known).wrongly_down == ()

    def test_once_all_was_as_before_nobody_may_be(self) -> None:
        known = facts({"n3": "10.0.0.3"})

        assert of(at(41, What.NODE, "n3", "down"), known=known).wrongly_down == ("n3",)


def test_a_new_leader_counts_and_the_time_without_one_does_not() -> None:
    events = (
        at(-5, What.NOMAD_LEADER, "10.0.0.1"),
        at(1, What.NOMAD_LEADER, ""),
        at(3, What.NOMAD_LEADER, "10.0.0.2"),
    )

    assert of(*events).leader_changes == 1


def test_strangers_who_were_refused_while_nobody_led_are_told_apart() -> None:
    events = [at(-5, What.NOMAD_LEADER, "10.0.0.1"), at(1, What.NOMAD_LEADER, ""), at(3, What.NOMAD_LEADER, "10.0.0.2")]
    attempts = [
        Attempt(at=FAULT + seconds, who="without a token", where="nomad at 10.0.0.1", heard=heard)
        for seconds, heard in ((0, Heard.REFUSED), (2, Heard.REFUSED), (2.1, Heard.SILENCE), (4, Heard.LET_IN))
    ]

    found = figures(facts(), events, [], [], attempts)

    assert (found.refused, found.refused_leaderless) == (2, 1)
    assert found.let_in == ("without a token, by nomad at 10.0.0.1",)


def test_the_ledgers_of_both_stores_are_one_figure() -> None:
    audits = [
        Audit(store="consul", acknowledged=10, unknown=1, lost=("a",), longest_pause=2.0),
        Audit(store="nomad", acknowledged=20, unknown=0, lost=(), longest_pause=3.5),
    ]

    found = figures(facts(), [], [], audits, [])

    assert (found.acknowledged, found.lost, found.longest_write_pause) == (30, 1, 3.5)


def test_settling_is_counted_from_when_the_fault_was_undone() -> None:
    assert of(known=facts(restored=120.0)).settled == 20
    assert of(known=facts()).settled == 40
