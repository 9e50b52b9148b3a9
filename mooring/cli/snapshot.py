"""What Consul and Nomad keep, kept outside of the cluster, and back.

A snapshot is some parts under one name: what each cluster keeps as of one moment, the keys without which Nomad's
variables cannot be read (no snapshot of Nomad's has them), and a list of what each part must be. Tokens and variables
are in it.
"""

import contextlib
import hashlib
import json
import posixpath
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, Protocol

from pydantic import BaseModel, ValidationError

from mooring.cli import pulumi
from mooring.cli.overview import HostOverview
from mooring.cli.snapshot_places import ABOUT, SCHEME, CannotSnapshot, Folder, Place, place
from mooring.clients import consul, nomad, ssh
from mooring.clients.answers import rows, table
from mooring.clients.errors import ApiError, Unreachable
from mooring.clients.http import Endpoint
from mooring.toolchain import places
from mooring.waiting import SYSTEM, Clock, wait_for

Say = Callable[[str], None]

KEPT: Final = 24
"""Snapshots that stay when nothing else is said: a day of hourly ones."""

KEYS: Final = "nomad-keys.tar"
KEY_FOLDER: Final = "/var/lib/nomad/server/keystore"
NAMED: Final = "%Y-%m-%dT%H-%M-%SZ"
LED_WITHIN: Final = 60.0
"""Seconds until a cluster whose state was put back has a leader again."""

CLUSTERS: Final = ("consul", "nomad")
SECRET_MARK: Final = "4dabf18193072939515e22adb298388d"  # noqa: S105 -- Pulumi's own, the same in every state


class Store(Protocol):
    """A cluster, as far as its state goes."""

    def leader(self) -> str | None: ...
    def snapshot(self) -> bytes: ...
    def restore(self, snapshot: bytes) -> None: ...


class Part(BaseModel, extra="forbid", frozen=True):
    sha256: str
    size: int


class About(BaseModel, extra="forbid", frozen=True):
    """What a snapshot's folder says of itself."""

    stack: str
    taken: datetime
    parts: dict[str, Part]
    """By file name."""


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    place: Place
    name: str
    about: About

    @property
    def spelled(self) -> str:
        return self.place.spelled(self.name)

    def part(self, name: str) -> bytes:
        """One part's content, which is what was written; raises `CannotSnapshot`."""
        content = self.place.read(self.name, name)
        if part_of(content) != self.about.parts[name]:
            raise CannotSnapshot(f"{self.spelled}: {name} is not what was written there: another snapshot would do")
        return content


def part_of(content: bytes) -> Part:
    return Part(sha256=hashlib.sha256(content).hexdigest(), size=len(content))


def usual(stack: str) -> Place:
    """Where a stack's snapshots lie unless another place is named."""
    return Folder(places.state() / "snapshots" / f"{pulumi.project()}-{stack}")


def take(stack: str, stores: Mapping[str, Store], keys: bytes, to: Place, now: datetime) -> Snapshot:
    """Keep everything under a name of its own."""
    contents = {f"{name}.snap": store.snapshot() for name, store in stores.items()} | {KEYS: keys}
    about = About(stack=stack, taken=now, parts={name: part_of(content) for name, content in contents.items()})
    made = Snapshot(place=to, name=now.strftime(NAMED), about=about)
    to.keep(made.name, {**contents, ABOUT: about.model_dump_json(indent=1).encode()})
    return made


def there(place: Place) -> list[Snapshot]:
    """The snapshots of a place, the oldest first; what is none is passed over."""
    return [opened(place, name) for name in place.names()]


def opened(place: Place, name: str) -> Snapshot:
    """The snapshot of that name; raises `CannotSnapshot`."""
    try:
        return Snapshot(place=place, name=name, about=About.model_validate_json(place.read(name, ABOUT)))
    except ValidationError as error:
        raise CannotSnapshot(f"{place.spelled(name)} is no snapshot: {type(error).__name__}") from error


def newest(place: Place) -> Snapshot:
    """The last of a place; raises `CannotSnapshot` where there is none."""
    if not (names := place.names()):
        raise CannotSnapshot(f"{place.spelled()} holds no snapshot; `mooring snapshot` takes one")
    return opened(place, names[-1])


def found(named: str) -> Snapshot:
    """The snapshot that a person names: itself, or the place whose newest is meant."""
    around, name = posixpath.split(named.rstrip("/"))
    in_a_place = around != f"{SCHEME}:"  # or it is a whole bucket
    if in_a_place and name in (outer := place(around)).names():
        return opened(outer, name)
    return newest(place(named))


