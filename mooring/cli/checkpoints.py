"""Whether a run may write its state once, at its end: in a large stack it is otherwise written for every resource.

Pulumi writes the whole state after every step and after every read of an `up`, so the time grows with the square of
what there is: an `up` of 400 jobs with one of them changed took 151 s so, and 6 s with the state written once.
"""

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from mooring.cli import pulumi
from mooring.clients.answers import Json, rows
from mooring.kinds.every import every
from mooring.kinds.kind import Handler

SETTING = "PULUMI_SKIP_CHECKPOINTS"

MANY = 250
"""Resources, about: of so many the writing takes as long as a preview does (202: 4 s and 2 s; 802: 145 s and 5 s)."""

NO_CHANGE = frozenset({"same", "refresh", "read"})
"""Pulumi's words for a step that does nothing."""

PULUMIS_OWN = ("pulumi:", "platform:")
"""Types behind which there is nothing outside of the state: the stack, providers, components."""


def written_once(stack: str, options: Sequence[str], say: Callable[[str], None]) -> bool:
    """Whether a run that is killed would lose nothing, if it wrote its state only at its end.

    Asked only of a large stack, as the answer takes a preview. A preview that fails decides nothing: what is wrong is
    told by the run itself.
    """
    if SETTING in os.environ or (count := resources(stack)) < MANY:
        return False
    say(f"stack {stack!r} has {count} resources: looking at what would change, as its state may be written once")
    previewed = pulumi.ask(["preview", "--stack", stack, "--json", "--non-interactive", *options])
    if previewed.returncode != 0:
        return False
    once = found_again(rows(json.loads(previewed.stdout).get("steps")), every())
    say("the state is written once, at the end" if once else "the state is written with every step, which takes long")
    return once


def found_again(steps: Iterable[Json], kinds: Mapping[str, Handler[Any]]) -> bool:
    """Whether the next run would find again whatever the steps change, had the state not been written.

    Our kinds adopt what a killed run has made. A secret that was made up is nowhere else, and resources of other
    providers would be made a second time.
    """
    changed = {type_of(step["urn"]) for step in steps if step["op"] not in NO_CHANGE}
    ours = {token for token in changed if not token.startswith(PULUMIS_OWN)}
    return all(token in kinds and not kinds[token].secret_outputs for token in ours)


def type_of(urn: str) -> str:
    """The resource's own type, without those of the components that it is in."""
    return urn.split("::")[2].rpartition("$")[2]


def resources(stack: str) -> int:
    """How many the state has; 0 when Pulumi does not tell."""
    asked = pulumi.ask(["stack", "ls", "--json"])
    found = rows(json.loads(asked.stdout)) if asked.returncode == 0 else []
    return next((int(one.get("resourceCount") or 0) for one in found if one["name"] == stack), 0)
