"""Where a job may run, where it would rather run, and how it is spread."""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar, Literal

from mooring.jobs.piece import Piece

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


@dataclass(frozen=True)
class Affinity(Piece):
    """Nodes that meet it are preferred, or avoided when the weight is negative; the others stay possible."""

    OF = "Affinity"
    SPELT: ClassVar = {"attribute": "LTarget", "value": "RTarget", "operator": "Operand"}
    ALWAYS = frozenset({"operator"})

    attribute: str
    value: str | None = None
    _: KW_ONLY
    operator: AffinityOperator = "="
    weight: int | None = None
    """-100 to 100, not 0, against other affinities. Nomad: 50."""


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
    _: KW_ONLY
    weight: int | None = None
    """1 to 100, against other spreads. Nomad: 50."""

    targets: Sequence[SpreadTarget] = ()
