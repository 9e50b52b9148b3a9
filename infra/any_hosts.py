"""What a stack file says of every group of hosts, whatever their kind."""

from collections.abc import Iterator
from ipaddress import IPv4Network
from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel
from typing_extensions import override

from components.hosts import USUAL_DRIVERS, Driver, Group, Role


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
    def number(self) -> int:
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
    def number(self) -> int:
        return self.count
