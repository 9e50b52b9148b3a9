"""A compose file as its author wrote it: every part knows its line, so that what is wrong can be shown there."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final

import yaml

from mooring.jobs.problem import Problem, either


@dataclass(frozen=True, kw_only=True)
class Report:
    """Everything wrong with one file."""

    file: Path
    variables: Mapping[str, str]
    """What `${NAME}` stands for."""

    problems: list[Problem] = field(default_factory=list[Problem])


@dataclass(frozen=True, kw_only=True)
class Part:
    """A value in the file, with the way to it."""

    report: Report
    node: yaml.Node
    path: str

    def wrong(self, reason: str) -> None:
        line = self.node.start_mark.line + 1
        problem = Problem(f"{self.report.file.name}:{line}: {self.path}", reason)
        if problem not in self.report.problems:
            self.report.problems.append(problem)

    @property
    def is_text(self) -> bool:
        return isinstance(self.node, yaml.ScalarNode) and not self.is_nothing

    @property
    def is_list(self) -> bool:
        return isinstance(self.node, yaml.SequenceNode)

    @property
    def is_nothing(self) -> bool:
        return self.node.tag == "tag:yaml.org,2002:null"

    @property
    def text(self) -> str:
        """As it stands there, never as YAML would understand it: `22:22` is no number and `yes` is no truth value."""
        if isinstance(self.node, yaml.ScalarNode):
            return "" if self.is_nothing else self._interpolated(self.node.value)
        self.wrong("is not text")
        return ""

    @property
    def flag(self) -> bool:
        if self.text.lower() not in ("true", "false"):
            self.wrong(f"{self.text!r} is not true or false")
        return self.text.lower() == "true"

    @property
    def number(self) -> int:
        return int(self.text) if self._has_form(r"-?\d+", "a whole number") else 0

    @property
    def fraction(self) -> float:
        return float(self.text) if self._has_form(r"\d+(\.\d+)?|\.\d+", "a number") else 0.0

    @property
    def size(self) -> int:
        """Bytes."""
        found = re.fullmatch(r"(\d+(?:\.\d+)?) ?([bkmgt]?)b?", self.text.lower())
        if found is None:
            self.wrong(f"{self.text!r} is not a size as 512m")
            return 0
        return int(float(found[1]) * 1024 ** "bkmgt".index(found[2] or "b"))

    @property
    def time(self) -> timedelta:
        pieces = re.findall(r"(\d+(?:\.\d+)?)(us|ms|s|m|h)", self.text)
        if not pieces or "".join(map("".join, pieces)) != self.text:
            self.wrong(f"{self.text!r} is not a time as 1m30s")
        return sum((float(count) * UNITS[unit] for count, unit in pieces), timedelta(0))

    def word(self, *words: str) -> str:
        if self.text not in words:
            self.wrong(f"{self.text!r} is not {either(words)}")
        return self.text

    def items(self) -> list["Part"]:
        """Of a list; a single text is a list of one."""
        if self.is_text:
            return [self]
        if isinstance(self.node, yaml.SequenceNode):
            return [self._at(str(index), node) for index, node in enumerate(self.node.value)]
        if not self.is_nothing:
            self.wrong("is not a list")
        return []

    def texts(self) -> list[str]:
        return [item.text for item in self.items()]

    def entries(self) -> dict[str, "Part"]:
        """Of a mapping."""
        if isinstance(self.node, yaml.MappingNode):
            return dict(self._entries(self.node))
        if not self.is_nothing:
            self.wrong("is not a mapping")
        return {}

    def pairs(self, separator: str = "=") -> dict[str, "Part"]:
        """Of a mapping, or of a list of `NAME=value`; a name alone has nothing behind it."""
        if not self.is_list:
            return self.entries()
        found: dict[str, Part] = {}
        for item in self.items():
            name, given, value = item.text.partition(separator)
            tag = "tag:yaml.org,2002:str" if given else "tag:yaml.org,2002:null"
            # Its variables have been filled in, and must not be looked for again in what they said.
            node = yaml.ScalarNode(tag, value.replace("$", "$$"), item.node.start_mark, item.node.end_mark)
            found[name] = self._at(name, node)
        return found

    def words(self) -> dict[str, str]:
        """Of pairs: what must all be given."""
        found = self.pairs()
        for part in found.values():
            if part.is_nothing:
                part.wrong("has no value: it would come from the shell of whoever runs compose")
        return {name: part.text for name, part in found.items()}

    def _entries(self, node: yaml.MappingNode) -> Iterator[tuple[str, "Part"]]:
        seen: set[str] = set()
        for key, value in node.value:
            part = self._at(key.value, value)
            if key.value in seen:
                part.wrong("stands there twice")
            seen.add(key.value)
            yield key.value, part

    def _at(self, step: str, node: yaml.Node) -> "Part":
        return Part(report=self.report, node=node, path=f"{self.path}.{step}" if self.path else step)

    def _has_form(self, form: str, noun: str) -> bool:
        fits = re.fullmatch(form, self.text) is not None
        if not fits:
            self.wrong(f"{self.text!r} is not {noun}")
        return fits

    def _interpolated(self, text: str) -> str:
        return VARIABLE.sub(self._value, text)

    def _value(self, found: re.Match[str]) -> str:
        if found["escaped"]:
            return "$"
        name, operator, word = found["name"] or found["braced"], found["operator"] or "", found["word"] or ""
        if name is None:
            self.wrong("a dollar sign stands for a variable, or is written twice")
            return ""
        value = self.report.variables.get(name)
        is_there = value is not None and not (operator.startswith(":") and not value)
        match operator[-1:]:
            case "+":
                return self._interpolated(word) if is_there else ""
            case "-" if not is_there:
                return self._interpolated(word)
            case _ if value is None or not is_there:
                self.wrong(f"the variable {name} has no value{f': {word}' if word else ''}")
                return ""
            case _:
                return value


UNITS: Final = {
    "us": timedelta(microseconds=1),
    "ms": timedelta(milliseconds=1),
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
}

VARIABLE: Final = re.compile(
    r"\$(?:(?P<escaped>\$)|(?P<name>[A-Za-z_]\w*)"
    r"|\{(?P<braced>[A-Za-z_]\w*)(?:(?P<operator>:?[-?+])(?P<word>(?:[^{}]|\{[^{}]*\})*))?\}|)"
)


def opened(report: Report) -> Part:
    """The file as a whole; raises `yaml.YAMLError`, which names the line, when it is no YAML."""
    loader = yaml.SafeLoader(report.file.read_text())
    try:
        node = loader.get_single_node() or yaml.MappingNode("tag:yaml.org,2002:map", [])
        _merge(loader, node)
    finally:
        loader.dispose()
    return Part(report=report, node=node, path="")


def _merge(loader: yaml.SafeLoader, node: yaml.Node) -> None:
    """Fill in what `<<` takes over from elsewhere in the file."""
    if isinstance(node, yaml.MappingNode):
        if any(key.tag == "tag:yaml.org,2002:merge" for key, _ in node.value):
            loader.flatten_mapping(node)
            # What is taken over now stands first, and gives way to what is said beside it.
            node.value = list({key.value: (key, value) for key, value in node.value}.values())
        for _, value in node.value:
            _merge(loader, value)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _merge(loader, item)
