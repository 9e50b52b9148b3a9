"""Where in Nomad's form of a job the things stand that a problem's path names in our words."""

from collections.abc import Iterator
from typing import Any, cast

from mooring.jobs.piece import Piece
from mooring.jobs.shape import Json, is_list, items_of, steps

Place = tuple[str | int, ...]


def place_in(job: Any, path: str) -> Place:
    """Of `groups.web.tasks.app.env.A` in `job`: `("TaskGroups", 0, "Tasks", 0, "Env", "A")`.

    As far as it can be followed: for what is missing it is the place where it is missed.
    """
    return min(_ways(job, path, ()), key=lambda way: len(way[1]))[0]


def _ways(value: Any, path: str, done: Place) -> Iterator[tuple[Place, str]]:
    """Every way along `path`, with what could not be followed: one word may stand for several keys."""
    yield done, path
    if is_list(value):
        items = items_of(value)
        named = [(str(index), index) for index in range(len(items))]
        inside: list[tuple[str, str | int]] = [*zip(steps(items), range(len(items)), strict=True), *named]
        if len(items) == 1:
            yield from _ways(items[0], path, (*done, 0))  # a block, which the parser writes in a list of its own
    else:
        body = cast("Json", value) if isinstance(value, dict) else {}
        inside = [(word, key) for key in body for word in _words(key)]
    for word, step in inside:
        if path == word or path.startswith(f"{word}."):
            yield from _ways(value[step], path[len(word) + 1 :], (*done, step))


def _words(key: str) -> set[str]:
    """What a key of the API is called in our words, in one piece of a job or another."""
    snake = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in key).lstrip("_")
    return {key, snake, *_spellings().get(key, ())}


def _spellings() -> dict[str, set[str]]:
    if not _SPELLINGS:
        # Kept apart from the fields that share the rule: a task's driver and a network's ports.
        found = {"Config": {"driver"}, "Driver": {"driver"}, "DynamicPorts": {"ports"}, "ReservedPorts": {"ports"}}
        waiting: list[type[Piece]] = [Piece]
        while waiting:
            piece = waiting.pop()
            waiting += piece.__subclasses__()
            for word, key in piece.SPELT.items():
                found.setdefault(key, set()).add(word)
        _SPELLINGS.update(found)
    return _SPELLINGS


_SPELLINGS: dict[str, set[str]] = {}
