"""An engine that takes declarations down, and hosts for what stands on hosts."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path

import pytest
from fakes.engine import Engine

from components.authority import Authority
from components.hosts import Group, HostNetwork, Hosts, LocalGroup, Role
from components.network import Network
from mooring.toolchain import binaries

SERVER = frozenset({Role.SERVER, Role.CLIENT, Role.REGISTRY})
EDGE = frozenset({Role.EDGE})


@dataclass(frozen=True, kw_only=True)
class Ground:
    """What other components stand on."""

    network: HostNetwork
    hosts: Hosts
    authority: Authority


def group(name: str, count: int, roles: frozenset[Role]) -> Group:
    return LocalGroup(name=name, count=count, roles=roles, memory_mib=2048)


def tool(name: str, version: str | None = None) -> Path:
    return Path("/cache", f"{name}-{version}")


@pytest.fixture
def ground(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Ground]:
    """To be called inside a program: three servers and an edge."""
    monkeypatch.setattr(binaries, "locate", tool)
    monkeypatch.setenv("MOORING_STATE", "/state")
    monkeypatch.setenv("MOORING_CACHE", "/cache")

    def lay() -> Ground:
        groups = [group("server", 3, SERVER), group("edge", 1, EDGE)]
        network = Network("platform", cidr=IPv4Network("198.18.9.0/24"), groups=groups, port=8080)
        hosts = Hosts("hosts", groups=groups, network=network.access)
        return Ground(network=network.access, hosts=hosts, authority=Authority("authority"))

    return lay


@pytest.fixture
def engine() -> Iterator[Engine]:
    made = Engine(stack="dev")
    yield made
    made.close()
