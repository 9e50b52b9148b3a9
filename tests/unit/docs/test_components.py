"""The page on components has every argument, and the code that readers are shown fits them."""

import ast
import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from unit.docs.pages import REFERENCE, blocks, pages, sections

from components.app import App
from components.authority import Authority
from components.consul import ConsulCluster
from components.hosts import Hosts
from components.image import Image
from components.job import Job
from components.load_balancer import LoadBalancer
from components.network import Network
from components.nomad import NomadCluster
from components.overview import overview
from components.registry import Registry
from components.run import Run

COMPONENTS: dict[str, Callable[..., Any]] = {
    made.__name__: made
    for made in (
        App,
        Authority,
        ConsulCluster,
        Hosts,
        Image,
        Job,
        LoadBalancer,
        Network,
        NomadCluster,
        Registry,
        Run,
        overview,
    )
}
PAGE = sections(REFERENCE / "components.md")

of_each = pytest.mark.parametrize("name", COMPONENTS)


def arguments(made: Callable[..., Any]) -> dict[str, str]:
    return {
        name: "required" if parameter.default is parameter.empty else f"`{shown(parameter.default)}`"
        for name, parameter in inspect.signature(made).parameters.items()
        if name not in ("name", "opts")
    }


def shown(default: object) -> str:
    return f'"{default}"' if isinstance(default, str) else repr(default)


@of_each
def test_every_argument_is_there_with_its_default(name: str) -> None:
    documented = {argument: cells[0] for argument, cells in PAGE[name].table().items()}

    assert documented == arguments(COMPONENTS[name])


@of_each
def test_what_it_gives_exists(name: str) -> None:
    if inspect.isclass(COMPONENTS[name]):
        source = inspect.getsource(COMPONENTS[name])
        given = re.search(r"^- \*\*Gives:\*\* (.*)$", PAGE[name].text, re.MULTILINE)
        assert given is not None
        first = given[1].partition(":")[0].partition(", for ")[0].partition(", which ")[0]

        for attribute in re.findall(r"`(\w+)[^`]*`", first):
            assert re.search(rf"self\.{attribute}\b|def {attribute}\b", source), attribute


def calls(page: Path) -> Iterator[tuple[str, ast.Call]]:
    for text in blocks(page, "python"):
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in COMPONENTS:
                yield node.func.id, node


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.stem)
def test_shown_code_fits_the_components(page: Path) -> None:
    for name, call in calls(page):
        given = {keyword.arg: None for keyword in call.keywords if keyword.arg}

        inspect.signature(COMPONENTS[name]).bind(*call.args, **given)
