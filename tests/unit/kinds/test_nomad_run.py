"""Work that runs to its end: once, never twice at a time, and with what it said last when it fails."""

from typing import Any

import pytest
from fakes.nomad_jobs import BATCH_TAKES, Trouble
from fakes.world import World

from mooring.kinds.kind import NotHealthy, NotOurs
from mooring.kinds.nomad_job import OWNER
from mooring.kinds.nomad_run import RunHandler, RunSpec

GOOD = "r/migrate@sha256:0"
BAD = "r/migrate@sha256:1"
ENDLESS = "r/migrate@sha256:2"
HANDLER = RunHandler()


@pytest.fixture(autouse=True)
def images(world: World) -> None:
    world.nomad.jobs.bad_images[BAD] = Trouble(output="adding a column\n", errors="duplicate column: email\n")
    world.nomad.jobs.bad_images[ENDLESS] = Trouble(never_ends=True, output="waiting for a lock\n")


def body(image: str = GOOD, **changed: Any) -> dict[str, Any]:
    task = {"Name": "migrate", "Driver": "docker", "Config": {"image": image}, "Resources": {"MemoryMB": 64, "CPU": 50}}
    group = {"Name": "migrate", "Count": 1, "Tasks": [task]}
    return {"ID": "migrate", "Name": "migrate", "Type": "batch", "TaskGroups": [group], **changed}


def spec(world: World, image: str = GOOD, *, within: int = 60, **changed: Any) -> RunSpec:
    return RunSpec(endpoint=world.nomad_endpoint, job_id="migrate", job=body(image, **changed), within=within)


def ours(world: World, image: str = GOOD) -> dict[str, Any]:
    """As an `up` of this stack has registered it."""
    work = world.work()
    return body(image, Meta={OWNER: f"{work.project}/{work.stack}"})


def instances(world: World) -> int:
    return len(world.nomad.jobs.allocations("migrate"))


def test_it_is_made_when_it_has_run_to_its_end(world: World) -> None:
    made = HANDLER.create(spec(world), world.work())

    assert made.outputs == {"version": 0, "completed": True}
    assert world.nomad.jobs.job("migrate")["Status"] == "dead"


def test_work_that_fails_fails_the_up_with_its_last_words(world: World) -> None:
    with pytest.raises(NotHealthy) as caught:
        HANDLER.create(spec(world, BAD), world.work())

    head, story = caught.value.reasons
    assert head == "job migrate, group migrate: 0 of 1 ran to their end"
    assert "adding a column" in story
    assert story.endswith("    duplicate column: email")
    assert caught.value.outputs["completed"] is False


def test_the_next_up_tries_again_what_failed(world: World) -> None:
    failing = spec(world, BAD)
    with pytest.raises(NotHealthy) as caught:
        HANDLER.create(failing, world.work())
    seen = HANDLER.read("migrate", failing, caught.value.outputs, world.work())
    assert seen is not None
    assert seen.reasons

    del world.nomad.jobs.bad_images[BAD]
    outputs = HANDLER.update("migrate", failing, failing, caught.value.outputs, world.work())

    assert outputs["completed"]
    assert instances(world) == 2


def test_an_up_that_was_interrupted_goes_on_waiting_for_the_same_run(world: World) -> None:
    world.nomad.jobs.register(ours(world))

    HANDLER.create(spec(world), world.work())

    assert instances(world) == 1


def test_a_run_of_an_earlier_version_is_waited_for_and_not_killed(world: World) -> None:
    world.nomad.jobs.register(ours(world, "r/migrate@sha256:3"))
    began = world.clock.now()

    HANDLER.create(spec(world), world.work())

    assert world.clock.now() - began >= 2 * BATCH_TAKES
    assert [found["DesiredStatus"] for found in world.nomad.jobs.allocations("migrate")] == ["run", "run"]


def test_what_takes_too_long_is_left_running_and_told(world: World) -> None:
    with pytest.raises(NotHealthy) as caught:
        HANDLER.create(spec(world, ENDLESS, within=30), world.work())

    assert caught.value.reasons[0] == "job migrate: its end: not within 30 s"
    assert "waiting for a lock" in caught.value.reasons[1]
    assert world.nomad.jobs.job("migrate")["Status"] == "running"


def test_what_has_run_is_not_run_again_for_another_deadline(world: World) -> None:
    made = HANDLER.create(spec(world), world.work())
    world.nomad.jobs.forget("migrate")

    HANDLER.update("migrate", spec(world), spec(world, within=90), made.outputs, world.work())

    assert instances(world) == 1


def test_another_version_runs_anew(world: World) -> None:
    made = HANDLER.create(spec(world), world.work())

    outputs = HANDLER.update("migrate", spec(world), spec(world, "r/migrate@sha256:4"), made.outputs, world.work())

    assert outputs == {"version": 1, "completed": True}
    assert instances(world) == 2


def test_that_nomad_has_forgotten_a_finished_run_is_no_difference(world: World) -> None:
    made = HANDLER.create(spec(world), world.work())
    world.nomad.jobs.forget("migrate")

    seen = HANDLER.read("migrate", spec(world), made.outputs, world.work())

    assert seen is not None
    assert seen.spec == spec(world)
    assert not seen.reasons
    HANDLER.delete("migrate", spec(world), made.outputs, world.work())


def test_a_job_of_somebody_else_is_left_alone(world: World) -> None:
    world.nomad.jobs.register(body())

    with pytest.raises(NotOurs, match="'migrate' that this stack did not register"):
        HANDLER.create(spec(world), world.work())
    HANDLER.delete("migrate", spec(world), {}, world.work())
    assert world.nomad.jobs.job("migrate")["ID"] == "migrate"


def test_what_has_no_place_is_told_with_the_reason(world: World) -> None:
    greedy = body()
    greedy["TaskGroups"][0]["Tasks"][0]["Resources"]["MemoryMB"] = 99_999

    with pytest.raises(NotHealthy, match="nodes lack memory"):
        HANDLER.create(spec(world, TaskGroups=greedy["TaskGroups"]), world.work())


@pytest.mark.parametrize(
    ("changed", "path"),
    [
        ({"Type": "service"}, "job.type"),
        ({"Periodic": {"Enabled": True, "Spec": "@daily", "SpecType": "cron"}}, "job.periodic"),
        ({"ParameterizedJob": {"Payload": "optional"}}, "job.parameterized"),
        ({"ID": "other"}, "job_id"),
    ],
)
def test_what_does_not_end_by_itself_is_refused(world: World, changed: dict[str, Any], path: str) -> None:
    assert path in [problem.path for problem in HANDLER.check(spec(world, **changed))]
