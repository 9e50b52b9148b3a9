"""`mooring status`: is everything well, and where is it not."""

import ssl
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from typing import Any, TypeVar

import requests
import urllib3
from rich.console import Console
from rich.table import Table

from mooring.cli.overview import HostOverview, Overview, RegistryOverview
from mooring.clients import consul, nomad, ssh
from mooring.clients.answers import Json, rows, table
from mooring.clients.errors import ApiError, CommandFailed, Unreachable, Untrusted
from mooring.clients.way import Pools, Ways
from mooring.waiting import SYSTEM, Clock

T = TypeVar("T")

WELL_IN_CONSUL = ("leader", "voter", "member")
WELL_IN_NOMAD = ("leader", "voter", "ready", "-")
FAILURES = (ApiError, CommandFailed, Unreachable, Untrusted)


@dataclass(frozen=True, kw_only=True, slots=True)
class HostStatus:
    name: str
    address: str
    roles: list[str]
    state: str
    """systemd's word, or why it could not be asked."""

    consul: str = "absent"
    """`leader`, `voter`, `member`, or what is wrong."""

    nomad: str = "-"
    """`leader`, `voter`, `ready`, or what is wrong; `-` where no agent is meant to be."""

    healthy: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class JobStatus:
    name: str
    desired: int
    healthy_instances: int
    state: str
    healthy: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Status:
    healthy: bool
    url: str
    page: str
    registry: str
    consul_voters: int
    nomad_voters: int
    hosts: list[HostStatus] = field(default_factory=list[HostStatus])
    jobs: list[JobStatus] = field(default_factory=list[JobStatus])
    problems: list[str] = field(default_factory=list[str])
    expiring: list[str] = field(default_factory=list[str])
    """What ends within 30 days, by name; nothing is wrong yet."""


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What everybody said, or the exception that asking ended in."""

    host_states: dict[str, str]
    members: list[Json] | Exception
    consul_servers: list[Json] | Exception
    nodes: list[Json] | Exception
    nomad_servers: list[Json] | Exception
    jobs: list[tuple[Json, list[Json]]] | Exception
    instances: dict[str, int] | Exception
    registries: dict[str, str]
    """What each said, by its address."""

    page: str


SERVING = "serving"
SETTLED_WITHIN = 5.0
"""Seconds. Consul hears of a check a moment after the instance's own host does."""


def settled(at: Overview, clock: Clock = SYSTEM) -> Status:
    """The status, as soon as all is well or when what is wrong has lasted."""
    deadline = clock.now() + SETTLED_WITHIN
    while not (seen := look(at)).healthy and clock.now() < deadline:
        clock.sleep(0.5)
    return seen


def look(at: Overview) -> Status:
    """Ask everybody at once, once."""
    api, region = consul.cluster(at.consul), nomad.region(at.nomad)
    with ThreadPoolExecutor(32) as pool:
        states = {h.name: pool.submit(_host_state, h) for h in at.hosts}
        members = pool.submit(_tried, api.members)
        consul_servers = pool.submit(_tried, lambda: rows(api.servers()["Servers"]))
        nodes = pool.submit(_tried, region.nodes)
        nomad_servers = pool.submit(_tried, lambda: rows(region.servers()["Servers"]))
        jobs = pool.submit(_tried, lambda: _jobs(region))
        registries = {place: pool.submit(_registry, place, at.registry) for place in at.registry.addresses}
        page = pool.submit(_page, at.url)
        found = jobs.result()
        names = [] if isinstance(found, Exception) else [service for job, _ in found for service in services(job)]
        instances = pool.submit(_tried, lambda: {name: passing(api.service(name)) for name in names})
        return judged(
            at,
            Answers(
                host_states={name: state.result() for name, state in states.items()},
                members=members.result(),
                consul_servers=consul_servers.result(),
                nodes=nodes.result(),
                nomad_servers=nomad_servers.result(),
                jobs=found,
                instances=instances.result(),
                registries={place: answer.result() for place, answer in registries.items()},
                page=page.result(),
            ),
        )


