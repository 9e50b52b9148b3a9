"""Steps run side by side, wait for what they name, and fail together."""

import threading

import pytest

from mooring.toolchain.errors import CannotPrepare
from mooring.toolchain.steps import Wait, run_all


def test_a_step_runs_after_the_one_it_waits_for_whatever_the_order() -> None:
    done: list[str] = []

    def late(wait: Wait) -> None:
        wait("early")
        done.append("late")

    run_all({"late": late, "early": lambda _: done.append("early")})

    assert done == ["early", "late"]


def test_independent_steps_run_side_by_side() -> None:
    both = threading.Barrier(2)

    run_all({"one": lambda _: void(both.wait(5)), "other": lambda _: void(both.wait(5))})

    assert not both.broken


def test_all_reasons_are_told_at_once_and_each_only_once() -> None:
    done: list[str] = []

    def fails(reason: str) -> None:
        raise CannotPrepare(reason)

    with pytest.raises(CannotPrepare) as raised:
        run_all(
            {
                "first": lambda _: fails("no disk"),
                "second": lambda _: fails("no memory"),
                "dependent": lambda wait: wait("first"),
                "independent": lambda _: done.append("independent"),
            }
        )

    assert str(raised.value) == "no disk\nno memory"
    assert done == ["independent"]


def test_a_mistake_of_ours_is_not_taken_for_the_machines() -> None:
    def broken(_: Wait) -> None:
        raise KeyError("name")

    with pytest.raises(KeyError, match="name"):
        run_all({"broken": broken})


def void(_: object) -> None:
    """What a step returns."""
