"""Where a job may run, where it would rather run, and how it is spread."""

import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar, Final, Literal

from mooring.jobs.piece import Piece
from mooring.jobs.problem import Problem, repeated

ConstraintOperator = Literal[
    "=",
    "==",
    "is",
    "!=",
    "not",
    "<",
    "<=",
    ">",
    ">=",
    "regexp",
    "version",
    "semver",
    "set_contains",
    "set_contains_all",
    "set_contains_any",
    "is_set",
    "is_not_set",
    "distinct_hosts",
    "distinct_property",
]

AffinityOperator = Literal[
    "=",
    "==",
    "is",
    "!=",
    "not",
    "<",
    "<=",
    ">",
    ">=",
    "regexp",
    "version",
    "semver",
    "set_contains",
    "set_contains_all",
    "set_contains_any",
]


@dataclass(frozen=True)
class Constraint(Piece):
    """A node that does not meet it is never used: `Constraint("${attr.kernel.name}", "linux")`."""

    OF = "Constraint"
    SPELT: ClassVar = {"attribute": "LTarget", "value": "RTarget", "operator": "Operand"}
    ALWAYS = frozenset({"operator"})

    attribute: str | None = None
    """What is looked at, as `${node.class}` or `${attr.cpu.arch}`; `distinct_hosts` needs none."""

    value: str | None = None
    """What it is compared with. For `distinct_property`: how many instances may share a value, 1 when unsaid."""

    _: KW_ONLY
    operator: ConstraintOperator = "="
    """How the two are compared; `is_set`, `distinct_hosts` and `distinct_property` look at one thing alone."""

    def rules(self) -> Iterator[Problem]:
        if not self.attribute and self.operator != "distinct_hosts":
            yield Problem("attribute", "must be given")
        if self.operator == "distinct_property":
            if self.value and not re.fullmatch("[1-9][0-9]*", self.value):
                yield Problem("value", f"{self.value!r} is not how many instances may share a value")
        elif self.operator in ("is_set", "is_not_set"):
            if self.value:
                yield Problem("value", f"{self.operator} compares with nothing")
        elif self.operator != "distinct_hosts":
            yield from _comparison(self.operator, self.value)


@dataclass(frozen=True)
class Affinity(Piece):
    """Nodes that meet it are preferred, or avoided when the weight is negative; the others stay possible."""

    OF = "Affinity"
    SPELT: ClassVar = {"attribute": "LTarget", "value": "RTarget", "operator": "Operand"}
    ALWAYS = frozenset({"operator"})

    attribute: str
    """What is looked at, as `${node.class}`."""

    value: str | None = None
    """What it is compared with."""

    _: KW_ONLY
    operator: AffinityOperator = "="
    """How the two are compared."""

    weight: int | None = None
    """-100 to 100, not 0, against other affinities. Nomad: 50."""

    def rules(self) -> Iterator[Problem]:
        if not self.attribute:
            yield Problem("attribute", "must be given")
        yield from _comparison(self.operator, self.value)
        if self.weight is not None and not (-HEAVIEST <= self.weight <= HEAVIEST and self.weight):
            yield Problem("weight", f"{self.weight} is not within -100 and 100, without 0")


@dataclass(frozen=True)
class SpreadTarget(Piece):
    OF = "SpreadTarget"

    value: str
    """Of the attribute, as `dc1`."""

    percent: int = 0
    """Of all instances. What the targets leave is spread over every other value."""


@dataclass(frozen=True)
class Spread(Piece):
    """Instances are put on nodes that differ in an attribute; evenly, or in the shares that `targets` say."""

    OF = "Spread"
    SPELT: ClassVar = {"targets": "SpreadTarget"}

    attribute: str
    """As `${node.datacenter}`."""

    _: KW_ONLY
    weight: int | None = None
    """1 to 100, against other spreads. Nomad: 50."""

    targets: Sequence[SpreadTarget] = ()
    """Shares of single values. None: all are equal."""

    def rules(self) -> Iterator[Problem]:
        if not self.attribute:
            yield Problem("attribute", "must be given")
        if self.weight is not None and not 0 < self.weight <= HEAVIEST:
            yield Problem("weight", f"{self.weight} is not within 1 and 100")
        yield from repeated("targets", (target.value for target in self.targets))
        for index, target in enumerate(self.targets):
            if not 0 <= target.percent <= ALL:
                yield Problem(f"targets.{index}.percent", f"{target.percent} is not within 0 and 100")
        if (total := sum(target.percent for target in self.targets)) > ALL:
            yield Problem("targets", f"together they have {total} percent of the instances")


HEAVIEST: Final = 100
ALL: Final = 100

_VERSION = r"v?\d+(\.\d+)*([-+~].*|[a-zA-Z].*)?"
_VERSIONS = re.compile(rf"\s*(=|!=|>=|<=|>|<|~>)?\s*{_VERSION}\s*")
_SEMVERS = re.compile(rf"\s*(=|!=|>=|<=|>|<)?\s*{_VERSION}\s*")
_GOS_OWN = re.compile(r"\(\?|\\[zCQEpP]|\[:")
"""What a Go program's regular expression may hold that Python's may not; such a one is left to the server."""


def _comparison(operator: str, value: str | None) -> Iterator[Problem]:
    match operator:
        case _ if not value:
            yield Problem("value", f"must be given for {operator}")
        case "version" | "semver":
            form = _VERSIONS if operator == "version" else _SEMVERS
            if not all(form.fullmatch(part) for part in value.split(",")):
                yield Problem("value", f"{value!r} is not versions as `>= 1.2, < 2`")
        case "regexp":
            yield from _expression(value)
        case _:
            return


def _expression(value: str) -> Iterator[Problem]:
    try:
        with warnings.catch_warnings(action="ignore"):
            re.compile(value)
    except re.error as error:
        if not _GOS_OWN.search(value):
            yield Problem("value", f"{value!r} is no regular expression: {error}")
