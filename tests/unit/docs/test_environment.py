"""The page on environment variables names every one of ours that the code reads, and no other."""

import re

from unit.docs.pages import REFERENCE, ROOT, sections

from mooring.toolchain import pins
from mooring.toolchain.environment import environment

PAGE = sections(REFERENCE / "environment.md")


def test_every_variable_of_ours_is_there() -> None:
    written = {
        name
        for folder in ("mooring", "components", "infra")
        for file in (ROOT / folder).rglob("*")
        if file.suffix in ("", ".py") and file.is_file()
        for name in re.findall(r"\bMOORING_[A-Z]+(?:_[A-Z]+)*\b", file.read_text())
    }
    tools = (*pins.TOOLS.values(), *pins.PLUGINS.values())
    composed = {tool.setting for tool in tools} | {publisher.setting for publisher in pins.Publisher}

    assert {*PAGE["Places"].table(), *PAGE["Sources"].table()} == written | composed


def test_every_mirror_names_what_it_stands_for() -> None:
    table = PAGE["Sources"].table()

    for publisher in pins.Publisher:
        assert f"`{publisher.value}`" in table[publisher.setting][0]


def test_every_variable_of_pulumis_that_we_decide_is_there() -> None:
    decided = {name for name in environment({}) if name.startswith("PULUMI_")}

    assert set(PAGE["Pulumi's"].table()) == decided | {"PULUMI_CONFIG_PASSPHRASE", "PULUMI_SKIP_CHECKPOINTS"}