def too_many(found: Sequence[Snapshot], keep: int) -> Sequence[Snapshot]:
    """Those that go when so many stay: the oldest."""
    return found[: max(0, len(found) - keep)]


def drop(those: Iterable[Snapshot], say: Say) -> None:
    for snapshot in those:
        snapshot.place.drop(snapshot.name)
        say(f"removed {snapshot.spelled}")


def loses(snapshot: Snapshot, stack: str, now: datetime) -> list[str]:
    """What a person must know before that state takes the place of the one that is."""
    minutes = (now - snapshot.about.taken).total_seconds() / 60
    said = [
        f"{snapshot.spelled} was taken {minutes:.0f} minutes ago, of stack {snapshot.about.stack!r}",
        "lost is whatever Consul and Nomad were told since: keys, variables, tokens, versions of jobs",
        "jobs that were not there then are stopped; jobs that are gone since are started again",
    ]
    if snapshot.about.stack != stack:
        said.append(f"it is of another stack: the tokens and addresses in it are not those of {stack!r}")
    return said


def put_back(snapshot: Snapshot, stores: Mapping[str, Store], say: Say, clock: Clock = SYSTEM) -> None:
    """Let each cluster keep what it kept then; return when both have a leader. All files are looked at first."""
    contents = {name: snapshot.part(f"{name}.snap") for name in stores}
    for name, store in stores.items():
        say(f"restoring {name}")
        store.restore(contents[name])
        wait_for(partial(_led, store), f"{name} has a leader", within=LED_WITHIN, clock=clock)


def _led(store: Store) -> bool | None:
    try:
        return True if store.leader() else None
    except (ApiError, Unreachable):
        return None


def keys_of(servers: Sequence[HostOverview]) -> bytes:
    """The keys of Nomad's variables, as the first server that answers has them; each has them all."""
    *others, last = servers
    for host in others:
        with contextlib.suppress(Unreachable):
            return _keys(host)
    return _keys(last)


def _keys(host: HostOverview) -> bytes:
    return ssh.run(host.connection, f"tar -C {KEY_FOLDER} -cf - .")


def bring_keys(hosts: Iterable[HostOverview], keys: bytes, say: Say) -> None:
    """Give each server the keys that it lacks. It reads them when it starts, so only such a one is restarted."""
    for host in hosts:
        script = (
            f"set -eu; mkdir -p -m 0700 {KEY_FOLDER}; before=$(ls {KEY_FOLDER} | wc -l); "
            f"tar -C {KEY_FOLDER} --skip-old-files --no-same-owner -xf -; after=$(ls {KEY_FOLDER} | wc -l); "
            'if [ "$before" != "$after" ]; then systemctl restart nomad; echo restarted; fi'
        )
        if ssh.run(host.connection, script, stdin=keys, within=120).decode().strip():
            say(f"{host.name} was given keys that it lacked")


def stores(stack: str) -> dict[str, Store]:
    """Both clusters, with the right to do everything, which only the stack's state holds."""
    endpoints = management(stack)
    return {"consul": consul.cluster(endpoints["consul"]), "nomad": nomad.region(endpoints["nomad"])}


def management(stack: str) -> dict[str, Endpoint]:
    """How both clusters are reached by whoever may do everything; raises `CannotSnapshot`."""
    asked = pulumi.ask(["stack", "export", "--stack", stack, "--show-secrets"])
    if asked.returncode != 0:
        raise CannotSnapshot(f"stack {stack!r}: {asked.stderr.strip()}")
    resources = rows(json.loads(asked.stdout)["deployment"].get("resources"))
    found = {
        cluster: Endpoint.model_validate(shown(resource["inputs"]["endpoint"]))
        for cluster in CLUSTERS
        for resource in resources
        if resource["type"] == f"mooring:{cluster}:Cluster"
    }
    if lacking := [cluster for cluster in CLUSTERS if cluster not in found]:
        raise CannotSnapshot(f"stack {stack!r} has no cluster of {' and '.join(lacking)}: bring it up first")
    return found


def shown(value: Any) -> Any:
    """A value of the state, without Pulumi's wrappers of secrets."""
    if isinstance(value, list):
        return [shown(inner) for inner in rows(value)]
    if not isinstance(value, dict):
        return value
    fields = table(value)
    if SECRET_MARK in fields:
        return shown(json.loads(fields["plaintext"]))
    return {key: shown(inner) for key, inner in fields.items()}


def now() -> datetime:
    return datetime.now(UTC)
