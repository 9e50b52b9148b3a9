"""Services that others brought: running and enabled as said, and as they were when the resource goes."""

import pytest
from fakes.hosts import Entry, Service
from fakes.world import World

from mooring.clients.errors import CommandFailed
from mooring.kinds.host_units import Unit, UnitsHandler, UnitsSpec
from mooring.plugin.inputs import meaning
from mooring.plugin.servicer import changes

HANDLER = UnitsHandler()
ENGINE = "docker.service"


@pytest.fixture(autouse=True)
def engine(world: World) -> None:
    world.host.entries[f"/etc/systemd/system/{ENGINE}"] = Entry(content=b"[Service]\n", mode=0o644)
    world.host.services[ENGINE] = Service(active=False, enabled=True)


def spec(world: World, name: str = ENGINE) -> UnitsSpec:
    return UnitsSpec(connection=world.host.connection, units={name: Unit()})


def differences(world: World) -> set[str]:
    seen = HANDLER.read("id", spec(world), {}, world.work())
    assert seen is not None
    return {".".join(map(str, path)) for path in changes(HANDLER, meaning(seen.spec), meaning(spec(world)))}


def test_a_unit_runs_and_reads_back_without_a_difference(world: World) -> None:
    HANDLER.create(spec(world), world.work())

    assert world.host.services[ENGINE].active
    assert differences(world) == set()


def test_a_unit_that_somebody_stopped_is_a_difference_by_name_and_is_started(world: World) -> None:
    HANDLER.create(spec(world), world.work())
    world.host.services[ENGINE] = Service(active=False, enabled=False)

    assert differences(world) == {f"units.{ENGINE}.running", f"units.{ENGINE}.enabled"}
    HANDLER.update("id", spec(world), spec(world), {}, world.work())
    assert (world.host.services[ENGINE].active, world.host.services[ENGINE].enabled) == (True, True)


def test_a_unit_that_is_right_is_not_touched(world: World) -> None:
    world.host.services[ENGINE] = Service(active=True, enabled=True)

    HANDLER.create(spec(world), world.work())

    assert world.host.services[ENGINE].starts == 0


def test_it_is_as_it_was_when_the_resource_goes(world: World) -> None:
    HANDLER.create(spec(world), world.work())
    HANDLER.create(spec(world), world.work())

    HANDLER.delete("id", spec(world), {}, world.work())
    HANDLER.delete("id", spec(world), {}, world.work())

    assert (world.host.services[ENGINE].active, world.host.services[ENGINE].enabled) == (False, True)


def test_a_unit_that_there_is_not_is_told(world: World) -> None:
    with pytest.raises(CommandFailed, match=r"198\.18\.0\.11 has no unit none\.service: its package would bring it"):
        HANDLER.create(spec(world, "none.service"), world.work())


def test_what_is_no_name_is_refused(world: World) -> None:
    assert [problem.path for problem in HANDLER.check(spec(world, "docker"))] == ["units.docker"]
