"""What a person does to live objects behind a program's back, each by the servers' own API."""

import re
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, cast
from urllib.parse import quote

import requests

from mooring.clients.consul import Consul
from mooring.clients.errors import ApiError
from mooring.clients.http import Endpoint, session
from mooring.clients.nomad import Nomad
from mooring.waiting import wait_for

Json = dict[str, Any]
GONE: Final = object()
_STEP: Final = re.compile(r'\["([^"]+)"\]|\[(\d+|\+)\]|([^.\[\]]+)')


@dataclass(frozen=True)
class Thing:
    """One live object, as its server tells it and takes it."""

    look: Callable[[], Json | None]
    write: Callable[[Json], object]
    remove: Callable[[Json], object]

    def edit(self, *changes: tuple[str, Any]) -> None:
        """Write it back with a value in each place; `GONE` takes away what stands there, `x[+]` adds to a list."""
        body = deepcopy(self.found())
        for place, value in changes:
            put(body, place, value)
        self.write(body)

    def found(self) -> Json:
        found = self.look()
        assert found is not None
        return found

    def delete(self) -> None:
        self.remove(self.found())


def steps(place: str) -> list[str | int]:
    """`a["b.c"][0].d` in parts; `[+]` stays a text."""
    return [int(index) if index.isdigit() else quoted + index + word for quoted, index, word in _STEP.findall(place)]


def put(body: Json, place: str, value: Any) -> None:
    *way, last = steps(place)
    inner: Any = body
    for step, then in pairwise((*way, last)):
        if isinstance(step, str) and inner.get(step) is None:
            inner[step] = [] if then == "+" else {}  # Go says null for an empty one
        inner = inner[step]
    if last == "+":
        cast("list[Any]", inner).append(value)
    elif value is GONE:
        del inner[last]
    else:
        inner[last] = value


def at(body: Any, place: str) -> Any:
    """What stands there; `GONE` when nothing does."""
    for step in steps(place):
        try:
            body = body[step]
        except (KeyError, IndexError, TypeError):
            return GONE
    return body


def things(consul: Consul, nomad: Nomad, apart: Nomad) -> dict[str, Callable[[str], Thing]]:
    """For each kind, the object of a name (a token's accessor, a config entry's kind and name, …).

    `apart` is the same region in another namespace.
    """

    def entry(name: str) -> Thing:
        return Thing(
            lambda: consul.config_entry(*name.split("/")),
            lambda body: consul.put_config_entry(body, unless_changed_since=body["ModifyIndex"]),
            lambda body: consul.delete_config_entry(body["Kind"], body["Name"]),
        )

    def job(name: str, api: Nomad) -> Thing:
        return Thing(
            lambda: api.job(name),
            lambda body: api.register(body, unless_changed_since=body["JobModifyIndex"]),
            lambda _: api.deregister(name, purge=True),
        )

    return {
        "key": lambda name: Thing(
            lambda: consul.key(name),
            lambda body: consul.put_key(
                {key: body[key] for key in ("Key", "Value", "Flags")}, unless_changed_since=body["ModifyIndex"]
            ),
            lambda _: consul.delete_key(name),
        ),
        "consul policy": lambda name: Thing(
            lambda: consul.policy(name), consul.put_policy, lambda body: consul.delete_policy(body["ID"])
        ),
        "consul token": lambda name: Thing(
            lambda: consul.token(name),
            lambda body: consul.put_token(body, new=False),
            lambda _: consul.delete_token(name),
        ),
        "consul role": lambda name: Thing(
            lambda: consul.role(name), consul.put_role, lambda body: consul.delete_role(body["ID"])
        ),
        "entry": entry,
        "query": lambda name: Thing(
            lambda: consul.query(name),
            lambda body: consul.replace_query(body["ID"], body),
            lambda body: consul.delete_query(body["ID"]),
        ),
        "job": lambda name: job(name, nomad),
        "job apart": lambda name: job(name, apart),
        "nomad policy": lambda name: Thing(
            lambda: nomad.acl_policy(name), nomad.put_acl_policy, lambda _: nomad.delete_acl_policy(name)
        ),
        "nomad token": lambda name: Thing(
            lambda: next((nomad.acl_token(t["AccessorID"]) for t in nomad.acl_tokens() if t["Name"] == name), None),
            nomad.put_acl_token,
            lambda body: nomad.delete_acl_token(body["AccessorID"]),
        ),
        "nomad role": lambda name: Thing(
            lambda: nomad.acl_role(name), nomad.put_acl_role, lambda body: nomad.delete_acl_role(body["ID"])
        ),
        "namespace": lambda name: Thing(
            lambda: nomad.namespace(name), nomad.put_namespace, lambda _: nomad.delete_namespace(name)
        ),
        "node pool": lambda name: Thing(
            lambda: nomad.node_pool(name), nomad.put_node_pool, lambda _: nomad.delete_node_pool(name)
        ),
        "variable": lambda name: Thing(
            lambda: nomad.variable(name, namespace="default"),
            lambda body: nomad.put_variable(body, unless_changed_since=body["ModifyIndex"]),
            lambda _: nomad.delete_variable(name, namespace="default"),
        ),
        "scheduler": lambda _: Thing(
            nomad.scheduler,
            lambda body: nomad.put_scheduler(body, unless_changed_since=body["ModifyIndex"]),
            lambda _: None,
        ),
    }


@dataclass(frozen=True)
class Jobs:
    """What is done to jobs without an edit."""

    endpoint: Endpoint

    def dispatch(self, job: str) -> None:
        self._post(f"{job}/dispatch", {})

    def force(self, job: str) -> None:
        """Run a periodic one now."""
        self._post(f"{job}/periodic/force", {})

    def scale(self, job: str, group: str, count: int) -> None:
        """As an autoscaler does, as soon as no deployment is under way."""

        def scaled() -> bool | None:
            try:
                self._post(f"{job}/scale", {"Count": count, "Target": {"Group": group}})
            except ApiError as refused:
                if "active deployment" not in refused.body:
                    raise
                return None
            return True

        wait_for(scaled, f"{job} can be scaled", within=60, every=0.5)

    def forget(self, prefix: str) -> None:
        """Remove what jobs left that were dispatched or begun by the clock."""
        with self._session() as asking:
            for job in asking.get("https://nomad/v1/jobs", params={"prefix": prefix}).json():
                asking.delete(f"https://nomad/v1/job/{quote(job['ID'], safe='')}", params={"purge": "true"})

    def _post(self, path: str, body: Json) -> None:
        with self._session() as asking:
            asking.post(f"https://nomad/v1/job/{path}", json=body)

    def _session(self) -> requests.Session:
        return session(self.endpoint, {"X-Nomad-Token": self.endpoint.token})
