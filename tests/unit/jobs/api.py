"""The server's own structs, and what a job in its API says."""

import json
from pathlib import Path
from typing import Any

from mooring.jobs import LEFT_OUT

NOMAD: dict[str, Any] = json.loads((Path(__file__).parent / "nomad_1.6.3.json").read_text())
"""The names in the server's own structs and in its drivers' specifications, read from the source of that version.

Behind a field stands the struct that it holds, or `?` where the server can tell "unsaid" from a zero.
"""

BY_NAME = {"Volumes", "EnvoyGatewayBindAddresses"}
"""Fields that hold structs by name and not in a list."""


def said(body: Any, struct: str = "Job") -> Any:
    """What is left without everything that is left out here, and every zero that the server takes for unsaid."""
    found: dict[str, Any] = {}
    for key, value in body.items():
        kind = NOMAD["structs"][struct][key]
        if f"{struct}.{key}" in LEFT_OUT or value in (None, "", [], {}) or (kind == "" and value == 0):
            # An empty struct says something by standing there, and so does a scaling policy's block.
            if (kind in NOMAD["structs"] or key == "Policy") and value == {} and f"{struct}.{key}" not in LEFT_OUT:
                found[key] = {}
        elif kind in NOMAD["structs"] and isinstance(value, list):
            found[key] = [said(item, kind) for item in value]
        elif kind in NOMAD["structs"]:
            found[key] = {k: said(v, kind) for k, v in value.items()} if key in BY_NAME else said(value, kind)
        else:
            found[key] = value
    return found
