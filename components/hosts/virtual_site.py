"""What a stack's virtual machines share: their network, the pool of their disks, and the files that they start from."""

from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any

import pulumi

from mooring.kinds.vm_file import File
from mooring.kinds.vm_network import Network
from mooring.kinds.vm_pool import Pool
from mooring.toolchain import disks

POOLS = "/var/lib/libvirt/images"
"""Where libvirt's packages make a place for disks that QEMU's own user may enter."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CloudImage:
    """A disk of somebody else's that boots by itself and runs cloud-init."""

    source: str
    """An absolute path, or an https:// address."""

    sha256: str


class VirtualSite(pulumi.ComponentResource):
    """One for each stack that has virtual machines."""

    def __init__(self, name: str, cidr: IPv4Network, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("platform:hosts:VirtualSite", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        stack = f"{pulumi.get_project()}-{pulumi.get_stack()}"
        self.cidr = cidr
        self.network = Network(f"{name}-network", name=stack, cidr=str(cidr), opts=child)
        self.pool = Pool(f"{name}-pool", name=stack, path=f"{POOLS}/{stack}", opts=child)
        self._name = name
        self._files: dict[str, File] = {}
        self.register_outputs({"network": self.network.name, "pool": self.pool.name})

    def boot(self, image: CloudImage | None) -> dict[str, pulumi.Input[Any]]:
        """What a machine starts from: the fields of `mooring.kinds.vm_machine.Boot`. None: the disk made here."""
        if image is not None:
            base = self._file("image", image.source, image.sha256)
            return {"base": base.path, "base_format": base.format}
        made = disks.locate()
        base = self._file("base", str(made.base.path), made.base.sha256)
        return {
            "base": base.path,
            "base_format": base.format,
            "kernel": self._file("kernel", str(made.kernel.path), made.kernel.sha256).path,
            "initrd": self._file("initrd", str(made.initrd.path), made.initrd.sha256).path,
            "command_line": disks.COMMAND_LINE,
        }

    def _file(self, what: str, source: str, sha256: str) -> File:
        """Declared once, however many machines start from it; another content is another resource beside it."""
        if sha256 not in self._files:
            self._files[sha256] = File(
                f"{self._name}-{what}-{sha256[:8]}",
                pool=self.pool.name,
                name=what,
                source=source,
                sha256=sha256,
                opts=pulumi.ResourceOptions(parent=self),
            )
        return self._files[sha256]
