"""The page on kinds has every kind that the plugin serves, with its inputs, outputs and promises."""

import importlib
import inspect
import json
import pkgutil
from collections.abc import Mapping
from typing import Any
from unittest.mock import MagicMock

import pulumi
import pytest
from unit.docs.pages import REFERENCE, sections

from mooring import kinds
from mooring.clients.way import KEYS
from mooring.kinds.kind import REGISTERED, Handler, Resource

for module in pkgutil.iter_modules(kinds.__path__):
    importlib.import_module(f"{kinds.__name__}.{module.name}")

OURS = {token: handler for token, handler in REGISTERED.items() if token.startswith("mooring:")}
PAGE = {title: section for title, section in sections(REFERENCE / "kinds.md").items() if title.startswith("mooring:")}

of_each = pytest.mark.parametrize(("token", "handler"), sorted(OURS.items()), ids=sorted(OURS))


def shown(handler: Handler[Any], name: str) -> str:
    field = handler.spec.model_fields[name]
    if field.is_required():
        return "required"
    default = field.get_default(call_default_factory=True)
    return "none" if default is None else f"`{json.dumps(default)}`"


def declared(handler: Handler[Any], monkeypatch: pytest.MonkeyPatch) -> Mapping[str, Any]:
    """What its resource tells Pulumi, outputs as None."""
    found: dict[str, Any] = {}

    def record(_self: object, _token: str, _name: str, props: Mapping[str, Any], _opts: object) -> None:
        found.update(props)

    monkeypatch.setattr(pulumi.CustomResource, "__init__", record)
    resource = getattr(inspect.getmodule(handler), handler.token.rpartition(":")[2])
    assert issubclass(resource, Resource)
    needed = [
        name
        for name, parameter in inspect.signature(resource.__init__).parameters.items()
        if parameter.default is parameter.empty and parameter.kind is parameter.KEYWORD_ONLY
    ]
    resource("any", **{name: MagicMock() for name in needed})
    return found


def test_every_kind_has_a_section() -> None:
    assert set(PAGE) == set(OURS)


@of_each
def test_every_input_is_there_with_its_default(token: str, handler: Handler[Any]) -> None:
    documented = {name: cells[0] for name, cells in PAGE[token].table().items()}

    assert documented == {name: shown(handler, name) for name in handler.spec.model_fields}


@of_each
def test_every_output_is_there(token: str, handler: Handler[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    props = declared(handler, monkeypatch)
    outputs = {name for name, value in props.items() if value is None and name not in handler.spec.model_fields}

    assert PAGE[token].named("Outputs") == outputs


@of_each
def test_every_import_is_there(token: str, handler: Handler[Any]) -> None:
    told = "- **Import:** `" in PAGE[token].text

    assert told == bool(handler.reached_as)


@of_each
def test_every_promise_is_there(token: str, handler: Handler[Any]) -> None:
    page = PAGE[token]
    # Of the keys that open the ways to an address the page says once that they are secret wherever they stand.
    secrets = {path for path in handler.secret_inputs | handler.secret_outputs if not path.endswith(KEYS)}

    assert page.named("Secret") == secrets
    assert page.named("Replaces") == handler.identity & handler.spec.model_fields.keys()
    assert page.named("No difference") == handler.access
