"""A virtual machine in libvirt's words, both ways: what we say of it, and nothing of what libvirt adds."""

import hashlib
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from mooring.kinds.vm_network import identifier

NAMESPACE = "urn:mooring:vm:1"
"""Of the one element that we put into a domain's metadata, which libvirt keeps and does not read."""

EMULATED_CPU = "Nehalem"
"""Debian's programs need less. QEMU's `max` took 4 s longer to SSH: every instruction it offers is one it plays."""


class Accelerator(StrEnum):
    KVM = "kvm"
    TCG = "tcg"
    """QEMU plays the processor: about ten times slower."""


@dataclass(frozen=True, kw_only=True)
class Domain:
    name: str
    accelerator: Accelerator
    cores: int
    memory_mib: int
    disk: str
    """Path of a qcow2, which names its own base."""

    seed: str
    """Path of the disc with cloud-init's documents."""

    seed_digest: str
    console: str
    """Path of the file into which all goes that its serial console prints."""

    network: str
    kernel: str | None
    initrd: str | None
    command_line: str | None
    """None of the three: the disk boots by itself."""

    @property
    def mac(self) -> str:
        return mac(self.name)

    def to_xml(self) -> str:
        domain = ET.Element("domain", type="kvm" if self.accelerator is Accelerator.KVM else "qemu")
        ET.SubElement(domain, "name").text = self.name
        ET.SubElement(domain, "uuid").text = identifier("machine", self.name)
        metadata = ET.SubElement(domain, "metadata")
        ET.SubElement(metadata, f"{{{NAMESPACE}}}machine", seed=self.seed_digest)
        ET.SubElement(domain, "memory", unit="MiB").text = str(self.memory_mib)
        ET.SubElement(domain, "vcpu", placement="static").text = str(self.cores)
        self._boot(domain)
        features = ET.SubElement(domain, "features")
        ET.SubElement(features, "acpi")
        ET.SubElement(features, "apic")
        self._processor(domain)
        ET.SubElement(domain, "clock", offset="utc")
        # Off means off, so that whoever sees it off knows that it did not only restart.
        ET.SubElement(domain, "on_poweroff").text = "destroy"
        ET.SubElement(domain, "on_reboot").text = "restart"
        ET.SubElement(domain, "on_crash").text = "destroy"
        self._devices(ET.SubElement(domain, "devices"))
        return ET.tostring(domain, encoding="unicode")

    @classmethod
    def from_xml(cls, domain: ET.Element) -> Self:
        disks = {_attribute(disk, "target", "dev"): _attribute(disk, "source", "file") for disk in _all(domain, "disk")}
        ours = domain.find(f"metadata/{{{NAMESPACE}}}machine")
        interface = domain.find("devices/interface")
        return cls(
            name=domain.findtext("name", ""),
            accelerator=Accelerator.KVM if domain.get("type") == "kvm" else Accelerator.TCG,
            cores=int(domain.findtext("vcpu", "0")),
            # libvirt answers KiB, whatever it was told.
            memory_mib=int(domain.findtext("memory", "0")) >> 10,
            disk=disks.get("vda", ""),
            seed=disks.get("vdb", ""),
            seed_digest="" if ours is None else ours.get("seed", ""),
            console=_attribute(domain, "devices/serial/log", "file"),
            network="" if interface is None else _attribute(interface, "source", "network"),
            kernel=domain.findtext("os/kernel"),
            initrd=domain.findtext("os/initrd"),
            command_line=domain.findtext("os/cmdline"),
        )

    def _boot(self, domain: ET.Element) -> None:
        system = ET.SubElement(domain, "os")
        ET.SubElement(system, "type", arch="x86_64", machine="q35").text = "hvm"
        if self.kernel is None:
            ET.SubElement(system, "boot", dev="hd")
            return
        ET.SubElement(system, "kernel").text = self.kernel
        ET.SubElement(system, "initrd").text = self.initrd
        ET.SubElement(system, "cmdline").text = self.command_line

    def _processor(self, domain: ET.Element) -> None:
        if self.accelerator is Accelerator.KVM:
            ET.SubElement(domain, "cpu", mode="host-passthrough")
        else:
            processor = ET.SubElement(domain, "cpu", mode="custom", match="exact", check="none")
            ET.SubElement(processor, "model", fallback="forbid").text = EMULATED_CPU

    def _devices(self, devices: ET.Element) -> None:
        ET.SubElement(devices, "emulator").text = "/usr/bin/qemu-system-x86_64"
        _disk(devices, "vda", self.disk, "qcow2")
        ET.SubElement(_disk(devices, "vdb", self.seed, "raw"), "readonly")
        interface = ET.SubElement(devices, "interface", type="network")
        ET.SubElement(interface, "mac", address=self.mac)
        ET.SubElement(interface, "source", network=self.network)
        ET.SubElement(interface, "model", type="virtio")
        # A terminal for `virsh console`, and the log for the day when nobody was looking.
        serial = ET.SubElement(devices, "serial", type="pty")
        ET.SubElement(serial, "log", file=self.console, append="on")
        random = ET.SubElement(devices, "rng", model="virtio")
        ET.SubElement(random, "backend", model="random").text = "/dev/urandom"
        ET.SubElement(devices, "memballoon", model="none")
        ET.SubElement(devices, "controller", type="usb", model="none")


def mac(name: str) -> str:
    """The address of the machine's network card: always the same, and one of QEMU's own."""
    return "52:54:00:" + ":".join(f"{byte:02x}" for byte in hashlib.sha256(name.encode()).digest()[:3])


def _disk(devices: ET.Element, device: str, path: str, form: str) -> ET.Element:
    disk = ET.SubElement(devices, "disk", type="file", device="disk")
    ET.SubElement(disk, "driver", name="qemu", type=form, discard="unmap")
    ET.SubElement(disk, "source", file=path)
    ET.SubElement(disk, "target", dev=device, bus="virtio")
    return disk


def _all(domain: ET.Element, device: str) -> list[ET.Element]:
    return domain.findall(f"devices/{device}")


def _attribute(parent: ET.Element, path: str, name: str) -> str:
    found = parent.find(path)
    return "" if found is None else found.get(name, "")
