"""Files that belong together: what is ours of them, and what is not."""

import pytest
from fakes.world import World

from mooring.clients.errors import CommandFailed
from mooring.kinds.host_files import FilesHandler, FilesSpec
from mooring.kinds.kind import NotOurs
from mooring.kinds.placement import Directory, File

HANDLER = FilesHandler()


def spec(world: World, **contents: str) -> FilesSpec:
    return FilesSpec(
        connection=world.host.connection,
        files={f"/etc/app/{name}": File(content=content) for name, content in contents.items()},
        directories={"/etc/app": Directory(mode="0700")},
    )


def test_one_that_was_taken_away_by_hand_is_put_back(world: World) -> None:
    wanted = spec(world, a="1", b="2")
    made = HANDLER.create(wanted, world.work())
    del world.host.entries["/etc/app/a"]

    seen = HANDLER.read(made.id, wanted, {}, world.work())
    assert seen is not None
    HANDLER.update(made.id, seen.spec, wanted, {}, world.work())

    assert list(seen.spec.files) == ["/etc/app/b"]
    assert world.host.content("/etc/app/a") == "1"


def test_a_mode_that_was_changed_by_hand_is_a_change(world: World) -> None:
    made = HANDLER.create(spec(world, a="1"), world.work())
    world.host.entries["/etc/app"] = world.host.entries["/etc"]

    seen = HANDLER.read(made.id, spec(world, a="1"), {}, world.work())

    assert seen is not None
    assert seen.spec.directories == {"/etc/app": Directory(mode="0755")}


def test_a_new_file_is_not_put_over_one_of_somebody_else(world: World) -> None:
    made = HANDLER.create(spec(world, a="1"), world.work())
    world.host.entries["/etc/app/b"] = world.host.entries["/etc/app/a"]

    with pytest.raises(NotOurs, match=r"198\.18\.0\.11 has other files at /etc/app/b"):
        HANDLER.update(made.id, spec(world, a="1"), spec(world, a="2", b="ours"), {}, world.work())

    assert (world.host.content("/etc/app/a"), world.host.content("/etc/app/b")) == ("1", "1")


def test_one_that_the_program_no_longer_names_goes(world: World) -> None:
    made = HANDLER.create(spec(world, a="1", b="2"), world.work())

    HANDLER.update(made.id, spec(world, a="1", b="2"), spec(world, a="1"), {}, world.work())

    assert "/etc/app/b" not in world.host.entries


def test_a_folder_in_which_somebody_else_has_a_file_stays(world: World) -> None:
    made = HANDLER.create(spec(world, a="1"), world.work())
    world.host.entries["/etc/app/theirs"] = world.host.entries["/etc/app/a"]

    HANDLER.delete(made.id, spec(world, a="1"), {}, world.work())

    assert sorted(path for path in world.host.entries if "app" in path) == ["/etc/app", "/etc/app/theirs"]


def test_an_owner_that_the_host_does_not_know_is_told_in_its_words(world: World) -> None:
    unknown = spec(world, a="1").model_copy(update={"directories": {"/etc/app": Directory(owner="nobody-yet")}})

    with pytest.raises(CommandFailed, match="invalid user 'nobody-yet'"):
        HANDLER.create(unknown, world.work())


def test_nothing_to_place_is_refused(world: World) -> None:
    assert [problem.path for problem in HANDLER.check(spec(world))] == ["files"]
