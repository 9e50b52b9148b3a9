"""Whoever looks at a stack is told what ends soon, by name, while there is time."""

from datetime import UTC, datetime, timedelta

import pytest

from mooring.cli.expiry import Ending, endings, warnings

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)


def state(**ends: str) -> dict[str, object]:
    named = [
        {"urn": f"urn:pulumi:dev::shop::x$mooring:pki:Certificate::{name}", "outputs": {"not_after": at}}
        for name, at in ends.items()
    ]
    return {
        "deployment": {
            "resources": [{"urn": "urn:pulumi:dev::shop::x::stack"}, *named, {"urn": "y::z::host", "outputs": {"a": 1}}]
        }
    }


def test_everything_in_the_state_that_has_an_end_is_found_the_next_one_first() -> None:
    found = endings(state(later="2031-01-01T00:00:00Z", sooner="2030-02-01T00:00:00Z"))

    assert [each.name for each in found] == ["sooner", "later"]
    assert found[0].at == datetime(2030, 2, 1, tzinfo=UTC)


def test_a_stack_without_resources_has_nothing_that_ends() -> None:
    assert endings({"deployment": {}}) == []
    assert endings({"deployment": None}) == []


@pytest.mark.parametrize(
    ("left", "words"),
    [
        (timedelta(days=30, seconds=1), []),
        (timedelta(days=30), ["leaf expires on 2030-01-31 12:00 UTC, in 30 days: `mooring up` renews it"]),
        (timedelta(hours=30), ["leaf expires on 2030-01-02 18:00 UTC, in 30 hours: `mooring up` renews it"]),
        (timedelta(0), ["leaf has expired on 2030-01-01 12:00 UTC: `mooring up` renews it"]),
        (-timedelta(days=3), ["leaf has expired on 2029-12-29 12:00 UTC: `mooring up` renews it"]),
    ],
)
def test_it_is_told_thirty_days_before(left: timedelta, words: list[str]) -> None:
    assert warnings([Ending(name="leaf", at=NOW + left)], NOW) == words
