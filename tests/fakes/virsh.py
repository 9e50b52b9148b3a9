"""A pretended libvirt behind the arguments of `virsh`: it keeps what it is told, in its own words, and refuses what the
real one refuses. What it was not taught raises.
"""

import xml.etree.ElementTree as ET
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from mooring.clients.libvirt import SYSTEM, Power, Said


@dataclass
class FakeVolume:
    content: bytes
    capacity: int
    form: str
    base: str | None = None


@dataclass
class FakePool:
    definition: ET.Element
    active: bool = False
    built: bool = False
    volumes: dict[str, FakeVolume] = field(default_factory=dict[str, FakeVolume])

    @property
    def path(self) -> str:
        return self.definition.findtext("target/path", "")


@dataclass
class FakeNetwork:
    definition: ET.Element
    active: bool = False
    autostart: bool = False


@dataclass
class FakeDomain:
    definition: ET.Element
    running: ET.Element | None = None
    autostart: bool = False
    deaf: bool = False
    """Whether it ignores its power button, as a machine does that has not booted."""


class Refused(Exception):
    """Words on standard error, and a status that says no more than that."""


@dataclass
class FakeVirsh:
    networks: dict[str, FakeNetwork] = field(default_factory=dict[str, FakeNetwork])
    pools: dict[str, FakePool] = field(default_factory=dict[str, FakePool])
    domains: dict[str, FakeDomain] = field(default_factory=dict[str, FakeDomain])
    cannot_start: str = ""
    """Why no domain starts."""

    def __call__(self, arguments: Sequence[str], stdin: str, within: float) -> Said:
        assert within > 0
        connect, uri, verb, *rest = arguments
        assert connect == "--connect"
        if uri != SYSTEM:
            return Said(status=1, stdout="", stderr="error: failed to connect to the hypervisor\n")
        try:
            return Said(status=0, stdout=self._answer(verb, rest, stdin), stderr="")
        except Refused as refused:
            return Said(status=1, stdout="", stderr=f"error: Failed to {verb}\nerror: {refused}\n")

    def _answer(self, verb: str, rest: list[str], stdin: str) -> str:
        group = verb.partition("-")[0]
        if verb == "uri":
            return f"{SYSTEM}\n"
        if group == "net":
            return self._network(verb, rest, stdin)
        if group == "pool":
            return self._pool(verb, rest, stdin)
        if group == "vol":
            return self._volume(verb, rest)
        return self._domain(verb, rest, stdin)

    def _network(self, verb: str, rest: list[str], stdin: str) -> str:
        match verb, rest:
            case "net-list", ["--name"]:
                return listed(name for name, found in self.networks.items() if found.active)
            case "net-list", ["--all", "--name"]:
                return listed(self.networks)
            case "net-dumpxml", [name, "--inactive"]:
                return ET.tostring(self._net(name).definition, encoding="unicode")
            case "net-define", ["/dev/stdin"]:
                definition = parsed(stdin)
                bridge = definition.find("bridge")
                assert bridge is not None
                bridge.set("name", f"virbr{len(self.networks)}")
                ET.SubElement(definition, "mac", address="52:54:00:00:00:01")
                name = definition.findtext("name", "")
                known = self.networks.get(name)
                if known is not None and known.definition.findtext("uuid") != definition.findtext("uuid"):
                    raise Refused(f"operation failed: network '{name}' already exists with another uuid")
                self.networks[name] = FakeNetwork(definition, active=known is not None and known.active)
            case _:
                self._change_network(verb, rest)
        return ""

    def _change_network(self, verb: str, rest: list[str]) -> None:
        match verb, rest:
            case "net-start", [name]:
                if self._net(name).active:
                    raise Refused("Requested operation is not valid: network is already active")
                self._net(name).active = True
            case "net-autostart", [name]:
                self._net(name).autostart = True
            case "net-destroy", [name]:
                if not self._net(name).active:
                    raise Refused("Requested operation is not valid: network is not active")
                self._net(name).active = False
            case "net-undefine", [name]:
                del self.networks[self._net(name).definition.findtext("name", "")]
            case _:
                raise NotImplementedError(f"{verb} {rest}")

    def _pool(self, verb: str, rest: list[str], stdin: str) -> str:
        match verb, rest:
            case "pool-list", ["--name"]:
                return listed(name for name, found in self.pools.items() if found.active)
            case "pool-list", ["--all", "--name"]:
                return listed(self.pools)
            case "pool-dumpxml", [name, "--inactive"]:
                return ET.tostring(self._storage(name).definition, encoding="unicode")
            case "pool-define", ["/dev/stdin"]:
                definition = parsed(stdin)
                self.pools[definition.findtext("name", "")] = FakePool(definition)
            case _:
                self._change_pool(verb, rest)
        return ""

    def _change_pool(self, verb: str, rest: list[str]) -> None:
        match verb, rest:
            case "pool-build", [name]:
                self._storage(name).built = True
            case "pool-start", [name]:
                if not self._storage(name).built:
                    raise Refused(f"cannot open directory '{self._storage(name).path}': No such file or directory")
                self._storage(name).active = True
            case "pool-autostart" | "pool-refresh", [name]:
                self._active(name)
            case "pool-destroy", [name]:
                self._active(name).active = False
            case "pool-delete", [name]:
                found = self._storage(name)
                if found.active:
                    raise Refused(f"storage pool '{name}' is still active")
                if found.volumes:
                    raise Refused(f"failed to remove pool '{found.path}': Directory not empty")
                found.built = False
            case "pool-undefine", [name]:
                del self.pools[self._storage(name).definition.findtext("name", "")]
            case _:
                raise NotImplementedError(f"{verb} {rest}")

    def _volume(self, verb: str, rest: list[str]) -> str:
        match verb, rest:
            case "vol-list", ["--pool", name]:
                pool = self._active(name)
                return "".join(f" {each}   {pool.path}/{each}\n" for each in sorted(pool.volumes))
            case "vol-dumpxml", ["--pool", name, volume]:
                return self._described(self._active(name), volume)
            case "vol-create-as", [name, volume, size, "--format", form, *backing]:
                pool = self._active(name)
                if volume in pool.volumes:
                    raise Refused(f"storage volume '{volume}' exists already")
                base = backing[backing.index("--backing-vol") + 1] if backing else None
                if base is not None and base.rpartition("/")[2] not in pool.volumes:
                    raise Refused(f"Storage volume not found: {base}")
                pool.volumes[volume] = FakeVolume(b"\0" * min(int(size), 64), int(size), form, base)
            case "vol-upload", [volume, file, "--pool", name, "--sparse"]:
                found = self._active(name).volumes[volume]
                content = Path(file).read_bytes()
                # What was longer before keeps its end.
                found.content = content + found.content[len(content) :]
            case "vol-download", [volume, file, "--pool", name, "--sparse"]:
                Path(file).write_bytes(self._active(name).volumes[volume].content)
            case "vol-resize", [volume, size, "--pool", name]:
                self._active(name).volumes[volume].capacity = int(size)
            case "vol-delete", [volume, "--pool", name]:
                del self._active(name).volumes[volume]
            case _:
                raise NotImplementedError(f"{verb} {rest}")
        return ""

    def _domain(self, verb: str, rest: list[str], stdin: str) -> str:
        match verb, rest:
            case "list", ["--all", "--name"]:
                return listed(self.domains)
            case "dumpxml", [name, "--inactive"]:
                return ET.tostring(self._guest(name).definition, encoding="unicode")
            case "dumpxml", [name]:
                found = self._guest(name)
                shown = found.definition if found.running is None else found.running
                return ET.tostring(shown, encoding="unicode")
            case "domstats", ["--state", "--raw", name]:
                state = Power.OFF if self._guest(name).running is None else Power.RUNNING
                return f"Domain: '{name}'\n  state.state={state.value}\n  state.reason=1\n\n"
            case "define", ["/dev/stdin"]:
                definition = as_kept(parsed(stdin))
                name = definition.findtext("name", "")
                known = self.domains.get(name)
                self.domains[name] = FakeDomain(definition) if known is None else replace(known, definition=definition)
            case _:
                self._change(verb, rest)
        return ""

    def _change(self, verb: str, rest: list[str]) -> None:
        match verb, rest:
            case "start", [name]:
                self._start(self._guest(name))
            case "autostart", [name]:
                self._guest(name).autostart = True
            case "shutdown", [name]:
                found = self._guest(name)
                if found.running is None:
                    raise Refused("Requested operation is not valid: domain is not running")
                if not found.deaf:
                    found.running = None
            case "destroy", [name]:
                if self._guest(name).running is None:
                    raise Refused("Requested operation is not valid: domain is not running")
                self._guest(name).running = None
            case "blockresize", [name, "vda", size]:
                disk = self._guest(name).definition.find("devices/disk/source")
                assert disk is not None
                pool, volume = self._holding(disk.get("file", ""))
                pool.volumes[volume].capacity = int(size.removesuffix("B"))
            case "undefine", [name, "--managed-save", "--snapshots-metadata", "--nvram"]:
                # The real one lets a running domain live on without a definition.
                assert self._guest(name).running is None
                del self.domains[name]
            case _:
                raise NotImplementedError(f"{verb} {rest}")

    def _start(self, found: FakeDomain) -> None:
        if self.cannot_start:
            raise Refused(self.cannot_start)
        if found.running is not None:
            raise Refused("Requested operation is not valid: domain is already running")
        for source in found.definition.findall("devices/disk/source"):
            self._holding(source.get("file", ""))
        found.running = found.definition
        console = found.definition.find("devices/serial/log")
        if console is not None:
            path = console.get("file", "")
            pool = next(pool for pool in self.pools.values() if path.startswith(f"{pool.path}/"))
            pool.volumes[path.rpartition("/")[2]] = FakeVolume(b"Linux version 6.1\n", 18, "raw")

    def _holding(self, path: str) -> tuple[FakePool, str]:
        for pool in self.pools.values():
            folder, _, volume = path.rpartition("/")
            if folder == pool.path and volume in pool.volumes:
                return pool, volume
        raise Refused(f"Cannot access storage file '{path}': No such file or directory")

    def _described(self, pool: FakePool, name: str) -> str:
        found = pool.volumes[name]
        described = ET.Element("volume", type="file")
        ET.SubElement(described, "name").text = name
        ET.SubElement(described, "capacity", unit="bytes").text = str(found.capacity)
        target = ET.SubElement(described, "target")
        ET.SubElement(target, "path").text = f"{pool.path}/{name}"
        ET.SubElement(target, "format", type=found.form)
        if found.base is not None:
            ET.SubElement(ET.SubElement(described, "backingStore"), "path").text = found.base
        return ET.tostring(described, encoding="unicode")

    def _net(self, name: str) -> FakeNetwork:
        if name not in self.networks:
            raise Refused(f"Network not found: no network with matching name '{name}'")
        return self.networks[name]

    def _storage(self, name: str) -> FakePool:
        if name not in self.pools:
            raise Refused(f"Storage pool not found: no storage pool with matching name '{name}'")
        return self.pools[name]

    def _active(self, name: str) -> FakePool:
        if not self._storage(name).active:
            raise Refused(f"Requested operation is not valid: storage pool '{name}' is not active")
        return self.pools[name]

    def _guest(self, name: str) -> FakeDomain:
        if name not in self.domains:
            raise Refused(f"Domain not found: no domain with matching name '{name}'")
        return self.domains[name]


def listed(names: Iterable[str]) -> str:
    """As virsh prints a column: padded, with an empty line at its end."""
    return "".join(f"{name:<20}\n" for name in names) + "\n"


def as_kept(definition: ET.Element) -> ET.Element:
    """As libvirt writes a domain down: in KiB, with the machine's full name, and with more than it was told."""
    memory = definition.find("memory")
    assert memory is not None
    if memory.get("unit") == "MiB":
        memory.text, memory.attrib["unit"] = str(int(memory.text or "0") << 10), "KiB"
    ET.SubElement(definition, "currentMemory", unit="KiB").text = memory.text
    system = definition.find("os/type")
    assert system is not None
    system.set("machine", "pc-q35-7.2")
    devices = definition.find("devices")
    assert devices is not None
    for disk in devices.findall("disk"):
        ET.SubElement(disk, "address", type="pci", bus="0x03")
    ET.SubElement(devices, "input", type="mouse", bus="ps2")
    return definition


def parsed(text: str) -> ET.Element:
    return ET.fromstring(text)  # noqa: S314 -- a test's own
