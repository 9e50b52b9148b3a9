"""What the kinds of virtual machines promise, on the real libvirt that the pretended one stands for."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from lifecycle.virtual import VirtualLifecycle, VirtualReach
from live.virtual import need_libvirt, sweep

from mooring.kinds import vm_machine
from mooring.kinds.kind import Work
from mooring.kinds.vm_file import FileHandler, FileSpec
from mooring.kinds.vm_network import NetworkHandler, NetworkSpec
from mooring.kinds.vm_pool import PoolHandler, PoolSpec

pytestmark = [pytest.mark.live, pytest.mark.slow]

NAME = "lifecycle-ground"
EMPTY_DISK = 1 << 20


def work(stack: str) -> Work:
    return Work(urn=f"urn:pulumi:{stack}::mooring::x::lifecycle", name="lifecycle", project="lifecycle", stack=stack)


@pytest.fixture(scope="module")
def virtual(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VirtualReach]:
    need_libvirt(disk=False)
    sweep("lifecycle-")
    disk = tmp_path_factory.mktemp("disk") / "empty"
    disk.write_bytes(bytes(EMPTY_DISK))
    digest = hashlib.sha256(bytes(EMPTY_DISK)).hexdigest()
    pool = PoolSpec(name=NAME, path=f"/var/lib/libvirt/images/{NAME}")
    network = NetworkSpec.model_validate({"name": NAME, "cidr": "198.18.254.16/28"})
    try:
        NetworkHandler().create(network, work("test"))
        PoolHandler().create(pool, work("test"))
        spec = FileSpec(pool=NAME, name="empty", source=str(disk), sha256=digest)
        made = FileHandler().create(spec, work("test"))
        yield VirtualReach(pool=NAME, network=NAME, base=made.outputs["path"], work=work)
        PoolHandler().delete(NAME, pool, {}, work("test"))
        NetworkHandler().delete(NAME, network, {}, work("test"))
        assert not Path(pool.path).exists()
    finally:
        sweep("lifecycle-")


class TestOnTheRealLibvirt(VirtualLifecycle):
    """Machines with an empty disk: they run, and nothing in them does."""

    @pytest.fixture(autouse=True)
    def impatient(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A machine without a system does not hear its power button."""
        monkeypatch.setattr(vm_machine, "STOPS_WITHIN", 2.0)
