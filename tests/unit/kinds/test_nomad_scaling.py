"""Counts that an autoscaler owns: kept on apply, no difference in between, and told."""

from typing import Any

import pytest
from fakes.world import World
from lifecycle.cases import job

from mooring.kinds.nomad_job import JobHandler, JobSpec
from mooring.kinds.nomad_scaling import owned_counts, with_declared_counts, with_live_counts
from mooring.plugin.inputs import meaning
from mooring.plugin.servicer import changes

HANDLER = JobHandler()


def scaled(count: int, *, least: int = 2, most: int = 9, **more: Any) -> dict[str, Any]:
    body = job("r/hello@sha256:0", count=count)
    body["TaskGroups"][0]["Scaling"] = {"Min": least, "Max": most, "Enabled": True, **more}
    return body


def count_of(body: dict[str, Any]) -> int:
    count: int = body["TaskGroups"][0]["Count"]
    return count


@pytest.mark.parametrize(("live", "kept"), [(5, 5), (2, 2), (9, 9), (1, 2), (20, 9)])
def test_the_live_count_is_kept_within_the_programs_bounds(live: int, kept: int) -> None:
    assert count_of(with_live_counts(scaled(3), scaled(live))) == kept


def test_a_first_registration_begins_with_the_programs_count() -> None:
    assert count_of(with_live_counts(scaled(3), None)) == 3


def test_a_count_without_a_scaling_block_is_the_programs() -> None:
    plain = job("r/hello@sha256:0", count=3)

    assert count_of(with_live_counts(plain, scaled(5))) == 3
    assert count_of(with_declared_counts(job("r/hello@sha256:0", count=5), plain)) == 5


def test_a_block_that_is_switched_off_owns_nothing() -> None:
    assert count_of(with_live_counts(scaled(3, Enabled=False), scaled(5))) == 3


def test_a_count_outside_the_bounds_is_somebody_elses_doing() -> None:
    assert count_of(with_declared_counts(scaled(12), scaled(3))) == 12


def test_the_choice_is_told_with_its_bounds() -> None:
    assert list(owned_counts(scaled(3), scaled(5))) == [
        "group web: 5 instances are the autoscaler's choice (3 at first, 2-9)"
    ]
    assert list(owned_counts(scaled(3), scaled(3))) == []


def test_a_scaled_job_shows_no_difference_and_keeps_its_count_when_something_else_changes(world: World) -> None:
    def spec(**changed: Any) -> JobSpec:
        return JobSpec(endpoint=world.nomad_endpoint, job_id="lifecycle", job={**scaled(3), **changed})

    made = HANDLER.create(spec(), world.work())
    live = world.nomad.jobs.job("lifecycle")
    world.nomad.jobs.register({**scaled(5), "Meta": live["Meta"]})
    seen = HANDLER.read("lifecycle", spec(), made.outputs, world.work())
    assert seen is not None
    assert not changes(HANDLER, meaning(spec()), meaning(seen.spec))

    HANDLER.update("lifecycle", seen.spec, spec(Priority=80), seen.outputs, world.work())

    assert count_of(world.nomad.jobs.job("lifecycle")) == 5
    assert world.nomad.jobs.job("lifecycle")["Priority"] == 80
