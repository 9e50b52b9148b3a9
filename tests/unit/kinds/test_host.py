"""A machine that boots, and what it says of itself."""

from dataclasses import replace

import pytest
from fakes.world import World

from mooring.clients.errors import Untrusted
from mooring.kinds.host import BOOT_WITHIN, HostHandler, HostSpec
from mooring.kinds.kind import NotHealthy

HANDLER = HostHandler()


def spec(world: World) -> HostSpec:
    return HostSpec(name="s1", connection=world.host.connection)


def test_a_create_waits_until_the_machine_answers(world: World) -> None:
    world.hosts.take_away(world.host)
    world.clock.after(7, lambda: world.hosts.bring_back(world.host))

    made = HANDLER.create(spec(world), world.work())

    assert world.clock.now() == pytest.approx(7, abs=0.2)
    assert (made.id, made.outputs["distribution"], made.outputs["memory_mib"]) == ("s1", "debian 12", 2048)


def test_a_machine_that_never_answers_is_told_at_the_deadline(world: World) -> None:
    world.hosts.take_away(world.host)

    with pytest.raises(NotHealthy, match=r"198\.18\.0\.11 answers by SSH and has started .*: not within 90 s"):
        HANDLER.create(spec(world), world.work())

    assert world.clock.now() == pytest.approx(BOOT_WITHIN, abs=0.2)


def test_another_machine_at_its_address_is_not_waited_for(world: World) -> None:
    other = world.host.connection.model_copy(update={"host_key": "ssh-ed25519 BBBB"})

    with pytest.raises(Untrusted, match="pinned host key"):
        HANDLER.create(HostSpec(name="s1", connection=other), world.work())

    assert world.clock.now() == 0


def test_a_machine_with_a_failed_unit_is_there_and_not_well(world: World) -> None:
    world.host.state, world.host.failed_units = "degraded", ("docker.service", "ssh.service")

    with pytest.raises(NotHealthy, match=r"s1 \(198\.18\.0\.11\): systemd says degraded: docker\.service ssh\.service"):
        HANDLER.create(spec(world), world.work())

    seen = HANDLER.read("s1", spec(world), {}, world.work())
    assert seen is not None
    assert seen.reasons == ("s1 (198.18.0.11): systemd says degraded: docker.service ssh.service",)


def test_a_silent_machine_is_not_one_that_is_gone(world: World) -> None:
    world.hosts.take_away(world.host)

    seen = HANDLER.read("s1", spec(world), {"machine_id": "m"}, world.work())

    assert seen is not None
    assert seen.outputs == {"machine_id": "m"}
    assert "cannot be reached" in seen.reasons[0]


def test_the_next_run_waits_for_a_machine_that_was_silent(world: World) -> None:
    world.hosts.take_away(world.host)
    world.clock.after(7, lambda: world.hosts.bring_back(world.host))

    HANDLER.update("s1", spec(world), spec(world), {}, world.work())

    assert world.clock.now() == pytest.approx(7, abs=0.2)


def test_a_machine_that_answers_and_still_starts_is_waited_for(world: World) -> None:
    world.host.state = "starting"
    world.clock.after(7, lambda: setattr(world.host, "state", "running"))

    HANDLER.create(spec(world), world.work())

    assert world.clock.now() == pytest.approx(7, abs=0.2)


def test_the_program_may_allow_more_time_and_name_the_console(world: World) -> None:
    world.hosts.take_away(world.host)
    virtual = spec(world).model_copy(update={"console": "virsh console s1"})

    with pytest.raises(NotHealthy, match=r"not within 600 s; what its console said: virsh console s1"):
        HANDLER.create(virtual, replace(world.work(), timeout=600))
