"""`mooring:vm:Network`: a bridge of libvirt's that virtual machines share, with or without a way out."""

import xml.etree.ElementTree as ET
from ipaddress import IPv4Network
from typing import Literal, Self
from uuid import NAMESPACE_DNS, uuid5

import pulumi
from pydantic import Field
from typing_extensions import override

from mooring.clients.libvirt import SYSTEM, Libvirt
from mooring.kinds.kind import Handler, Made, NotOurs, Props, Resource, Seen, Spec, Work, register

NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"
"""Of anything of libvirt's that we make: names are in lists, one a line, and in paths."""


class NetworkSpec(Spec):
    uri: str = SYSTEM
    name: str = Field(pattern=NAME)
    cidr: IPv4Network
    """The bridge itself has the first address of it."""

    mode: Literal["nat", "isolated"] = "nat"
    """`nat`: its machines reach whatever this machine reaches, and are reached by this machine alone. `isolated`: they
    reach each other and this machine."""

    def to_xml(self) -> str:
        network = ET.Element("network")
        ET.SubElement(network, "name").text = self.name
        ET.SubElement(network, "uuid").text = identifier("network", self.name)
        if self.mode == "nat":
            ET.SubElement(network, "forward", mode="nat")
        else:
            # Nobody outside to ask for names: no process for it.
            ET.SubElement(network, "dns", enable="no")
        # Its name is libvirt's choice, as the kernel takes 15 letters and ours are longer.
        ET.SubElement(network, "bridge", stp="off", delay="0")
        ET.SubElement(network, "ip", address=str(self.cidr[1]), netmask=str(self.cidr.netmask))
        return ET.tostring(network, encoding="unicode")

    @classmethod
    def from_xml(cls, network: ET.Element, uri: str) -> Self:
        place = network.find("ip")
        forward = network.find("forward")
        if place is None or (forward is not None and forward.get("mode") != "nat"):
            raise NotOurs(
                f"libvirt has a network {network.findtext('name')!r} of another sort, "
                f"{ET.tostring(network, encoding='unicode')}: remove it, or choose another name"
            )
        address, mask = place.get("address"), place.get("netmask") or place.get("prefix")
        return cls(
            uri=uri,
            name=network.findtext("name", ""),
            cidr=IPv4Network(f"{address}/{mask}", strict=False),
            mode="isolated" if forward is None else "nat",
        )


def identifier(kind: str, name: str) -> str:
    """The UUID by which libvirt knows a thing of this name again, when it is defined anew."""
    return str(uuid5(NAMESPACE_DNS, f"{name}.{kind}.mooring"))


@register
class NetworkHandler(Handler[NetworkSpec]):
    token = "mooring:vm:Network"  # noqa: S105 -- a type token, not a secret
    spec = NetworkSpec
    # Machines that run lose their plug when a network goes, so another network is other machines.
    identity = frozenset({"name", "cidr", "mode"})
    access = frozenset({"uri"})

    @override
    def create(self, spec: NetworkSpec, work: Work) -> Made:
        libvirt = Libvirt(spec.uri)
        found = libvirt.network(spec.name)
        if found is None:
            libvirt.put_network(spec.to_xml())
        elif (there := NetworkSpec.from_xml(found, spec.uri)) != spec:
            raise NotOurs(
                f"libvirt has a network {spec.name!r} that is {there.mode} with {there.cidr}: remove it, or say what "
                "it says"
            )
        libvirt.start_network(spec.name)
        return Made(id=spec.name)

    @override
    def read(self, id_: str, spec: NetworkSpec, outputs: Props, work: Work) -> Seen[NetworkSpec] | None:
        libvirt = Libvirt(spec.uri)
        found = libvirt.network(id_)
        if found is None:
            return None
        reasons = () if id_ in libvirt.networks(only="active") else (f"the network {id_} is not active",)
        return Seen(spec=NetworkSpec.from_xml(found, spec.uri), reasons=reasons)

    @override
    def update(self, id_: str, old: NetworkSpec, new: NetworkSpec, outputs: Props, work: Work) -> Props:
        libvirt = Libvirt(new.uri)
        found = libvirt.network(id_)
        if found is None or NetworkSpec.from_xml(found, new.uri) != new:
            libvirt.stop_network(id_)
            libvirt.put_network(new.to_xml())
        libvirt.start_network(id_)
        return {}

    @override
    def delete(self, id_: str, spec: NetworkSpec, outputs: Props, work: Work) -> None:
        Libvirt(spec.uri).remove_network(id_)


class Network(Resource):
    name: pulumi.Output[str]

    def __init__(
        self,
        resource_name: str,
        *,
        name: str,
        cidr: str,
        mode: str = "nat",
        uri: str = SYSTEM,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(
            NetworkHandler, resource_name, {"uri": uri, "name": name, "cidr": cidr, "mode": mode}, opts=opts
        )
