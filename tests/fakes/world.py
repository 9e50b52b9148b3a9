"""One pretended stack: its two clusters, a host, a clock, and the work that a handler is given on them."""

from dataclasses import dataclass, field

import pytest
from fakes.clock import FakeClock
from fakes.consul import FakeConsul
from fakes.hosts import FakeHost, FakeHosts
from fakes.network import Network
from fakes.nomad import FakeNomad
from typing_extensions import override

from mooring.clients import consul, http, nomad, ssh
from mooring.clients.http import Endpoint
from mooring.clients.ssh import Connection
from mooring.kinds import roll
from mooring.kinds.kind import Work
from mooring.waiting import Clock

SERVERS = ("198.18.0.11", "198.18.0.12", "198.18.0.13")
CONSUL_PORT = 8501
NOMAD_PORT = 4646


@dataclass(frozen=True, kw_only=True)
class FakeWork(Work):
    """`Work` on a clock that tests turn, with everything that was said."""

    time: FakeClock
    said: list[str] = field(default_factory=list[str])

    @property
    @override
    def clock(self) -> Clock:
        return self.time


class World:
    """Stands where the clients reach for the real one, until the test ends."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.clock = FakeClock()
        self.consul_endpoint = _endpoint(CONSUL_PORT, "11111111-aaaa-4aaa-8aaa-111111111111")
        self.nomad_endpoint = _endpoint(NOMAD_PORT, "22222222-bbbb-4bbb-8bbb-222222222222")
        self.consul = FakeConsul(self.consul_endpoint.token)
        self.nomad = FakeNomad(self.nomad_endpoint.token, self.clock)
        self.host = FakeHost(
            Connection(address=SERVERS[0], private_key="the-private-key-of-the-stack", host_key="ssh-ed25519 AAAA")
        )
        self.network = Network()
        for address in SERVERS:
            self.network.servers[address, CONSUL_PORT] = self.consul
            self.network.servers[address, NOMAD_PORT] = self.nomad
        patch.setattr(http, "wire", self.network.wire)
        self.hosts = FakeHosts(self.host)
        patch.setattr(ssh, "hosts", lambda: self.hosts)
        # The clients are kept by endpoint, and each world has the same ones.
        consul.cluster.cache_clear()
        nomad.region.cache_clear()
        roll.forget()

    def work(self, stack: str = "test") -> FakeWork:
        said: list[str] = []
        return FakeWork(
            urn=f"urn:pulumi:{stack}::mooring::x::thing",
            name="thing",
            project="mooring",
            stack=stack,
            say=said.append,
            said=said,
            cancelled=self.clock.cancelled,
            time=self.clock,
        )


def _endpoint(port: int, token: str) -> Endpoint:
    return Endpoint(
        addresses=SERVERS,
        port=port,
        authority="the authority",
        certificate="the certificate",
        private_key="the-private-key-of-the-operator",
        token=token,
    )
