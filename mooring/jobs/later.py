"""Texts in a job that are known only once something else exists: an image's digest, a password, an address."""

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any, ClassVar, Final, Self, cast

from mooring.jobs.piece import Piece
from mooring.jobs.problem import Problem, joined
from mooring.jobs.shape import Json, is_list, items_of, steps

PLACE: Final = "known.later.invalid/value"
"""What stands in a job until then: fit for an image's name and for any other text, and under a domain that never is."""


class Later(str):
    """A text whose value comes later, and meanwhile is `PLACE`: every rule and every translation sees a text."""

    __slots__ = ("value",)

    value: Any
    placed: ClassVar[bool] = False
    """Whether this program has used any: most have none, and then there is nothing to look for in every job."""

    def __new__(cls, value: Any) -> Self:
        made = super().__new__(cls, PLACE)
        made.value = value
        Later.placed = True
        return made


def later(value: Any) -> str:
    """A place in a job for a `pulumi.Output`: it reads as text, and becomes the value where the job is sent.

    As in `env={"TOKEN": later(token)}`. The whole text or nothing: `f"Bearer {later(token)}"` would lose the value and
    is refused where the job is used; `later(pulumi.Output.concat("Bearer ", token))` says it.
    """
    return Later(value)


def resolved(body: Any) -> Any:
    """A job as the API takes it, with the values themselves in their places."""
    if isinstance(body, Later):
        return body.value
    if isinstance(body, dict):
        return {key: resolved(value) for key, value in cast("Json", body).items()}
    return [resolved(item) for item in items_of(body)] if is_list(body) else body


def torn(job: Piece) -> Iterator[Problem]:
    """Where in a typed job a place has become part of a longer text or of a name, and so has lost its value."""
    if Later.placed:
        yield from _torn(job, "")


def _torn(piece: Any, at: str) -> Iterator[Problem]:
    match piece:
        case Piece():
            for field in fields(piece):
                yield from _torn(getattr(piece, field.name), joined(at, field.name))
        case Later():
            return
        case str() if PLACE in piece:
            yield Problem(at, "a value known later is part of a longer text: later(pulumi.Output.concat(…)) would do")
        case Mapping():
            entries = cast("Mapping[str, Any]", piece)
            if any(PLACE in key for key in entries):
                yield Problem(at, "a name must be known at once: later(…) is for values")
            for key, value in entries.items():
                yield from _torn(value, joined(at, key))
        case list() | tuple():
            items = items_of(piece)
            for item, step in zip(items, steps(items), strict=True):
                yield from _torn(item, joined(at, step))
        case _:
            return
