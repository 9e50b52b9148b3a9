"""A machine that is lent to a stack, and given back as it was."""

import pytest
from fakes.world import World

from mooring.kinds.agent import AgentHandler, AgentSpec
from mooring.kinds.host_claim import CLAIM, ClaimHandler, ClaimSpec
from mooring.kinds.host_files import FilesHandler, FilesSpec
from mooring.kinds.kind import NotOurs
from mooring.kinds.placement import Directory, File

HANDLER = ClaimHandler()


def spec(world: World) -> ClaimSpec:
    return ClaimSpec(connection=world.host.connection)


def agent(world: World) -> AgentSpec:
    return AgentSpec(
        connection=world.host.connection,
        service="consul",
        user="consul",
        binary="/opt/mooring/bin/consul-1",
        binary_source="/etc/hostname",
        files={"/etc/consul.d/consul.json": File(content="{}", group="consul")},
        directories={"/etc/consul.d": Directory(mode="0750", group="consul")},
        data=("/var/lib/consul",),
        unit="[Service]\n",
        listens=8501,
    )


def test_what_a_stack_leaves_on_a_machine_is_what_it_found(world: World) -> None:
    before, users = dict(world.host.entries), set(world.host.users)
    claim = HANDLER.create(spec(world), world.work())
    made = AgentHandler().create(agent(world), world.work())
    files = FilesSpec(connection=world.host.connection, files={"/etc/docker/certs.d/a:5000/ca.crt": File(content="c")})
    FilesHandler().create(files, world.work())
    assert world.host.entries != before

    FilesHandler().delete("id", files, {}, world.work())
    AgentHandler().delete(made.id, agent(world), {}, world.work())
    HANDLER.delete(claim.id, spec(world), {}, world.work())

    assert world.host.entries == before
    assert world.host.users == users


def test_what_was_there_before_stays(world: World) -> None:
    world.host.users.add("consul")
    for directory in ("/opt/mooring", "/opt/mooring/bin"):
        world.host.entries[directory] = world.host.entries["/opt"]
    world.host.entries["/opt/mooring/bin/consul-1"] = world.host.entries["/opt"]
    claim = HANDLER.create(spec(world), world.work())
    made = AgentHandler().create(agent(world), world.work())

    AgentHandler().delete(made.id, agent(world), {}, world.work())
    HANDLER.delete(claim.id, spec(world), {}, world.work())

    assert "consul" in world.host.users
    assert "/opt/mooring/bin/consul-1" in world.host.entries


def test_what_somebody_put_into_a_directory_of_ours_keeps_it(world: World) -> None:
    claim = HANDLER.create(spec(world), world.work())
    made = AgentHandler().create(agent(world), world.work())
    world.host.entries["/etc/consul.d/theirs.json"] = world.host.entries["/etc/consul.d/consul.json"]

    AgentHandler().delete(made.id, agent(world), {}, world.work())
    HANDLER.delete(claim.id, spec(world), {}, world.work())

    assert "/etc/consul.d/theirs.json" in world.host.entries
    assert CLAIM not in world.host.entries


def test_a_machine_is_lent_to_one_stack_at_a_time(world: World) -> None:
    HANDLER.create(spec(world), world.work("another"))

    with pytest.raises(NotOurs, match=r"198\.18\.0\.11 is lent to the stack mooring/another"):
        HANDLER.create(spec(world), world.work())
    HANDLER.delete("id", spec(world), {}, world.work())

    assert HANDLER.read("id", spec(world), {}, world.work("another")) is not None
    assert HANDLER.read("id", spec(world), {}, world.work()) is None


def test_claiming_again_forgets_nothing(world: World) -> None:
    """As after a run that was killed before it could say what it had made."""
    HANDLER.create(spec(world), world.work())
    AgentHandler().create(agent(world), world.work())
    noted = world.host.content("/var/lib/mooring/made")

    HANDLER.create(spec(world), world.work())

    assert "user consul" in noted
    assert world.host.content("/var/lib/mooring/made").startswith(noted)


def test_given_back_twice_is_given_back_once(world: World) -> None:
    claim = HANDLER.create(spec(world), world.work())
    HANDLER.delete(claim.id, spec(world), {}, world.work())

    HANDLER.delete(claim.id, spec(world), {}, world.work())

    assert HANDLER.read(claim.id, spec(world), {}, world.work()) is None
