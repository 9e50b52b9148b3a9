"""What `mooring status` needs to look at a stack: where everything is, and the right to read."""

from collections.abc import Sequence
from typing import Any

import pulumi

from components.access import ConsulAccess, NomadAccess, RegistryAccess
from components.hosts import Host


def overview(
    hosts: Sequence[Host], consul: ConsulAccess, nomad: NomadAccess, registry: RegistryAccess
) -> pulumi.Output[dict[str, Any]]:
    """One secret output, in the shape of `mooring.cli.overview.Overview`."""
    described = [
        pulumi.Output.all(name=host.name, roles=sorted(host.roles), connection=host.connection) for host in hosts
    ]
    return pulumi.Output.secret(
        pulumi.Output.all(
            hosts=pulumi.Output.all(*described),
            consul=consul.status,
            nomad=nomad.status,
            registry=pulumi.Output.all(address=registry.address, authority=registry.authority),
        )
    )
