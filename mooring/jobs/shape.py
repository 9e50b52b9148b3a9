"""What the value of a field can be: how it is settled, checked, written to Nomad's API and read from it.

A field's annotation says which shape it has; nobody names a shape by hand. Reading never fails: what does not fit is
told as a problem and kept as it came, so that everything wrong is told at once.
"""

import types
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from datetime import timedelta
from functools import cache
from typing import Any, Literal, Union, cast, get_args, get_origin

from typing_extensions import override

from mooring.jobs.problem import Problem, either, joined

Json = dict[str, Any]

NANOSECONDS = 1000
"""In a microsecond: Nomad counts in nanoseconds, and `timedelta` is exact to a microsecond."""


class Shape(ABC):
    zero: Any = None
    """What Nomad takes when the field is absent, where that cannot be told from something said."""

    def settled(self, value: Any) -> Any:
        """The one form in which equal values are equal: a tuple for any list."""
        return value

    def write(self, value: Any) -> Any:
        return value

    def read(self, raw: Any, at: str, wrong: list[Problem]) -> Any:
        del at, wrong
        return raw

    def sound(self, value: Any, otherwise: Any) -> Any:
        """The value, or what holds otherwise when it does not fit."""
        return value if value == otherwise or not any(self.check(value, "")) else otherwise

    @abstractmethod
    def check(self, value: Any, at: str) -> Iterator[Problem]: ...


@dataclass(frozen=True)
class Plain(Shape):
    """Text, a whole number, or true and false."""

    type: type
    lenient: bool = False
    """A driver takes any of them for any other, and text that holds `${…}` for all."""

    @property
    @override
    def zero(self) -> Any:  # pyright: ignore[reportIncompatibleVariableOverride] -- read like the attribute
        return self.type()

    @override
    def check(self, value: Any, at: str) -> Iterator[Problem]:
        fits = isinstance(value, (str, int, float)) if self.lenient else isinstance(value, self.type)
        if not fits or (self.type is int and isinstance(value, bool)):
            noun = {str: "text", int: "a whole number", bool: "true or false"}[self.type]
            yield Problem(at, f"{value!r} is not {noun}")


@dataclass(frozen=True)
class Word(Shape):
    """One of the words that Nomad knows here."""

    words: tuple[str, ...]
    zero: str = ""

    @override
    def check(self, value: Any, at: str) -> Iterator[Problem]:
        if value not in self.words:
            yield Problem(at, f"{value!r} is not {either(self.words)}")


