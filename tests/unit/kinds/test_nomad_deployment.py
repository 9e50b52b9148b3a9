"""A job that is made: what a person sees meanwhile, what they read when it fails, and what a retry does."""

from dataclasses import replace
from typing import Any

import pytest
from fakes.nomad_jobs import NODE_MEMORY, PLACED_ANEW_AFTER, UNHEALTHY_AFTER, Trouble
from fakes.world import World
from lifecycle.cases import job

from mooring.clients.errors import ApiError
from mooring.kinds.kind import Made, NotHealthy, Seen
from mooring.kinds.nomad_deployment import DEPLOYED_WITHIN, OWN_WITHIN
from mooring.kinds.nomad_job import ATTEMPT, OWNER, ChangedMeanwhile, JobHandler, JobSpec
from mooring.plugin.inputs import meaning
from mooring.plugin.servicer import changes

GOOD = "r/hello@sha256:0"
BAD = "r/hello@sha256:1"
HANDLER = JobHandler()


def by_id(world: World, body: dict[str, Any]) -> JobSpec:
    return JobSpec(endpoint=world.nomad_endpoint, job_id=body["ID"], job=body)


@pytest.fixture(autouse=True)
def bad_image(world: World) -> None:
    world.nomad.jobs.bad_images[BAD] = Trouble(output="starting\n", errors="no such module: left-pad\n")


def spec(world: World, image: str = GOOD, **changed: Any) -> JobSpec:
    return by_id(world, {**job(image, count=3), **changed})


def with_task(world: World, **changed: Any) -> JobSpec:
    body = job(GOOD)
    body["TaskGroups"][0]["Tasks"][0] |= changed
    return by_id(world, body)


def failure(world: World, made: JobSpec) -> NotHealthy:
    with pytest.raises(NotHealthy) as caught:
        HANDLER.create(made, world.work())
    return caught.value


def read(world: World, made: JobSpec, outputs: dict[str, Any]) -> Seen[JobSpec]:
    found = HANDLER.read("lifecycle", made, outputs, world.work())
    assert found is not None
    return found


def differences(old: JobSpec, new: JobSpec) -> bool:
    return bool(changes(HANDLER, meaning(old), meaning(new)))


def test_progress_goes_from_the_scheduler_to_the_last_healthy_instance(world: World) -> None:
    work = world.work()

    HANDLER.create(spec(world), work)

    assert list(dict.fromkeys(work.said)) == [
        "registering",
        "waiting for the scheduler",
        "0 of 3 healthy, 0 placed",
        "0 of 3 healthy, 1 placed",
        "1 of 3 healthy, 2 placed",
        "2 of 3 healthy, 3 placed",
        "3 of 3 healthy, 3 placed",
    ]


def test_a_canary_is_counted_as_one(world: World) -> None:
    made = HANDLER.create(spec(world), world.work())
    changed = spec(world, "r/hello@sha256:2")
    changed.job["TaskGroups"][0]["Update"] |= {"Canary": 1, "AutoPromote": True}
    work = world.work()

    HANDLER.update(made.id, spec(world), changed, made.outputs, work)

    assert "0 of 3 healthy, 1 placed, 1 canaries" in work.said


def test_a_failed_deployment_tells_the_instance_its_node_its_events_and_its_last_words(world: World) -> None:
    reasons = failure(world, spec(world, BAD)).reasons

    assert reasons[0] == (
        "job lifecycle: Failed due to unhealthy allocations - no stable job version to auto revert to"
    )
    head, *words = reasons[1].splitlines()
    assert head.startswith("instance ")
    assert head.endswith(" on s1, task app: Received by client; Task started by client; Exit Code: 3; Not restarting")
    assert words == ["    starting", "    no such module: left-pad"]


def test_only_the_last_words_of_a_talkative_task_are_told(world: World) -> None:
    world.nomad.jobs.bad_images[BAD] = Trouble(output="".join(f"line {i}\n" for i in range(500)))

    words = failure(world, spec(world, BAD)).reasons[1].splitlines()[1:]

    assert len(words) == 20
    assert words[-1] == "    line 499"


def test_a_task_that_never_wrote_is_told_without_words(world: World) -> None:
    world.nomad.jobs.lost_words = True

    assert len(failure(world, spec(world, BAD)).reasons[1].splitlines()) == 1


def test_what_failed_is_in_the_state_and_the_next_run_tries_again(world: World) -> None:
    """Nomad deploys the same specification only once: without another attempt the retry would wait for nothing."""
    failed = failure(world, spec(world, BAD))
    world.nomad.jobs.bad_images.clear()

    outputs = HANDLER.update(failed.id, spec(world, BAD), spec(world, BAD), failed.outputs, world.work())

    assert world.nomad.jobs.job("lifecycle")["Meta"][ATTEMPT] == "1"
    assert outputs["version"] == 1
    assert not differences(read(world, spec(world, BAD), outputs).spec, spec(world, BAD))


