"""Adopted machines: somebody else made them, lends them to the stack, and gets them back as they were."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pulumi

from components.hosts.host import Ground, Group, Host, Role
from mooring.kinds import host as kind
from mooring.kinds.host_claim import Claim
from mooring.kinds.host_packages import Packages
from mooring.kinds.host_survey import Survey
from mooring.kinds.host_sysctls import Sysctls
from mooring.kinds.host_units import Units

MEMORY = 640
"""MiB that both agents and a few small apps really use."""

DISK = 4096
"""MiB: the agents' data, the engine with a few images, and room for logs."""

ENGINE_DATA = ("/var/lib/docker", "/var/lib/containerd", "/etc/docker")
"""What Debian's engine writes and its package leaves."""

KERNEL = {"net.ipv4.tcp_retries2": "4", "net.ipv4.tcp_syn_retries": "2"}
"""A peer that vanished is given up after 3 s (retries) or 7 s (first contact), not after a quarter of an hour."""

OURS = ("/etc/consul.d", "/var/lib/consul", "/etc/nomad.d", "/etc/nomad", "/var/lib/nomad")
"""Where only we may put something, so that all of it can be taken away again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Machine:
    """One machine of somebody's, and the way in."""

    address: str
    host_key: str
    private_key: str = field(repr=False)
    user: str = "root"
    port: int = 22


@dataclass(frozen=True, kw_only=True, slots=True)
class AdoptedGroup(Group):
    kind: str = "adopted"
    machines: Mapping[str, Machine]
    """By the last part of the host's name: one that leaves renames none of the others."""

    only_ssh: bool = False
    """Nothing but SSH, and what the balancer serves, is open to the user's machine."""


class AdoptedHost(pulumi.ComponentResource):
    """One machine, with everything that a host needs and it did not have."""

    def __init__(
        self,
        name: str,
        *,
        group: AdoptedGroup,
        machine: Machine,
        way_in: Mapping[str, pulumi.Input[Any]],
        survey: Survey,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("platform:hosts:AdoptedHost", name, None, opts)
        claim = Claim(f"{name}-claim", connection=way_in, opts=pulumi.ResourceOptions(parent=self, depends_on=[survey]))
        packages = Packages(
            f"{name}-packages",
            connection=way_in,
            packages=needed(group.roles),
            unstarted=("haproxy.service",),
            data=ENGINE_DATA if "docker.io" in needed(group.roles) else (),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[claim]),
        )
        engine = (
            Units(
                f"{name}-units",
                connection=way_in,
                units={"docker.service": {}},
                opts=pulumi.ResourceOptions(parent=self, depends_on=[packages]),
            )
            if "docker.io" in needed(group.roles)
            else packages
        )
        kernel = Sysctls(
            f"{name}-sysctls",
            connection=way_in,
            path="/etc/sysctl.d/60-mooring.conf",
            values=KERNEL,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[packages]),
        )
        ready = kind.Host(
            f"{name}-ready",
            name=name,
            connection=way_in,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[engine, kernel]),
        )
        address = pulumi.Output.from_input(machine.address)
        self.host = Host(
            name=name,
            roles=group.roles,
            address=address,
            connection={
                **way_in,
                "address": pulumi.Output.all(address, ready.machine_id).apply(lambda known: known[0]),
            },
            public_host_key=pulumi.Output.from_input(machine.host_key),
            memory_mib=None,
            goes_with=None,
            labels=group.labels,
            drivers=group.drivers,
            behind_ssh=group.only_ssh,
        )
        self.register_outputs({"address": address})


def adopted_hosts(group: AdoptedGroup, ground: Ground) -> list[Host]:
    """Declare every host of the group."""
    if ground.survey is None:
        raise ValueError(f"group {group.name}: machines are surveyed before they are adopted")
    # A key that several share is one value, so that whatever lists their ways in can say it once.
    keys = {machine.private_key: pulumi.Output.secret(machine.private_key) for machine in group.machines.values()}
    return [
        AdoptedHost(
            f"{pulumi.get_stack()}-{group.name}-{name}",
            group=group,
            machine=machine,
            way_in=connection(machine, keys[machine.private_key]),
            survey=ground.survey,
            opts=pulumi.ResourceOptions(parent=ground.parent),
        ).host
        for name, machine in group.machines.items()
    ]


