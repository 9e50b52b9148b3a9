"""What a stack file says of its hosts: a list of groups, each of a kind that has settings of its own."""

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Annotated, ClassVar, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel
from typing_extensions import override

from components.hosts import (
    USUAL_DRIVERS,
    AdoptedGroup,
    CloudImage,
    Driver,
    Group,
    LocalGroup,
    Machine,
    Role,
    VirtualGroup,
)


class Values(BaseModel):
    """Part of a stack file: an unknown key is refused by name."""

    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=to_camel, populate_by_name=True)


class AnyHosts(Values):
    """What every kind of group has."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,20}$")]
    roles: Annotated[frozenset[Role], Field(min_length=1)]
    labels: dict[Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]*$")], str] = Field(
        default_factory=dict[str, str]
    )
    """Nomad's `meta` of the node."""

    drivers: Annotated[frozenset[Driver], Field(min_length=1)] = USUAL_DRIVERS
    """What runs apps on these hosts."""

    placed: ClassVar[bool] = True
    """Whether the hosts take their addresses from the stack's network, each group from its own block."""

    @property
    def size(self) -> int:
        """How many hosts the group has."""
        raise NotImplementedError

    def problems(self, network: IPv4Network) -> Iterator[str]:
        """What is wrong with values that are each fine by themselves; contacts nobody."""
        del network
        return iter(())

    @property
    def group(self) -> Group:
        """As the component is told."""
        raise NotImplementedError


class Counted(AnyHosts):
    """Hosts that are made, and so many of them."""

    count: Annotated[int, Field(ge=1, le=200)]

    @property
    @override
    def size(self) -> int:
        return self.count


class LocalHosts(Counted):
    kind: Literal["local"]
    memory: Annotated[int, Field(ge=512)] = 2048
    """MiB."""

    @property
    @override
    def group(self) -> Group:
        return LocalGroup(
            name=self.name,
            count=self.count,
            roles=self.roles,
            labels=self.labels,
            drivers=self.drivers,
            memory_mib=self.memory,
        )


class DiskImage(Values):
    """A disk of somebody else's that boots by itself."""

    source: Annotated[str, Field(pattern=r"^(/|https://)")]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class VirtualHosts(Counted):
    kind: Literal["libvirt"]
    memory: Annotated[int, Field(ge=512)] = 2048
    """MiB."""

    cores: Annotated[int, Field(ge=1, le=64)] = 2
    disk: Annotated[int, Field(ge=4)] = 20
    """GiB; what is not written takes no place."""

    accelerator: Literal["auto", "kvm", "tcg"] = "auto"
    image: DiskImage | None = None
    packages: tuple[Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.+-]+$")], ...] = ()

    @property
    @override
    def group(self) -> Group:
        image = self.image
        return VirtualGroup(
            name=self.name,
            count=self.count,
            roles=self.roles,
            labels=self.labels,
            drivers=self.drivers,
            cores=self.cores,
            memory_mib=self.memory,
            disk_gib=self.disk,
            accelerator=self.accelerator,
            image=None if image is None else CloudImage(source=image.source, sha256=image.sha256),
            packages=self.packages,
        )


class CloudHosts(Counted):
    kind: Literal["hetzner", "aws", "digitalocean"]
    memory: Annotated[int, Field(ge=512)] = 2048
    """MiB."""

    @property
    @override
    def group(self) -> Group:
        return Group(
            name=self.name, kind=self.kind, count=self.count, roles=self.roles, labels=self.labels, drivers=self.drivers
        )


class OwnMachine(Values):
    """One machine that is there already."""

    address: IPv4Address
    host_key: Annotated[str, Field(pattern=r"^(ssh|ecdsa)-\S+ \S+( .*)?$")]
    """As in the machine's own `/etc/ssh/ssh_host_ed25519_key.pub`."""

    port: Annotated[int, Field(ge=1, le=65535)] = 22
    user: str | None = None
    key: Annotated[str | None, Field(repr=False)] = None
    key_file: str | None = None


class AdoptedHosts(AnyHosts):
    placed: ClassVar[bool] = False
    kind: Literal["adopted"]
    user: str = "root"
    key: Annotated[str | None, Field(repr=False)] = None
    """OpenSSH's private key itself, as a secret."""

    key_file: str | None = None
    """The same in a file of whoever runs `pulumi`."""

    machines: Annotated[
        dict[Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,20}$")], OwnMachine], Field(min_length=1)
    ]

    @property
    @override
    def size(self) -> int:
        return len(self.machines)

    @property
    @override
    def group(self) -> Group:
        return AdoptedGroup(
            name=self.name,
            count=self.size,
            roles=self.roles,
            labels=self.labels,
            drivers=self.drivers,
            machines={
                name: Machine(
                    address=str(machine.address),
                    host_key=" ".join(machine.host_key.split()[:2]),
                    private_key=self.key_of(machine),
                    user=machine.user or self.user,
                    port=machine.port,
                )
                for name, machine in self.machines.items()
            },
        )

    def key_of(self, machine: OwnMachine) -> str:
        """Raises `OSError` where a file cannot be read."""
        for key, file in ((machine.key, machine.key_file), (self.key, self.key_file)):
            if key is not None:
                return key
            if file is not None:
                return Path(file).expanduser().read_text()
        return ""

    @override
    def problems(self, network: IPv4Network) -> Iterator[str]:
        for name, machine in self.machines.items():
            if machine.address not in network:
                yield f"machines.{name}.address: {machine.address} is not in the stack's network, which is {network}"
            given = [source for source in (machine, self) if source.key is not None or source.key_file is not None]
            if not given:
                yield f"machines.{name}: has no key; the secret `key` or `keyFile`, here or for the group, would do"
            elif given[0].key is not None and given[0].key_file is not None:
                yield f"machines.{name}: has both key and keyFile; one would do"
            else:
                yield from self._unreadable(name, machine)

    def _unreadable(self, name: str, machine: OwnMachine) -> Iterator[str]:
        try:
            key = self.key_of(machine)
        except OSError as error:
            yield f"machines.{name}: keyFile {error.filename} cannot be read: {error.strerror}"
            return
        if "PRIVATE KEY-----" not in key:
            yield f"machines.{name}: the key is no private key of OpenSSH's"


HostGroup = Annotated[LocalHosts | VirtualHosts | AdoptedHosts | CloudHosts, Field(discriminator="kind")]
KINDS: dict[str, type[AnyHosts]] = {
    kind: model
    for model in (LocalHosts, VirtualHosts, AdoptedHosts, CloudHosts)
    for kind in get_args(model.model_fields["kind"].annotation)
}
"""Every kind that a file may name, with what it says of such a group."""
