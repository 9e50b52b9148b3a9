from pathlib import Path
from typing import Any

import asyncssh
import pytest

from mooring.kinds.kind import Unreachable, Work
from mooring.kinds.ssh import IdentityHandler, IdentitySpec, KeyPairHandler, KeyPairSpec

WORK = Work(urn="urn:pulumi:dev::shop::x::key", name="key", project="shop", stack="dev")


def test_a_key_pair_is_one_that_ssh_reads() -> None:
    outputs = KeyPairHandler().create(KeyPairSpec(comment="shop/dev"), WORK).outputs

    private = asyncssh.import_private_key(outputs["private_key"])
    assert private.algorithm == b"ssh-ed25519"
    assert outputs["public_key"].endswith(" shop/dev")
    assert asyncssh.import_public_key(outputs["public_key"]).public_data == private.public_data


def test_the_private_half_is_secret_from_birth() -> None:
    assert KeyPairHandler.secret_outputs == {"private_key"}


def test_another_comment_is_the_same_key() -> None:
    before = KeyPairHandler().create(KeyPairSpec(comment="a"), WORK).outputs

    after = KeyPairHandler().update("key", KeyPairSpec(comment="a"), KeyPairSpec(comment="b c"), before, WORK)

    assert after["private_key"] == before["private_key"]
    assert after["public_key"].split(" ", 2) == [*before["public_key"].split()[:2], "b c"]
    assert list(KeyPairHandler().renewed(frozenset({"comment"}))) == ["public_key"]


def test_a_comment_of_two_lines_is_refused() -> None:
    with pytest.raises(ValueError, match="comment"):
        KeyPairSpec(comment="a\nssh-ed25519 AAAA intruder")


@pytest.fixture
def spec(tmp_path: Path) -> IdentitySpec:
    return IdentitySpec(
        directory=str(tmp_path / "state" / "ssh"),
        private_key="the key",
        known_hosts={"[127.0.0.1]:2222": "ssh-ed25519 BBBB", "10.0.0.1": "ssh-ed25519 AAAA host"},
    )


def changed(spec: IdentitySpec, **fields: Any) -> IdentitySpec:
    return spec.model_copy(update=fields)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_the_files_are_what_ssh_needs_and_open_to_nobody_else(spec: IdentitySpec) -> None:
    outputs = IdentityHandler().create(spec, WORK).outputs

    key, known = Path(outputs["key_file"]), Path(outputs["known_hosts_file"])
    assert key.read_text() == "the key\n"
    assert known.read_text() == "10.0.0.1 ssh-ed25519 AAAA host\n[127.0.0.1]:2222 ssh-ed25519 BBBB\n"
    assert (mode(key.parent), mode(key), mode(known)) == (0o700, 0o600, 0o600)
    assert sorted(path.name for path in key.parent.iterdir()) == ["id", "known_hosts"]


def test_what_was_created_reads_back_without_a_difference(spec: IdentitySpec) -> None:
    made = IdentityHandler().create(spec, WORK)

    seen = IdentityHandler().read(made.id, spec, made.outputs, WORK)

    assert seen is not None
    assert (seen.spec, seen.outputs) == (spec, made.outputs)


def test_a_read_on_a_second_machine_puts_the_files_there(spec: IdentitySpec) -> None:
    seen = IdentityHandler().read(spec.directory, spec, {}, WORK)

    assert seen is not None
    assert seen.spec == spec
    assert Path(seen.outputs["key_file"]).read_text() == "the key\n"


def test_a_read_puts_back_the_one_that_is_missing_and_shows_what_differs_in_the_other(spec: IdentitySpec) -> None:
    outputs = IdentityHandler().create(spec, WORK).outputs
    Path(outputs["key_file"]).unlink()
    Path(outputs["known_hosts_file"]).write_text("10.0.0.1 ssh-ed25519 CHANGED\n")

    seen = IdentityHandler().read(spec.directory, spec, outputs, WORK)

    assert seen is not None
    assert seen.spec == changed(spec, known_hosts={"10.0.0.1": "ssh-ed25519 CHANGED"})
    assert Path(outputs["key_file"]).read_text() == "the key\n"
    assert Path(outputs["known_hosts_file"]).read_text() == "10.0.0.1 ssh-ed25519 CHANGED\n"


def test_another_key_is_a_difference_that_an_update_takes_away(spec: IdentitySpec) -> None:
    outputs = IdentityHandler().create(spec, WORK).outputs
    Path(outputs["key_file"]).write_text("another key\n")

    seen = IdentityHandler().read(spec.directory, spec, outputs, WORK)

    assert seen is not None
    assert seen.spec == changed(spec, private_key="another key\n")
    IdentityHandler().update(spec.directory, seen.spec, spec, outputs, WORK)
    assert Path(outputs["key_file"]).read_text() == "the key\n"


def test_a_key_that_others_can_read_is_closed_by_a_read(spec: IdentitySpec) -> None:
    key = Path(IdentityHandler().create(spec, WORK).outputs["key_file"])
    key.chmod(0o644)
    key.parent.chmod(0o755)

    IdentityHandler().read(spec.directory, spec, {}, WORK)

    assert (mode(key), mode(key.parent)) == (0o600, 0o700)


def test_a_folder_that_cannot_be_made_here_is_no_answer(spec: IdentitySpec, tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where a folder should be")

    with pytest.raises(Unreachable, match="Not a directory"):
        IdentityHandler().read(spec.directory, spec, {}, WORK)


def test_deleting_twice_is_deleting_once(spec: IdentitySpec) -> None:
    IdentityHandler().create(spec, WORK)
    for _ in range(2):
        IdentityHandler().delete(spec.directory, spec, {}, WORK)

    assert not Path(spec.directory).exists()


def test_a_folder_with_something_else_in_it_stays(spec: IdentitySpec) -> None:
    IdentityHandler().create(spec, WORK)
    mine = Path(spec.directory, "mine")
    mine.touch()

    IdentityHandler().delete(spec.directory, spec, {}, WORK)

    assert list(mine.parent.iterdir()) == [mine]


def test_a_relative_folder_is_refused(spec: IdentitySpec) -> None:
    problems = IdentityHandler().check(changed(spec, directory="ssh"))

    assert [(p.path, p.reason) for p in problems] == [("directory", "must be an absolute path, got 'ssh'")]


def test_the_key_is_secret_and_not_in_a_repr(spec: IdentitySpec) -> None:
    assert IdentityHandler.secret_inputs == {"private_key"}
    assert "the key" not in repr(spec)
