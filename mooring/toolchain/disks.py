"""The disk that virtual machines start as: the machine image's recipe, with a kernel and a first boot on top of it.

Made from Debian's packages without a loop device, a partition or a boot loader: libvirt hands kernel and ramdisk to
QEMU itself, which on an emulated processor saves 4 of 31 seconds to SSH and all that writing boot sectors takes.
"""

import hashlib
import json
import os
import shutil
import tarfile
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mooring.toolchain import images, places, progress
from mooring.toolchain.commands import run
from mooring.toolchain.errors import CannotPrepare

RECIPE = "virtual"
"""In images/, applied after that of the machine."""

LABEL = "root"
COMMAND_LINE = f"root=LABEL={LABEL} rw console=ttyS0 quiet loglevel=3 net.ifnames=0 systemd.show_status=0"
"""The kernel's. What it complains about still goes to the console, and so into the log."""

SIZE = "4G"
"""The smallest disk a machine can have; 0.7 GB of it are used, and the machine's own grows at its first boot."""

SECONDS = 120

FILES = ("disk.qcow2", "vmlinuz", "initrd.img")
DIGESTS = "sha256.json"


@dataclass(frozen=True, kw_only=True)
class BootFile:
    path: Path
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Disk:
    base: BootFile
    kernel: BootFile
    initrd: BootFile


def folder() -> Path:
    """Where it is kept, by its recipe alone."""
    upper = images.key(images.MACHINE, places.RECIPES / RECIPE)
    lower = images.key(images.MACHINE, places.RECIPES / images.MACHINE.name)
    settled = json.dumps([upper, lower, LABEL, SIZE])
    return places.cache() / "disks" / f"{RECIPE}-{hashlib.sha256(settled.encode()).hexdigest()[:12]}"


def ready() -> bool:
    return (folder() / DIGESTS).is_file()


def locate() -> Disk:
    """Its files; raises `CannotPrepare` when it was not made yet."""
    if not ready():
        raise CannotPrepare(
            f"the disk that virtual machines start as is not in {folder()}; `make prepare STACK=…` with the name of a "
            "stack that has some makes it"
        )
    digests: dict[str, str] = json.loads((folder() / DIGESTS).read_text())
    base, kernel, initrd = (BootFile(path=folder() / name, sha256=digests[name]) for name in FILES)
    return Disk(base=base, kernel=kernel, initrd=initrd)


def ensure(programs_ready: Callable[[], None]) -> None:
    """Let the cache have it; `programs_ready` returns when the programs that go into it are there."""
    if ready():
        return
    about = f"{SECONDS} s"
    with (
        progress.doing("virtual machines", "making the disk that they start as", about, "made"),
        # Two root file systems are too large for a /tmp in memory.
        tempfile.TemporaryDirectory(dir="/var/tmp", prefix="mooring-disk-") as scratch,
    ):
        _make(Path(scratch), programs_ready)


def _make(scratch: Path, programs_ready: Callable[[], None]) -> None:
    root = scratch / "root.tar"
    images.put_debian_together(images.MACHINE, "minbase", scratch, root, on_top=(RECIPE,))
    programs_ready()
    with tarfile.open(root, "a") as tar:
        images.add_programs(tar, images.MACHINE)
    script = scratch / "make-disk"
    script.write_text(SCRIPT)
    run(
        [*_as_root(), "sh", script, scratch],
        what="virtual machines: the disk that they start as could not be made",
        env={"PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"},
    )
    digests: dict[str, str] = {}
    for name in FILES:
        with (scratch / "made" / name).open("rb") as content:
            digests[name] = hashlib.file_digest(content, "sha256").hexdigest()
    kept = folder()
    kept.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        shutil.move(scratch / "made" / name, kept / name)
    # Last: without it the rest counts for nothing.
    fresh = kept / f".{DIGESTS}"
    fresh.write_text(json.dumps(digests))
    fresh.replace(kept / DIGESTS)


def _as_root() -> list[str]:
    # Files of other users can be unpacked and looked at by root alone, or by whoever plays it in a namespace.
    return [] if os.geteuid() == 0 else ["mmdebstrap", "--unshare-helper"]


SCRIPT = f"""set -eu
cd "$1"
mkdir root made
tar -xf root.tar -C root
cp root/boot/vmlinuz-* made/vmlinuz
cp root/boot/initrd.img-* made/initrd.img
rm root.tar
# The kernel in the file system would never be started.
rm -rf root/boot/* root/vmlinuz* root/initrd.img*
mkfs.ext4 -q -L {LABEL} -E lazy_itable_init=1,lazy_journal_init=1,nodiscard -d root disk.raw {SIZE}
qemu-img convert -O qcow2 disk.raw made/disk.qcow2
chmod 0644 made/*
rm -rf root disk.raw
"""
