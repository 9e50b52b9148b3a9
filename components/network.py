"""The private network that the hosts of a stack share."""

from collections.abc import Sequence
from ipaddress import IPv4Network

import pulumi
import pulumi_docker as docker

from components.hosts import Group, HostNetwork, LocalGroup


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
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("platform:network:Network", name, None, opts)
        bridge = self._bridge(name, cidr) if any(isinstance(group, LocalGroup) for group in groups) else None
        self.access = HostNetwork(cidr=cidr, bridge=bridge)
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


def _stack() -> str:
    return f"{pulumi.get_project()}/{pulumi.get_stack()}"
