"""`mooring:consul:ConfigEntry`: one entry of Consul's central configuration, never written over another's change."""

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import zip_longest
from typing import Any, Final, Self

import pulumi
from pydantic import Field
from typing_extensions import override

from mooring.clients import consul
from mooring.clients.answers import Json, rows, table
from mooring.clients.http import Endpoint
from mooring.kinds.cluster import CLUSTER_SECRETS, CONSUL
from mooring.kinds.kind import (
    CannotImport,
    Handler,
    Made,
    NotOurs,
    Problem,
    Props,
    Resource,
    Seen,
    Spec,
    Work,
    register,
)
from mooring.kinds.meanwhile import ChangedMeanwhile

OUTSIDE: Final = frozenset({"Kind", "Name"})
"""Keys of an entry that are inputs of their own."""

SERVERS: Final = frozenset({"CreateIndex", "Hash", "ModifyIndex", "Precedence"})
"""Keys that the server sets, of an entry or of a source of an intention."""

_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h))+")
_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)")
_SECONDS: Final = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


class EntrySpec(Spec):
    endpoint: Endpoint
    kind: str = Field(min_length=1)
    """`service-defaults`, `proxy-defaults`, `service-resolver`, …"""

    name: str = Field(min_length=1)
    """The service's; `global` for `proxy-defaults`, `mesh` for `mesh`."""

    entry: Json = Field(default_factory=dict)
    """The rest of it, as Consul's API answers it."""

    def to_api(self) -> dict[str, Any]:
        return {"Kind": self.kind, "Name": self.name, **self.entry}

    def seen_in(self, body: Mapping[str, Any]) -> Self:
        """What the server holds, reduced to what the program says."""
        return self.model_copy(
            update={"entry": as_said(self.entry, {key: value for key, value in body.items() if key not in OUTSIDE})}
        )


def as_said(said: Any, live: Any) -> Any:
    """`live`, without what Consul adds by itself and in the program's words where both mean the same."""
    if not said and is_empty(live):
        return said
    if isinstance(said, dict) and isinstance(live, dict):
        ours, there = table(said), table(live)
        kept = {key: as_said(value, there.get(key)) for key, value in ours.items()}
        added = {key: value for key, value in there.items() if key not in ours and not _is_consuls(key, value)}
        return {key: value for key, value in kept.items() if value is not None} | added
    if isinstance(said, list) and isinstance(live, list):
        pairs = _pairs(rows(said), rows(live))
        return [theirs if ours is None else as_said(ours, theirs) for ours, theirs in pairs]
    if isinstance(said, str) and isinstance(live, str) and _seconds(said) == _seconds(live) is not None:
        return said  # Consul answers 1m0s for 60s
    return live


def is_empty(live: Any) -> bool:
    """Whether it says nothing: Consul leaves out, or answers null or a zero for, whatever is empty, zero or false."""
    return not live or (isinstance(live, dict) and all(map(is_empty, table(live).values())))


def _is_consuls(key: str, value: Any) -> bool:
    """Whether it stands there without anybody having said it."""
    return is_empty(value) or key in SERVERS or (key, value) == ("Type", "consul")  # of an intention's source


def _pairs(ours: list[Any], theirs: list[Any]) -> Iterator[tuple[Any, Any]]:
    """Each of theirs beside the one of ours that it is: by its name, as Consul sorts what has one, or by its place."""
    known, found = _by_name(ours), _by_name(theirs)
    if known and found:
        yield from ((item, found[name]) for name, item in known.items() if name in found)
        yield from ((None, item) for name, item in found.items() if name not in known)
    else:
        yield from zip_longest(ours[: len(theirs)], theirs)


def _by_name(items: list[Any]) -> dict[str, Any]:
    """Nothing unless each has a name of its own."""
    named: Json = {table(item).get("Name", ""): item for item in items if isinstance(item, dict)}
    return named if len(named) == len(items) and all(named) else {}


def _seconds(text: str) -> float | None:
    if not _DURATION.fullmatch(text):
        return None
    return sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(text))


