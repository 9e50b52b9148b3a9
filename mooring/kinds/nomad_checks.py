"""What the checks of a job's services said while it was deployed: the reason behind "failed due to unhealthy"."""

import contextlib
from collections.abc import Iterator
from typing import Final

from mooring.clients.answers import Json, rows
from mooring.clients.consul import Consul
from mooring.clients.errors import ApiError, Forbidden, Unreachable

FAILING: Final = frozenset({"critical", "warning"})
LONGEST: Final = 300
"""Characters of an output that are shown: a check of a page quotes the whole page."""


class FailingChecks:
    """The last thing that each failing check said, of the services of one job."""

    def __init__(self, catalogue: Consul, job: Json) -> None:
        self._catalogue = catalogue
        self._services = checked_services(job)
        self._said: dict[tuple[str, str], str] = {}

    def look(self) -> None:
        """Ask the catalogue; whether it answers decides nothing, so that it does not is no failure."""
        with contextlib.suppress(Unreachable, Forbidden, ApiError):
            for service in self._services:
                for instance in self._catalogue.service(service):
                    self._keep(instance)

    def _keep(self, instance: Json) -> None:
        registered = instance["Service"]["ID"]
        for check in rows(instance["Checks"]):
            if check["ServiceID"] != registered:
                continue
            key = (registered, check["Name"])
            if check["Status"] in FAILING:
                # One that has not been asked yet has said nothing, and is not better than what was said before.
                output = " ".join(check["Output"].split())[:LONGEST]
                self._said[key] = output or self._said.get(key, "")
            else:
                self._said.pop(key, None)

    def of(self, allocation: Json) -> Iterator[str]:
        """One line for each check that failed on an instance when it was last seen."""
        for (service, name), output in self._said.items():
            # Nomad names what it registers by the allocation it belongs to.
            if allocation["ID"] in service:
                place = f"instance {allocation['ID'][:8]} on {allocation['NodeName']}"
                yield f"{place}, check {name!r}: {output or 'failed'}"


def checked_services(job: Json) -> frozenset[str]:
    """Names in Consul of the services that have checks; not of those whose name only the node can tell."""
    return frozenset(
        name
        for group in rows(job.get("TaskGroups"))
        for holder in (group, *rows(group.get("Tasks")))
        for service in rows(holder.get("Services"))
        if service.get("Provider") in (None, "", "consul") and rows(service.get("Checks"))
        if (name := service.get("Name") or "") and "${" not in name
    )
