"""Which services run together, and the group that they make."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from mooring.jobs.compose.document import Part
from mooring.jobs.compose.service import Draft
from mooring.jobs.drivers import DockerMount
from mooring.jobs.group import Group
from mooring.jobs.network import Network
from mooring.jobs.placement import Constraint
from mooring.jobs.policies import Reschedule, Update
from mooring.jobs.service import Service
from mooring.jobs.task import Lifecycle, Task
from mooring.jobs.template import Template
from mooring.jobs.volumes import Volume

LOOPBACK: Final = "127.0.0.1"
DEEPEST: Final = 2
"""Steps of waiting that a group can express: tasks before the main ones, those, and tasks after them."""

LONGEST_NAME: Final = 63
"""Letters in the name of a service, which is one of DNS."""


def sets(drafts: Sequence[Draft]) -> list[list[Draft]]:
    """Services with a network in common, directly or by way of others, in the order of the file."""
    found: list[tuple[set[str], list[Draft]]] = []
    for draft in drafts:
        networks, members = set(draft.networks) or {"default"}, [draft]
        for known in [known for known in found if known[0] & networks]:
            found.remove(known)
            networks, members = networks | known[0], known[1] + members
        found.append((networks, members))
    return [members for _, members in found]


def group(name: str, job: str, drafts: Sequence[Draft], volumes: Mapping[str, str]) -> Group:
    together = len(drafts) > 1
    _judge_ports(drafts)
    lifecycles = _lifecycles(drafts)
    ports = {label: port for draft in drafts for label, port in draft.ports.items()}
    network = Network(mode="bridge" if together else "host", ports=ports)
    used = {source: None for draft in drafts for source in draft.volumes}
    architectures = {draft.architecture: None for draft in drafts if draft.architecture}
    return Group(
        name,
        count=_count(drafts),
        networks=[network] if together or ports else [],
        services=[service for draft in drafts for service in _services(job, draft)],
        volumes={source: Volume(volumes.get(source, source), type="host") for source in used},
        constraints=[Constraint("${attr.cpu.arch}", architecture) for architecture in architectures],
        update=_update(drafts),
        # A group is placed anew when one of its tasks has failed for good, unless none is to be started again.
        reschedule=Reschedule(attempts=0, unlimited=False) if all(draft.stays_down for draft in drafts) else None,
        tasks=[_task(job, draft, drafts, lifecycles.get(draft.name)) for draft in drafts],
    )


def _task(job: str, draft: Draft, drafts: Sequence[Draft], lifecycle: Lifecycle | None) -> Task:
    docker: dict[str, Any] = {}
    hosts: list[str] = draft.docker.get("extra_hosts", [])
    if len(drafts) > 1:
        names = dict.fromkeys(name for each in drafts for name in sorted(each.names))
        docker["extra_hosts"] = [*hosts, *(f"{name}:{LOOPBACK}" for name in names)]
    else:
        docker["ports"] = list(draft.ports)
        docker["hostname"] = draft.hostname
    for target, secret in draft.secrets.items():
        draft.mounts.append(DockerMount(target, type="bind", source=f"secrets/{secret.text}", readonly=True))
    rendered = {secret.text: _secret(job, secret.text) for secret in draft.secrets.values()}
    return draft.made(docker=docker, lifecycle=lifecycle, templates=list(rendered.values()))


def _secret(job: str, name: str) -> Template:
    """Renders the variable in which Nomad keeps the job's secrets; only the job itself may read it."""
    return Template(
        f"secrets/{name}", data=f'{{{{ with nomadVar "nomad/jobs/{job}" }}}}{{{{ index . "{name}" }}}}{{{{ end }}}}'
    )


def _services(job: str, draft: Draft) -> list[Service]:
    if not draft.ports and not draft.checks:
        return []
    name = re.sub("[^a-zA-Z0-9]+", "-", f"{job}-{draft.name}")[:LONGEST_NAME].strip("-")
    return [Service(name, port=next(iter(draft.ports), None), task=draft.name, checks=draft.checks)]


def _count(drafts: Sequence[Draft]) -> int | None:
    counts = {draft.count for draft in drafts}
    if len(counts) > 1:
        for draft in drafts:
            if draft.count_part is not None and draft.count != 1:
                others = " and ".join(each.name for each in drafts if each.count != draft.count)
                draft.count_part.wrong(
                    f"{draft.count} instances are of the whole group, with {others}: without a network in common each "
                    "has a group of its own"
                )
    count = drafts[0].count
    return None if count == 1 else count


def _update(drafts: Sequence[Draft]) -> Update | None:
    said = [draft.update for draft in drafts if draft.update is not None]
    for draft in drafts:
        if draft.update is not None and draft.update != said[0]:
            draft.part.wrong("says another update than the others, and a group has one")
    return said[0] if said else None


def _judge_ports(drafts: Sequence[Draft]) -> None:
    taken: dict[int, str] = {}
    for draft in drafts:
        for port, part in draft.listens.items():
            if (other := taken.setdefault(port, draft.name)) != draft.name:
                part.wrong(f"{other} listens on {port} as well, and both have one network")


def _lifecycles(drafts: Sequence[Draft]) -> dict[str, Lifecycle]:
    """Who starts before whom. A task that others wait for runs beside them, unless they wait for its end."""
    by_name = {draft.name: draft for draft in drafts}
    awaited: dict[str, list[Part]] = {}
    for draft in drafts:
        for name, part in draft.needs.items():
            if name not in by_name:
                part.wrong(f"{name} is not in the same group, and groups do not wait for each other")
            else:
                awaited.setdefault(name, []).append(part)
    found: dict[str, Lifecycle] = {}
    for draft in drafts:
        depth = _depth(draft, by_name, ())
        ends = [p for p in awaited.get(draft.name, ()) if p.is_text and p.text == "service_completed_successfully"]
        if depth > DEEPEST:
            next(iter(draft.needs.values())).wrong("waits for services that wait for others that wait: too deep")
        if depth == DEEPEST:
            found[draft.name] = Lifecycle("poststart", sidecar=True)
        elif depth == 0 and draft.name in awaited:
            found[draft.name] = Lifecycle("prestart", sidecar=not ends)
        elif ends:
            ends[0].wrong(f"{draft.name} waits for others itself, and only what waits for nobody can be waited out")
    return found


def _depth(draft: Draft, by_name: Mapping[str, Draft], above: tuple[str, ...]) -> int:
    if draft.name in above:
        draft.needs[above[-1] if above[-1] in draft.needs else next(iter(draft.needs))].wrong("waits for itself")
        return 0
    needed = [by_name[name] for name in draft.needs if name in by_name]
    return max((1 + _depth(each, by_name, (*above, draft.name)) for each in needed), default=0)
