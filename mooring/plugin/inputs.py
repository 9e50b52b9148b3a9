"""What a program wrote, as its kind's model understands it, and everything wrong with it in the caller's words."""

import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import Any, Final, cast

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from mooring.kinds.kind import Handler, Problem, Spec
from mooring.plugin.difference import spelled
from mooring.plugin.wire import UNKNOWN, Marked, Path, bare, has_unknown, is_list, is_mapping, plain


class Refused(Exception):
    """Values that their kind's model does not take: the message says which and why, without the values."""


_MUST_BE: Final = {
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "dict_type": "a mapping",
    "float_parsing": "a number",
    "float_type": "a number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "list_type": "a list",
    "model_type": "a mapping",
    "string_type": "text",
    "tuple_type": "a list",
}
_SUBJECT: Final = re.compile(r"^(Input|Value|String|List|Tuple|Dictionary|Set|Frozenset|Data|URL) should ")
_LONGEST_QUOTE: Final = 60


def meaning(spec: Spec) -> dict[str, Any]:
    """Everything `spec` says, defaults included, as plain values."""
    return spec.model_dump(mode="json", by_alias=True)


def understood(handler: Handler[Any], inputs: Marked) -> Any:
    """The spec that `inputs` say; raises `Refused`."""
    try:
        return handler.spec.model_validate(plain(inputs))
    except ValidationError as error:
        wrong = [f"{spelled(path)}: {reason}" for path, reason, _ in _refusals(error, inputs, handler.spec)]
        raise Refused("; ".join(wrong)) from None


def recovered(handler: Handler[Any], inputs: Marked, said: Marked) -> Any:
    """The spec of recorded `inputs`; what its model refuses is taken from what is `said` now, or left out.

    What is recorded was observed, so it may be nothing a program could say; and an older Mooring may have recorded
    it, for which other words were right.
    """
    values, now = plain(inputs), plain(said)
    try:
        return handler.spec.model_validate(values)
    except ValidationError as error:
        for path, _, _ in _refusals(error, inputs, handler.spec):
            values = _replaced(values, now, path)
    try:
        return understood(handler, values)
    except Refused as refused:
        raise Refused(f"recorded by another version of Mooring: {refused}") from None


_NOTHING: Final = object()


def _replaced(values: Any, others: Any, path: Path) -> Any:
    """`values` with what stands at `path` taken from `others`, or taken out where `others` has nothing there."""
    if not path:
        return others
    first, rest = path[0], path[1:]
    other = _at(others, first)
    inner = _replaced(_at(values, first), other, rest) if rest else other
    if is_mapping(values) and isinstance(first, str):
        return {**{key: item for key, item in values.items() if key != first}, **_unless_nothing(first, inner)}
    if is_list(values) and isinstance(first, int):
        return [*values[:first], *([] if inner is _NOTHING else [inner]), *values[first + 1 :]]
    return values


def _unless_nothing(key: str, value: Any) -> dict[str, Any]:
    return {} if value is _NOTHING else {key: value}


def problems(handler: Handler[Any], inputs: Marked, recorded: Marked = None) -> list[str]:
    """Everything wrong with `inputs`, as `path: what is wrong, got value`; what is not known yet is not judged.

    `recorded` are the inputs of what is there, if it is: the step from there to here may be wrong too.
    """
    found = _wrong(handler, inputs, recorded)
    return list(dict.fromkeys(f"{spelled(path)}: {reason}" if path else reason for path, reason in found))


def _wrong(handler: Handler[Any], inputs: Marked, recorded: Marked) -> Iterator[tuple[Path, str]]:
    try:
        spec = handler.spec.model_validate(plain(inputs))
    except ValidationError as error:
        for path, reason, about_name in _refusals(error, inputs, handler.spec):
            if not _not_known_yet(path[:-1] if about_name else path, inputs, below=not about_name):
                yield path, f"{reason}{_quoted(path, inputs) if not about_name else ''}"
        return
    if not all(_apart(place, handler.apart) for place in _unknowns(inputs)):
        return
    for problem in _objections(handler, spec, recorded, tolerant=has_unknown(inputs)):
        path = place(problem.path, inputs)
        if not _not_known_yet(path if problem.place is None else problem.place, inputs, below=True):
            yield path, problem.reason


def _unknowns(value: Marked, at: Path = ()) -> Iterator[Path]:
    """Where the values stand that are not known yet."""
    inner = bare(value)
    if inner == UNKNOWN:
        yield at
    items = inner.items() if is_mapping(inner) else enumerate(inner) if is_list(inner) else ()
    for step, item in items:
        yield from _unknowns(item, (*at, step))


