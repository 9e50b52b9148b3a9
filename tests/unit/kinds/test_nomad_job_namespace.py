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


def test_deleting_a_job_of_a_namespace_leaves_none(world: World) -> None:
    spec = declared(world, "platform")
    made = JobHandler().create(spec, world.work())

    JobHandler().delete(made.id, spec, made.outputs, world.work())

    assert JobHandler().read(made.id, spec, made.outputs, world.work()) is None
