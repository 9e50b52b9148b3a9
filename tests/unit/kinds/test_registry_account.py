"""Who is let in by a registry: two at a time while a password is exchanged."""

import shutil
import subprocess
from pathlib import Path

import pytest
from fakes.world import World

from mooring.clients.errors import Unreachable, Untrusted
from mooring.kinds import lines
from mooring.kinds.registry_account import AccountHandler, AccountSpec

HANDLER = AccountHandler()
PATH = "/etc/mooring/registry/accounts"


def spec(world: World, user: str = "mooring") -> AccountSpec:
    return AccountSpec(connection=world.host.connection, path=PATH, user=user, bcrypt=f"$2b$05$hash-of-{user}")


def test_an_old_account_and_a_new_one_are_there_side_by_side(world: World) -> None:
    old, new = spec(world), spec(world, "mooring-2")
    ids = [HANDLER.create(each, world.work()).id for each in (old, new)]

    assert len(set(ids)) == 2
    assert all(HANDLER.read(id_, each, {}, world.work()) for id_, each in zip(ids, (old, new), strict=True))

    HANDLER.delete(ids[0], old, {}, world.work())

    assert HANDLER.read(ids[0], old, {}, world.work()) is None
    assert HANDLER.read(ids[1], new, {}, world.work()) is not None


def test_creating_or_deleting_twice_is_doing_it_once(world: World) -> None:
    first, again = HANDLER.create(spec(world), world.work()), HANDLER.create(spec(world), world.work())

    assert first == again
    assert world.host.content(PATH).count("mooring:") == 1

    HANDLER.delete(first.id, spec(world), {}, world.work())
    HANDLER.delete(first.id, spec(world), {}, world.work())

    assert PATH not in world.host.entries


def test_another_password_under_the_same_name_is_not_taken_for_it(world: World) -> None:
    made = HANDLER.create(spec(world), world.work())
    world.host.write(PATH, "mooring:$2b$05$another\n")

    assert HANDLER.read(made.id, spec(world), {}, world.work()) is None


def test_a_host_that_is_silent_or_another_is_neither_gone_nor_done(world: World) -> None:
    made = HANDLER.create(spec(world), world.work())
    stranger = world.host.connection.model_copy(update={"host_key": "ssh-ed25519 BBBB"})

    with pytest.raises(Untrusted):
        HANDLER.read(made.id, spec(world).model_copy(update={"connection": stranger}), {}, world.work())
    world.hosts.take_away(world.host)
    for ask in (HANDLER.read, HANDLER.delete):
        with pytest.raises(Unreachable):
            ask(made.id, spec(world), {}, world.work())


def test_the_hash_is_a_secret_and_no_part_of_a_text(world: World) -> None:
    assert HANDLER.secret_inputs >= {"bcrypt"}
    assert "hash-of-mooring" not in repr(spec(world))


@pytest.mark.skipif(shutil.which("flock") is None, reason="flock is of util-linux")
class TestScripts:
    """What the lines really do, by this machine's own shell."""

    def run(self, script: str, stdin: str) -> None:
        subprocess.run(["bash", "-c", script], input=stdin.encode(), check=True)

    def test_the_other_lines_of_a_file_stay_and_a_line_stands_once(self, tmp_path: Path) -> None:
        file = tmp_path / "ours" / "file"
        self.run(lines.adding(str(file), directory_mode="0700"), "a:$2b$.x\n")
        file.write_text(f"{file.read_text()}theirs: a b'c\na:$2b$yx\n")

        for line in ("b:$2b$y\n", "b:$2b$y\n"):
            self.run(lines.adding(str(file), directory_mode="0700"), line)

        assert file.read_text() == "a:$2b$.x\ntheirs: a b'c\na:$2b$yx\nb:$2b$y\n"
        assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)

        for _ in range(2):
            self.run(lines.removing(str(file)), "a:$2b$.x\nb:$2b$y\n")

        assert file.read_text() == "theirs: a b'c\na:$2b$yx\n"
        assert [each.name for each in file.parent.iterdir()] == ["file"]

    def test_a_file_without_a_last_newline_keeps_its_last_line_to_itself(self, tmp_path: Path) -> None:
        file = tmp_path / "file"
        file.write_text("theirs")

        self.run(lines.adding(str(file), directory_mode="0700"), "ours\n")

        assert file.read_text() == "theirs\nours\n"

    def test_a_file_with_nothing_left_goes(self, tmp_path: Path) -> None:
        file = tmp_path / "file"
        self.run(lines.adding(str(file), directory_mode="0700"), "ours\n")

        self.run(lines.removing(str(file)), "ours\n")
        self.run(lines.removing(str(file)), "ours\n")

        assert list(tmp_path.iterdir()) == []

    def test_what_is_added_at_the_same_time_is_all_there(self, tmp_path: Path) -> None:
        file = tmp_path / "file"
        script = lines.adding(str(file), directory_mode="0700")
        running = [subprocess.Popen(["bash", "-c", script], stdin=subprocess.PIPE) for _ in range(12)]

        for number, process in enumerate(running):
            process.communicate(f"line-{number}\n".encode())

        assert sorted(file.read_text().splitlines()) == sorted(f"line-{number}" for number in range(12))
