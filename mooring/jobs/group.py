"""Tasks that run together on one node, and everything they share."""

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from datetime import timedelta
from typing import Any, ClassVar, cast

from typing_extensions import override

from mooring.jobs.network import Network
from mooring.jobs.piece import Piece
from mooring.jobs.placement import Affinity, Constraint, Spread
from mooring.jobs.policies import Migrate, Reschedule, Restart, Update
from mooring.jobs.problem import Problem, joined
from mooring.jobs.scaling import Scaling
from mooring.jobs.service import Service
from mooring.jobs.shape import Json
from mooring.jobs.task import Task
from mooring.jobs.volumes import EphemeralDisk, Volume


@dataclass(frozen=True, kw_only=True)
class Consul(Piece):
    OF = "Consul"

    namespace: str | None = None
    """Needs Nomad and Consul Enterprise."""


@dataclass(frozen=True)
class Group(Piece):
    """`Group("web", count=3, tasks=[Task(…)])`."""

    OF = "TaskGroup"
    SPELT: ClassVar = {"restart": "RestartPolicy", "reschedule": "ReschedulePolicy"}

    name: str
    _: KW_ONLY
    tasks: Sequence[Task] = ()
    count: int | None = None
    """Instances; in a system job one on each node. Nomad: 1, or the least that `scaling` allows."""

    networks: Sequence[Network] = ()
    """One is what Nomad uses."""

    services: Sequence[Service] = ()
    volumes: Mapping[str, Volume] = field(default_factory=dict[str, Volume])
    """By the name that the tasks' mounts use."""

    ephemeral_disk: EphemeralDisk | None = None
    constraints: Sequence[Constraint] = ()
    affinities: Sequence[Affinity] = ()
    spreads: Sequence[Spread] = ()
    restart: Restart | None = None
    reschedule: Reschedule | None = None
    """What differs from the job's."""

    update: Update | None = None
    """What differs from the job's."""

    migrate: Migrate | None = None
    """What differs from the job's."""

    scaling: Scaling | None = None
    shutdown_delay: timedelta | None = None
    """From when its services are taken out of the catalogue until its tasks are told to stop. Nomad: none.

    Longer than a balancer needs to forget an instance.
    """

    stop_after_client_disconnect: timedelta | None = None
    """A node that has lost the servers for that long stops its instances. Nomad: never."""

    max_client_disconnect: timedelta | None = None
    """Refused: on Nomad 1.6 the agents that come back from it can crash again and again."""

    meta: Mapping[str, str] = field(default_factory=dict[str, str])
    consul: Consul | None = None

    @override
    def to_api(self) -> Json:
        written = super().to_api()
        for name, volume in written.get("Volumes", {}).items():
            volume["Name"] = name
        return written

    @classmethod
    @override
    def said(cls, body: Json, at: str, wrong: list[Problem]) -> dict[str, Any]:
        volumes = body.get("Volumes")
        if not isinstance(volumes, dict):
            return super().said(body, at, wrong)
        named: Json = {}
        for name, raw in cast("Json", volumes).items():
            volume = dict(cast("Json", raw)) if isinstance(raw, dict) else raw
            if isinstance(volume, dict) and cast("Json", volume).pop("Name", name) not in (name, ""):
                wrong.append(Problem(joined(at, "volumes", name, "name"), f"is not {name!r}, under which it stands"))
            named[name] = volume
        return super().said({**body, "Volumes": named}, at, wrong)