def survey(name: str, groups: Sequence[Group], parent: pulumi.Resource) -> Survey | None:
    """Every machine of the stack that is to be adopted, looked at together; None where there is none."""
    machines = {
        f"{pulumi.get_stack()}-{group.name}-{each}": (group.roles, machine)
        for group in groups
        if isinstance(group, AdoptedGroup)
        for each, machine in group.machines.items()
    }
    if not machines:
        return None
    tunnelled = any(group.only_ssh for group in groups if isinstance(group, AdoptedGroup))
    return Survey(
        name,
        connections={
            name: connection(machine, pulumi.Output.secret(machine.private_key))
            for name, (_, machine) in machines.items()
        },
        # Once one is reached through SSH, all are.
        demands={
            name: {**demand(roles), **({"forwarding": True} if tunnelled else {})}
            for name, (roles, _) in machines.items()
        },
        opts=pulumi.ResourceOptions(parent=parent),
    )


def connection(machine: Machine, private_key: pulumi.Output[str]) -> dict[str, pulumi.Input[Any]]:
    return {
        "address": machine.address,
        "port": machine.port,
        "user": machine.user,
        "private_key": private_key,
        "host_key": machine.host_key,
    }


def demand(roles: frozenset[Role]) -> dict[str, Any]:
    """What a machine must offer to have these roles; the fields of `mooring.kinds.host_survey.Demand`."""
    units = ["consul", *(["nomad"] if _nomad(roles) else []), *(["mooring-haproxy"] if Role.EDGE in roles else [])]
    return {
        "ports": ports(roles),
        "paths": [*OURS, *(f"/etc/systemd/system/{unit}.service" for unit in units)],
        "packages": sorted(needed(roles)),
        "memory_mib": MEMORY if _nomad(roles) else MEMORY // 2,
        "disk_mib": DISK if _nomad(roles) or Role.REGISTRY in roles else DISK // 4,
    }


def ports(roles: frozenset[Role]) -> dict[str, str]:
    """Every port that is listened on, with what does."""
    consul = {
        "tcp/8301": "Consul",
        "udp/8301": "Consul",
        "tcp/8501": "Consul",
        "tcp/8600": "Consul",
        "udp/8600": "Consul",
    }
    if Role.SERVER in roles:
        consul["tcp/8300"] = "Consul"
    nomad = ["tcp/4646", *(["tcp/4647", "tcp/4648", "udp/4648"] if Role.SERVER in roles else [])]
    return {
        **consul,
        **(dict.fromkeys(nomad, "Nomad") if _nomad(roles) else {}),
        **({"tcp/5000": "the registry"} if Role.REGISTRY in roles else {}),
        # The way to a registry that answers, on every host.
        "tcp/5001": "the registry's proxy",
        **({"tcp/80": "the load balancer"} if Role.EDGE in roles else {}),
    }


def needed(roles: frozenset[Role]) -> dict[str, dict[str, str]]:
    """The packages by name; the fields of `mooring.kinds.host_packages.Package`."""
    packages: dict[str, dict[str, str]] = {"ca-certificates": {}, "haproxy": {}, "procps": {}}
    if {Role.CLIENT, Role.REGISTRY, Role.SERVER} & roles:
        # Whatever engine a machine has already stays: Docker's own package would be pushed out by Debian's.
        packages["docker.io"] = {"provided_by": "dockerd"}
    if Role.CLIENT in roles:
        packages |= {"containernetworking-plugins": {}, "iptables": {}}
    if {Role.REGISTRY, Role.SERVER} & roles:
        packages["zstd"] = {}
    return packages


def _nomad(roles: frozenset[Role]) -> bool:
    return bool({Role.SERVER, Role.CLIENT} & roles)
