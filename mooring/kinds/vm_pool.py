"""`mooring:vm:Pool`: the directory in which libvirt keeps a stack's disks, so that nobody needs root to fill it."""

import xml.etree.ElementTree as ET
from typing import Self

import pulumi
from pydantic import Field
from typing_extensions import override

from mooring.clients.libvirt import SYSTEM, Libvirt
from mooring.kinds.kind import Handler, Made, NotOurs, Props, Resource, Seen, Spec, Work, register
from mooring.kinds.vm_file import is_boot_file
from mooring.kinds.vm_network import NAME, identifier


class PoolSpec(Spec):
    uri: str = SYSTEM
    name: str = Field(pattern=NAME)
    path: str = Field(pattern=r"^/[A-Za-z0-9_./-]+$")
    """A directory of this pool alone: it is made and goes with it."""

    def to_xml(self) -> str:
        pool = ET.Element("pool", type="dir")
        ET.SubElement(pool, "name").text = self.name
        ET.SubElement(pool, "uuid").text = identifier("pool", self.name)
        target = ET.SubElement(pool, "target")
        ET.SubElement(target, "path").text = self.path
        # To be entered by QEMU's own user, and listed by nobody.
        ET.SubElement(ET.SubElement(target, "permissions"), "mode").text = "0711"
        return ET.tostring(pool, encoding="unicode")

    @classmethod
    def from_xml(cls, pool: ET.Element, uri: str) -> Self:
        return cls(uri=uri, name=pool.findtext("name", ""), path=pool.findtext("target/path", ""))


class StillNeeded(Exception):
    """The pool holds what no program made or asked to delete: a person must decide what becomes of it."""


@register
class PoolHandler(Handler[PoolSpec]):
    token = "mooring:vm:Pool"  # noqa: S105 -- a type token, not a secret
    spec = PoolSpec
    identity = frozenset({"name", "path"})
    access = frozenset({"uri"})

    @override
    def create(self, spec: PoolSpec, work: Work) -> Made:
        libvirt = Libvirt(spec.uri)
        found = libvirt.pool(spec.name)
        if found is None:
            libvirt.put_pool(spec.to_xml())
        elif (there := PoolSpec.from_xml(found, spec.uri)) != spec:
            raise NotOurs(f"libvirt has a pool {spec.name!r} at {there.path}: remove it, or say what it says")
        libvirt.start_pool(spec.name)
        return Made(id=spec.name)

    @override
    def read(self, id_: str, spec: PoolSpec, outputs: Props, work: Work) -> Seen[PoolSpec] | None:
        libvirt = Libvirt(spec.uri)
        found = libvirt.pool(id_)
        if found is None:
            return None
        reasons = () if id_ in libvirt.pools(only="active") else (f"the pool {id_} is not active",)
        return Seen(spec=PoolSpec.from_xml(found, spec.uri), reasons=reasons)

    @override
    def update(self, id_: str, old: PoolSpec, new: PoolSpec, outputs: Props, work: Work) -> Props:
        libvirt = Libvirt(new.uri)
        found = libvirt.pool(id_)
        if found is None or PoolSpec.from_xml(found, new.uri) != new:
            self.delete(id_, old, outputs, work)
            libvirt.put_pool(new.to_xml())
        libvirt.start_pool(id_)
        return {}

    @override
    def delete(self, id_: str, spec: PoolSpec, outputs: Props, work: Work) -> None:
        libvirt = Libvirt(spec.uri)
        if id_ not in libvirt.pools():
            return
        # One that is not active cannot be looked into.
        libvirt.start_pool(id_)
        volumes = libvirt.volumes(id_)
        if others := sorted(name for name in volumes if not is_boot_file(name)):
            raise StillNeeded(
                f"{spec.path} still holds {', '.join(others)}, which no machine of this stack is known for any more: "
                "move or delete it, then run this again"
            )
        for name in volumes:
            libvirt.remove_volume(id_, name)
        libvirt.remove_pool(id_)


class Pool(Resource):
    name: pulumi.Output[str]
    path: pulumi.Output[str]

    def __init__(
        self,
        resource_name: str,
        *,
        name: str,
        path: str,
        uri: str = SYSTEM,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(PoolHandler, resource_name, {"uri": uri, "name": name, "path": path}, opts=opts)
