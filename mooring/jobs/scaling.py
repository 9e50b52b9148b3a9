"""A count that an autoscaler owns."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from mooring.jobs.piece import Piece


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

    policy: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """For the autoscaler, which alone knows what may stand there."""
