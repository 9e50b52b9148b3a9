"""What a stranger is told, and by whom."""

import threading

import pytest

from mooring.drills.strangers import Heard, Strangers, heard
from mooring.waiting import wait_for


@pytest.mark.parametrize(
    ("status", "told"),
    [(200, Heard.LET_IN), (403, Heard.REFUSED), (401, Heard.REFUSED), (500, Heard.SILENCE), (503, Heard.SILENCE)],
)
def test_a_status_tells_whether_somebody_was_let_in(status: int, told: Heard) -> None:
    assert heard(status) is told


def test_a_house_where_nobody_answers_does_not_keep_strangers_from_the_others() -> None:
    hold = threading.Event()

    def slow() -> Heard:
        hold.wait(5)
        return Heard.SILENCE

    with Strangers([("anybody", "dead", slow), ("anybody", "alive", lambda: Heard.REFUSED)], every=0.001) as strangers:
        wait_for(lambda: len(strangers.attempts) >= 10 or None, "they have tried", within=10, every=0.005)
        hold.set()

    assert {attempt.where for attempt in strangers.attempts[:10]} == {"alive"}
