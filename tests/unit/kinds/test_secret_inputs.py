"""Keys, tokens and passwords are secrets of every kind that has them among its inputs, however deep."""

import importlib
import pkgutil
import types
from collections.abc import Iterator
from typing import Annotated, Any, Union, get_args, get_origin

import pytest
from pydantic import BaseModel

from mooring import kinds
from mooring.kinds.kind import REGISTERED

for module in pkgutil.iter_modules(kinds.__path__):
    importlib.import_module(f"{kinds.__name__}.{module.name}")


ALWAYS = {"private_key", "token", "password"}
"""Whatever else is not shown, as a file's content, is a secret when the program says so."""


def hidden(annotation: Any, path: tuple[str, ...] = ()) -> Iterator[str]:
    """The paths of everything below that is one of them, and is not shown."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Annotated, Union, types.UnionType):
        for each in arguments[:1] if origin is Annotated else arguments:
            yield from hidden(each, path)
    elif arguments:  # a list of some, or a mapping to some
        for each in arguments:
            yield from hidden(each, (*path, "*"))
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        for name, field in annotation.model_fields.items():
            here = (*path, field.alias or name)
            if name in ALWAYS and not field.repr:
                yield ".".join(here)
            yield from hidden(field.annotation, here)


OURS = {token: handler for token, handler in REGISTERED.items() if handler.__module__.startswith("mooring.")}


@pytest.mark.parametrize("token", OURS)
def test_what_is_hidden_is_a_secret(token: str) -> None:
    handler = OURS[token]

    assert set(hidden(handler.spec)) <= handler.secret_inputs


def test_the_keys_of_ways_are_found() -> None:
    assert {
        "endpoint.through.*.private_key",
        "catalogue.through.*.private_key",
    } <= set(hidden(REGISTERED["mooring:nomad:Job"].spec))
    assert "member.endpoint.through.*.private_key" in set(hidden(REGISTERED["mooring:host:Agent"].spec))
