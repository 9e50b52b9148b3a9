"""One thing that is wrong with a job, and how places and amounts are spelt in such sentences."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta


@dataclass(frozen=True)
class Problem:
    path: str
    """In our words, as `groups.web.tasks.app.resources.memory`; empty for the job as a whole."""

    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}" if self.path else self.reason


class InvalidJob(ValueError):
    """A job that must not be sent: change what each of `problems` names."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(map(str, self.problems)))


def joined(*steps: str | int) -> str:
    return ".".join(str(step) for step in steps if step != "")


def within(path: str, problems: Iterable[Problem]) -> Iterator[Problem]:
    """The same problems, seen from further out."""
    for problem in problems:
        yield replace(problem, path=joined(path, problem.path))


def spoken(time: timedelta) -> str:
    """`1.5 s`, `90 s`, `5 min`: the largest unit that needs no fraction."""
    seconds = time.total_seconds()
    for name, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds and seconds % size == 0:
            return f"{seconds / size:g} {name}"
    return f"{seconds:g} s"


def either(words: Iterable[str]) -> str:
    """`a, b or c`."""
    *most, last = words
    return f"{', '.join(most)} or {last}" if most else last
