"""A job: everything that Nomad 1.6 runs, as a value."""

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from datetime import timedelta
from typing import Any, ClassVar, Literal

from typing_extensions import override

from mooring.jobs.group import Group
from mooring.jobs.piece import Piece
from mooring.jobs.placement import Affinity, Constraint, Spread
from mooring.jobs.policies import Migrate, Reschedule, Update
from mooring.jobs.problem import Problem
from mooring.jobs.schedule import Parameterized, Periodic
from mooring.jobs.shape import Json

JobType = Literal["service", "batch", "system", "sysbatch"]


@dataclass(frozen=True)
class Job(Piece):
    """`Job("hello", groups=[Group("web", tasks=[Task("app", Docker(image))])])`."""

    OF = "Job"
    SPELT: ClassVar = {"id": "ID", "parameterized": "ParameterizedJob", "groups": "TaskGroups"}

    id: str
    _: KW_ONLY
    groups: Sequence[Group] = ()
    name: str | None = None
    """For people. Nomad: the id."""

    type: JobType | None = None
    """service and system run until stopped, batch and sysbatch until done; system and sysbatch on every node.

    Nomad: service.
    """

    region: str | None = None
    """Nomad: global."""

    namespace: str | None = None
    """Nomad: default."""

    datacenters: Sequence[str] = ()
    """Where it may run; `*` stands for any letters. Nomad: all."""

    node_pool: str | None = None
    """Nomad: the namespace's, otherwise default."""

    priority: int | None = None
    """1 to 100, and up to what the servers allow: the higher is placed first. Nomad: 50."""

    all_at_once: bool | None = None
    """Place either all instances or none. Nomad: no, as many as there is room for."""

    stop: bool | None = None
    """Registered, but not running. Nomad: no."""

    constraints: Sequence[Constraint] = ()
    affinities: Sequence[Affinity] = ()
    spreads: Sequence[Spread] = ()
    update: Update | None = None
    """For every group; each can say what differs."""

    reschedule: Reschedule | None = None
    """For every group; each can say what differs."""

    migrate: Migrate | None = None
    """For every group; each can say what differs."""

    periodic: Periodic | None = None
    parameterized: Parameterized | None = None
    meta: Mapping[str, str] = field(default_factory=dict[str, str])

    @override
    def __post_init__(self) -> None:
        super().__post_init__()
        if self.name == self.id:
            object.__setattr__(self, "name", None)

    @override
    def to_api(self) -> Json:
        """As `POST /v1/jobs` takes it under `Job`."""
        return {"ID": self.id, "Name": self.id} | super().to_api()

    @classmethod
    @override
    def said(cls, body: Json, at: str, wrong: list[Problem]) -> dict[str, Any]:
        arguments = super().said(body, at, wrong)
        # A server tells that a job has no update block of its own by one with nothing but zeros.
        if arguments.get("update") == _ZEROS:
            del arguments["update"]
        return arguments


_ZEROS = Update(
    max_parallel=0,
    health_check=None,
    min_healthy_time=timedelta(0),
    healthy_deadline=timedelta(0),
    progress_deadline=timedelta(0),
    canary=0,
    auto_promote=False,
    auto_revert=False,
    stagger=timedelta(0),
)
