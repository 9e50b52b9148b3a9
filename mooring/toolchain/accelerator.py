"""Whether KVM really works here: found out by booting a kernel with it, since nothing less tells.

A /dev/kvm may be there, open, answer with the right version, make a machine and run real-mode code in it, and still
boot no Linux: seen on a host that is itself a guest. So the question is put as the machines will put it.
"""

import json
import os
import subprocess
import tempfile
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from mooring.toolchain import places
from mooring.toolchain.errors import CannotPrepare

QEMU = "qemu-system-x86_64"
DEVICE = Path("/dev/kvm")
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

WITHIN = 10.0
"""Seconds for a boot up to the missing root file system. The refusal took 0.1, an emulated processor 2."""

WITHIN_EMULATED = 60.0
"""Seconds, on a machine that does much else at the time."""

SIGNS = ("Kernel panic", "Cannot open root")
"""What a kernel without a disk says last, and none that stopped before its drivers."""


class Choice(StrEnum):
    KVM = "kvm"
    TCG = "tcg"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    choice: Choice
    reason: str


def accelerator(kernel: Path) -> Verdict:
    """KVM where it boots `kernel`, TCG where only that does. Raises `CannotPrepare` where neither does, or nobody may
    try.

    What was found holds until this machine starts anew: the next run does not boot anything.
    """
    asked = {"boot": BOOT_ID.read_text().strip(), "kernel": str(kernel), "device": _device()}
    kept = places.cache() / "accelerator.json"
    if kept.is_file() and (known := json.loads(kept.read_text()))["asked"] == asked:
        return Verdict(choice=Choice(known["choice"]), reason=known["reason"])
    found = _find(kernel)
    kept.parent.mkdir(parents=True, exist_ok=True)
    fresh = kept.with_suffix(f".{os.getpid()}")
    fresh.write_text(json.dumps({"asked": asked, "choice": found.choice, "reason": found.reason}))
    fresh.replace(kept)
    return found


def _device() -> list[int]:
    """Who may use it counts as well: a group that was given makes another answer."""
    try:
        status = DEVICE.stat()
    except FileNotFoundError:
        return []
    return [status.st_mode, status.st_gid, int(os.access(DEVICE, os.R_OK | os.W_OK))]


def _find(kernel: Path) -> Verdict:
    if not DEVICE.exists():
        return Verdict(choice=Choice.TCG, reason=f"{DEVICE} is not there")
    if not os.access(DEVICE, os.R_OK | os.W_OK):
        raise CannotPrepare(
            f"whether KVM works cannot be tried, as this user may not open {DEVICE}; membership of its group would do "
            "(sudo usermod -aG kvm $USER, then log in again), and so would naming the accelerator: kvm, or tcg"
        )
    if boots(printed := _boot(kernel, ["-accel", "kvm", "-cpu", "host"], WITHIN)):
        return Verdict(choice=Choice.KVM, reason="a kernel boots with it")
    if not boots(_boot(kernel, ["-accel", "tcg", "-cpu", "max"], WITHIN_EMULATED)):
        raise CannotPrepare(f"{QEMU} boots {kernel} neither with KVM nor without; its last words: {_last(printed)}")
    return Verdict(choice=Choice.TCG, reason=f"{DEVICE} is there and boots no kernel: {_last(printed)}")


def boots(printed: str) -> bool:
    return any(sign in printed for sign in SIGNS)


def _boot(kernel: Path, how: list[str], within: float) -> str:
    """What a machine without a disk printed, on its console or instead of it."""
    with tempfile.TemporaryDirectory() as scratch:
        console = Path(scratch) / "console"
        argv = [
            *(QEMU, *how, "-machine", "q35", "-m", "128", "-nodefaults", "-no-user-config", "-display", "none"),
            *("-no-reboot", "-serial", f"file:{console}", "-kernel", str(kernel)),
            *("-append", "console=ttyS0 earlyprintk=ttyS0 panic=-1"),
        ]
        try:
            # By its name, so that the one which libvirt would take is tried.
            ended = subprocess.run(argv, capture_output=True, text=True, errors="replace", timeout=within, check=False)  # noqa: S603
            said = ended.stderr
        except subprocess.TimeoutExpired:
            said = f"nothing within {within:g} s"
        except FileNotFoundError as error:
            raise CannotPrepare(f"{QEMU} is not installed; the package qemu-system-x86 has it") from error
        return f"{said}\n{console.read_text(errors='replace') if console.is_file() else ''}"


def _last(printed: str) -> str:
    lines = [line.strip() for line in printed.splitlines() if line.strip()]
    return lines[0] if lines else "none"
