"""A job as the Python that makes it: what `mooring import` writes, and a person goes on from."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from datetime import timedelta
from typing import Any, Final, cast

from mooring.jobs.job import Job
from mooring.jobs.piece import Piece, has_default, is_said
from mooring.jobs.secrets import Place

WIDEST: Final = 120
INDENT: Final = "    "


def as_python(job: Job, *, before: Sequence[str] = ()) -> str:
    """A module that ends with `job = Job(…)`, laid out as the formatter would; `before` are imports of its own."""
    names: set[str] = set()
    body = "\n".join(_lines("job = ", job, "", "", names))
    imports = "\n".join([*before, _imports(sorted(names - LIBRARIES, key=_as_sorted))])
    times = "from datetime import timedelta\n\n" if "timedelta" in names else ""
    configured = "import pulumi\n\n" if "pulumi" in names else ""
    return f"{times}{configured}{imports}\n\n{body}\n"


LIBRARIES: Final = frozenset({"timedelta", "pulumi"})
"""Names that are not of `mooring.jobs`."""


def _as_sorted(name: str) -> tuple[bool, str]:
    """As the formatter sorts what one line imports: classes, then functions."""
    return name[0].islower(), name


def _imports(names: Sequence[str]) -> str:
    line = f"from mooring.jobs import {', '.join(names)}"
    if len(line) <= WIDEST:
        return line
    return "\n".join(["from mooring.jobs import (", *(f"{INDENT}{name}," for name in names), ")"])


def _lines(before: str, value: Any, after: str, indent: str, names: set[str]) -> Iterator[str]:
    """`before`, the value and `after`: on one line where that is short enough, otherwise an item a line."""
    line = f"{indent}{before}{_inline(value, names)}{after}"
    opening, closing, items = _parts(value, names)
    if len(line) <= WIDEST or not items:
        yield line
        return
    yield f"{indent}{before}{opening}"
    for label, item, comma in items:
        yield from _lines(label, item, comma, indent + INDENT, names)
    yield f"{indent}{closing}{after}"


def _inline(value: Any, names: set[str]) -> str:
    if isinstance(value, timedelta):
        names.add("timedelta")
        return _time(value)
    if isinstance(value, Place):
        names |= {"pulumi", "later"}
        return value.expression
    if isinstance(value, str):
        return _text(value)
    opening, closing, items = _parts(value, names)
    inner = ", ".join(f"{label}{_inline(item, names)}" for label, item, _ in items)
    return f"{opening}{inner}{closing}"


def _parts(value: Any, names: set[str]) -> tuple[str, str, list[tuple[str, Any, str]]]:
    """How it opens and closes, and what stands between: each with what is before and behind it."""
    if isinstance(value, Piece):
        name = type(value).__name__
        names.add(name)
        return f"{name}(", ")", [(label, item, ",") for label, item in _arguments(value)]
    if isinstance(value, Place):
        return value.expression, "", []
    if isinstance(value, str):
        pieces = value.splitlines(keepends=True)
        return "(", ")", [("", piece, "") for piece in pieces] if len(pieces) > 1 else []
    if isinstance(value, Mapping):
        entries = cast("Mapping[str, Any]", value)
        return "{", "}", [(f"{_text(key)}: ", item, ",") for key, item in entries.items()]
    if isinstance(value, (list, tuple)):
        return "[", "]", [("", item, ",") for item in cast("Sequence[Any]", value)]
    return repr(value), "", []


def _arguments(piece: Piece) -> Iterator[tuple[str, Any]]:
    """Only what is said: by place as far as that goes, then by name."""
    by_place = True
    for field in fields(piece):
        value = getattr(piece, field.name)
        by_place = by_place and not field.kw_only
        if not has_default(field) or is_said(field, value):
            yield "" if by_place else f"{field.name}=", value
        else:
            by_place = False


def _time(value: timedelta) -> str:
    microseconds = value // timedelta(microseconds=1)
    for unit, size in UNITS.items():
        if microseconds % size == 0:
            return f"timedelta({unit}={microseconds // size})" if microseconds else "timedelta(0)"
    return repr(value)


UNITS: Final = {
    "days": 86_400_000_000,
    "hours": 3_600_000_000,
    "minutes": 60_000_000,
    "seconds": 1_000_000,
    "milliseconds": 1_000,
    "microseconds": 1,
}


def _text(value: str) -> str:
    quoted = repr(value)
    return f'"{quoted[1:-1]}"' if quoted.startswith("'") and '"' not in value else quoted
