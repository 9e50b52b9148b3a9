"""An agent's configuration in several files, so that nobody is restarted for what is asked only at a start."""

import json
from collections.abc import Sequence
from typing import Any, cast

Path = tuple[str, ...]


def parted(configuration: dict[str, Any], *apart: Sequence[Path]) -> list[dict[str, Any]]:
    """What an agent is restarted for, then what each of `apart` names, such as what it reads only at its next start.

    Together they are `configuration`: both vendors put the files of a directory together field by field.
    """
    rest = _copy(configuration)
    return [rest, *[_taken(rest, paths) for paths in apart]]


def _taken(running: dict[str, Any], paths: Sequence[Path]) -> dict[str, Any]:
    """What stands in `running` under `paths`, where it stands no longer."""
    taken = dict[str, Any]()
    for path in paths:
        *above, last = path
        inside = running
        for step in above:
            inside = inside.get(step, {})
        if last in inside:
            target = taken
            for step in above:
                target = target.setdefault(step, {})
            target[last] = inside.pop(last)
    return taken


def texts(configuration: dict[str, Any], *apart: Sequence[Path]) -> list[str]:
    """The files, in this order."""
    return [json.dumps(part, indent=1) for part in parted(configuration, *apart)]


def _copy(value: dict[str, Any]) -> dict[str, Any]:
    """A copy of the tables; what they hold is shared."""
    return {
        key: _copy(cast("dict[str, Any]", inner)) if isinstance(inner, dict) else inner for key, inner in value.items()
    }
