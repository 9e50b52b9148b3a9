"""A docker-compose file as a job.

Services that share a network of the file become the tasks of one group: they run on one node and have one network
namespace, in which each finds the others by their names, on any port, as compose has it. A service that shares its
networks with no other has a group of its own. So the job works as the file says; what it cannot have in this form is
another number of instances for one service of a group, or two services that listen on one port, and both are told.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from mooring.jobs.compose.document import Part, Report, opened
from mooring.jobs.compose.groups import group, sets
from mooring.jobs.compose.service import Draft, drafted
from mooring.jobs.problem import InvalidJob, Problem

_TOP: Final = frozenset({"version", "name", "services", "networks", "volumes", "secrets", "configs"})
_GENERIC_NAMES: Final = frozenset({"compose", "docker-compose"})


def composed(path: Path, *, images: Mapping[str, str], variables: Mapping[str, str]) -> dict[str, Any]:
    """The arguments that make the job; raises `InvalidJob` with everything that has no counterpart, by line."""
    report = Report(file=path, variables=variables)
    top = opened(report).entries()
    for key, part in top.items():
        if key not in _TOP and not key.startswith("x-"):
            part.wrong("has no counterpart in a Nomad job")
    services = top["services"].entries() if "services" in top else {}
    drafts = [drafted(name, part, images.get(name)) for name, part in services.items()]
    volumes = _volumes(top.get("volumes"), drafts)
    _judge_networks(top.get("networks"), drafts)
    _judge_secrets(top.get("secrets"), drafts)
    id_ = _identifier(top["name"].text if "name" in top else _project(path))
    together = sets(drafts)
    groups = [group(id_ if len(together) == 1 else found[0].name, id_, found, volumes) for found in together]
    if problems := [*report.problems, *_misused(path, services, images)]:
        raise InvalidJob(problems)
    return {"id": id_, "groups": groups}


def _misused(path: Path, services: Mapping[str, Part], images: Mapping[str, str]) -> Iterator[Problem]:
    if not services:
        yield Problem(path.name, "has no services")
    for name in sorted(images.keys() - services.keys()):
        yield Problem("images", f"{path.name} has no service {name!r}")


def _volumes(top: Part | None, drafts: Iterable[Draft]) -> dict[str, str]:
    """What each of the file's volumes is called on the nodes."""
    found: dict[str, str] = {}
    for name, part in (top.entries() if top is not None else {}).items():
        entries = part.entries()
        for key in entries.keys() - {"name", "external", "labels", "driver"}:
            entries[key].wrong("has no counterpart: the nodes' agents name their volumes")
        if "driver" in entries and entries["driver"].text != "local":
            entries["driver"].wrong("has no counterpart: the nodes' agents name their volumes")
        found[name] = entries["name"].text if "name" in entries else name
    for draft in drafts:
        for name, part in draft.volumes.items():
            if name not in found:
                part.wrong(f"{name} is none of the file's volumes")
    return found


def _judge_networks(top: Part | None, drafts: Iterable[Draft]) -> None:
    known = top.entries() if top is not None else {}
    for part in known.values():
        for key, value in part.entries().items():
            if key == "driver":
                value.word("bridge", "overlay", "default")
            elif key not in ("name", "labels", "attachable"):
                value.wrong("has no counterpart: a group's network is its own, and the scheduler gives out addresses")
    for draft in drafts:
        for name, part in draft.networks.items():
            if name not in known and name != "default":
                part.wrong(f"{name} is none of the file's networks")


def _judge_secrets(top: Part | None, drafts: Iterable[Draft]) -> None:
    """Where a secret comes from does not matter: it must be among the job's variables in Nomad."""
    known = top.entries() if top is not None else {}
    for draft in drafts:
        for part in draft.secrets.values():
            if part.text not in known:
                part.wrong(f"{part.text} is none of the file's secrets")


def _project(path: Path) -> str:
    stem = path.name.partition(".")[0]
    return path.resolve().parent.name if stem in _GENERIC_NAMES else stem


def _identifier(name: str) -> str:
    return re.sub("[^a-z0-9]+", "-", name.lower()).strip("-") or "compose"