def judged(at: Overview, answers: Answers) -> Status:
    """What the answers mean; everything that is not well is also a sentence among `problems`."""
    hosts = [_host(h, answers) for h in at.hosts]
    jobs = _job_states(answers)
    problems = [f"host {h.name}: {h.state}, consul {h.consul}, nomad {h.nomad}" for h in hosts if not h.healthy]
    problems += [
        f"job {j.name}: {j.healthy_instances} of {j.desired} healthy, {j.state}" for j in jobs if not j.healthy
    ]
    asked = {
        "consul": answers.consul_servers,
        "consul members": answers.members,
        "nomad": answers.nomad_servers,
        "nomad nodes": answers.nodes,
        "jobs": answers.jobs,
        "instances": answers.instances,
    }
    problems += [f"{name}: {answer}" for name, answer in asked.items() if isinstance(answer, Exception)]
    problems += [f"registry {place}: {said}" for place, said in answers.registries.items() if said != SERVING]
    problems += [f"page: {answers.page}"] if answers.page != "200" else []
    return Status(
        healthy=not problems,
        url=at.url,
        page=answers.page,
        registry=", ".join(f"{place} {said}" for place, said in answers.registries.items()),
        consul_voters=_voters(answers.consul_servers),
        nomad_voters=_voters(answers.nomad_servers),
        hosts=hosts,
        jobs=jobs,
        problems=problems,
    )


def services(job: Json) -> Iterator[str]:
    """The names under which a job's groups appear in Consul."""
    for group in rows(job["TaskGroups"]):
        for service in rows(group.get("Services")):
            yield service["Name"]


def _tried(ask: Callable[[], T]) -> T | Exception:
    try:
        return ask()
    except FAILURES as error:
        return error


def _host_state(host: HostOverview) -> str:
    asked = _tried(lambda: ssh.answer(host.connection, "systemctl is-system-running", within=10))
    return str(asked) if isinstance(asked, Exception) else asked.stdout.decode().strip()


def _jobs(region: nomad.Nomad) -> list[tuple[Json, list[Json]]]:
    """Every job with its specification, and its allocations."""
    found: list[tuple[Json, list[Json]]] = []
    for summary in region.jobs():
        job = region.job(summary["ID"])
        if job is not None and job["ParentID"] == "":
            found.append((job, region.allocations(summary["ID"])))
    return found


def passing(instances: list[Json]) -> int:
    return sum(all(check["Status"] == "passing" for check in instance["Checks"]) for instance in instances)


def _registry(address: str, registry: RegistryOverview) -> str:
    """Serving means: our certificate, and no answer without the password."""
    context = ssl.create_default_context(cadata=registry.authority)
    place = address.partition("/")[0]
    try:
        got = Pools(Ways(registry.through), ssl_context=context, retries=False).request(
            "GET", f"https://{place}/v2/", timeout=urllib3.Timeout(connect=2, read=5)
        )
    except (urllib3.exceptions.HTTPError, Untrusted) as error:
        # A way says which of its ends is closed; around that the library names what it is carried by.
        return f"does not answer: {error.__cause__ if isinstance(error.__cause__, Unreachable) else error}"
    return SERVING if got.status == requests.codes.unauthorized else f"answers {got.status} without a password"


def _page(url: str) -> str:
    with requests.Session() as session:
        session.trust_env = False
        try:
            return str(session.get(url, timeout=(2, 5)).status_code)
        except requests.RequestException as error:
            return f"does not answer: {type(error).__name__}"


def _host(host: HostOverview, answers: Answers) -> HostStatus:
    state = answers.host_states[host.name]
    in_consul = _in_consul(host, answers)
    in_nomad = _in_nomad(host, answers)
    well = (
        state == "running"
        and in_consul in ("leader", "voter", "member")
        and in_nomad in ("leader", "voter", "ready", "-")
    )
    return HostStatus(
        name=host.name,
        address=host.connection.address,
        roles=list(host.roles),
        state=state,
        consul=in_consul,
        nomad=in_nomad,
        healthy=well,
    )