def _apart(place: Path, paths: frozenset[str]) -> bool:
    """Whether nothing else is judged by what stands in `place`."""
    wanted = [path.split(".") for path in paths]
    return not paths or any(
        len(steps) <= len(place) and all(step in ("*", str(there)) for step, there in zip(steps, place, strict=False))
        for steps in wanted
    )


def _objections(handler: Handler[Any], spec: Any, recorded: Marked, *, tolerant: bool) -> Iterable[Problem]:
    found: list[Problem] = []
    try:
        found = list(handler.check(spec))
        return found or (list(handler.check_step(recovered(handler, recorded, None), spec)) if recorded else [])
    except Refused:
        return found  # recorded by a version that had other words: there is nothing to go by
    except Exception:
        # With values still unknown the check may trip over one of them; it is called again when all are known.
        if tolerant:
            return []
        raise


def _refusals(error: ValidationError, inputs: Marked, spec: type[Spec]) -> Iterator[tuple[Path, str, bool]]:
    """Path, reason, and whether it is about the name that stands there and not about its value."""
    for detail in error.errors(include_url=False):
        path = _path(detail, inputs)
        match detail["type"]:
            case "missing":
                yield path, "is required", True
            case "extra_forbidden":
                yield path, f"is not known{_suggestion(path, spec)}", True
            case kind:
                yield path, _reason(kind, detail), False


def _reason(kind: str, detail: ErrorDetails) -> str:
    if kind in _MUST_BE:
        return f"must be {_MUST_BE[kind]}"
    if (raised := detail.get("ctx", {}).get("error")) is not None:
        return str(raised)
    words = _SUBJECT.sub("must ", detail["msg"])
    words = words.replace("greater than or equal to", "at least").replace("less than or equal to", "at most")
    return words[0].lower() + words[1:]


def _suggestion(path: Path, spec: type[Spec]) -> str:
    names = [field.alias or name for name, field in spec.model_fields.items()] if len(path) == 1 else []
    close = get_close_matches(str(path[-1]), names, n=1)
    return f"; did you mean {close[0]}?" if close else f"; known are {', '.join(names)}" if names else ""


def _path(detail: ErrorDetails, inputs: Marked) -> Path:
    """The place in what was written: pydantic's own has the names of a union's members between."""
    path: list[str | int] = []
    value = bare(inputs)
    for index, step in enumerate(detail["loc"]):
        inner = _at(value, step)
        is_last = index == len(detail["loc"]) - 1
        if inner is not _NOTHING:
            path.append(step)
            value = bare(inner)
        elif is_last and detail["type"] in ("missing", "extra_forbidden"):
            path.append(step)
    return tuple(path)


def _at(value: Any, step: str | int) -> Any:
    if is_mapping(value) and isinstance(step, str):
        return value.get(step, _NOTHING)
    if is_list(value) and isinstance(step, int):
        return value[step] if step < len(value) else _NOTHING
    return _NOTHING


def place(text: str, inputs: Marked) -> Path:
    """Where a problem's dotted `text` points: of keys that hold dots themselves the longest one wins."""
    path: list[str | int] = []
    value = bare(inputs)
    while text:
        keys = list(value) if is_mapping(value) else [str(i) for i in range(len(value))] if is_list(value) else []
        there = [key for key in keys if text == key or text.startswith(f"{key}.")]
        if not there:
            return (*path, *text.split("."))
        key = max(there, key=len)
        step = int(key) if is_list(value) else key
        path.append(step)
        value = bare(_at(value, step))
        text = text[len(key) + 1 :]
    return tuple(path)


def _not_known_yet(path: Path, inputs: Marked, *, below: bool) -> bool:
    """Whether `path` lies under an unknown, or, with `below`, holds one."""
    value = bare(inputs)
    for step in path:
        if value == UNKNOWN:
            return True
        value = bare(_at(value, step))
    return value == UNKNOWN or (below and has_unknown(value))


def _quoted(path: Path, inputs: Marked) -> str:
    """`, got 'x'`, unless it is large or a mapping, which may hold a secret; and a secret is one, by its wrapper."""
    value = inputs
    for step in path:
        value = _at(value, step)
    if value is _NOTHING or is_mapping(value) or is_list(value):
        return ""
    quote = repr(cast("object", value))
    return f", got {quote}" if len(quote) <= _LONGEST_QUOTE else ""
