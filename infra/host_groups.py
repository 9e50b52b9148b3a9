"""What a stack file says of its hosts: a list of groups, each of a kind that has settings of its own."""

from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel
from typing_extensions import override

from components.hosts import CloudImage, Group, LocalGroup, Role, VirtualGroup


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

    @property
    def size(self) -> int:
        """How many hosts the group has."""
        raise NotImplementedError

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
            name=self.name, count=self.count, roles=self.roles, labels=self.labels, memory_mib=self.memory
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
        return Group(name=self.name, kind=self.kind, count=self.count, roles=self.roles, labels=self.labels)


HostGroup = Annotated[LocalHosts | VirtualHosts | CloudHosts, Field(discriminator="kind")]
KINDS: dict[str, type[AnyHosts]] = {
    kind: model
    for model in (LocalHosts, VirtualHosts, CloudHosts)
    for kind in get_args(model.model_fields["kind"].annotation)
}
"""Every kind that a file may name, with what it says of such a group."""
