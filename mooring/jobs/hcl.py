"""Job files in Nomad's own language, read by a cluster's own parser: there is no other one that reads all of it."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, cast

from mooring.jobs.shape import Json

Parser = Callable[[str, str], Json]
"""Makes of a job file's text, and that of a file with values for its variables, the job as the API has it."""


def parsed(path: Path, parse: Parser, variables: Mapping[str, Any] | str) -> Json:
    """Raises what `parse` raises, with the file's name."""
    try:
        return parse(path.read_text(), variables if isinstance(variables, str) else variable_file(variables))
    except Exception as error:
        error.add_note(f"in {path}")
        raise


def variable_file(variables: Mapping[str, Any]) -> str:
    return "".join(f"{name} = {literal(value)}\n" for name, value in variables.items())


def literal(value: Any) -> str:
    """A value as the language spells it."""
    if isinstance(value, str):
        quoted = "".join(_ESCAPED.get(letter) or _printed(letter) for letter in value)
        return '"' + quoted.replace("${", "$${").replace("%{", "%%{") + '"'
    if isinstance(value, Mapping):
        entries = cast("Mapping[str, Any]", value)
        return "{" + ", ".join(f"{literal(key)} = {literal(item)}" for key, item in entries.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(literal, cast("Sequence[Any]", value))) + "]"
    return json.dumps(value)


_ESCAPED: Final = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def _printed(letter: str) -> str:
    return letter if letter.isprintable() else f"\\U{ord(letter):08x}"
