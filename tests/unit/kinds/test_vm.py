"""What virtual machines do beside the promises of every kind: what becomes of disks, of a restart, of a stranger's."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
from fakes.virsh import FakeVirsh, FakeVolume
from fakes.world import World
from lifecycle.virtual import VirtualReach, machine

from mooring.clients import tcp
from mooring.kinds import vm_machine
from mooring.kinds.kind import NotHealthy, NotOurs
from mooring.kinds.vm_file import FileHandler, FileSpec, WrongFile, volume_name
from mooring.kinds.vm_machine import GIB, CannotShrink, MachineHandler, MachineSpec
from mooring.kinds.vm_pool import PoolHandler, PoolSpec, StillNeeded

BASE = "/pools/ground/base-0123456789abcdef"
HANDLER = MachineHandler()


@pytest.fixture
def spec(ground: FakeVirsh, world: World) -> MachineSpec:
    del ground
    made = machine(VirtualReach(pool="ground", network="ground", base=BASE, work=world.work)).spec
    assert isinstance(made, MachineSpec)
    return made


def file_spec(path: Path, content: bytes) -> FileSpec:
    path.write_bytes(content)
    return FileSpec(pool="ground", name="kernel", source=str(path), sha256=hashlib.sha256(content).hexdigest())


def test_a_machine_that_was_killed_is_told_and_started_again(
    ground: FakeVirsh, spec: MachineSpec, world: World
) -> None:
    made = HANDLER.create(spec, world.work())
    ground.domains[spec.name].running = None

    seen = HANDLER.read(made.id, spec, made.outputs, world.work())
    HANDLER.update(made.id, spec, spec, made.outputs, world.work())

    assert seen is not None
    assert seen.reasons == ("lifecycle-vm does not run: it is off",)
    assert ground.domains[spec.name].running is not None
    assert ground.domains[spec.name].autostart


def test_a_machine_that_cannot_start_stays_in_the_state_with_libvirts_reason(
    ground: FakeVirsh, spec: MachineSpec, world: World
) -> None:
    ground.cannot_start = "Cannot access backing file"

    with pytest.raises(NotHealthy, match=r"lifecycle-vm does not start: .*Cannot access backing file") as caught:
        HANDLER.create(spec, world.work())

    assert caught.value.id == "lifecycle-vm"


def test_a_disk_grows_while_the_machine_runs_and_never_shrinks(
    ground: FakeVirsh, spec: MachineSpec, world: World
) -> None:
    made = HANDLER.create(spec, world.work())
    larger = spec.model_copy(update={"disk_gib": 3})
    was = ground.domains[spec.name].running

    HANDLER.update(made.id, spec, larger, made.outputs, world.work())
    with pytest.raises(CannotShrink, match="has 3 GiB and 1 are asked for"):
        HANDLER.update(made.id, larger, spec, made.outputs, world.work())

    assert ground.pools["ground"].volumes["lifecycle-vm.qcow2"].capacity == 3 * GIB
    assert ground.domains[spec.name].running is was


def test_a_change_of_size_stops_it_in_order_and_waits_for_what_was_open(
    ground: FakeVirsh, spec: MachineSpec, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = HANDLER.create(spec, world.work())
    asked: list[tuple[int, float]] = []

    def accepts(_: str, port: int) -> bool:
        asked.append((port, world.clock.now()))
        # The third port was closed before, so nobody waits for it; the second comes 30 s after the start.
        return port != 4647 and (port == 22 or len(asked) <= 3 or world.clock.now() > 30)

    monkeypatch.setattr(tcp, "accepts", accepts)
    larger = spec.model_copy(update={"memory_mib": 512, "comes_back_with": (22, 8300, 4647)})

    HANDLER.update(made.id, spec, larger, made.outputs, world.work())

    running = ground.domains[spec.name].running
    assert running is not None
    assert running.findtext("memory") == str(512 << 10)
    assert world.clock.now() == pytest.approx(31, abs=1.5)
    assert [port for port, when in asked if when > 0 and port == 4647] == []


def test_a_machine_that_ignores_its_power_button_is_switched_off_at_last(
    ground: FakeVirsh, spec: MachineSpec, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tcp, "accepts", lambda *_: False)
    made = HANDLER.create(spec, world.work())
    ground.domains[spec.name].deaf = True

    HANDLER.update(made.id, spec, spec.model_copy(update={"cores": 2}), made.outputs, world.work())

    assert world.clock.now() >= vm_machine.STOPS_WITHIN - 2
    running = ground.domains[spec.name].running
    assert running is not None
    assert running.findtext("vcpu") == "2"


def test_a_disk_that_stands_on_something_else_is_nobodys_to_take(
    ground: FakeVirsh, spec: MachineSpec, world: World
) -> None:
    ground.pools["ground"].volumes["lifecycle-vm.qcow2"] = FakeVolume(b"data", GIB, "qcow2", "/elsewhere/base")

    with pytest.raises(NotOurs, match=r"a disk lifecycle-vm\.qcow2 that stands on /elsewhere/base"):
        HANDLER.create(spec, world.work())

    assert ground.pools["ground"].volumes["lifecycle-vm.qcow2"].content == b"data"


def test_a_disk_whose_machine_was_undefined_by_hand_is_used_again(
    ground: FakeVirsh, spec: MachineSpec, world: World
) -> None:
    made = HANDLER.create(spec, world.work())
    ground.pools["ground"].volumes["lifecycle-vm.qcow2"].content = b"data"
    del ground.domains[spec.name]

    assert HANDLER.read(made.id, spec, made.outputs, world.work()) is None
    HANDLER.create(spec, world.work())

    assert ground.pools["ground"].volumes["lifecycle-vm.qcow2"].content == b"data"


def test_with_a_machine_goes_all_that_is_its_own_and_nothing_else(
    ground: FakeVirsh, spec: MachineSpec, world: World
) -> None:
    made = HANDLER.create(spec, world.work())
    others = FakeVolume(b"", GIB, "qcow2")
    ground.pools["ground"].volumes |= {"lifecycle-vm.console.0": others, "lifecycle-vm-2.qcow2": others}

    HANDLER.delete(made.id, spec, made.outputs, world.work())

    assert set(ground.pools["ground"].volumes) == {"base-0123456789abcdef", "lifecycle-vm-2.qcow2"}


def test_its_seed_is_on_a_disc_of_its_own_and_in_no_definition(
    ground: FakeVirsh, spec: MachineSpec, world: World
) -> None:
    HANDLER.create(spec, world.work())

    told = json.loads(ground.pools["ground"].volumes["lifecycle-vm.seed"].content)
    assert "BEGIN OPENSSH PRIVATE KEY" in told["user-data"]
    assert "OPENSSH" not in spec.domain("/pools/ground/lifecycle-vm.qcow2").to_xml()


def test_a_file_that_was_copied_half_is_copied_again(ground: FakeVirsh, tmp_path: Path, world: World) -> None:
    file = file_spec(tmp_path / "vmlinuz", b"a whole kernel")
    name = volume_name("kernel", file.sha256)
    ground.pools["ground"].volumes[name] = FakeVolume(b"a whole", 14, "raw")

    made = FileHandler().create(file, world.work())

    assert made.outputs == {"path": f"/pools/ground/{name}", "format": "raw"}
    assert ground.pools["ground"].volumes[name].content[:14] == b"a whole kernel"


def test_a_file_that_is_there_is_not_asked_for_at_its_source(ground: FakeVirsh, tmp_path: Path, world: World) -> None:
    file = file_spec(tmp_path / "vmlinuz", b"k" * 64)
    FileHandler().create(file, world.work())
    (tmp_path / "vmlinuz").unlink()

    FileHandler().create(file, world.work())

    assert len(ground.pools["ground"].volumes) == 2


def test_another_content_than_was_said_is_not_used(ground: FakeVirsh, tmp_path: Path, world: World) -> None:
    file = file_spec(tmp_path / "vmlinuz", b"kernel").model_copy(update={"sha256": "0" * 64})

    with pytest.raises(WrongFile, match=r"has SHA-256 [0-9a-f]{64}, not 0{64}; nothing of it is used"):
        FileHandler().create(file, world.work())

    assert len(ground.pools["ground"].volumes) == 1


def test_a_base_that_disks_stand_on_stays_until_the_pool_goes(
    ground: FakeVirsh, spec: MachineSpec, world: World
) -> None:
    told: list[str] = []
    base = FileSpec(pool="ground", name="base", source="/base", sha256="0123456789abcdef" * 4)
    HANDLER.create(spec, world.work())

    FileHandler().delete("ground/base-0123456789abcdef", base, {}, replace(world.work(), tell=told.append))

    assert told == ["base-0123456789abcdef stays in the pool: lifecycle-vm.qcow2 still stand on it"]
    assert "base-0123456789abcdef" in ground.pools["ground"].volumes
    HANDLER.delete(spec.name, spec, {}, world.work())
    PoolHandler().delete("ground", PoolSpec(name="ground", path="/pools/ground"), {}, world.work())
    assert ground.pools == {}


def test_a_pool_with_a_disk_of_no_machine_is_not_deleted(ground: FakeVirsh, world: World) -> None:
    ground.pools["ground"].volumes["precious.qcow2"] = FakeVolume(b"data", GIB, "qcow2")

    with pytest.raises(StillNeeded, match=r"/pools/ground still holds precious\.qcow2"):
        PoolHandler().delete("ground", PoolSpec(name="ground", path="/pools/ground"), {}, world.work())

    assert set(ground.pools["ground"].volumes) == {"base-0123456789abcdef", "precious.qcow2"}
