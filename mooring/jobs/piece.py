"""What every piece of a job is: frozen, and translated to Nomad's API and back by one rule.

A field that equals its default is not written, and what the API leaves out is read as that default. So a job says
what its program says and nothing else: Nomad's defaults stay Nomad's, and drift compares what was said. Where Nomad
can tell "unsaid" from a zero, the default here is None; where it cannot, the default is that zero.
"""

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, fields, replace
from difflib import get_close_matches
from typing import Any, ClassVar, Self, TypeVar, cast, get_type_hints

from mooring.jobs.left_out import LEFT_OUT, SILENT
from mooring.jobs.problem import InvalidJob, Problem, joined
from mooring.jobs.shape import Json, Shape, shape_of

NOTHING: tuple[Any, ...] = (None, "", 0, [], {})
"""How a server says nothing."""


@dataclass(frozen=True)
class Piece:
    OF: ClassVar[str]
    """Nomad's own struct."""

    SPELT: ClassVar[Mapping[str, str]] = {}
    """Where the API has another word than the field's name in capitals."""

    ALWAYS: ClassVar[frozenset[str]] = frozenset()
    """Fields that are written even with their default."""

    def __post_init__(self) -> None:
        for field, shape in shapes(type(self)):
            value = shape.settled(getattr(self, field.name))
            object.__setattr__(self, field.name, None if value == "" and field.default is None else value)

    def to_api(self) -> Json:
        """What is said, as Nomad's API takes it."""
        return {
            self.spelt(field.name): shape.write(value)
            for field, shape in shapes(type(self))
            if is_said(field, value := getattr(self, field.name)) or field.name in self.ALWAYS
        }

    @classmethod
    def from_api(cls, body: Any) -> Self:
        """What Nomad's API says; raises `InvalidJob` for what has no place here."""
        wrong: list[Problem] = []
        piece = cls.read(body, "", wrong)
        if wrong:
            raise InvalidJob(wrong)
        return piece

    @classmethod
    def read(cls, body: Any, at: str, wrong: list[Problem]) -> Self:
        """Like `from_api`, with what is wrong added to `wrong`; something is answered in any case."""
        if not isinstance(body, dict):
            wrong.append(Problem(at, f"{body!r} is not a mapping"))
            return cast("Self", body)
        return cls(**cls.said(cast("Json", body), at, wrong))

    @classmethod
    def said(cls, body: Json, at: str, wrong: list[Problem]) -> dict[str, Any]:
        """The arguments that make this piece out of `body`."""
        known = {cls.spelt(field.name): (field, shape) for field, shape in shapes(cls)}
        wrong += unknown(cls.OF, body, known, at)
        arguments: dict[str, Any] = {}
        for key, (field, shape) in known.items():
            raw = body.get(key)
            if raw is not None:
                arguments[field.name] = shape.read(raw, joined(at, field.name), wrong)
            elif field.name in cls.ALWAYS or not has_default(field):
                # An absent one is a zero to Nomad, which the rules then judge.
                arguments[field.name] = shape.zero
        return arguments

    def sound(self) -> Self:
        """The same without the values of another type than their field's, so that the rules can judge the rest."""
        kept = {
            field.name: shape.sound(getattr(self, field.name), _unsaid(field, shape))
            for field, shape in shapes(type(self))
        }
        return replace(self, **kept)

    @classmethod
    def spelt(cls, name: str) -> str:
        return cls.SPELT.get(name) or "".join(part.capitalize() for part in name.split("_"))

    def misfits(self, at: str) -> Iterator[Problem]:
        """Values of another type than their field's."""
        for field, shape in shapes(type(self)):
            value = getattr(self, field.name)
            if is_said(field, value):
                yield from shape.check(value, joined(at, field.name))


def shapes(piece: type[Any]) -> tuple[tuple[Field[Any], Shape], ...]:
    """The fields that are translated by the common rule, each with its shape."""
    if piece not in _SHAPES:
        hints = get_type_hints(piece)
        driver = getattr(piece, "DRIVER", False)
        _SHAPES[piece] = tuple(
            (field, shape_of(hints[field.name], driver=driver))
            for field in fields(piece)
            if not field.metadata.get("special")
        )
    return _SHAPES[piece]


_SHAPES: dict[type[Any], tuple[tuple[Field[Any], Shape], ...]] = {}


def is_said(field: Field[Any], value: Any) -> bool:
    if field.default_factory is not MISSING:
        return bool(value != field.default_factory())
    # True is 1 and False is 0, but a word of one is not a word of the other.
    return value != field.default or type(value) is not type(field.default)


def has_default(field: Field[Any]) -> bool:
    return field.default is not MISSING or field.default_factory is not MISSING


def unknown(struct: str, body: Json, known: Mapping[str, Any], at: str) -> Iterator[Problem]:
    """Keys that say something and have no place; those that only the server sets are no part of a job."""
    for key, value in body.items():
        if key in known:
            continue
        reason = LEFT_OUT.get(f"{struct}.{key}")
        if reason is None:
            close = get_close_matches(key, known, n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            yield Problem(joined(at, key), f"Nomad knows no such key{hint}")
        elif reason not in SILENT and value not in NOTHING:
            yield Problem(joined(at, key), reason)


def _unsaid(field: Field[Any], shape: Shape) -> Any:
    if field.default_factory is not MISSING:
        return field.default_factory()
    return shape.zero if field.default is MISSING else field.default


P = TypeVar("P", bound=Piece)


def merged(*pieces: P | None) -> P:
    """What holds: of each field the first value that is said; the last piece must say all."""
    said = [piece for piece in pieces if piece is not None]
    first = {
        field.name: next((v for piece in said if (v := getattr(piece, field.name)) is not None), None)
        for field in fields(said[-1])
    }
    return replace(said[-1], **first)