def _in_consul(host: HostOverview, answers: Answers) -> str:
    if isinstance(answers.members, Exception):
        return "unknown"
    if host.name not in consul.alive(answers.members):
        return "not alive"
    return _as_server(host.name, answers.consul_servers) if "server" in host.roles else "member"


def _in_nomad(host: HostOverview, answers: Answers) -> str:
    if not {"server", "client"} & set(host.roles):
        return "-"
    if isinstance(answers.nodes, Exception):
        return "unknown"
    if "client" in host.roles:
        statuses = [node["Status"] for node in answers.nodes if node["Name"] == host.name]
        if "ready" not in statuses:
            return statuses[0] if statuses else "not registered"
    return _as_server(f"{host.name}.global", answers.nomad_servers) if "server" in host.roles else "ready"


def _as_server(name: str, servers: list[Json] | Exception) -> str:
    if isinstance(servers, Exception):
        return "unknown"
    for server in servers:
        if server["Name"] == name:
            if not server["Healthy"]:
                return "unhealthy"
            return "leader" if server["Leader"] else "voter" if server["Voter"] else "no voter yet"
    return "no server"


def _voters(servers: list[Json] | Exception) -> int:
    return 0 if isinstance(servers, Exception) else sum(s["Voter"] and s["Healthy"] for s in servers)


def _job_states(answers: Answers) -> list[JobStatus]:
    if isinstance(answers.jobs, Exception):
        return []
    found: list[JobStatus] = []
    for job, allocations in answers.jobs:
        desired = 0 if job["Stop"] else sum(group["Count"] for group in rows(job["TaskGroups"]))
        names = list(services(job))
        if names and not isinstance(answers.instances, Exception):
            healthy = min(answers.instances[name] for name in names)
        else:
            healthy = sum(
                a["ClientStatus"] == "running" and table(a["DeploymentStatus"]).get("Healthy") is not False
                for a in allocations
            )
        well = healthy >= desired and not job["Stop"]
        found.append(
            JobStatus(
                name=job["ID"],
                desired=desired,
                healthy_instances=healthy,
                state="stopped" if job["Stop"] else job["Status"],
                healthy=well,
            )
        )
    return found


def as_json(status: Status) -> dict[str, Any]:
    return asdict(status)


def show(status: Status, console: Console) -> None:
    """A table of the hosts, one of the jobs, and a line for everything else."""
    hosts = Table(title="hosts", title_justify="left")
    for column in ("host", "address", "roles", "system", "consul", "nomad"):
        hosts.add_column(column)
    for h in status.hosts:
        hosts.add_row(
            h.name, h.address, " ".join(h.roles), h.state, h.consul, h.nomad, style="" if h.healthy else "red"
        )
    jobs = Table(title="jobs", title_justify="left")
    for column in ("job", "desired", "healthy", "state"):
        jobs.add_column(column)
    for j in status.jobs:
        jobs.add_row(j.name, str(j.desired), str(j.healthy_instances), j.state, style="" if j.healthy else "red")
    console.print(hosts)
    console.print(jobs)
    console.print(f"consul    {status.consul_voters} healthy voters", highlight=False)
    console.print(f"nomad     {status.nomad_voters} healthy voters", highlight=False)
    console.print(f"registry  {status.registry}", highlight=False)
    console.print(f"page      {status.url} answers {status.page}", highlight=False)
    for ending in status.expiring:
        console.print(f"expiring  {ending}", style="yellow", highlight=False)
    for problem in status.problems:
        console.print(f"problem   {problem}", style="red", highlight=False)
    console.print("all well" if status.healthy else "not well", style="green" if status.healthy else "red")
