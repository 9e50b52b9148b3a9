"""The private network that the hosts of a stack share, and the way into it from the user's own machine."""

from collections.abc import Sequence
from ipaddress import IPv4Network

import pulumi
import pulumi_docker as docker

from components.hosts import Group, HostNetwork, LocalGroup, Role
from components.hosts.addresses import DOOR, FLOATING
from mooring.toolchain import images

PLACED = ("local", "libvirt")
"""The kinds of host that take their addresses from the network: only there is an address ours to give away."""

HTTP_PORT = 80
DOOR_PORT = 8080
DOOR_CONFIGURATION = "/etc/mooring-door.cfg"


class Network(pulumi.ComponentResource):
    """The range is the stack's own. What must be made for it depends on the hosts: local nodes share a bridge of this
    machine's engine, while a network that machines are in already is only named.
    """

    def __init__(
        self,
        name: str,
        *,
        cidr: IPv4Network,
        groups: Sequence[Group],
        port: int,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("platform:network:Network", name, None, opts)
        edges = [group for group in groups if Role.EDGE in group.roles]
        floating = str(cidr[FLOATING]) if all(group.kind in PLACED for group in edges) else None
        bridge = self._bridge(name, cidr) if any(isinstance(group, LocalGroup) for group in groups) else None
        door = None
        if bridge is not None and floating is not None:
            container = self._door(f"{name}-door", bridge, address=str(cidr[DOOR]), to=floating, port=port)
            door = container.name.apply(lambda _: f"127.0.0.1:{port}")
        self.access = HostNetwork(cidr=cidr, bridge=bridge, floating=floating, door=door)
        self.register_outputs({} if bridge is None else {"name": bridge.name})

    def _bridge(self, name: str, cidr: IPv4Network) -> docker.Network:
        return docker.Network(
            name,
            name=f"{pulumi.get_project()}-{pulumi.get_stack()}",
            driver="bridge",
            ipam_configs=[docker.NetworkIpamConfigArgs(subnet=str(cidr), gateway=str(cidr[1]))],
            labels=[docker.NetworkLabelArgs(label="org.mooring.stack", value=_stack())],
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _door(self, name: str, bridge: docker.Network, *, address: str, to: str, port: int) -> docker.Container:
        """A port of this machine's loopback. It belongs to no node, so that none takes it along when it dies."""
        return docker.Container(
            name,
            name=f"{pulumi.get_project()}-{pulumi.get_stack()}-door",
            image=images.reference("machine"),
            entrypoints=["/usr/sbin/haproxy"],
            command=["-db", "-f", DOOR_CONFIGURATION],
            user="haproxy",
            restart="unless-stopped",
            must_run=True,
            capabilities=docker.ContainerCapabilitiesArgs(drops=["ALL"]),
            security_opts=["no-new-privileges"],
            memory=DOOR_MIB,
            memory_swap=DOOR_MIB,
            networks_advanced=[docker.ContainerNetworksAdvancedArgs(name=bridge.name, ipv4_address=address)],
            ports=[docker.ContainerPortArgs(internal=DOOR_PORT, external=port, ip="127.0.0.1")],
            uploads=[docker.ContainerUploadArgs(file=DOOR_CONFIGURATION, content=door_configuration(to))],
            labels=[docker.ContainerLabelArgs(label="org.mooring.stack", value=_stack())],
            opts=pulumi.ResourceOptions(parent=self, ignore_changes=["image"]),
        )


DOOR_MIB = 64


def door_configuration(floating: str) -> str:
    """Connections through to the floating address. Whoever holds it may die: a connection that was not accepted is
    tried again for longer than another takes to hold it.
    """
    return f"""global
  maxconn 1000

defaults
  mode tcp
  timeout connect 300ms
  timeout client 1h
  timeout server 1h
  retries 15

listen door
  bind :{DOOR_PORT}
  server floating {floating}:{HTTP_PORT}
"""


def _stack() -> str:
    return f"{pulumi.get_project()}/{pulumi.get_stack()}"
