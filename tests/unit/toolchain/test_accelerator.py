"""Whether KVM works, decided from what a kernel printed."""

from collections.abc import Callable
from pathlib import Path

import pytest

from mooring.toolchain import accelerator
from mooring.toolchain.accelerator import Choice
from mooring.toolchain.errors import CannotPrepare

PANIC = "[    1.1] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)"
ABORTED = "qemu-system-x86_64: error: failed to set MSR 0x10a to 0x69\nqemu-system-x86_64: Assertion failed"
KERNEL = Path("/cache/vmlinuz")

Machine = Callable[..., list[str]]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Machine:
    """A machine on which a kernel prints, with KVM and without; hands out what was tried, in order."""
    (tmp_path / "boot_id").write_text("first\n")
    monkeypatch.setattr(accelerator, "BOOT_ID", tmp_path / "boot_id")
    monkeypatch.setattr(accelerator, "DEVICE", tmp_path / "kvm")
    monkeypatch.setenv("MOORING_CACHE", str(tmp_path / "cache"))

    def made(*, kvm: str | None, tcg: str = PANIC) -> list[str]:
        tried: list[str] = []
        if kvm is not None:
            (tmp_path / "kvm").touch()

        def boot(_: Path, how: list[str], within: float) -> str:
            assert within > 0
            tried.append(how[1])
            return (kvm or "") if how[1] == "kvm" else tcg

        monkeypatch.setattr(accelerator, "_boot", boot)
        return tried

    return made


def test_a_kernel_that_looks_for_its_root_has_booted() -> None:
    assert accelerator.boots(f"Linux version 6.1\n{PANIC}\n")
    assert accelerator.boots("VFS: Cannot open root device")
    assert not accelerator.boots(f"Linux version 6.1\n{ABORTED}")
    assert not accelerator.boots("")


def test_where_a_kernel_boots_with_kvm_it_is_kvm(machine: Machine) -> None:
    tried = machine(kvm=PANIC)

    assert accelerator.accelerator(KERNEL).choice is Choice.KVM
    assert tried == ["kvm"]


def test_a_device_that_boots_nothing_is_no_kvm_and_the_reason_is_qemus(machine: Machine) -> None:
    machine(kvm=ABORTED)

    found = accelerator.accelerator(KERNEL)

    assert found.choice is Choice.TCG
    assert found.reason.endswith("boots no kernel: qemu-system-x86_64: error: failed to set MSR 0x10a to 0x69")


def test_without_a_device_nothing_is_booted(machine: Machine) -> None:
    tried = machine(kvm=None)

    assert accelerator.accelerator(KERNEL).choice is Choice.TCG
    assert tried == []


def test_a_qemu_that_boots_nothing_at_all_is_not_taken_for_a_missing_kvm(machine: Machine) -> None:
    machine(kvm=ABORTED, tcg="")

    with pytest.raises(CannotPrepare, match="neither with KVM nor without"):
        accelerator.accelerator(KERNEL)


def test_what_was_found_holds_until_the_machine_starts_anew(machine: Machine, tmp_path: Path) -> None:
    tried = machine(kvm=ABORTED)

    first = accelerator.accelerator(KERNEL)
    assert accelerator.accelerator(KERNEL) == first
    assert tried == ["kvm", "tcg"]
    (tmp_path / "boot_id").write_text("second\n")
    machine(kvm=PANIC)

    assert accelerator.accelerator(KERNEL).choice is Choice.KVM
