"""An agent's configuration in two files, so that nobody is restarted for what is asked only at a start."""

import json
from collections.abc import Sequence
from typing import Any, cast

Path = tuple[str, ...]


def parted(configuration: dict[str, Any], at_start: Sequence[Path]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What an agent is restarted for, and what it reads when it starts anyway; together they are `configuration`.

    Both vendors put the files of a directory together field by field.
    """
    running, starting = _copy(configuration), dict[str, Any]()
    for path in at_start:
        *above, last = path
        inside = running
        for step in above:
            inside = inside.get(step, {})
        if last in inside:
            target = starting
            for step in above:
                target = target.setdefault(step, {})
            target[last] = inside.pop(last)
    return running, starting


def texts(configuration: dict[str, Any], at_start: Sequence[Path]) -> list[str]:
    """The two files, in this order."""
    return [json.dumps(part, indent=1) for part in parted(configuration, at_start)]


def _copy(value: dict[str, Any]) -> dict[str, Any]:
    """A copy of the tables; what they hold is shared."""
    return {
        key: _copy(cast("dict[str, Any]", inner)) if isinstance(inner, dict) else inner for key, inner in value.items()
    }
