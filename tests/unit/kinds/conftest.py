"""The pretended stack that handlers are tried on."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from fakes.virsh import FakeVirsh, FakeVolume
from fakes.world import World

from mooring.clients import libvirt
from mooring.kinds import vm_machine
from mooring.kinds.vm_network import NetworkHandler, NetworkSpec
from mooring.kinds.vm_pool import PoolHandler, PoolSpec


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


@pytest.fixture
def virsh(monkeypatch: pytest.MonkeyPatch) -> FakeVirsh:
    """A libvirt with nothing in it, and discs that are their files as JSON."""
    made = FakeVirsh()
    monkeypatch.setattr(libvirt, "virsh", lambda: made)
    monkeypatch.setattr(vm_machine, "write_disc", write_disc)
    return made


@pytest.fixture
def ground(virsh: FakeVirsh, world: World) -> FakeVirsh:
    """What machines need: a network, and a pool with a base disk."""
    network = NetworkSpec.model_validate({"name": "ground", "cidr": "198.18.254.16/28"})
    NetworkHandler().create(network, world.work())
    PoolHandler().create(PoolSpec(name="ground", path="/pools/ground"), world.work())
    virsh.pools["ground"].volumes["base-0123456789abcdef"] = FakeVolume(b"base", 1 << 26, "raw")
    return virsh


def write_disc(files: Mapping[str, str], label: str, to: Path) -> None:
    assert label == "cidata"
    to.write_text(json.dumps(dict(files)))
