"""The page on settings names every key of a stack file, with its default."""

import re

import pytest
from pydantic import BaseModel
from pydantic_core import PydanticUndefined
from unit.docs.pages import REFERENCE, sections

from infra.host_groups import KINDS, AnyHosts, Counted, OwnMachine
from infra.settings import Registry, Role, Rotation, Settings

PAGE = sections(REFERENCE / "settings.md")
TABLES = [
    ("Keys", Settings),
    ("Groups of hosts", Counted),
    ("Machines of your own", OwnMachine),
    ("An external registry", Registry),
    ("Rotation", Rotation),
]


def shown(default: object) -> str:
    if isinstance(default, frozenset):
        return f"`[{', '.join(sorted(map(str, default)))}]`"
    return "required" if default is PydanticUndefined else "none" if default in (None, {}, ()) else f"`{default}`"


@pytest.mark.parametrize(("title", "model"), TABLES, ids=[title for title, _ in TABLES])
def test_every_key_is_there_with_its_default(title: str, model: type[BaseModel]) -> None:
    documented = {name: cells[0] for name, cells in PAGE[title].table().items() if name != "kind"}

    assert documented == {
        field.alias or name: shown(field.get_default(call_default_factory=True))
        for name, field in model.model_fields.items()
    }


def test_every_role_is_there() -> None:
    assert set(PAGE["Roles"].table()) == {role.value for role in Role}


def test_every_kind_of_host_is_there() -> None:
    named = set(re.findall(r"`(\w+)`", PAGE["Groups of hosts"].table()["kind"][1]))

    assert named == KINDS.keys()


@pytest.mark.parametrize("kind", KINDS)
def test_every_key_that_only_one_kind_has_is_there_with_its_default(kind: str) -> None:
    common = {*AnyHosts.model_fields, *Counted.model_fields, "kind"}
    own = {name: field for name, field in KINDS[kind].model_fields.items() if name not in common}
    rows = PAGE["What each kind adds"].rows()

    documented = {key.strip("`"): default for kinds, key, default, *_ in rows if f"`{kind}`" in kinds}
    assert documented == {
        field.alias or name: shown(field.get_default(call_default_factory=True)) for name, field in own.items()
    }
