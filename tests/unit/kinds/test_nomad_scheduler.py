"""What only the scheduler's configuration has: there is always one, so it is neither made nor taken away."""

import pytest
from fakes.world import World

from mooring.clients import nomad
from mooring.clients.errors import Forbidden, Unreachable
from mooring.kinds.meanwhile import ChangedMeanwhile
from mooring.kinds.nomad_scheduler import Algorithm, SchedulerHandler, SchedulerSpec

HANDLER = SchedulerHandler()


def spec(world: World) -> SchedulerSpec:
    return SchedulerSpec(endpoint=world.nomad_endpoint, algorithm=Algorithm.SPREAD, memory_oversubscription=True)


def by_hand(world: World) -> None:
    body = spec(world).model_copy(update={"pause": True}).to_api()
    index = world.nomad.store.scheduler["ModifyIndex"]
    assert nomad.region(world.nomad_endpoint).put_scheduler(body, unless_changed_since=index)


def test_what_was_said_reads_back(world: World) -> None:
    made = HANDLER.create(spec(world), world.work())

    seen = HANDLER.read(made.id, spec(world), made.outputs, world.work())

    assert seen is not None
    assert (seen.spec, seen.outputs) == (spec(world), made.outputs)


def test_saying_what_is_so_writes_nothing(world: World) -> None:
    first = HANDLER.create(spec(world), world.work())

    assert HANDLER.create(spec(world), world.work()) == first


def test_a_change_by_hand_is_a_difference(world: World) -> None:
    made = HANDLER.create(spec(world), world.work())
    by_hand(world)

    seen = HANDLER.read(made.id, spec(world), made.outputs, world.work())

    assert seen is not None
    assert seen.spec == spec(world).model_copy(update={"pause": True})


def test_a_change_by_hand_is_not_written_over(world: World) -> None:
    made = HANDLER.create(spec(world), world.work())
    by_hand(world)

    with pytest.raises(ChangedMeanwhile, match="nomad's scheduler configuration was changed by somebody else"):
        HANDLER.update(made.id, spec(world), spec(world), made.outputs, world.work())

    assert world.nomad.store.scheduler["PauseEvalBroker"]


def test_a_delete_leaves_it_as_it_is(world: World) -> None:
    made = HANDLER.create(spec(world), world.work())
    before = world.nomad.store.scheduler

    HANDLER.delete(made.id, spec(world), made.outputs, world.work())

    assert world.nomad.store.scheduler == before


def test_silence_and_refusal_are_told_apart(world: World) -> None:
    elsewhere = world.nomad_endpoint.model_copy(update={"port": 1})
    stranger = world.nomad_endpoint.model_copy(update={"token": "99999999-dddd-4ddd-8ddd-999999999999"})

    with pytest.raises(Unreachable, match="no server answers"):
        HANDLER.read("scheduler", SchedulerSpec(endpoint=elsewhere), {}, world.work())
    with pytest.raises(Forbidden, match="403"):
        HANDLER.read("scheduler", SchedulerSpec(endpoint=stranger), {}, world.work())
