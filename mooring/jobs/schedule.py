"""When a batch or sysbatch job runs, other than once when it is registered."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from mooring.jobs.piece import Piece


@dataclass(frozen=True, kw_only=True)
class Periodic(Piece):
    """It runs again and again; each run is a job of its own."""

    OF = "PeriodicConfig"
    SPELT: ClassVar = {"cron": "Spec", "crons": "Specs"}

    crons: Sequence[str] = ()
    """Five fields, six with seconds first or seven with the year last, or a word such as `@daily`."""

    cron: str | None = None
    """A single one; Nomad 1.6 warns that `crons` is to be used instead."""

    spec_type: Literal["cron"] | None = None
    """Nomad: cron, the only one there is."""

    enabled: bool | None = None
    """Nomad: yes."""

    prohibit_overlap: bool | None = None
    """Let a run be left out while the one before it still runs. Nomad: no."""

    time_zone: str | None = None
    """As in the time zone database: `Europe/Berlin`. Nomad: UTC."""


@dataclass(frozen=True, kw_only=True)
class Parameterized(Piece):
    """It runs each time somebody dispatches it, with what they hand over."""

    OF = "ParameterizedJobConfig"

    payload: Literal["optional", "required", "forbidden"] | None = None
    """Nomad: optional."""

    meta_required: Sequence[str] = ()
    """Keys that whoever dispatches must give."""

    meta_optional: Sequence[str] = ()
    """Keys that they may give."""
