"""What a stack file says of its hosts: a list of groups, each of a kind that has settings of its own."""

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Annotated, ClassVar, Literal, get_args

from pydantic import Field
from typing_extensions import override

from components.hosts import AdoptedGroup, CloudImage, Group, LocalGroup, Machine, VirtualGroup
from infra.any_hosts import AnyHosts, Counted, Values
from infra.cloud_hosts import AwsHosts, DigitalOceanHosts, HetznerHosts


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

    only_ssh: bool = False
    """Nothing but SSH, and what the balancer serves, is open to whoever runs `pulumi`."""

    machines: Annotated[
        dict[Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,20}$")], OwnMachine], Field(min_length=1)
    ]

    @property
    @override
    def number(self) -> int:
        return len(self.machines)

    @property
    @override
    def group(self) -> Group:
        return AdoptedGroup(
            name=self.name,
            count=self.number,
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
            only_ssh=self.only_ssh,
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


HostGroup = Annotated[
    LocalHosts | VirtualHosts | AdoptedHosts | HetznerHosts | AwsHosts | DigitalOceanHosts, Field(discriminator="kind")
]
KINDS: dict[str, type[AnyHosts]] = {
    kind: model
    for model in (LocalHosts, VirtualHosts, AdoptedHosts, HetznerHosts, AwsHosts, DigitalOceanHosts)
    for kind in get_args(model.model_fields["kind"].annotation)
}
"""Every kind that a file may name, with what it says of such a group."""
