"""What the operator's commands need to look at a stack and to act on its jobs: where everything is, and the rights."""

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
        pulumi.Output.all(name=host.name, roles=sorted(host.roles), address=host.address, connection=host.connection)
        for host in hosts
    ]
    return pulumi.Output.secret(
        pulumi.Output.all(
            hosts=pulumi.Output.all(*described),
            consul=consul.status,
            nomad=nomad.status,
            deploy=nomad.deploy,
            drill=None if consul.drill is None else {"consul": consul.drill, "nomad": nomad.drill},
            registry=_registry(registry),
        )
    )


def _registry(registry: RegistryAccess) -> pulumi.Output[dict[str, Any]]:
    """The addresses at which it is asked from here, which are not those by which hosts name it."""
    places = pulumi.Output.all(own=pulumi.Output.from_input(registry.registries), external=registry.address)
    return pulumi.Output.all(
        addresses=places.apply(lambda known: known["own"] or [known["external"]]),
        authority=registry.authority,
        through=list(registry.through),
    )
