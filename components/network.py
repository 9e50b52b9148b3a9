"""The private network that the hosts of a stack share."""

from ipaddress import IPv4Network

import pulumi
import pulumi_docker as docker

from components.hosts import HostNetwork


class Network(pulumi.ComponentResource):
    """A bridge of this machine's engine, for local nodes; its range is the stack's own."""

    def __init__(self, name: str, *, cidr: IPv4Network, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("platform:network:Network", name, None, opts)
        bridge = docker.Network(
            name,
            name=f"{pulumi.get_project()}-{pulumi.get_stack()}",
            driver="bridge",
            ipam_configs=[docker.NetworkIpamConfigArgs(subnet=str(cidr), gateway=str(cidr[1]))],
            labels=[docker.NetworkLabelArgs(label="org.mooring.stack", value=_stack())],
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.access = HostNetwork(cidr=cidr, name=bridge.name, resource=bridge)
        self.register_outputs({"name": bridge.name})


def _stack() -> str:
    return f"{pulumi.get_project()}/{pulumi.get_stack()}"
