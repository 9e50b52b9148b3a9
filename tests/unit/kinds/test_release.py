"""A step that the maker does not support is refused."""

import pytest
from fakes.world import World

from mooring.kinds.release import ReleaseHandler, ReleaseSpec
from mooring.plugin.inputs import problems

HANDLER = ReleaseHandler()


def release(version: str) -> ReleaseSpec:
    return ReleaseSpec(tool="nomad", version=version)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("1.6.2", "1.6.3", []),
        ("1.6.3", "1.6.2", ["version: nomad: 1.6.3 is what runs, and its maker does not support going back to 1.6.2"]),
        ("1.4.1", "1.6.3", ["version: nomad: from 1.4.1 to 1.6.3 are 2 minor versions"]),
    ],
)
def test_a_step_is_judged_by_what_is_there(old: str, new: str, words: list[str]) -> None:
    found = problems(HANDLER, {"tool": "nomad", "version": new}, {"tool": "nomad", "version": old})

    assert len(found) == len(words)
    assert all(said.startswith(word) for said, word in zip(found, words, strict=True))


def test_on_a_new_stack_any_version_may_be_the_first() -> None:
    assert problems(HANDLER, {"tool": "nomad", "version": "1.4.0"}, {}) == []


def test_a_word_that_is_no_version_is_refused() -> None:
    (found,) = problems(HANDLER, {"tool": "nomad", "version": "latest"}, {"tool": "nomad", "version": "1.6.3"})

    assert found == "version: version 'latest' is no release number; one like 1.6.3 would do"


def test_what_an_unreadable_record_says_is_no_reason_to_refuse() -> None:
    assert problems(HANDLER, {"tool": "nomad", "version": "1.6.3"}, {"instrument": "nomad"}) == []


def test_it_is_what_the_program_says_and_on_no_server(world: World) -> None:
    made = HANDLER.create(release("1.6.3"), world.work())

    seen = HANDLER.read(made.id, release("1.6.3"), {}, world.work())

    assert (made.id, seen.spec) == ("nomad", release("1.6.3"))
    assert HANDLER.update(made.id, release("1.6.2"), release("1.6.3"), {}, world.work()) == {}
