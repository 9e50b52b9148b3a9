"""What is kept of a task's output."""

from dataclasses import dataclass
from typing import ClassVar

from mooring.jobs.piece import Piece


@dataclass(frozen=True, kw_only=True)
class LogConfig(Piece):
    """How much of what a task writes to stdout and stderr is kept, each."""

    OF = "LogConfig"
    SPELT: ClassVar = {"max_file_size": "MaxFileSizeMB"}

    max_files: int | None = None
    """Nomad: 10."""

    max_file_size: int | None = None
    """MB. Nomad: 10. All files together must be smaller than the group's ephemeral disk."""

    disabled: bool | None = None
    """Keep none. Nomad: no."""
