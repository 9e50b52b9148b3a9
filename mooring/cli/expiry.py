"""What ends soon: the dates that a stack's state holds, and which of them a person should know of."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from mooring.cli import pulumi
from mooring.clients.answers import Json, rows, table

SOON = timedelta(days=30)
"""An `up` renews by then, if somebody runs one."""


class NoState(Exception):
    """Pulumi does not show the state, for the reason that it gives."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ending:
    """A thing that will be, or is, of no use any more."""

    name: str
    at: datetime


def of_stack(stack: str) -> list[Ending]:
    """Everything in the stack's state that has an end, the next one first."""
    asked = pulumi.ask(["stack", "export", "--stack", stack])
    if asked.returncode != 0:
        raise NoState(f"stack {stack!r}: {asked.stderr.strip()}")
    return endings(json.loads(asked.stdout))


def endings(state: Json) -> list[Ending]:
    found = [
        Ending(name=resource["urn"].rpartition("::")[2], at=datetime.fromisoformat(ends))
        for resource in rows(table(state["deployment"]).get("resources"))
        if isinstance(ends := outputs(resource).get("not_after"), str)
    ]
    return sorted(found, key=lambda each: (each.at, each.name))


def outputs(resource: Json) -> Mapping[str, object]:
    return table(resource.get("outputs"))


def warnings(found: list[Ending], now: datetime, within: timedelta = SOON) -> list[str]:
    """One sentence for each that ends within that time or has ended."""
    return [_sentence(each, now) for each in found if each.at - now <= within]


def _sentence(ending: Ending, now: datetime) -> str:
    left = ending.at - now
    day = f"{ending.at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    if left <= timedelta(0):
        return f"{ending.name} has expired on {day}: `mooring up` renews it"
    return f"{ending.name} expires on {day}, in {_words(left)}: `mooring up` renews it"


def _words(left: timedelta) -> str:
    hours = int(left.total_seconds() // 3600)
    return f"{left.days} days" if left.days > 1 else f"{hours} hours"
