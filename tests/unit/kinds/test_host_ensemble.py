"""Agents that end together, and the images that a machine is not to keep."""

import pytest
from fakes.hosts import Entry, Service
from fakes.world import World

from mooring.kinds.host_ensemble import EnsembleHandler, EnsembleSpec
from mooring.kinds.kind import Unreachable

HANDLER = EnsembleHandler()
UNIT = "/etc/systemd/system/consul.service"


def spec(world: World) -> EnsembleSpec:
    return EnsembleSpec(service="consul", connections={"a": world.host.connection})


def test_every_agent_is_stopped_and_stays_enabled_until_it_is_taken_away(world: World) -> None:
    world.host.entries[UNIT] = Entry(content=b"[Service]\n", mode=0o644)
    world.host.services["consul.service"] = Service(active=True, enabled=True)
    made = HANDLER.create(spec(world), world.work())
    assert world.host.services["consul.service"].active

    HANDLER.delete(made.id, spec(world), {}, world.work())

    assert world.host.services["consul.service"] == Service(active=False, enabled=True)


def test_where_there_is_no_agent_nothing_is_stopped(world: World) -> None:
    HANDLER.delete("consul", spec(world), {}, world.work())

    assert "consul.service" not in world.host.services


def test_a_silent_host_is_told_before_anything_is_taken_away(world: World) -> None:
    world.hosts.take_away(world.host)

    with pytest.raises(Unreachable, match="cannot be reached"):
        HANDLER.delete("consul", spec(world), {}, world.work())