def test_every_retry_of_what_stays_bad_is_another_attempt(world: World) -> None:
    failed = failure(world, spec(world, BAD))

    for attempt in ("1", "2"):
        with pytest.raises(NotHealthy, match="unhealthy allocations") as caught:
            HANDLER.update(failed.id, spec(world, BAD), spec(world, BAD), failed.outputs, world.work())
        failed = caught.value
        assert world.nomad.jobs.job("lifecycle")["Meta"][ATTEMPT] == attempt


def test_after_a_retry_the_same_job_is_no_new_version(world: World) -> None:
    failed = failure(world, spec(world, BAD))
    world.nomad.jobs.bad_images.clear()
    outputs = HANDLER.update(failed.id, spec(world, BAD), spec(world, BAD), failed.outputs, world.work())

    again = HANDLER.update(failed.id, spec(world, BAD), spec(world, BAD), outputs, world.work())

    assert again == outputs


def test_a_create_that_was_killed_while_it_failed_is_tried_again_as_well(world: World) -> None:
    failure(world, spec(world, BAD))
    world.nomad.jobs.bad_images.clear()

    assert HANDLER.create(spec(world, BAD), world.work()).outputs["version"] == 1


def test_a_reverted_deployment_is_a_failure_and_the_state_says_what_runs(world: World) -> None:
    made = HANDLER.create(spec(world), world.work())

    with pytest.raises(NotHealthy, match="rolling back to job version 0") as caught:
        HANDLER.update(made.id, spec(world), spec(world, BAD), made.outputs, world.work())

    # The failed version was 1; what Nomad has put in its place is 2.
    assert caught.value.outputs["version"] == 2
    seen = read(world, spec(world, BAD), caught.value.outputs)
    assert not differences(seen.spec, spec(world))
    assert differences(seen.spec, spec(world, BAD))


def test_after_a_revert_the_next_run_registers_what_the_program_says(world: World) -> None:
    made = HANDLER.create(spec(world), world.work())
    with pytest.raises(NotHealthy, match="rolling back") as caught:
        HANDLER.update(made.id, spec(world), spec(world, BAD), made.outputs, world.work())
    world.nomad.jobs.bad_images.clear()

    outputs = HANDLER.update(made.id, spec(world), spec(world, BAD), caught.value.outputs, world.work())

    assert outputs["version"] == 3
    assert not differences(read(world, spec(world, BAD), outputs).spec, spec(world, BAD))


def test_a_registration_since_the_preview_is_told_and_not_overwritten(world: World) -> None:
    made = HANDLER.create(spec(world), world.work())
    world.nomad.jobs.register(job(GOOD, count=7))
    theirs = dict(world.nomad.jobs.job("lifecycle"))
    world.nomad.jobs.writes = 0

    with pytest.raises(ChangedMeanwhile, match=r"since the preview \(version 1\): nothing was written"):
        HANDLER.update(made.id, spec(world), spec(world, "r/hello@sha256:2"), made.outputs, world.work())

    assert world.nomad.jobs.job("lifecycle") == theirs
    assert world.nomad.jobs.writes == 0


def test_a_registration_in_the_last_moment_is_told_and_not_overwritten(world: World) -> None:
    made = HANDLER.create(spec(world), world.work())

    def meddle(_: str) -> None:
        world.nomad.jobs.register(job(GOOD, count=7))

    meddling = replace(world.work(), say=meddle)

    with pytest.raises(ChangedMeanwhile, match="by somebody else just now"):
        HANDLER.update(made.id, spec(world), spec(world, "r/hello@sha256:2"), made.outputs, meddling)

    assert world.nomad.jobs.job("lifecycle")["TaskGroups"][0]["Count"] == 7


def test_a_job_that_another_stack_registered_exactly_so_is_adopted(world: World) -> None:
    HANDLER.create(spec(world), world.work("other"))

    HANDLER.create(spec(world), world.work("test"))

    assert world.nomad.jobs.job("lifecycle")["Meta"][OWNER] == "mooring/test"


def test_a_job_that_somebody_stopped_is_a_change_and_is_started_again(world: World) -> None:
    made = HANDLER.create(spec(world), world.work())
    stopped = spec(world, Stop=False)
    world.nomad.jobs.register({**world.nomad.jobs.job("lifecycle"), "Stop": True})

    seen = read(world, stopped, made.outputs)
    HANDLER.update(made.id, seen.spec, stopped, seen.outputs, world.work())

    assert differences(seen.spec, stopped)
    assert not differences(read(world, stopped, made.outputs).spec, stopped)


