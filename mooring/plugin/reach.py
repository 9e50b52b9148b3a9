"""How the thing that an import names is reached: an import knows only an id, and a stack has recorded the rest."""

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Collection, Mapping
from typing import Any

from mooring.clients.answers import Json, rows, table
from mooring.kinds.kind import Handler
from mooring.plugin.wire import SECRET, SIGNATURE

STACK = "MOORING_IMPORT_STACK"
CLUSTER = "MOORING_IMPORT_CLUSTER"

ANSWERS_WITHIN = 60.0
"""Seconds; a state of a thousand resources takes one, and a backend may be far away."""

Recorded = Callable[[str], list[Json]]
"""The resources of a stack, with their secrets in plain."""


class NotKnown(Exception):
    """It is not known how to reach what is to be imported; the message says what would tell."""


def access(handler: Handler[Any], stack: str, recorded: "Recorded", settings: Mapping[str, str]) -> Json:
    """The inputs by which a kind's things are reached, from the one resource of the stack that says them.

    That is the cluster itself; in a stack that has none, a resource of the kind that is to be imported.
    """
    stack = settings.get(STACK) or stack
    resources = [resource for resource in recorded(stack) if not resource.get("delete")]
    for token in (handler.reached_as, handler.token):
        found = {
            resource["urn"].rpartition("::")[2]: _said(table(resource["inputs"]), handler.access)
            for resource in resources
            if resource["type"] == token
        }
        if (wanted := settings.get(CLUSTER)) and found:
            if wanted not in found:
                raise NotKnown(f"{CLUSTER}={wanted}: stack {stack!r} has of {token}: {', '.join(sorted(found))}")
            return found[wanted]
        different = {json.dumps(each, sort_keys=True) for each in found.values()}
        if len(different) > 1:
            raise NotKnown(
                f"stack {stack!r} reaches {handler.token} in {len(different)} ways: let {CLUSTER} name one of these "
                f"resources of {token}: {', '.join(sorted(found))}"
            )
        if found:
            return next(iter(found.values()))
    raise NotKnown(
        f"stack {stack!r} has no {handler.reached_as}, which would say how {handler.token} is reached: bring the "
        f"cluster up with it first, or let {STACK} name the stack that has the cluster"
    )


def _said(inputs: Json, names: Collection[str]) -> Json:
    return {name: inputs[name] for name in names if inputs.get(name) is not None}


_asking = threading.Lock()
_told: dict[str, list[Json]] = {}


def recorded_in(stack: str) -> list[Json]:
    """What Pulumi has recorded of a stack, asked once for all imports of a run; raises `NotKnown`."""
    with _asking:
        if stack not in _told:
            _told[stack] = _asked(stack)
        return _told[stack]


def _asked(stack: str) -> list[Json]:
    """Asked of Pulumi itself, with what surrounds us: state and lock stay as they are, and only we hear the secrets."""
    pulumi = shutil.which("pulumi")
    if pulumi is None:
        raise NotKnown("there is no `pulumi` on the PATH to ask what the stack has recorded")
    asked = subprocess.run(  # noqa: S603 -- our own arguments
        [pulumi, "stack", "export", "--show-secrets", "--stack", stack, "--non-interactive"],
        stdin=subprocess.DEVNULL,  # ours is the engine's, and its end is how we learn that it died
        capture_output=True,
        text=True,
        timeout=ANSWERS_WITHIN,
        env={**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "true"},
        check=False,
    )
    if asked.returncode != 0:
        raise NotKnown(f"what stack {stack!r} has recorded could not be read: {asked.stderr.strip()}")
    exported: Json = json.loads(asked.stdout, object_hook=_opened)
    return rows(table(exported["deployment"]).get("resources"))


def _opened(found: Json) -> Any:
    """A secret as `--show-secrets` tells it is its own JSON in a wrapper."""
    return json.loads(found["plaintext"], object_hook=_opened) if found.get(SIGNATURE) == SECRET else found