@dataclass(frozen=True)
class Length(Shape):
    """A time: nanoseconds in the API."""

    zero: timedelta = timedelta(0)

    @override
    def check(self, value: Any, at: str) -> Iterator[Problem]:
        if not isinstance(value, timedelta):
            yield Problem(at, f"{value!r} is not a timedelta")

    @override
    def write(self, value: timedelta) -> int:
        return value // timedelta(microseconds=1) * NANOSECONDS

    @override
    def read(self, raw: Any, at: str, wrong: list[Problem]) -> Any:
        if not isinstance(raw, int) or isinstance(raw, bool):
            return raw
        if raw % NANOSECONDS:
            wrong.append(Problem(at, f"{raw} ns is finer than a microsecond"))
        return timedelta(microseconds=raw // NANOSECONDS)


@dataclass(frozen=True)
class Many(Shape):
    """A list."""

    item: Shape
    zero: tuple[()] = ()

    @override
    def settled(self, value: Any) -> Any:
        return tuple(map(self.item.settled, items_of(value))) if is_list(value) else value

    @override
    def check(self, value: Any, at: str) -> Iterator[Problem]:
        if not is_list(value):
            yield Problem(at, f"{value!r} is not a list")
            return
        items = items_of(value)
        for item, step in zip(items, steps(items), strict=True):
            yield from self.item.check(item, joined(at, step))

    @override
    def sound(self, value: Any, otherwise: Any) -> Any:
        if not isinstance(self.item, One):
            return super().sound(value, otherwise)
        items = items_of(value) if is_list(value) else ()
        return tuple(item.sound() for item in items if isinstance(item, self.item.piece))

    @override
    def write(self, value: Sequence[Any]) -> list[Any]:
        return list(map(self.item.write, value))

    @override
    def read(self, raw: Any, at: str, wrong: list[Problem]) -> Any:
        if not is_list(raw):
            return raw
        items = items_of(raw)
        return [self.item.read(item, joined(at, step), wrong) for item, step in zip(items, steps(items), strict=True)]


@dataclass(frozen=True)
class Table(Shape):
    """Values by name."""

    item: Shape
    block: bool = False
    """Written as a list that holds the one object: the form in which Nomad's parser gives a driver's blocks."""

    @property
    @override
    def zero(self) -> Any:  # pyright: ignore[reportIncompatibleVariableOverride] -- read like the attribute
        return {}

    @override
    def settled(self, value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        return {key: self.item.settled(item) for key, item in cast("Mapping[str, Any]", value).items()}

    @override
    def check(self, value: Any, at: str) -> Iterator[Problem]:
        if not isinstance(value, Mapping):
            yield Problem(at, f"{value!r} is not a mapping")
            return
        for key, item in cast("Mapping[str, Any]", value).items():
            yield from self.item.check(item, joined(at, key))

    @override
    def sound(self, value: Any, otherwise: Any) -> Any:
        if not isinstance(self.item, One):
            return super().sound(value, otherwise)
        items = cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else dict[str, Any]()
        return {key: item.sound() for key, item in items.items() if isinstance(item, self.item.piece)}

    @override
    def write(self, value: Mapping[str, Any]) -> Any:
        written = {key: self.item.write(item) for key, item in value.items()}
        return [written] if self.block else written

    @override
    def read(self, raw: Any, at: str, wrong: list[Problem]) -> Any:
        body = unwrapped(raw) if self.block else raw
        if not isinstance(body, dict):
            return raw
        return {key: self.item.read(item, joined(at, key), wrong) for key, item in cast("Json", body).items()}


@dataclass(frozen=True)
class Open(Shape):
    """Whatever JSON holds: somebody else's to judge."""

    @override
    def check(self, value: Any, at: str) -> Iterator[Problem]:
        del value, at
        yield from ()


@dataclass(frozen=True)
class One(Shape):
    """A piece of a job."""

    piece: Any
    block: bool = False

    @override
    def check(self, value: Any, at: str) -> Iterator[Problem]:
        if isinstance(value, self.piece):
            yield from value.misfits(at)
        else:
            yield Problem(at, f"{value!r} is no {self.piece.__name__}")

    @override
    def sound(self, value: Any, otherwise: Any) -> Any:
        return value.sound() if isinstance(value, self.piece) else otherwise

    @override
    def write(self, value: Any) -> Any:
        written = value.to_api()
        return [written] if self.block else written

    @override
    def read(self, raw: Any, at: str, wrong: list[Problem]) -> Any:
        return self.piece.read(unwrapped(raw) if self.block else raw, at, wrong)


@cache
def shape_of(hint: Any, *, driver: bool = False) -> Shape:
    """The shape that an annotation says; `driver` for the fields of a driver's own configuration."""
    hint = _without_none(hint)
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal:
        return Word(arguments)
    if origin is Sequence:
        item = shape_of(arguments[0], driver=driver)
        return Many(One(item.piece) if isinstance(item, One) else item)
    if origin is Mapping:
        return Table(shape_of(arguments[1], driver=driver), block=driver)
    if hint is timedelta:
        return Length()
    if hint in (str, int, bool):
        return Plain(hint, lenient=driver)
    return One(hint, block=driver) if is_dataclass(hint) else Open()


def steps(items: Sequence[Any]) -> Iterator[str]:
    """How each item is named in a path: by its own name where it has one, otherwise by its place."""
    for index, item in enumerate(items):
        name: Any = getattr(item, "name", None)
        if isinstance(item, dict):
            body = cast("Json", item)
            name = body.get("Name") or body.get("Label")
        yield name if isinstance(name, str) and name else str(index)


def unwrapped(raw: Any) -> Any:
    """The object of a block, which stands in a list of its own when it comes from Nomad's parser."""
    return items_of(raw)[0] if is_list(raw) and len(items_of(raw)) == 1 else raw


def _without_none(hint: Any) -> Any:
    if get_origin(hint) in (Union, types.UnionType):
        (hint,) = (argument for argument in get_args(hint) if argument is not type(None))
    return hint


def is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple))


def items_of(value: Any) -> Sequence[Any]:
    return cast("Sequence[Any]", value)
