"""The calls to libvirt that this project makes, through its own program `virsh`: the only code that speaks to it.

Not through libvirt-python: its package has no binary, so that every user would need a compiler and the headers of the
very libvirt that runs. `virsh` is there wherever a person can look after machines, and says the same in the same XML.
Its one weakness, that a failure is a sentence, does not matter here: whether a thing exists is asked for by lists,
and numbers are read where it prints numbers.
"""

import os
import re
import shutil
import subprocess
import tempfile
import threading
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from pathlib import Path
from typing import Protocol

from mooring.clients.errors import CommandFailed, Unreachable

SYSTEM = "qemu:///system"

ANSWER_WITHIN = 60.0
"""Seconds. Defining takes milliseconds and a start 1 to 5; libvirtd's own first answer took 12 on a crowded machine."""

COPY_WITHIN = 900.0
"""Seconds for a file; 700 MB took 1."""


class Power(IntEnum):
    """Whether a domain runs: libvirt's `virDomainState`."""

    NONE = 0
    RUNNING = 1
    BLOCKED = 2
    PAUSED = 3
    SHUTTING_DOWN = 4
    OFF = 5
    CRASHED = 6
    SUSPENDED = 7

    @property
    def on(self) -> bool:
        return self in {Power.RUNNING, Power.BLOCKED, Power.SHUTTING_DOWN}


@dataclass(frozen=True, kw_only=True)
class Said:
    """How a run of `virsh` ended."""

    status: int
    stdout: str
    stderr: str


class Virsh(Protocol):
    """Whoever can be given the arguments of `virsh`."""

    def __call__(self, arguments: Sequence[str], stdin: str, within: float) -> Said: ...


@dataclass(frozen=True, kw_only=True)
class Volume:
    """One file of a pool."""

    path: str
    capacity: int
    """Bytes, as a machine sees them."""

    format: str
    """As libvirt finds it: `raw`, `qcow2`."""

    base: str | None
    """The path of the file that it only holds the differences to."""


_FILLING = threading.Lock()


