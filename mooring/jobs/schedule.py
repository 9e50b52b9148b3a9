"""When a batch or sysbatch job runs, other than once when it is registered."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from mooring.jobs.piece import Piece
from mooring.jobs.problem import Problem


@dataclass(frozen=True, kw_only=True)
class Periodic(Piece):
    """It runs again and again; each run is a job of its own."""

    OF = "PeriodicConfig"
    SPELT: ClassVar = {"cron": "Spec", "crons": "Specs"}

    crons: Sequence[str] = ()
    """Five fields, a sixth with the year, seven with the seconds in front, or a word such as `@daily`."""

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

    def rules(self) -> Iterator[Problem]:
        if self.enabled is False:
            return
        if self.cron and self.crons:
            yield Problem("cron", "stands beside crons: one of the two would do")
        if not self.cron and not self.crons:
            yield Problem("crons", "must be given")
        times = [("cron", self.cron), *((f"crons.{index}", cron) for index, cron in enumerate(self.crons))]
        for path, cron in times:
            if cron and not _is_cron(cron):
                yield Problem(path, f"{cron!r} is no time such as `0 4 * * mon-fri` or `@daily`")
        if self.time_zone and not _is_time_zone(self.time_zone):
            yield Problem("time_zone", f"{self.time_zone!r} is not in the time zone database")


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

    def rules(self) -> Iterator[Problem]:
        for key in self.meta_optional:
            if key in self.meta_required:
                yield Problem("meta_optional", f"{key!r} is required as well")


_WORDS: Final = frozenset({"@yearly", "@annually", "@monthly", "@weekly", "@daily", "@hourly"})
_MONTHS: Final = (
    "jan(uary)?|feb(ruary)?|mar(ch)?|apr(il)?|may|june?|july?|aug(ust)?|sep(tember)?|oct(ober)?|nov(ember)?|dec(ember)?"
)
_DAYS: Final = "sun(day)?|mon(day)?|tue(sday)?|wed(nesday)?|thu(rsday)?|fri(day)?|sat(urday)?"
_SIXTY: Final = "0?[0-9]|[1-5][0-9]"
_FIELDS: Final = (
    (_SIXTY, ""),
    (_SIXTY, ""),
    ("0?[0-9]|1[0-9]|2[0-3]", ""),
    ("0?[1-9]|[12][0-9]|3[01]", "|l|lw|[0-9]+w"),
    (f"0?[1-9]|1[012]|{_MONTHS}", ""),
    (f"0?[0-7]|{_DAYS}", f"|([0-7]|{_DAYS})(#[1-5]|l)"),
    ("19[789][0-9]|20[0-9]{2}", ""),
)
"""Second to year: a value, and what else may stand for some."""

_WITH_YEAR: Final = 6
_WITH_SECONDS: Final = 7


def _is_cron(line: str) -> bool:
    parts = line.lower().split()
    if len(parts) == 1:
        return parts[0] in _WORDS
    fields = _FIELDS if len(parts) == _WITH_SECONDS else _FIELDS[1:] if len(parts) == _WITH_YEAR else _FIELDS[1:-1]
    return len(parts) == len(fields) and all(map(_is_field, parts, fields))


def _is_field(text: str, field: tuple[str, str]) -> bool:
    value, special = field
    item = rf"([*?]|({value})(-({value}))?)(/[0-9]+)?{special}"
    return all(re.fullmatch(item, part) for part in text.split(","))


def _is_time_zone(name: str) -> bool:
    if name in ("UTC", "Local") or not available_timezones():  # a machine without the database cannot tell
        return True
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return False
    return True
