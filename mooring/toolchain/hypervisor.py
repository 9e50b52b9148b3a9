"""libvirt on this machine: installed for stacks that have virtual machines, and started where nothing else would."""

import grp
import json
import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

from mooring.toolchain import places, progress
from mooring.toolchain.commands import answer, run
from mooring.toolchain.engine import start_time
from mooring.toolchain.errors import CannotPrepare
from mooring.toolchain.packages import Needed
from mooring.waiting import TimedOut, wait_for

URI = "qemu:///system"
DAEMONS = ("virtlogd", "libvirtd")
"""In the order in which they need one another: the first keeps what consoles print."""

STARTS_WITHIN = 90.0
"""Seconds. The first start asks QEMU for everything it can: 7 to 12 were seen."""

STOPS_WITHIN = 30.0

KVM = Path("/dev/kvm")
KVM_MODE = 0o660

NEEDED = (
    Needed(package="libvirt-daemon-system", shown_by=("libvirtd",), reason="virtual machines"),
    Needed(package="libvirt-clients", shown_by=("virsh",), reason="virtual machines"),
    Needed(package="qemu-system-x86", shown_by=("qemu-system-x86_64",), reason="virtual machines"),
    Needed(package="qemu-utils", shown_by=("qemu-img",), reason="disks of virtual machines"),
    Needed(package="dnsmasq-base", shown_by=("dnsmasq",), reason="names for virtual machines"),
    Needed(package="genisoimage", shown_by=("genisoimage", "xorrisofs", "mkisofs"), reason="their first boot"),
    Needed(package="e2fsprogs", shown_by=("mkfs.ext4",), reason="disks of virtual machines"),
)

HOSTS_OF_THAT_KIND = re.compile(r"""^[^#]*\bkind["']?\s*:\s*["']?libvirt\b""", re.MULTILINE)


def wanted(stack: str | None) -> bool:
    """Whether the stack has virtual machines. Its file is not parsed: nothing that could is installed at this point."""
    if stack is None:
        return False
    file = places.CHECKOUT / "stacks" / f"Pulumi.{stack}.yaml"
    return file.is_file() and HOSTS_OF_THAT_KIND.search(file.read_text()) is not None


def answers() -> bool:
    return answer(["virsh", "--quiet", "--connect", URI, "uri"]) is not None


def ensure_running() -> None:
    """A libvirt that answers: the one there is, or else the installed one, started."""
    if answers():
        return
    if os.geteuid() != 0:
        raise CannotPrepare(
            f"no libvirt answers at {URI}; `sudo systemctl start libvirtd` starts it, and membership of its group lets "
            "this user in (sudo usermod -aG libvirt $USER, then log in again)"
        )
    if Path("/run/systemd/system").is_dir():
        with progress.doing("libvirt", "starting it through systemd", "10 s", "running"):
            run(["systemctl", "start", "libvirtd"], what="libvirt: systemd could not start it")
            _wait_until_it_answers()
    else:
        _start()


def _start() -> None:
    """Start both daemons in sessions of their own, where no service manager would."""
    _open_kvm()
    places.private(places.state())
    started: list[dict[str, int | str | None]] = []
    with (
        progress.doing("libvirt", "starting it (`make down ALL=1` ends it)", "15 s", "running"),
        _log().open("wb") as log,
    ):
        for name in DAEMONS:
            program = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
            if program is None:
                raise CannotPrepare(f"{name} is not installed; `apt-get install libvirt-daemon-system` would do")
            process = subprocess.Popen(  # noqa: S603 - one of two fixed programs, found above
                [program], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/"
            )
            started.append({"pid": process.pid, "since": start_time(process.pid)})
            _record().write_text(json.dumps(started))
        _wait_until_it_answers()


def _open_kvm() -> None:
    """Give /dev/kvm the group and mode that udev's own rule does, where there is no udev.

    QEMU runs as a user of that group. With a device that root alone may open, libvirt found KVM in every probe and
    missed it after every one, and took 80 s for each definition of a machine.
    """
    try:
        group = grp.getgrnam("kvm").gr_gid
    except KeyError:
        return
    if KVM.exists() and not Path("/run/udev/control").exists():
        os.chown(KVM, -1, group)
        KVM.chmod(KVM_MODE)


def _wait_until_it_answers() -> None:
    try:
        wait_for(lambda: answers() or None, "libvirt's first answer", within=STARTS_WITHIN)
    except TimedOut as late:
        raise CannotPrepare(f"{late}; its log is {_log()}") from late


def stop() -> bool:
    """End what `ensure_running` itself started, if it still runs; a libvirt of anybody else's is left alone."""
    if not _record().is_file():
        return False
    ours = False
    for record in reversed(json.loads(_record().read_text())):
        pid, since = int(record["pid"]), record["since"]
        if since is None or start_time(pid) != since:
            continue
        os.kill(pid, signal.SIGTERM)
        ours = True
        try:
            _wait_for_the_end_of(pid, since)
        except TimedOut as late:
            raise CannotPrepare(f"{late}; its log is {_log()}") from late
    _record().unlink()
    _log().unlink(missing_ok=True)
    return ours


def _wait_for_the_end_of(pid: int, since: str) -> None:
    wait_for(lambda: start_time(pid) != since or None, f"the end of process {pid}", within=STOPS_WITHIN)


def _record() -> Path:
    return places.state() / "libvirt.json"


def _log() -> Path:
    return places.state() / "libvirt.log"
