"""Reading the documentation: its pages, sections, tables and commands."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
REFERENCE = ROOT / "docs" / "reference"


def pages() -> list[Path]:
    """Everything that a person reads here."""
    return sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "images").glob("*.md")])


@dataclass(frozen=True)
class Section:
    title: str
    text: str

    def rows(self) -> list[list[str]]:
        """The cells of every table row, heads and rulers left out."""
        lines = [line for line in self.text.splitlines() if line.startswith("|")]
        rulers = {at for at, line in enumerate(lines) if set(line) <= set("|-: ")}
        heads = {at - 1 for at in rulers}
        return [
            [cell.strip() for cell in line.strip("|").split("|")]
            for at, line in enumerate(lines)
            if at not in rulers | heads
        ]

    def table(self) -> dict[str, list[str]]:
        """The rows by what stands between backticks in their first cell."""
        return {row[0].strip("`"): row[1:] for row in self.rows()}

    def named(self, label: str) -> set[str]:
        """What stands between backticks on the line `- **label:** …`."""
        line = re.search(rf"^- \*\*{label}:\*\* (.*)$", self.text, re.MULTILINE)
        assert line is not None, f"{self.title} has no line {label}"
        return set(re.findall(r"`([^`]+)`", line[1]))


def sections(page: Path) -> dict[str, Section]:
    """By heading, of whatever level; each ends where the next begins."""
    parts = re.split(r"^#+ (.+)$", without_blocks(page.read_text()), flags=re.MULTILINE)
    return {title: Section(title, text) for title, text in zip(parts[1::2], parts[2::2], strict=True)}


def without_blocks(text: str) -> str:
    return re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)


def blocks(page: Path, *languages: str) -> Iterator[str]:
    for language, text in re.findall(r"^```(\w+)\n(.*?)^```$", page.read_text(), flags=re.DOTALL | re.MULTILINE):
        if language in languages:
            yield text


def commands(page: Path) -> Iterator[str]:
    """What a reader is told to type: every line of `sh`, and those after a `$` of `console`."""
    for text in blocks(page, "sh"):
        yield from (line for line in text.splitlines() if line and not line.startswith("#"))
    for text in blocks(page, "console"):
        yield from (line[2:] for line in text.splitlines() if line.startswith("$ "))


def spoken(page: Path) -> Iterator[str]:
    """What stands between backticks in prose and tables."""
    yield from re.findall(r"`([^`\n]+)`", without_blocks(page.read_text()))
