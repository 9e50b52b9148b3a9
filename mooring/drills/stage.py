"""What a drill acts on: a stack's hosts and clusters, and the app behind its balancer."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from mooring.clients.http import Endpoint
from mooring.clients.ssh import Connection


class CannotDrill(Exception):
    """The stack is not one on which this could be drilled; the message says what would have to be different."""


@dataclass(frozen=True, kw_only=True)
class Host:
    name: str
    roles: frozenset[str]
    connection: Connection
    container: str | None = None
    """Its name in this machine's engine, where the host is a local node; None where nobody can reach its outside."""

    inside: str | None = None
    """Its address in the clusters; None where it is the one that SSH goes to."""

    @property
    def address(self) -> str:
        return self.inside or self.connection.address


@dataclass(frozen=True, kw_only=True)
class Stage:
    stack: str
    hosts: tuple[Host, ...]
    consul: Endpoint
    nomad: Endpoint
    url: str
    """Where the balancer answers for the app."""

    job: str
    service: str
    """The job's name in Consul."""

    desired: int
    """Instances that the job is to have."""

    problems: Callable[[], Sequence[str]]
    """What is not well, in the words of `mooring status`."""

    difference: Callable[[], str | None]
    """What a preview would change, in Pulumi's words; None when nothing."""

    up: Callable[[str | None, float | None], tuple[int, str]]
    """Run `mooring up`, with these lines in front of the program if there are any, and kill Pulumi with -9 after so
    many seconds if that is said; its exit status and what was printed.
    """

    def having(self, role: str) -> list[Host]:
        return [host for host in self.hosts if role in host.roles]

    def host(self, name: str) -> Host:
        return next(host for host in self.hosts if host.name == name)

    def at(self, address: str) -> Host:
        """The host that has the address, with or without a port behind it."""
        return next(host for host in self.hosts if host.address == address.partition(":")[0])


def each(endpoint: Endpoint) -> Iterator[Endpoint]:
    """One endpoint for every server, which asks that one alone."""
    for address in endpoint.addresses:
        yield endpoint.only(address)
