"""The system packages: what is missing, all at once, and bringing it on Debian and Ubuntu."""

import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from mooring.toolchain import pins, progress
from mooring.toolchain.commands import run
from mooring.toolchain.errors import CannotPrepare


@dataclass(frozen=True, kw_only=True)
class Needed:
    """One package, and a file that shows it is there however it came."""

    package: str
    shown_by: tuple[str, ...]
    """Programs by name, files by path, Python's modules as `module NAME`; any one will do."""

    reason: str


VENV = Needed(package="python3-venv", shown_by=("module ensurepip",), reason="the virtualenv")
ENGINE = Needed(package="docker.io", shown_by=("dockerd",), reason="the Docker engine")
NETWORK = Needed(package="iproute2", shown_by=("ip",), reason="the network's overlap check")
SSH = Needed(package="openssh-client", shown_by=("ssh",), reason="the hosts")
BOOTSTRAP = Needed(package="mmdebstrap", shown_by=("mmdebstrap",), reason="the base images")
KEYRING = Needed(
    package="debian-archive-keyring",
    shown_by=(pins.DEBIAN_KEYRING,),
    reason="the base images",
)
ID_MAPPING = Needed(package="uidmap", shown_by=("newuidmap",), reason="the base images, made without root")
COMPRESSION = Needed(package="zstd", shown_by=("zstd",), reason="the image cache")
CERTIFICATES = Needed(package="ca-certificates", shown_by=("/etc/ssl/certs/ca-certificates.crt",), reason="downloads")
COMPILER = Needed(package="gcc", shown_by=("gcc",), reason="building Nomad")
LIBRARY = Needed(package="libc6-dev", shown_by=("/usr/include/stdlib.h",), reason="building Nomad")
COMPILING = (COMPILER, LIBRARY)


def missing(needed: Iterable[Needed]) -> list[Needed]:
    return [one for one in needed if not any(_shown(sign) for sign in one.shown_by)]


def ensure(needed: Iterable[Needed], *, through_sudo: bool) -> None:
    """Install what is missing, or refuse with the command that would."""
    absent = missing(needed)
    if not absent:
        return
    names = " ".join(sorted(one.package for one in absent))
    listed = ", ".join(f"{one.package} ({one.reason})" for one in absent)
    if shutil.which("apt-get") is None:
        raise CannotPrepare(f"missing: {listed}; on this system install them by hand, apt-get is not here")
    root = os.geteuid() == 0
    if not root and not through_sudo:
        raise CannotPrepare(
            f"missing: {listed}; run `sudo apt-get update && sudo apt-get install --no-install-recommends {names}`, "
            f"or let `make prepare ARGS=--install` do it"
        )
    elevate = [] if root else ["sudo"]
    quiet = {"DEBIAN_FRONTEND": "noninteractive", "NEEDRESTART_SUSPEND": "1"}
    with progress.doing("system packages", f"installing {listed}", "1 min", "installed"):
        run([*elevate, "apt-get", "update", "-q"], what="system packages: the package lists", env=quiet)
        run(
            # env again, as sudo drops it.
            [
                *elevate,
                *("env", *(f"{name}={value}" for name, value in quiet.items())),
                *("apt-get", "install", "-q", "-y", "--no-install-recommends", *names.split()),
            ],
            what=f"system packages: {names}",
        )
    if still := missing(needed):
        raise CannotPrepare(
            f"installed, but still not found: {', '.join(' or '.join(one.shown_by) for one in still)}; "
            f"look at PATH, which is {os.environ.get('PATH', 'not set')}"
        )


def _shown(sign: str) -> bool:
    if sign.startswith("/"):
        return Path(sign).exists()
    if sign.startswith("module "):
        return find_spec(sign.removeprefix("module ")) is not None
    # The sbin folders are not on an ordinary user's PATH, and dockerd is in one.
    return shutil.which(sign, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") is not None
