"""A count that an autoscaler owns."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from mooring.jobs.piece import Piece
from mooring.jobs.problem import Problem, negatives


@dataclass(frozen=True, kw_only=True)
class Scaling(Piece):
    """Between `min` and `max` the group's count is no longer the program's to say."""

    OF = "ScalingPolicy"

    min: int | None = None
    """Nomad: the group's count."""

    max: int | None = None
    """Required."""

    enabled: bool | None = None
    """Nomad: yes."""

    type: Literal["horizontal"] | None = None
    """Nomad: horizontal, the only one that needs no Enterprise licence."""

    policy: Mapping[str, Any] | None = None
    """For the autoscaler, which alone knows what may stand there."""

    def rules(self, count: int) -> Iterator[Problem]:
        least = count if self.min is None else self.min
        yield from negatives(self, "min", "max")
        if self.max is None:
            yield Problem("max", "must be given")
        elif self.max < least:
            yield Problem("max", f"{self.max} is below the least of {least}")
        elif count > self.max:
            yield Problem("max", f"{self.max} is below the group's count of {count}")
        if count < least:
            yield Problem("min", f"{least} is above the group's count of {count}")
