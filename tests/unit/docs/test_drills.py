"""The page on drills has every drill with what it promises, and every figure."""

from dataclasses import fields

from unit.docs.pages import REFERENCE, sections

from mooring.drills.catalogue import DRILLS
from mooring.drills.drill import Drill
from mooring.drills.figures import Figures
from mooring.drills.limits import Limits

PAGE = sections(REFERENCE / "drills.md")


def within(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:g} s"


def promises(drill: Drill) -> list[str]:
    limits: Limits = drill.limits
    failed = "any" if limits.most_failed is None else str(limits.most_failed)
    least = f" of {limits.fewest_requests:,}" if limits.fewest_requests else ""
    return [
        drill.what,
        within(limits.full_within),
        within(limits.out_of_balancer_within),
        within(limits.settled_within),
        f"{failed}{least}",
        "local nodes" if drill.from_outside else "any",
    ]


def test_every_drill_is_there_with_what_it_promises_in_the_order_in_which_they_run() -> None:
    rows = {row[0].strip("`"): row[1:] for row in PAGE["Every drill"].rows()}

    assert list(rows) == [drill.name for drill in DRILLS]
    assert rows == {drill.name: promises(drill) for drill in DRILLS}


def test_every_figure_is_there() -> None:
    assert list(PAGE["Figures"].table()) == [field.name for field in fields(Figures)]
