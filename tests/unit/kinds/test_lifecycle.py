"""What every kind promises, against the pretended servers; `tests/live` asks the real ones the same."""

import pytest
from fakes.world import World
from lifecycle.cases import Reach
from lifecycle.promises import Lifecycle


class TestOnPretendedServers(Lifecycle):
    @pytest.fixture
    def reach(self, world: World) -> Reach:
        return Reach(
            consul=world.consul_endpoint,
            nomad=world.nomad_endpoint,
            host=world.host.connection,
            image="r/hello@sha256:0",
            work=world.work,
        )
