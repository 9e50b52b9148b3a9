"""A job is one of its namespace: the job of the same name in another one is another job."""

from fakes.world import World
from lifecycle.cases import job

from mooring.kinds.nomad_job import JobHandler, JobSpec


def declared(world: World, namespace: str | None) -> JobSpec:
    body = job("app:1") | ({} if namespace is None else {"Namespace": namespace})
    return JobSpec(endpoint=world.nomad_endpoint, job_id=body["ID"], job=body)


def test_a_job_of_a_namespace_reads_back_without_a_difference(world: World) -> None:
    spec = declared(world, "platform")
    made = JobHandler().create(spec, world.work())

    seen = JobHandler().read(made.id, spec, made.outputs, world.work())

    assert seen is not None
    assert seen.spec == spec


def test_a_job_of_another_namespace_is_not_the_one(world: World) -> None:
    made = JobHandler().create(declared(world, "platform"), world.work())

    assert JobHandler().read(made.id, declared(world, None), made.outputs, world.work()) is None


def test_a_job_of_a_namespace_comes_in_under_both_names(world: World) -> None:
    spec = declared(world, "platform")
    made = JobHandler().create(spec, world.work())
    access = {"endpoint": world.nomad_endpoint.model_dump()}

    seen = JobHandler().imported("platform/lifecycle", access, world.work())

    assert seen is not None
    assert JobHandler().same(seen.spec, spec)
    assert JobHandler().id_of("platform/lifecycle", seen.spec) == made.id
    assert JobHandler().imported("lifecycle", access, world.work()) is None


def test_a_job_with_a_slash_in_its_name_comes_in_as_well(world: World) -> None:
    body = job("app:1") | {"ID": "team/web", "Name": "team/web"}
    world.nomad.jobs.register(body)

    seen = JobHandler().imported("team/web", {"endpoint": world.nomad_endpoint.model_dump()}, world.work())

    assert seen is not None
    assert (seen.spec.job_id, seen.spec.job.get("Namespace")) == ("team/web", None)


def test_deleting_a_job_of_a_namespace_leaves_none(world: World) -> None:
    spec = declared(world, "platform")
    made = JobHandler().create(spec, world.work())

    JobHandler().delete(made.id, spec, made.outputs, world.work())

    assert JobHandler().read(made.id, spec, made.outputs, world.work()) is None
