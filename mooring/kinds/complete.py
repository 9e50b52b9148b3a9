"""Whether a program can say the whole of something that is to be imported."""

from collections.abc import Iterator
from typing import Any, Final

from mooring.clients.answers import Json, rows, table
from mooring.kinds.kind import CannotImport

SERVERS: Final = frozenset({"CreateIndex", "CreateTime", "Hash", "ID", "ModifyIndex", "RulesJSON"})
"""Keys that a server sets by itself."""


def all_said(what: str, found: Json | None, said: Json) -> None:
    """Raise `CannotImport` if a server tells more of a thing than is `said`: the first update would take it away."""
    if beyond := list(_beyond(table(found), said, "")):
        raise CannotImport(
            f"{what} has what a program cannot say here, and an update would take away: {', '.join(beyond)}"
        )


def _beyond(found: Any, said: Any, path: str) -> Iterator[str]:
    if isinstance(found, dict) and isinstance(said, dict):
        here = table(said)
        for key, value in table(found).items():
            at = f"{path}.{key}" if path else key
            if key in here:
                yield from _beyond(value, here[key], at)
            elif key not in SERVERS and not _empty(value):
                yield at
    elif isinstance(found, list) and isinstance(said, list):
        for index, (one, other) in enumerate(zip(rows(found), rows(said), strict=False)):
            yield from _beyond(one, other, f"{path}[{index}]")


def _empty(value: Any) -> bool:
    return all(map(_empty, table(value).values())) if isinstance(value, dict) else not value