@register
class EntryHandler(Handler[EntrySpec]):
    token = "mooring:consul:ConfigEntry"  # noqa: S105 -- a type token, not a secret
    spec = EntrySpec
    identity = frozenset({"kind", "name"})
    access = frozenset({"endpoint"})
    secret_inputs = CLUSTER_SECRETS
    reached_as = CONSUL

    @override
    def check(self, spec: EntrySpec) -> Iterable[Problem]:
        for key in spec.entry:
            if key in OUTSIDE:
                yield Problem(path=f"entry.{key}", reason=f"is the input `{key.lower()}`")
            elif not key[:1].isupper() or "_" in key:
                # Consul takes both spellings and answers with one, so the other would be a difference for ever.
                yield Problem(path=f"entry.{key}", reason="must be spelled as Consul's API answers it, as `Protocol`")

    @override
    def renewed(self, changed: frozenset[str]) -> Iterable[str]:
        return ("modify_index",)

    @override
    def same(self, old: EntrySpec, new: EntrySpec) -> bool:
        """Consul's own words for what the program says in others are no change: 1m0s is 60s."""
        alike = (old.kind, old.name) == (new.kind, new.name)
        return alike and old.seen_in(new.entry) == old and new.seen_in(old.entry) == new

    @override
    def named(self, id_: str) -> Props:
        kind, _, name = id_.partition("/")
        if not name:
            raise CannotImport(f"a config entry is imported as KIND/NAME, got {id_!r}")
        return {"kind": kind, "name": name}

    @override
    def imported(self, id_: str, access: Props, work: Work) -> Seen[EntrySpec] | None:
        asked, endpoint = self.named(id_), Endpoint.model_validate(access["endpoint"])
        found = consul.cluster(endpoint).config_entry(asked["kind"], asked["name"])
        if found is None:
            return None
        entry = {key: value for key, value in found.items() if value and key not in OUTSIDE | SERVERS}
        spec = EntrySpec(endpoint=endpoint, entry=entry, **asked)
        return Seen(spec=spec, outputs={"modify_index": found["ModifyIndex"]})

    @override
    def create(self, spec: EntrySpec, work: Work) -> Made:
        id_ = f"{spec.kind}/{spec.name}"
        found = consul.cluster(spec.endpoint).config_entry(spec.kind, spec.name)
        if found is None:
            return Made(id=id_, outputs=self._put(spec, unless_changed_since=0))
        if spec.seen_in(found) != spec:
            raise NotOurs(f"consul has a config entry {id_!r} that differs: delete it, or say what it says")
        return Made(id=id_, outputs={"modify_index": found["ModifyIndex"]})

    @override
    def read(self, id_: str, spec: EntrySpec, outputs: Props, work: Work) -> Seen[EntrySpec] | None:
        found = consul.cluster(spec.endpoint).config_entry(spec.kind, spec.name)
        return None if found is None else Seen(spec=spec.seen_in(found), outputs={"modify_index": found["ModifyIndex"]})

    @override
    def update(self, id_: str, old: EntrySpec, new: EntrySpec, outputs: Props, work: Work) -> Props:
        return self._put(new, unless_changed_since=outputs["modify_index"])

    @override
    def delete(self, id_: str, spec: EntrySpec, outputs: Props, work: Work) -> None:
        consul.cluster(spec.endpoint).delete_config_entry(spec.kind, spec.name)

    @staticmethod
    def _put(spec: EntrySpec, *, unless_changed_since: int) -> Props:
        api = consul.cluster(spec.endpoint)
        written = api.put_config_entry(spec.to_api(), unless_changed_since=unless_changed_since)
        # Consul does not tell the new index. Should somebody write between the two calls, the index is of that write;
        # the next read then shows it as a difference.
        found = api.config_entry(spec.kind, spec.name) if written else None
        if found is None:
            raise ChangedMeanwhile(f"consul's config entry '{spec.kind}/{spec.name}'")
        return {"modify_index": found["ModifyIndex"]}


class ConfigEntry(Resource):
    name: pulumi.Output[str]
    modify_index: pulumi.Output[int]

    def __init__(
        self,
        resource_name: str,
        *,
        endpoint: pulumi.Input[Mapping[str, Any]],
        kind: str,
        name: str,
        entry: Mapping[str, Any] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        inputs = {"endpoint": endpoint, "kind": kind, "name": name, "entry": dict(entry or {})}
        super().__init__(EntryHandler, resource_name, inputs, outputs=("modify_index",), opts=opts)
