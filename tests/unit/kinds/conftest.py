"""The pretended stack that handlers are tried on."""

import pytest
from fakes.world import World


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)
