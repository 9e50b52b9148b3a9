"""The page on settings names every key of a stack file, with its default."""

import re

import pytest
from pydantic import BaseModel
from pydantic_core import PydanticUndefined
from unit.docs.pages import REFERENCE, sections

from infra.settings import HostGroup, Registry, Role, Settings

PAGE = sections(REFERENCE / "settings.md")
TABLES = [("Keys", Settings), ("Groups of hosts", HostGroup), ("An external registry", Registry)]


def shown(default: object) -> str:
    return "required" if default is PydanticUndefined else "none" if default is None else f"`{default}`"


@pytest.mark.parametrize(("title", "model"), TABLES, ids=[title for title, _ in TABLES])
def test_every_key_is_there_with_its_default(title: str, model: type[BaseModel]) -> None:
    documented = {name: cells[0] for name, cells in PAGE[title].table().items()}

    assert documented == {field.alias or name: shown(field.default) for name, field in model.model_fields.items()}


def test_every_role_is_there() -> None:
    assert set(PAGE["Roles"].table()) == {role.value for role in Role}


def test_every_kind_of_host_is_there() -> None:
    named = set(re.findall(r"`(\w+)`", PAGE["Groups of hosts"].table()["kind"][1]))

    assert named == set(HostGroup.model_json_schema()["properties"]["kind"]["enum"])
