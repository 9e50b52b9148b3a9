"""What the kinds of virtual machines promise, against a pretended libvirt; `tests/live` asks the real one the same."""

import pytest
from fakes.virsh import FakeVirsh
from fakes.world import World
from lifecycle.virtual import VirtualLifecycle, VirtualReach


class TestOnAPretendedLibvirt(VirtualLifecycle):
    @pytest.fixture
    def virtual(self, ground: FakeVirsh, world: World) -> VirtualReach:
        del ground
        return VirtualReach(
            pool="ground", network="ground", base="/pools/ground/base-0123456789abcdef", work=world.work
        )
