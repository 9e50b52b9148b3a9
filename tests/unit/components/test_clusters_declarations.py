"""What the clusters hand out, and what must exist before they do."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from ipaddress import IPv4Network
from typing import Any

import pulumi
import pytest
from fakes.engine import Engine

from components.access import Endpoint, reached
from components.consul import ConsulCluster
from components.nomad import NomadCluster
from components.timings import timings
from mooring.plugin.wire import plain

PACE = timings([], clients=3)
AGENT = "mooring:host:Agent"
NETWORK = IPv4Network("198.18.9.0/24")
SERVERS = ["dev-server-1", "dev-server-2", "dev-server-3"]


@dataclass(frozen=True, kw_only=True)
class Clusters:
    consul: ConsulCluster
    nomad: NomadCluster


@pytest.fixture
def clusters(engine: Engine, ground: Callable[[], Any]) -> Clusters:
    def program() -> Clusters:
        on = ground()
        consul = ConsulCluster(
            "consul",
            hosts=on.hosts.every,
            authority=on.authority.consul,
            datacenter="dc1",
            version="1.13.9",
            timings=PACE,
            goes_with=on.hosts.goes_with,
        )
        nomad = NomadCluster(
            "nomad",
            hosts=on.hosts.every,
            authority=on.authority.nomad,
            datacenter="dc1",
            version="1.6.3",
            timings=PACE,
            network=NETWORK,
            consul=consul.access,
            goes_with=on.hosts.goes_with,
        )
        return Clusters(consul=consul, nomad=nomad)

    return engine.run(program)


def output(value: Any) -> pulumi.Output[Any]:
    assert isinstance(value, pulumi.Output)
    return value


def test_consul_runs_everywhere_and_nomad_where_apps_or_decisions_are(engine: Engine, clusters: Clusters) -> None:
    del clusters
    assert engine.names(AGENT) == [
        "consul-dev-edge-1",
        *(f"consul-{name}" for name in SERVERS),
        *(f"nomad-{name}" for name in SERVERS),
    ]


@pytest.mark.parametrize("vendor", ["consul", "nomad"])
def test_a_cluster_is_asked_for_only_when_all_its_agents_run(engine: Engine, clusters: Clusters, vendor: str) -> None:
    del clusters
    cluster = engine.one(f"mooring:{vendor}:Cluster", vendor)
    agents = {name for name in engine.names(AGENT) if name.startswith(vendor)}

    assert {found.name for found in engine.before(cluster.urn)} >= agents
    assert cluster.inputs["servers"] == SERVERS


def test_clients_come_after_servers_and_servers_do_not_wait_for_each_other(engine: Engine, clusters: Clusters) -> None:
    """They elect by themselves, and only once all are there; what is changed is changed in who decides first."""
    del clusters
    for found in engine.of(AGENT):
        vendor, _, host = found.name.partition("-")
        before = {each.name for each in engine.before(found.urn) if each.type == AGENT}
        waited_for = {name for name in before if name.startswith(vendor)}
        assert waited_for == (set() if host in SERVERS else {f"{vendor}-{server}" for server in SERVERS}), found.name


def test_who_asks_consul_waits_for_the_cluster_and_for_every_agents_token(engine: Engine, clusters: Clusters) -> None:
    tokens = {f"consul-{host}-agent" for host in ["dev-edge-1", *SERVERS]} | {"consul-dns-token"}

    for handed_out in (clusters.consul.access.status["addresses"], clusters.consul.access.nomad["token"]):
        assert engine.behind(output(handed_out)) >= {"consul", *tokens}


def test_who_deploys_waits_for_nomad_and_holds_no_management_token(engine: Engine, clusters: Clusters) -> None:
    access = clusters.nomad.access

    assert "nomad" in engine.behind(output(access.deploy["addresses"]))
    assert engine.value(output(access.deploy["token"])) == "the secret nomad-deploy-token.secret_id"
    assert engine.value(output(access.status["token"])) == "the secret nomad-status-token.secret_id"
    assert engine.behind(output(access.deploy["token"])) >= {"nomad-deploy-token", "nomad-deploy"}


def test_every_right_that_is_handed_out_is_a_secret(engine: Engine, clusters: Clusters) -> None:
    consul, nomad = clusters.consul.access, clusters.nomad.access

    for endpoint in (consul.status, consul.nomad, nomad.deploy, nomad.status):
        assert engine.is_secret(output(endpoint["token"]))
        assert engine.is_secret(output(endpoint["private_key"]))


def configuration(engine: Engine, vendor: str, host: str) -> str:
    """All its files, as a text to look into."""
    files = plain(engine.one(AGENT, f"{vendor}-{host}").inputs["files"])
    return "".join(
        str(files[f"/etc/{vendor}.d/{name}.json"]["content"])
        for name in (vendor, "start", *(["tokens"] if vendor == "consul" else []))
    )


def test_only_servers_know_the_management_token(engine: Engine, clusters: Clusters) -> None:
    del clusters
    management = "the secret consul-credentials.management"

    assert management not in configuration(engine, "consul", "dev-edge-1")
    assert all(management in configuration(engine, "consul", host) for host in SERVERS)


def test_each_agent_has_a_token_of_its_own(engine: Engine, clusters: Clusters) -> None:
    del clusters
    for host in ["dev-edge-1", *SERVERS]:
        told = configuration(engine, "consul", host)
        assert f"the secret consul-{host}-secret.value" in told
        assert not [other for other in SERVERS if other != host and f"consul-{other}-secret" in told]


def test_nomad_is_given_a_token_of_consuls_that_may_only_register(engine: Engine, clusters: Clusters) -> None:
    del clusters
    assert "the secret consul-nomad-secret.value" in configuration(engine, "nomad", SERVERS[0])
    assert engine.one("mooring:consul:AclToken", "consul-nomad-token").inputs["policies"] == ["nomad"]


def test_no_certificate_lets_an_edge_speak_as_a_server(engine: Engine, clusters: Clusters) -> None:
    del clusters
    names = {found.name: found.inputs.get("dns_names", []) for found in engine.of("mooring:pki:Certificate")}

    assert names["consul-dev-edge-1-certificate"] == ["localhost"]
    assert "server.dc1.consul" in names["consul-dev-server-1-certificate"]
    assert "server.global.nomad" in names["nomad-dev-server-1-certificate"]


def test_servers_on_slow_hosts_are_asked_with_as_much_patience(engine: Engine, ground: Callable[[], Any]) -> None:
    def both() -> tuple[Endpoint, Endpoint]:
        hosts = ground().hosts.every
        slow = replace(hosts[0], connection={**hosts[0].connection, "patience": 8})
        return reached(hosts), reached([slow, *hosts[1:]])

    usual, patient = engine.run(both)

    assert "patience" not in usual
    assert patient["patience"] == 8
