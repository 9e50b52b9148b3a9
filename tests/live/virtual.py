"""What a live test of virtual machines needs of this machine, and what it must not leave on it."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from mooring.clients.libvirt import Libvirt
from mooring.toolchain import disks, hypervisor, packages

RUN = Path("/run/libvirt/qemu")
"""Where libvirt says which process is which machine, to root."""


def unprepared(*, disk: bool) -> str | None:
    if missing := packages.missing(hypervisor.NEEDED):
        return f"this machine lacks {', '.join(one.package for one in missing)}"
    if not hypervisor.answers():
        return "no libvirt answers"
    return None if not disk or disks.ready() else f"the disk that machines start as is not in {disks.folder()}"


def need_libvirt(*, disk: bool = True) -> None:
    """Without it there is nothing to test; where tests must run, that is a failure."""
    if (reason := unprepared(disk=disk)) is None:
        return
    if os.environ.get("REQUIRE_LIVE") == "1":
        pytest.fail(f"{reason}; `make prepare STACK=vm` brings it")
    pytest.skip(reason)


def left(prefix: str) -> list[str]:
    """What libvirt, the kernel and the disk still have of names that begin like this."""
    libvirt = Libvirt()
    names = {*libvirt.domains(), *libvirt.networks(), *libvirt.pools()}
    folders = [str(path) for path in Path("/var/lib/libvirt/images").glob(f"{prefix}*")]
    return sorted([*(name for name in names if name.startswith(prefix)), *folders])


def bridges() -> set[str]:
    return {path.parent.name for path in Path("/sys/class/net").glob("*/bridge")}


def sweep(prefix: str) -> None:
    """Remove what a test left that was ended before it could clean up."""
    libvirt = Libvirt()
    for domain in sorted(libvirt.domains()):
        if domain.startswith(prefix):
            libvirt.remove_domain(domain)
    for pool in sorted(libvirt.pools()):
        if pool.startswith(prefix):
            libvirt.start_pool(pool)
            for volume in libvirt.volumes(pool):
                libvirt.remove_volume(pool, volume)
            libvirt.remove_pool(pool)
    for network in sorted(libvirt.networks()):
        if network.startswith(prefix):
            libvirt.remove_network(network)


def kill(domain: str) -> None:
    """End the process that is the machine, as a broken host does: libvirt is not asked."""
    os.kill(int((RUN / f"{domain}.pid").read_text()), signal.SIGKILL)


def console(domain: str, pool: str) -> str:
    """What it printed, for whoever reads a failure."""
    asked = ["virsh", "-q", "-c", hypervisor.URI, "vol-download", "--pool", pool, f"{domain}.console", "/dev/stdout"]
    return subprocess.run(asked, capture_output=True, text=True, errors="replace", check=False).stdout[-2000:]