class Libvirt:
    """One libvirt. Every method raises `Unreachable`, or `CommandFailed` with libvirt's own words."""

    def __init__(self, uri: str = SYSTEM) -> None:
        self._uri = uri

    def networks(self, *, only: str = "all") -> set[str]:
        """Names; `only` may be `active`, which virsh needs no word for, or `autostart`."""
        return self._names("net-list", *([] if only == "active" else [f"--{only}"]))

    def network(self, name: str) -> ET.Element | None:
        return self._xml("net-dumpxml", name, "--inactive") if name in self.networks() else None

    def put_network(self, definition: str) -> None:
        self._define("net-define", definition)

    def start_network(self, name: str) -> None:
        if name not in self.networks(only="active"):
            self._ask("net-start", name)
        self._ask("net-autostart", name)

    def stop_network(self, name: str) -> None:
        if name in self.networks(only="active"):
            self._ask("net-destroy", name)

    def remove_network(self, name: str) -> None:
        self.stop_network(name)
        if name in self.networks():
            self._ask("net-undefine", name)

    def pools(self, *, only: str = "all") -> set[str]:
        return self._names("pool-list", *([] if only == "active" else [f"--{only}"]))

    def pool(self, name: str) -> ET.Element | None:
        return self._xml("pool-dumpxml", name, "--inactive") if name in self.pools() else None

    def put_pool(self, definition: str) -> None:
        self._define("pool-define", definition)

    def start_pool(self, name: str) -> None:
        """Make its directory, where there is none, and let it be used, now and after every start of the machine."""
        if name not in self.pools(only="active"):
            self._ask("pool-build", name)
            self._ask("pool-start", name)
        self._ask("pool-autostart", name)

    def remove_pool(self, name: str) -> None:
        """Forget it; its directory goes if it is empty."""
        if name in self.pools(only="active"):
            self._ask("pool-destroy", name)
        if name in self.pools():
            self._ask("pool-delete", name)
            self._ask("pool-undefine", name)

    def volumes(self, pool: str) -> set[str]:
        """Names, also of files that libvirt did not make itself."""
        self._change("pool-refresh", pool)
        # The second column is the path; no name of ours has a space.
        lines = [line.split() for line in self._ask("vol-list", "--pool", pool).splitlines()]
        return {words[0] for words in lines if len(words) > 1 and words[1].startswith("/")}

    def volume(self, pool: str, name: str) -> Volume | None:
        if name not in self.volumes(pool):
            return None
        found = self._xml("vol-dumpxml", "--pool", pool, name)
        kind = found.find("target/format")
        return Volume(
            path=found.findtext("target/path", ""),
            capacity=int(found.findtext("capacity", "0")),
            format="raw" if kind is None else kind.get("type", "raw"),
            base=found.findtext("backingStore/path"),
        )

    def upload(self, pool: str, name: str, file: Path) -> None:
        """Put a file's content into the pool, in the place of what may be there under this name."""
        # Writing over a longer one would leave its end.
        self.remove_volume(pool, name)
        self._change("vol-create-as", pool, name, str(file.stat().st_size), "--format", "raw")
        self._change("vol-upload", name, str(file), "--pool", pool, "--sparse", within=COPY_WITHIN)

    def download(self, pool: str, name: str, file: Path) -> None:
        self._ask("vol-download", name, str(file), "--pool", pool, "--sparse", within=COPY_WITHIN)

    def grow_from(self, pool: str, name: str, size: int, base: str, base_format: str) -> None:
        """Make a disk of `size` bytes that starts as the volume at the path `base` and keeps only what differs."""
        backing = ["--backing-vol", base, "--backing-vol-format", base_format]
        self._change("vol-create-as", pool, name, str(size), "--format", "qcow2", *backing)

    def resize(self, pool: str, name: str, size: int) -> None:
        """Of a disk that no machine uses; `size` is bytes."""
        self._change("vol-resize", name, str(size), "--pool", pool)

    def remove_volume(self, pool: str, name: str) -> None:
        if name in self.volumes(pool):
            self._change("vol-delete", name, "--pool", pool)

    def domains(self) -> set[str]:
        return self._names("list", "--all")

    def domain(self, name: str) -> ET.Element | None:
        """As it will be at its next start."""
        return self._xml("dumpxml", name, "--inactive") if name in self.domains() else None

    def running_domain(self, name: str) -> ET.Element:
        """As it is now."""
        return self._xml("dumpxml", name)

    def power(self, name: str) -> Power:
        said = self._ask("domstats", "--state", "--raw", name)
        found = re.search(r"^\s*state\.state=(\d+)$", said, re.MULTILINE)
        return Power.NONE if found is None else Power(int(found[1]))

    def put_domain(self, definition: str) -> None:
        """Takes effect at its next start."""
        self._define("define", definition)

    def start(self, name: str) -> None:
        self._ask("start", name)

    def start_with_machine(self, name: str) -> None:
        self._ask("autostart", name)

    def ask_to_stop(self, name: str) -> None:
        """Press the power button; the answer says nothing about whether the machine listens."""
        self._ask("shutdown", name)

    def pull_the_plug(self, name: str) -> None:
        if self.power(name) is not Power.OFF:
            self._ask("destroy", name)

    def grow_disk(self, name: str, device: str, size: int) -> None:
        """Of a running machine, to `size` bytes. libvirt would shrink it as readily: never ask for that."""
        self._ask("blockresize", name, device, f"{size}B")

    def remove_domain(self, name: str) -> None:
        """With what libvirt itself keeps of it; its disks are volumes and stay."""
        if name in self.domains():
            self.pull_the_plug(name)
            self._ask("undefine", name, "--managed-save", "--snapshots-metadata", "--nvram")

    def _names(self, *arguments: str) -> set[str]:
        return set(self._ask(*arguments, "--name").split())

    def _xml(self, *arguments: str) -> ET.Element:
        return ET.fromstring(self._ask(*arguments))  # noqa: S314 -- libvirtd's own

    def _define(self, verb: str, definition: str) -> None:
        self._ask(verb, "/dev/stdin", stdin=definition)

    def _change(self, *arguments: str, within: float = ANSWER_WITHIN) -> None:
        # libvirt looks into a pool only while nobody fills it, and refuses instead of waiting.
        with _FILLING:
            self._ask(*arguments, within=within)

    def _ask(self, *arguments: str, stdin: str = "", within: float = ANSWER_WITHIN) -> str:
        said = virsh()(["--connect", self._uri, *arguments], stdin, within)
        if said.status == 0:
            return said.stdout
        # Which of the two it was is in no status: what needs nothing but the connection tells.
        if virsh()(["--connect", self._uri, "uri"], "", ANSWER_WITHIN).status != 0:
            raise Unreachable(f"no libvirt answers at {self._uri}: {_last_words(said)}")
        raise CommandFailed(f"libvirt at {self._uri}: {arguments[0]}: {_last_words(said)}")


def _last_words(said: Said) -> str:
    lines = [line.removeprefix("error: ") for line in said.stderr.strip().splitlines() if line.strip()]
    return "; ".join(lines[-3:]) or f"virsh ended with {said.status}"


def _run(arguments: Sequence[str], stdin: str, within: float) -> Said:
    program = shutil.which("virsh")
    if program is None:
        return Said(status=127, stdout="", stderr="virsh is not installed; the package libvirt-clients has it")
    # Its words are for people in any language; ours must be comparable in the log of another one.
    environment = {**os.environ, "LC_ALL": "C"}
    try:
        ended = subprocess.run(  # noqa: S603 -- a fixed program with arguments of ours, and no shell reads them
            [program, "--quiet", *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=within,
            env=environment,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Unreachable(f"{' '.join(arguments[:3])}: no answer within {within:g} s") from None
    return Said(status=ended.returncode, stdout=ended.stdout, stderr=ended.stderr)


@cache
def virsh() -> Virsh:
    """The program of this machine. The one place that tests put something else in."""
    return _run


def text(libvirt: Libvirt, pool: str, name: str) -> str | None:
    """The content of a small volume; None when there is none."""
    if name not in libvirt.volumes(pool):
        return None
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "content"
        libvirt.download(pool, name, file)
        return file.read_text(errors="replace")
