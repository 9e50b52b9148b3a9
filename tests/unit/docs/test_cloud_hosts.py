"""The stack files on the page on cloud hosts are ones that a stack may have."""

import json
from typing import Any

import pytest
import yaml
from unit.docs.pages import blocks

from components.hosts import CloudGroup
from infra.settings import Settings
from mooring.toolchain import places

PAGE = places.CHECKOUT / "docs" / "how-to" / "use-cloud-hosts.md"


@pytest.mark.parametrize("text", list(blocks(PAGE, "yaml")), ids=["hetzner", "aws", "digitalocean"])
def test_what_is_shown_is_accepted(text: str) -> None:
    said: Any = yaml.safe_load(text)
    hosts = said["config"]["mooring:hosts"] if isinstance(said, dict) else said
    if not any("edge" in group["roles"] for group in hosts):
        hosts = [*hosts, {**hosts[0], "name": "edge", "roles": ["edge"]}]

    settings = Settings.from_values({"network": "10.40.0.0/16", "hosts": json.dumps(hosts)}, "the page", "mooring")
    assert all(isinstance(group, CloudGroup) for group in settings.groups)
