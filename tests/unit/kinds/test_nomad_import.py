"""How a running job is taken in, and when two jobs say the same."""

from typing import Any

import pytest
from lifecycle.cases import SECOND, job

from mooring.jobs import Job
from mooring.jobs.brief import brief
from mooring.kinds.kind import CannotImport
from mooring.kinds.nomad_import import says_the_same, taken_in
from mooring.plugin.wire import UNKNOWN


def told(**changes: Any) -> dict[str, Any]:
    """With some of what a server adds."""
    body = job("r/hello@sha256:0")
    body["TaskGroups"][0] |= {"Migrate": {"MaxParallel": 1, "HealthCheck": "checks"}}
    return {**body, "Priority": 50, "Namespace": "default", "ParentID": "", "Version": 3, **changes}


def agrees(_: Any) -> dict[str, Any]:
    return {"Diff": {"Type": "None"}}


def test_what_a_server_adds_is_left_out() -> None:
    taken = taken_in(told(), agrees)

    assert taken == brief(Job.from_api({key: value for key, value in told().items() if key != "Meta"}))
    assert taken.priority is None
    assert taken.groups[0].migrate is None


def test_where_the_scheduler_sees_a_difference_everything_is_said() -> None:
    """As with a later version of Nomad that has other defaults."""

    def differs(body: dict[str, Any]) -> dict[str, Any]:
        return {"Diff": {"Type": "None" if "Priority" in body else "Edited"}}

    taken = taken_in(told(), differs)

    assert taken == Job.from_api({**told(), "Meta": {}})
    assert taken.priority == 50


def test_a_difference_that_is_there_anyway_is_no_objection() -> None:
    """Nomad says "Edited" of any job with a scaling policy, and of one without what we keep in its meta."""
    assert (
        taken_in(told(Meta={"mooring.stack": "mooring/dev"}), lambda _: {"Diff": {"Type": "Edited"}}).priority is None
    )


@pytest.mark.parametrize("field", ["VaultNamespace", "Multiregion"])
def test_what_a_typed_job_cannot_say_is_no_import(field: str) -> None:
    with pytest.raises(CannotImport, match=f"'lifecycle' has what a job here does not hold: {field}"):
        taken_in(told(**{field: {"Regions": []} if field == "Multiregion" else "team"}), agrees)


def test_saying_what_nomad_adds_by_itself_says_the_same() -> None:
    said = {key: value for key, value in told().items() if key not in ("ParentID", "Version")}

    assert says_the_same(said, job("r/hello@sha256:0"))
    assert says_the_same(job("r/hello@sha256:0"), said)


def _memory(body: dict[str, Any]) -> None:
    body["TaskGroups"][0]["Tasks"][0]["Resources"]["MemoryMB"] = 65


def _deadline(body: dict[str, Any]) -> None:
    body["TaskGroups"][0]["Update"]["HealthyDeadline"] = 31 * SECOND


def _variable(body: dict[str, Any]) -> None:
    body["TaskGroups"][0]["Tasks"][0]["Env"]["MORE"] = "1"


def _meta(body: dict[str, Any]) -> None:
    body["Meta"] = {"team": "shop"}


@pytest.mark.parametrize("edit", [_memory, _deadline, _variable, _meta])
def test_saying_anything_else_does_not(edit: Any) -> None:
    other = job("r/hello@sha256:0")
    edit(other)

    assert not says_the_same(job("r/hello@sha256:0"), other)
    assert not says_the_same(other, job("r/hello@sha256:0"))


def test_of_what_is_not_known_yet_nothing_is_said() -> None:
    unknown = job("r/hello@sha256:0")
    unknown["TaskGroups"][0]["Count"] = UNKNOWN

    assert not says_the_same(job("r/hello@sha256:0"), unknown)