def test_a_job_without_a_place_says_what_stands_against_it_at_once(world: World) -> None:
    large = with_task(world, Resources={"CPU": 50, "MemoryMB": NODE_MEMORY + 1})

    assert failure(world, large).reasons == (
        "job lifecycle, group web: 1 instances have no place: 3 nodes lack memory",
    )
    assert world.clock.now() < UNHEALTHY_AFTER


def test_a_constraint_that_no_node_meets_is_named(world: World) -> None:
    elsewhere = spec(world)
    windows = {"LTarget": "${attr.kernel.name}", "RTarget": "windows", "Operand": "="}
    elsewhere.job["TaskGroups"][0]["Constraints"] = [windows]

    (reason,) = failure(world, elsewhere).reasons
    assert reason.endswith("3 instances have no place: 3 nodes are ruled out by ${attr.kernel.name} = windows")


def test_what_nomad_refuses_is_told_in_its_own_words_and_leaves_nothing(world: World) -> None:
    with pytest.raises(ApiError, match="minimum MemoryMB value is 10; got 2"):
        HANDLER.create(with_task(world, Resources={"CPU": 50, "MemoryMB": 2}), world.work())

    assert HANDLER.read("lifecycle", spec(world), {}, world.work()) is None


def test_a_scheduler_that_gave_up_is_a_failure(world: World) -> None:
    """The last deployment was a success, and what was asked for is not running."""
    made = HANDLER.create(spec(world), world.work())
    world.nomad.jobs.failing_evaluations = True

    with pytest.raises(NotHealthy, match=r"the scheduler gave up: maximum attempts reached \(5\)"):
        HANDLER.update(made.id, spec(world), spec(world, "r/hello@sha256:2"), made.outputs, world.work())


def test_a_deployment_that_nobody_drives_ends_at_the_deadline(world: World) -> None:
    world.nomad.jobs.bad_images[BAD] = Trouble(never_ends=True)

    assert "did not end within 900 s" in failure(world, spec(world, BAD)).reasons[0]
    assert DEPLOYED_WITHIN <= world.clock.now() < DEPLOYED_WITHIN + 5


@pytest.mark.parametrize("moment", [0.1, 1.7, 5])
def test_whoever_asks_to_stop_waits_no_longer(world: World, moment: float) -> None:
    """While the scheduler thinks, and while a deployment runs; the state then has what was begun."""
    world.clock.after(moment, world.clock.cancelled.set)

    failed = failure(world, spec(world, BAD))

    assert failed.reasons == ("cancelled while waiting",)
    assert failed.outputs["version"] == 0
    assert world.clock.now() <= moment + 2


def test_the_run_after_a_stop_goes_on_with_the_same_deployment(world: World) -> None:
    world.clock.after(1.7, world.clock.cancelled.set)
    failed = failure(world, spec(world))
    world.clock.cancelled.clear()

    outputs = HANDLER.update(failed.id, spec(world), spec(world), failed.outputs, world.work())

    assert outputs == {**failed.outputs, "settled": True}
    assert read(world, spec(world), outputs).reasons == ()


def purged_after_a_failure(world: World) -> None:
    failed = failure(world, spec(world, BAD))
    HANDLER.delete(failed.id, spec(world, BAD), failed.outputs, world.work())


def test_a_job_that_is_made_again_is_not_judged_by_its_forerunner(world: World) -> None:
    """Seen: an instance of the purged job that had failed counted as one of the new job, and the new evaluation named
    the old deployment, so that the new job was said to have failed before anything of it was placed.
    """
    purged_after_a_failure(world)
    world.nomad.jobs.bad_images.clear()
    work = world.work()

    made = HANDLER.create(spec(world, BAD), work)

    assert made.outputs["version"] == 0
    assert "waiting for what is left of an earlier job of that name" in work.said
    assert "3 of 3 healthy, 3 placed" in work.said


def test_a_job_that_is_never_placed_for_its_forerunners_sake_is_a_failure(world: World) -> None:
    purged_after_a_failure(world)
    world.nomad.jobs.never_places_anew = True

    assert failure(world, spec(world, BAD)).reasons == (
        f"job lifecycle has a deployment of its own: not within {OWN_WITHIN:g} s",
    )


def test_a_forerunner_of_another_specification_is_in_nobodys_way(world: World) -> None:
    purged_after_a_failure(world)
    before = world.clock.now()

    HANDLER.create(spec(world), world.work())

    assert world.clock.now() - before < PLACED_ANEW_AFTER


def test_a_job_that_is_gone_meanwhile_is_made_again(world: World) -> None:
    made = HANDLER.create(spec(world), world.work())
    HANDLER.delete(made.id, spec(world), made.outputs, world.work())

    again = Made(id=made.id, outputs=HANDLER.update(made.id, spec(world), spec(world), made.outputs, world.work()))

    assert again.outputs["version"] == 0
    assert again.outputs["modify_index"] > made.outputs["modify_index"]
