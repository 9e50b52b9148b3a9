"""When the majority of a cluster's servers is lost for good: let those that are left decide alone.

Not what `mooring up` does about a run that was killed, which is in `recover.py`. A server whose peers are gone never
leads, however long it waits: it must be told by a file who its peers are now (peers.json, as both vendors document it).
That gives up what only the lost ones had, so it is done when a person has read so, and not by itself.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, Self

from mooring.cli.overview import HostOverview
from mooring.clients import ssh
from mooring.clients.errors import ApiError, Unreachable
from mooring.waiting import SYSTEM, Clock, wait_for

Say = Callable[[str], None]

LED_WITHIN: Final = 90.0
"""Seconds. Nomad took 24, of which 20 are its own limit for a stop without a quorum."""

REST: Final = "the other servers join when `mooring up` has made them anew; until then a further loss is the end"


class NotToBeRecovered(Exception):
    """Nothing was touched: the sentence says why, and what would do."""


class Led(Protocol):
    def leader(self) -> str | None: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Vendor:
    """Where a server of Consul or Nomad keeps what makes it one."""

    name: str
    data: str
    port: int
    owner: str

    @property
    def peers(self) -> str:
        return f"{self.data}/raft/peers.json"


VENDORS: Final = (
    Vendor(name="consul", data="/var/lib/consul", port=8300, owner="consul"),
    Vendor(name="nomad", data="/var/lib/nomad/server", port=4647, owner="root"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Server:
    """What is left of a server."""

    host: str
    address: str
    id: str | None
    """By which the others know it; None: it does not answer, or has never been one of the cluster."""


def peers(survivors: Iterable[Server], vendor: Vendor) -> str:
    """Who decides from now on, as the file says it."""
    return json.dumps(
        [{"id": s.id, "address": f"{s.address}:{vendor.port}", "non_voter": False} for s in survivors], indent=1
    )


def survivors(servers: Sequence[Server], vendor: Vendor) -> list[Server]:
    """Who is left to decide, of a cluster without a leader; raises `NotToBeRecovered`."""
    left = [server for server in servers if server.id is not None]
    names = ", ".join(server.host for server in left)
    if not left:
        raise NotToBeRecovered(
            f"no server has anything of {vendor.name} left: let `mooring up` form a new cluster, then `mooring "
            "restore` puts a snapshot back"
        )
    if len(left) * 2 > len(servers):
        raise NotToBeRecovered(
            f"{names} still have what {vendor.name} kept, which is a majority of {len(servers)}: nothing has to be "
            f"given up; look at `journalctl -u {vendor.name}` there"
        )
    return left


def look(hosts: Iterable[HostOverview], vendor: Vendor) -> list[Server]:
    """Ask each server's host what it has."""
    return [_looked_at(host, vendor) for host in hosts]


def _looked_at(host: HostOverview, vendor: Vendor) -> Server:
    address = host.inside
    # A server that never was one of the cluster has an empty log, which names nobody: not even itself.
    script = (
        f"if grep -aqsF '{address}:{vendor.port}' {vendor.data}/raft/raft.db {vendor.data}/raft/snapshots/*/meta.json; "
        f"then cat {vendor.data}/node-id; fi"
    )
    try:
        id_ = ssh.run(host.connection, script).decode().strip() or None
    except Unreachable:
        id_ = None
    return Server(host=host.name, address=address, id=id_)


@dataclass(frozen=True, kw_only=True)
class Loss:
    """A cluster that lost its majority, and who is left of it."""

    vendor: Vendor
    hosts: Mapping[str, HostOverview]
    servers: Sequence[Server]
    cluster: Led

    @classmethod
    def seen(cls, vendor: Vendor, hosts: Mapping[str, HostOverview], cluster: Led) -> Self:
        """What there is, of a cluster without a leader; raises `NotToBeRecovered`."""
        made = cls(vendor=vendor, hosts=hosts, servers=look(hosts.values(), vendor), cluster=cluster)
        survivors(made.servers, vendor)
        return made

    @property
    def left(self) -> list[Server]:
        return survivors(self.servers, self.vendor)

    def told(self) -> Iterator[str]:
        """What a person must know first."""
        vendor, left = self.vendor, self.left
        lost = ", ".join(server.host for server in self.servers if server not in left)
        yield f"{vendor.name} has no leader; lost: {lost}; left: {', '.join(server.host for server in left)}"
        yield f"  what only the lost ones had acknowledged last is gone, and {vendor.name} on what is left restarts"
        yield f"  should {lost} come back with their old disks, remove {vendor.data} there before they start"

    def decide_alone(self, say: Say, clock: Clock = SYSTEM) -> None:
        """Stop every survivor, tell all the same, start them, and wait until one leads."""
        vendor = self.vendor
        for server in self.left:
            say(f"stopping {vendor.name} on {server.host}")
            ssh.run(self.hosts[server.host].connection, f"systemctl stop {vendor.name}", within=60)
        peers_file = peers(self.left, vendor).encode()
        for server in self.left:
            script = (
                f"set -eu; umask 077; cat > {vendor.peers}; chown {vendor.owner}: {vendor.peers}; "
                f"systemctl start --no-block {vendor.name}"
            )
            ssh.run(self.hosts[server.host].connection, script, stdin=peers_file)
        say(f"waiting until {vendor.name} has a leader")
        wait_for(lambda: led(self.cluster) or None, f"{vendor.name} has a leader", within=LED_WITHIN, clock=clock)


def led(cluster: Led) -> bool:
    """Whether somebody leads; a cluster in which nobody answers has no leader that anybody could use."""
    try:
        return bool(cluster.leader())
    except (ApiError, Unreachable):
        return False
