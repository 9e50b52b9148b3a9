"""Pulumi's values on the wire and in Python: secrets, unknowns and whole numbers.

Three forms of one value: the protobuf `Struct`; *marked* Python, where a secret is still its wrapper and an unknown
its sentinel; and *plain* Python, what handlers see. This file owns the ways between them and knows no resource.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any, Final, TypeGuard

from google.protobuf import struct_pb2

UNKNOWN: Final = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""Stands for a value that exists only after something else was made; arrives in previews only."""

SIGNATURE: Final = "4dabf18193072939515e22adb298388d"
SECRET: Final = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - the marker of a secret, not one

Marked = Any
"""A plain value in which secrets are still wrapped and unknowns are the sentinel, anywhere inside."""

Step = str | int
Path = tuple[Step, ...]
"""Where a value stands in a nested one: keys and list positions."""


def marked(struct: struct_pb2.Struct) -> dict[str, Marked]:
    """What a message says, with whole numbers as `int`: on the wire every number is a double."""
    return {key: _marked(value) for key, value in struct.fields.items()}


def _marked(value: struct_pb2.Value) -> Marked:
    match value.WhichOneof("kind"):
        case "string_value":
            return value.string_value
        case "number_value":
            number = value.number_value
            return int(number) if number.is_integer() else number
        case "bool_value":
            return value.bool_value
        case "struct_value":
            return marked(value.struct_value)
        case "list_value":
            return [_marked(item) for item in value.list_value.values]
        case _:
            return None


def struct(values: Mapping[str, Marked]) -> struct_pb2.Struct:
    """The message that says `values`."""
    message = struct_pb2.Struct()
    message.update(dict(values))
    return message


def said_again(
    values: Mapping[str, Marked], asked: Mapping[str, Marked], message: struct_pb2.Struct
) -> struct_pb2.Struct:
    """The message that says `values`: the one that `asked` came in, where nothing of it was changed."""
    return message if values == asked else struct(values)


def secret(value: Marked) -> Marked:
    """Wrap `value`; what is wrapped already is left as it is."""
    return value if is_secret(value) else {SIGNATURE: SECRET, "value": value}


def is_secret(value: Marked) -> bool:
    return is_mapping(value) and value.get(SIGNATURE) == SECRET


def is_mapping(value: Any) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict)


def is_list(value: Any) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


def bare(value: Marked) -> Marked:
    """`value` without its own wrapper; what lies deeper stays wrapped."""
    return value["value"] if is_secret(value) else value


def plain(value: Marked) -> Any:
    """`value` with every secret unwrapped; unknowns stay the sentinel."""
    return _mapped(bare(value), plain)


def _mapped(value: Any, change: Callable[[Any], Any]) -> Any:
    if is_mapping(value):
        return {key: change(item) for key, item in value.items()}
    if is_list(value):
        return [change(item) for item in value]
    return value


def has_unknown(value: Marked) -> bool:
    """Whether `value` is unknown or anything inside it is."""
    inner = bare(value)
    return inner == UNKNOWN or any(has_unknown(item) for item in _items(inner))


def _items(value: Any) -> Iterable[Any]:
    if is_mapping(value):
        return value.values()
    return value if is_list(value) else ()


def secret_texts(value: Marked, *, within_secret: bool = False) -> Iterator[str]:
    """Every text that came wrapped, for `masking`: keys of a secret mapping are no secret."""
    within_secret = within_secret or is_secret(value)
    inner = bare(value)
    if within_secret and isinstance(inner, str):
        yield inner
    for item in _items(inner):
        yield from secret_texts(item, within_secret=within_secret)


def open_texts(value: Marked) -> Iterator[str]:
    """Every text that is not wrapped."""
    if isinstance(value, str):
        yield value
    for item in () if is_secret(value) else _items(value):
        yield from open_texts(item)


def rewrap(value: Marked, like: Marked) -> Marked:
    """`value` with a wrapper wherever `like` has one at the same place: what was secret stays secret.

    Where the shapes differ, a secret anywhere inside `like` makes the whole `value` one.
    """
    if is_secret(like):
        return secret(value)
    if is_secret(value):
        return value
    if is_mapping(value) and is_mapping(like):
        return {key: rewrap(item, like.get(key)) for key, item in value.items()}
    if is_list(value) and is_list(like):
        return [rewrap(item, other) for item, other in zip_longest(value, like[: len(value)])]
    return secret(value) if next(secret_texts(like), None) is not None else value


def with_secrets(value: Marked, paths: Iterable[str]) -> Marked:
    """`value` with a wrapper at every one of `paths` (dotted; `*` is every key or position) that is there."""
    for path in paths:
        value = _with_secret(value, path.split("."))
    return value


def _with_secret(value: Marked, steps: Sequence[str]) -> Marked:
    if is_secret(value) or value is None:
        return value
    if not steps:
        return secret(value)
    first, rest = steps[0], steps[1:]
    if is_mapping(value):
        return {key: _with_secret(item, rest) if first in ("*", key) else item for key, item in value.items()}
    if is_list(value):
        return [_with_secret(item, rest) if first in ("*", str(index)) else item for index, item in enumerate(value)]
    return value
