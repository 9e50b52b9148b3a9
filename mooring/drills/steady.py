"""The steady state: what must hold before a drill, and again after it."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mooring.clients import consul, nomad
from mooring.clients.answers import Json, rows
from mooring.clients.errors import ApiError, Unreachable, Untrusted
from mooring.drills.stage import Stage

ALLOCATION = re.compile(r"^_nomad-task-([0-9a-f-]{36})-")
"""How Nomad names in Consul what an allocation registers."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What everybody says at one moment."""

    problems: Sequence[str]
    """Of `mooring status`."""

    consul_servers: Sequence[Json]
    nomad_servers: Sequence[Json]
    nodes: Sequence[Json]
    instances: Sequence[Json]
    """Of every service in Consul, whatever their checks say."""

    allocations: Sequence[Json]
    """Of the job that is drilled on."""


def complaints(stage: Stage) -> list[str]:
    """Everything that is not as it has to be; empty when the stack is steady."""
    try:
        return list(judged(stage, look(stage)))
    except (ApiError, Unreachable, Untrusted) as error:
        return [str(error)]


def look(stage: Stage) -> Seen:
    api, region = consul.cluster(stage.consul), nomad.region(stage.nomad)
    return Seen(
        problems=stage.problems(),
        consul_servers=rows(api.servers()["Servers"]),
        nomad_servers=rows(region.servers()["Servers"]),
        nodes=region.nodes(),
        instances=[instance for name in api.services() for instance in api.service(name)],
        allocations=region.allocations(stage.job),
    )


def judged(stage: Stage, seen: Seen) -> Iterator[str]:
    yield from seen.problems
    servers = sorted(host.name for host in stage.having("server"))
    for cluster, found, suffix in (("consul", seen.consul_servers, ""), ("nomad", seen.nomad_servers, ".global")):
        voters = sorted(s["Name"].removesuffix(suffix) for s in found if s["Voter"] and s["Healthy"])
        if voters != servers:
            yield f"{cluster}: the healthy voters are {_listed(voters)}, not {_listed(servers)}"
        leaders = [s["Name"] for s in found if s["Leader"]]
        if len(leaders) != 1:
            yield f"{cluster}: {_listed(leaders)} lead, not one"
    for node in seen.nodes:
        if node["Status"] != "ready" or node["SchedulingEligibility"] != "eligible":
            yield f"nomad: node {node['Name']} is {node['Status']} and {node['SchedulingEligibility']}"
    running = {a["ID"] for a in seen.allocations if a["ClientStatus"] == "running" and a["DesiredStatus"] == "run"}
    if len(running) != stage.desired:
        yield f"job {stage.job}: {len(running)} instances are to run, not {stage.desired}"
    leaving = [a for a in seen.allocations if a["ClientStatus"] == "running" and a["DesiredStatus"] != "run"]
    if leaving:
        yield f"job {stage.job}: {_listed([a['ID'][:8] for a in leaving])} still run, and are to stop"
    yield from ghosts(stage, seen.instances, running)


def ghosts(stage: Stage, instances: Sequence[Json], running: set[str]) -> Iterator[str]:
    """Entries of Consul's catalog behind which there is nothing."""
    for instance in instances:
        service, node = instance["Service"], instance["Node"]["Node"]
        found = ALLOCATION.match(service["ID"])
        if found and service["Service"] == stage.service and found[1] not in running:
            yield f"consul: {service['Service']} on {node} is registered, and its instance {found[1][:8]} is not there"
        if any(check["CheckID"] == "serfHealth" and check["Status"] != "passing" for check in instance["Checks"]):
            yield f"consul: {service['Service']} is registered on {node}, which is gone"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"
