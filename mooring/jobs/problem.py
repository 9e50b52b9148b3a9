"""One thing that is wrong with a job, and how places and amounts are spelt in such sentences."""

import posixpath
from collections import Counter
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


def negatives(piece: object, *names: str) -> Iterator[Problem]:
    """Numbers and times below zero, where Nomad takes zero at the least."""
    for name in names:
        value = getattr(piece, name)
        if isinstance(value, timedelta) and value < timedelta(0):
            yield Problem(name, f"{spoken(value)} is below zero")
        elif isinstance(value, int) and value < 0:
            yield Problem(name, f"{value} is below zero")


def repeated(path: str, names: Iterable[str]) -> Iterator[Problem]:
    for name, times in Counter(names).items():
        if times > 1:
            yield Problem(joined(path, name), f"stands there {'twice' if times == 2 else f'{times} times'}")  # noqa: PLR2004 -- twice is two


def outside(path: str, *, below: str) -> bool:
    """Whether a path leaves the allocation's folder, seen from `below` in it."""
    allocation = "/allocations/allocation"
    inside = posixpath.normpath(f"{allocation}/{below}/{path}")
    return not f"{inside}/".startswith(f"{allocation}/")
