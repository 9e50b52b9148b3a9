"""The worst host dies: it led both clusters, carried an instance, and the registry from which images come."""

import re

import pytest
from live.stack import Stack, docker, no_change, on
from live.test_stack import INSTANCES, deploy_endpoint, passing, time_to_settle

from mooring.cli.overview import Overview
from mooring.clients import consul, nomad
from mooring.clients.errors import ApiError, Unreachable
from mooring.drills.traffic import Traffic
from mooring.waiting import SYSTEM, wait_for

pytestmark = pytest.mark.live

WORST = "test-server-1"
"""With the first registry, which every host asks first."""


@pytest.fixture
def overview(stack: Stack) -> Overview:
    wait_for(lambda: stack.status()["healthy"] or None, "the stack is well", within=90, every=1)
    return stack.overview()


def leaders(overview: Overview) -> dict[str, str]:
    """Which host leads what; nothing of a cluster that has no leader."""
    at = {host.connection.address: host.name for host in overview.hosts}
    found: dict[str, str] = {}
    for name, api in (("consul", consul.cluster(overview.consul)), ("nomad", nomad.region(overview.nomad))):
        try:
            leader = api.leader()
        except (ApiError, Unreachable):
            continue
        if leader:
            found[name] = at[leader.partition(":")[0]]
    return found


def lead(overview: Overview, wanted: str) -> None:
    """Restart whoever else leads until `wanted` leads both clusters: neither has a way to hand it over."""
    hosts = {host.name: host for host in overview.hosts}

    def led() -> bool | None:
        found = leaders(overview)
        others = {service: name for service, name in found.items() if name != wanted}
        if len(found) == 2 and not others:
            return True
        for service, name in others.items():
            on(hosts[name], f"systemctl restart {service}")
        return None

    wait_for(led, f"{wanted} leads both clusters", within=300, every=12)
    wait_for(lambda: passing(overview) == INSTANCES or None, "all instances pass", within=60, every=0.5)


def test_the_worst_host_dies_and_the_next_run_puts_back_what_is_missing(stack: Stack, overview: Overview) -> None:
    lead(overview, WORST)
    pulled = "docker --config /etc/nomad/pull pull --quiet"
    image = nomad.region(deploy_endpoint(stack)).job("hello")
    assert image is not None
    reference = image["TaskGroups"][0]["Tasks"][0]["Config"]["image"]
    edge = next(host for host in overview.hosts if "edge" in host.roles)

    with Traffic(overview.url, rate=50) as load:
        time_to_settle(load)
        begun = SYSTEM.now()
        docker("rm", "--force", f"mooring-{WORST}")
        wait_for(lambda: passing(overview, WORST) >= INSTANCES or None, "all instances pass", within=90, every=0.1)
        took = SYSTEM.now() - begun
        on(edge, f"mkdir -p /etc/nomad/pull && cp /etc/nomad/docker-auth.json /etc/nomad/pull/config.json && "
                 f"{pulled} {reference} && rm -r /etc/nomad/pull")  # fmt: skip
        preview = stack.pulumi("preview", "--non-interactive")
        up = stack.mooring("up", within=400)
    print(f"full capacity after {took:.1f} s, {len(load.failed)} of {len(load.requests)} failed")
    wait_for(lambda: stack.status()["healthy"] or None, "the host is back", within=90, every=0.5)

    assert took <= 45
    assert preview.returncode == 0, preview.stdout[-3000:] + preview.stderr[-1000:]
    assert re.search(rf"docker:index:Container {WORST} create", preview.stdout)
    assert re.search(rf"mooring:host:Host {WORST}-ready update", preview.stdout)
    assert not re.search(r"(create|replace|delete) .*registry", preview.stdout)
    assert up.returncode == 0, up.stdout[-3000:]
    assert no_change(stack.pulumi("preview", "--expect-no-changes"))
    assert len(load.failed) <= 5
    assert {node["Name"] for node in nomad.region(overview.nomad).nodes() if node["Status"] == "ready"} == {
        host.name for host in overview.hosts if "client" in host.roles
    }
