"""Every command that a reader is shown exists, and every command that exists is shown."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main
from unit.docs.pages import REFERENCE, ROOT, commands, pages, sections, spoken

from mooring.cli.main import app
from mooring.toolchain import __main__ as toolchain

TARGETS = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
VERBS = ("preview", "apply", "drift")
PAGE = sections(REFERENCE / "commands.md")


def subcommands() -> dict[str, set[str]]:
    """Of `mooring`, with the options of each."""
    group = typer.main.get_command(app)
    found = getattr(group, "commands", {})
    return {name: {o for p in command.params for o in p.opts if o.startswith("-")} for name, command in found.items()}


def toolchain_commands() -> set[str]:
    # argparse names its choices only in the message with which it refuses any other.
    source = Path(str(toolchain.__file__)).read_text()
    return set(re.findall(r'add_parser\("([a-z-]+)"', source))


def shown(title: str, program: str) -> set[str]:
    return {name.removeprefix(f"{program} ") for name in PAGE[title].table() if name.startswith(f"{program} ")}


def test_every_target_is_there() -> None:
    assert shown("make", "make") == TARGETS


def test_every_command_of_ours_is_there() -> None:
    assert shown("mooring", "mooring") == set(subcommands())
    assert shown("python3 -m mooring.toolchain", "python3 -m mooring.toolchain") == toolchain_commands()


def test_every_option_is_there() -> None:
    said = PAGE["mooring"].text

    for name, options in subcommands().items():
        for option in options - {"--help"}:
            assert f"`{option}" in said, f"{name} {option}"


def test_every_verb_of_the_pipeline_is_there() -> None:
    source = (ROOT / "docs/pipelines/pipeline.sh").read_text()

    assert shown("docs/pipelines/pipeline.sh", "pipeline.sh") == set(VERBS)
    assert f"^({'|'.join(VERBS)})$" in source


def unknown(command: str) -> Iterator[str]:
    """What in a command line names something of ours that is not there."""
    for part in re.split(r"\s*(?:&&|\|\||;|\|)\s*", command):
        words = [word for word in shlex.split(part, comments=True) if not re.match(r"[A-Z_]+=", word)]
        match words:
            case ["make", *targets]:
                yield from (f"make {target}" for target in targets if target not in TARGETS)
            case [program, verb, *_] if program.rpartition("/")[2] == "mooring" and verb not in subcommands():
                yield f"mooring {verb}"
            case [program, verb, *_] if program.endswith("pipeline.sh") and verb not in VERBS:
                yield f"pipeline.sh {verb}"
            case ["python3", "-m", "mooring.toolchain", verb, *_] if verb not in toolchain_commands():
                yield f"mooring.toolchain {verb}"
            case _:
                pass


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.stem)
def test_shown_commands_exist(page: Path) -> None:
    prose = [text for text in spoken(page) if re.match(r"(make|mooring|\.venv/bin/mooring) [a-z]", text)]

    assert [wrong for command in [*commands(page), *prose] for wrong in unknown(command)] == []
