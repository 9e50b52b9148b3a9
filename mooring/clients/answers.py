"""JSON as Go programs write it: null where there is nothing, for maps and lists alike."""

from typing import Any, cast

Json = dict[str, Any]


def table(value: Any) -> Json:
    """The object, or an empty one for null."""
    return {} if value is None else cast("Json", value)


def rows(value: Any) -> list[Any]:
    """The list, or an empty one for null."""
    return [] if value is None else cast("list[Any]", value)
