"""What is kept of a task's output."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Final

from mooring.jobs.piece import Piece
from mooring.jobs.problem import Problem


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

    def rules(self, disk: int) -> Iterator[Problem]:
        """With an ephemeral disk of so many MB."""
        files = USUAL_FILES if self.max_files is None else self.max_files
        size = USUAL_FILE_SIZE if self.max_file_size is None else self.max_file_size
        if files < 1:
            yield Problem("max_files", f"{files} is below the minimum of 1")
        if size < 1:
            yield Problem("max_file_size", f"{size} MB is below the minimum of 1 MB")
        if files * size >= disk:
            yield Problem("", f"{files} files of {size} MB leave nothing of the ephemeral disk of {disk} MB")


USUAL_FILES: Final = 10
USUAL_FILE_SIZE: Final = 10
"""MB; both are Nomad's own."""
