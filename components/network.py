"""The private network that the hosts of a stack share."""

from ipaddress import IPv4Network

import pulumi
import pulumi_docker as docker


class Network(pulumi.ComponentResource):
    """A bridge of this machine's engine, for local nodes; its range is the stack's own."""

    name: pulumi.Output[str]

    def __init__(self, name: str, *, cidr: IPv4Network, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("platform:network:Network", name, None, opts)
        self.cidr = cidr
        self.bridge = docker.Network(
            name,
            name=f"{pulumi.get_project()}-{pulumi.get_stack()}",
            driver="bridge",
            ipam_configs=[docker.NetworkIpamConfigArgs(subnet=str(cidr), gateway=str(cidr[1]))],
            labels=[docker.NetworkLabelArgs(label="org.mooring.stack", value=_stack())],
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.name = self.bridge.name
        self.register_outputs({"name": self.name})


def _stack() -> str:
    return f"{pulumi.get_project()}/{pulumi.get_stack()}"
