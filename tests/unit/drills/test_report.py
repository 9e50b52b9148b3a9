"""The report: everything that was measured is on the page and in the JSON, and the page needs nothing beside itself."""

import json
import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from typing_extensions import override
from unit.drills.some_figures import good

from mooring.drills import limits
from mooring.drills.figures import Facts
from mooring.drills.perform import Outcome
from mooring.drills.report import COLUMNS, Report, as_json, cells, html, last, rows, write
from mooring.drills.timeline import Event, What
from mooring.drills.traffic import Request

BEGUN = datetime(2026, 3, 1, 3, 0, tzinfo=UTC)
FACTS = Facts(fault=100.0, ended=112.0, victims={"n3": "10.0.0.3"}, desired=3, settled=110.0, restored=106.0)


def outcome(name: str = "node", *complaints: str, **figures: Any) -> Outcome:
    return Outcome(
        name=name,
        what="A node & everything on it is <killed>.",
        begun=BEGUN,
        limits=limits.NODE,
        complaints=complaints,
        facts=FACTS,
        figures=good(**figures),
        events=(
            Event(at=97.0, what=What.CAPACITY, counts={"n1": 1, "n2": 1, "n3": 1}),
            Event(at=97.0, what=What.NOMAD_LEADER, about="10.0.0.3"),
            Event(at=100.0, what=What.FAULT, detail="node n3 is killed"),
            Event(at=101.0, what=What.NOMAD_LEADER, about=""),
            Event(at=102.5, what=What.NOMAD_LEADER, about="10.0.0.1"),
            Event(at=103.1, what=What.CAPACITY, counts={"n1": 2, "n2": 1}),
            Event(at=106.0, what=What.RESTORED, detail="node n3 has power again"),
        ),
        requests=tuple(
            Request(number=n, due=97.0 + n / 100, ended=97.01 + n / 100, status=None if 310 <= n < 313 else 200)
            for n in range(1500)
        ),
    )


def report(*outcomes: Outcome) -> Report:
    return Report(stack="test", begun=BEGUN, rate=100.0, outcomes=outcomes or (outcome(),))


class Page(HTMLParser):
    """What a browser would make of it: every element is closed in order, and what refers to something else."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        assert self._open == []

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag != "meta":
            self._open.append(tag)

    @override
    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    @override
    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    @override
    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def classes(self, tag: str) -> list[str]:
        return [str(attributes.get("class")) for name, attributes in self.elements if name == tag]


def test_the_page_needs_nothing_beside_itself() -> None:
    text = html(report())

    assert not [tag for tag, _ in Page(text).elements if tag in ("script", "link", "img", "iframe")]
    assert not re.search(r"https?://|url\(|@import", text)


def test_every_drill_has_a_section_with_a_picture_and_every_figure() -> None:
    outcomes = (outcome("node"), outcome("container"))
    page = Page(html(report(*outcomes)))

    assert [attributes["id"] for tag, attributes in page.elements if tag == "section"] == ["node", "container"]
    assert len(page.classes("svg")) == 2
    for label, value, allowed in rows(outcomes[0]):
        assert page.words.count(label) == 2
        assert value in page.words
        assert not allowed or allowed in page.words


def test_the_picture_marks_the_fault_the_recovery_and_every_failed_request() -> None:
    page = Page(html(report()))

    assert [kind for kind in page.classes("line") if kind.startswith("mark")] == [
        "mark fault",
        "mark whole",
        "mark restored",
        "mark settled",
    ]
    assert page.classes("rect").count("failed") == 1
    assert "0 s: 3 failed" in page.words
    assert page.classes("rect").count("leaderless") == 1
    assert "nomad: 10.0.0.1" in page.words


def test_what_somebody_called_something_is_text_and_no_markup() -> None:
    text = html(report(outcome("node", "<script>alert(1)</script>")))

    assert "<script" not in text
    assert "<script>alert(1)</script>" in Page(text).words
    assert "A node & everything on it is <killed>." in Page(text).words


def test_a_complaint_is_seen_at_the_top_and_at_its_drill() -> None:
    found = report(outcome("node"), outcome("container", "3 acknowledged writes are lost"))
    page = Page(html(found))

    assert not found.passed
    assert "1 of 2 did not pass." in page.words
    assert "3 acknowledged writes are lost" in page.words


def test_a_drill_that_never_came_to_its_fault_is_in_the_report_without_figures() -> None:
    unbegun = Outcome(
        name="node", what="…", begun=BEGUN, limits=limits.NODE, complaints=("not begun: job hello: 2 of 3 healthy",)
    )

    assert cells(unbegun.figures) == ["-"] * len(COLUMNS)
    assert "not begun: job hello: 2 of 3 healthy" in Page(html(report(unbegun))).words
    assert as_json(report(unbegun))["drills"][0]["passed"] is False


def test_the_json_has_the_same_figures() -> None:
    said = json.loads(json.dumps(as_json(report()), allow_nan=False))
    (drill,) = said["drills"]

    assert said.keys() == {"stack", "begun", "rate", "passed", "interrupted", "drills"}
    assert drill["figures"] == json.loads(json.dumps(vars_of(good())))
    assert [event["at"] for event in drill["events"]][:3] == [-3.0, -3.0, 0.0]
    assert drill["failures"][0] == {"number": 310, "at": 0.1, "took": 0.01, "status": None}
    assert sum(each["failed"] for each in drill["traffic"]) == 3
    assert sum(each["well"] + each["failed"] for each in drill["traffic"]) == 1500


def vars_of(figures: Any) -> dict[str, Any]:
    return {name: getattr(figures, name) for name in figures.__dataclass_fields__}


def test_the_last_report_is_the_one_of_the_last_run(tmp_path: Path) -> None:
    assert last(tmp_path) is None

    write(report(), tmp_path)
    later = Report(stack="test", begun=BEGUN.replace(hour=4), rate=100.0, outcomes=(outcome("container"),))
    page = write(later, tmp_path)

    found = last(tmp_path)
    assert found is not None
    assert [each["name"] for each in found["drills"]] == ["container"]
    assert page.read_text() == html(later)


def test_an_interrupted_run_has_not_passed() -> None:
    found = Report(stack="test", begun=BEGUN, rate=100.0, outcomes=(outcome(),), interrupted=True)

    assert not found.passed
    assert "0 of 1 did not pass. The run was interrupted." in Page(html(found)).words
