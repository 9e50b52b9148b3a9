"""A machine of a cloud provider's as a host: what all providers have in common once one of theirs is made."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import pulumi

from components.hosts.cloud import CloudGroup
from components.hosts.host import Ground, Host
from components.hosts.needed import NEEDED
from mooring.kinds import host as kind
from mooring.kinds.cloud_init import FirstBoot
from mooring.kinds.host_files import Files
from mooring.kinds.host_units import Units
from mooring.kinds.ssh import KeyPair

G = TypeVar("G", bound=CloudGroup)

BOOTS_WITHIN = pulumi.CustomTimeouts(create="10m", update="10m")
"""A provider's machine answers within a minute; then it fetches and installs what a host needs."""

METADATA = "169.254.169.254"
"""Where every one of these providers tells a machine about itself, its user-data and so its SSH host key included."""

METADATA_UNIT = "mooring-metadata.service"
PRIVATE = f"""[Unit]
Description=Keeps what runs here away from what the provider tells about this machine
Before=docker.service nomad.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/iptables --wait --table raw --insert PREROUTING --destination {METADATA} --jump DROP
ExecStart=/usr/sbin/iptables --wait --insert OUTPUT --destination {METADATA} \
--match owner ! --uid-owner root --jump REJECT
ExecStop=/usr/sbin/iptables --wait --table raw --delete PREROUTING --destination {METADATA} --jump DROP
ExecStop=/usr/sbin/iptables --wait --delete OUTPUT --destination {METADATA} \
--match owner ! --uid-owner root --jump REJECT

[Install]
WantedBy=multi-user.target
"""
"""Containers come by PREROUTING, before any rule of their engine's; whoever is not root comes by OUTPUT."""


class Cloud(Protocol):
    """A provider, with the network that the stack's hosts share there."""

    def hosts(self, group: CloudGroup, ground: Ground) -> list[Host]:
        """Declare every host of the group."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Made:
    """A machine that a provider was asked for."""

    machine: pulumi.CustomResource
    address: pulumi.Output[str]
    """In the stack's network."""

    public: pulumi.Output[str]


class CloudHost(pulumi.ComponentResource):
    """One machine of a provider's, up and reachable, which nothing on it can ask who it is."""

    def __init__(
        self,
        name: str,
        *,
        group: CloudGroup,
        key: KeyPair,
        goes_with: pulumi.Resource,
        make: Callable[[pulumi.Output[str], pulumi.Resource], Made],
        address: str | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`make` is given the user-data, which is secret, and the machine's parent; `address` is known beforehand
        where we choose it.
        """
        super().__init__("platform:hosts:CloudHost", name, None, opts)
        self._name, self._group, self._goes_with = name, group, goes_with
        host_key = self._host_key = KeyPair(f"{name}-host-key", comment=name, opts=pulumi.ResourceOptions(parent=self))
        self.made = make(first_boot(name, key, host_key, address), self)
        way_in = {"private_key": key.private_key, "host_key": host_key.public_key}
        booted = kind.Host(
            f"{name}-ready",
            name=name,
            connection={"address": self.made.public, **way_in},
            opts=pulumi.ResourceOptions(
                parent=self, depends_on=[self.made.machine], deleted_with=goes_with, custom_timeouts=BOOTS_WITHIN
            ),
        )
        self.connection = {
            "address": pulumi.Output.all(self.made.public, booted.machine_id).apply(lambda known: str(known[0])),
            **way_in,
        }
        private = self.service("metadata", METADATA_UNIT, PRIVATE)
        self._settled = pulumi.Output.all(self.connection["address"], private.id).apply(lambda known: str(known[0]))
        self.register_outputs({"address": self.made.address})

    def service(self, what: str, unit: str, content: pulumi.Input[str]) -> Units:
        """A unit of ours on the host, there and started."""
        file = Files(
            f"{self._name}-{what}",
            connection=self.connection,
            files={f"/etc/systemd/system/{unit}": {"content": content}},
            opts=pulumi.ResourceOptions(parent=self, deleted_with=self.made.machine),
        )
        return Units(
            f"{self._name}-{what}-unit",
            connection=self.connection,
            units={unit: {}},
            opts=pulumi.ResourceOptions(parent=self, depends_on=[file], deleted_with=self.made.machine),
        )

    def host(self, front: pulumi.Output[str] | None) -> Host:
        """`front` is where its balancer is found from outside, if it is to have one."""
        return Host(
            name=self._name,
            roles=self._group.roles,
            address=self.made.address,
            connection={**self.connection, "address": self._settled},
            public_host_key=self._host_key.public_key,
            memory_mib=None,
            goes_with=self._goes_with,
            machine=self.made.machine,
            labels=self._group.labels,
            drivers=self._group.drivers,
            behind_ssh=True,
            front=front,
        )


def first_boot(name: str, key: KeyPair, host_key: KeyPair, address: str | None) -> pulumi.Output[str]:
    """The machine's user-data. It is secret, as the host's own key is in it."""

    def document(keys: Mapping[str, str]) -> str:
        known = {} if address is None else {"address": address}
        return FirstBoot(
            hostname=name,
            authorized_keys=(keys["authorized"],),
            host_key=keys["private"],
            public_host_key=keys["public"],
            packages=NEEDED,
            **known,
        ).document()

    return pulumi.Output.secret(
        pulumi.Output.all(authorized=key.public_key, private=host_key.private_key, public=host_key.public_key).apply(
            document
        )
    )


def as_born(parent: pulumi.Resource, *fixed: str, after: Sequence[pulumi.Resource] = ()) -> pulumi.ResourceOptions:
    """For a machine that keeps the properties `fixed` as it was made with them, whatever the program says later.

    Each of them would replace or restart the machine, and every machine of the stack in the same moment.
    """
    return pulumi.ResourceOptions(
        parent=parent,
        ignore_changes=["userData", *fixed],
        additional_secret_outputs=["userData"],
        # The next one has its name and its address.
        delete_before_replace=True,
        depends_on=list(after),
    )


def of_kind(group: CloudGroup, kind: type[G], provider: str) -> G:
    """The group as one of the provider's; `TypeError` where the hosts of several share the stack."""
    if not isinstance(group, kind):
        raise TypeError(f"group {group.name}: hosts of kind {group.kind} share no network with {provider}'s")
    return group


def stack_name() -> str:
    """What everything that the stack's hosts share is called at a provider's."""
    return f"{pulumi.get_project()}-{pulumi.get_stack()}"


def number(id_: pulumi.Output[str]) -> pulumi.Output[int]:
    """An id as those providers want it that count theirs."""
    return id_.apply(int)
