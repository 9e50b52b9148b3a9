"""The pure parts of the bench of hosts: what one costs, how that grows, and that the measured stacks are stacks."""

import io

import pytest
from bench.hosts import ACCEPT, SIZES, Row, Taken, growth, rows, stack_file, table
from bench.stack_files import settings
from rich.console import Console

from components.hosts import Role


def row(hosts: int, *, up: float = 6.0, preview: float = 1.0) -> Row:
    return Row(hosts=hosts, up=up, preview=preview)


def test_a_row_is_the_median_of_the_rounds_for_each_host() -> None:
    taken = [Taken(up=30.0, preview=3.0), Taken(up=90.0, preview=6.0), Taken(up=33.0, preview=4.5)]

    assert rows({3: taken}) == [Row(hosts=3, up=11.0, preview=1.5)]


def test_rows_go_from_the_smallest_stack_to_the_largest() -> None:
    once = [Taken(up=21.0, preview=3.0)]

    assert [found.hosts for found in rows({7: once, 3: once, 5: once})] == [3, 5, 7]


def test_growth_is_that_of_the_largest_to_the_smallest() -> None:
    found = growth([row(3, up=8.0, preview=1.0), row(5, up=40.0, preview=9.0), row(7, up=6.0, preview=1.5)])

    assert found == pytest.approx({"up": 0.75, "preview": 1.5})


def test_hosts_that_cost_the_same_do_not_grow() -> None:
    assert growth([row(3), row(7)]) == pytest.approx({"up": 1.0, "preview": 1.0})


def test_the_table_says_what_a_host_costs_and_how_that_grows() -> None:
    said = io.StringIO()

    Console(width=100, file=said).print(table([row(3, up=8.0), row(7, up=6.0, preview=1.15)]))

    text = " ".join(said.getvalue().split())
    assert "│ 3 │ 8.00 │ 1.00 │" in text
    assert "│ 7 to 3 │ 0.75 │ 1.15 │" in text
    assert f"goal 1, accept {ACCEPT}" in text


@pytest.mark.parametrize("hosts", SIZES)
def test_each_measured_stack_is_one_with_so_many_hosts(hosts: int) -> None:
    groups = settings(stack_file(hosts)).groups

    assert sum(group.count for group in groups) == hosts
    assert {group.kind for group in groups} == {"local"}


def test_all_measured_stacks_have_the_same_servers() -> None:
    """Or the comparison is of clusters of different kinds, and not of one host more."""
    first = [settings(stack_file(hosts)).groups[0] for hosts in SIZES]

    assert all(group == first[0] for group in first)
    assert first[0].roles == frozenset(Role)
