"""A job: everything that Nomad 1.6 runs, as a value."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar, Self, cast

from typing_extensions import override

from mooring.jobs import version
from mooring.jobs.compose import composed
from mooring.jobs.group import Above, Group, every_node_problems
from mooring.jobs.hcl import Parser, parsed
from mooring.jobs.piece import Piece
from mooring.jobs.placement import Affinity, Constraint, Spread
from mooring.jobs.policies import JobType, Migrate, Reschedule, Update
from mooring.jobs.problem import InvalidJob, Problem, joined, repeated, within
from mooring.jobs.schedule import Parameterized, Periodic
from mooring.jobs.shape import Json, steps


@dataclass(frozen=True)
class Job(Piece):
    """`Job("hello", groups=[Group("web", tasks=[Task("app", Docker(image))])])`."""

    OF = "Job"
    SPELT: ClassVar = {"id": "ID", "parameterized": "ParameterizedJob", "groups": "TaskGroups"}

    id: str
    """What it is known by in its namespace; without spaces."""

    _: KW_ONLY
    groups: Sequence[Group] = ()
    """At least one."""

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
    """For every group."""

    affinities: Sequence[Affinity] = ()
    """For every group; not in system jobs."""

    spreads: Sequence[Spread] = ()
    """For every group; not in system jobs."""

    update: Update | None = None
    """For every group; each can say what differs."""

    reschedule: Reschedule | None = None
    """For every group; each can say what differs."""

    migrate: Migrate | None = None
    """For every group; each can say what differs."""

    periodic: Periodic | None = None
    """Batch and sysbatch only."""

    parameterized: Parameterized | None = None
    """Batch and sysbatch only."""

    meta: Mapping[str, str] = field(default_factory=dict[str, str])
    """Every task sees each as NOMAD_META_<key>."""

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

    @classmethod
    def from_hcl(cls, path: Path, *, parse: Parser, variables: Mapping[str, Any] | str = "") -> Self:
        """What a job file says, read by a cluster's own parser: `parse=region(endpoint).parse_job`.

        `variables` are values for those that the file declares, or the text of a file with them. As it is a server
        that reads, functions that look at files (`file`, `pathexpand`) are refused. Raises what `parse` raises, and
        `InvalidJob` for what has no place in a job here.
        """
        return cls.from_api(parsed(path, parse, variables))

    @classmethod
    def from_compose(
        cls, path: Path, *, images: Mapping[str, str] | None = None, variables: Mapping[str, str] | None = None
    ) -> Self:
        """What a docker-compose file says, with services that share a network as the tasks of one group.

        `images` are those of services that the file builds, `variables` what its `${NAME}` stand for. Raises
        `InvalidJob` with every line that has no counterpart in a job.
        """
        return cls(**composed(path, images=images or {}, variables=variables or {})).checked()

    def problems(self, *, nomad: str = version.NOMAD) -> list[Problem]:
        """Everything wrong with it, for that version of Nomad; contacts nobody."""
        misfits = list(self.misfits(""))
        sound = self.sound() if misfits else self
        return list(dict.fromkeys([*misfits, *sound.rules(nomad)]))

    def checked(self, *, nomad: str = version.NOMAD) -> Self:
        """The job, if nothing is wrong with it; raises `InvalidJob`."""
        if problems := self.problems(nomad=nomad):
            raise InvalidJob(problems)
        return self

    def rules(self, nomad: str) -> Iterator[Problem]:
        type_: JobType = self.type or "service"
        yield from self._names()
        if self.priority is not None and not 1 <= self.priority <= HIGHEST_PRIORITY:
            yield Problem("priority", f"{self.priority} is not within 1 and {HIGHEST_PRIORITY}")
        for index, constraint in enumerate(self.constraints):
            yield from within(joined("constraints", index), constraint.rules())
        for index, affinity in enumerate(self.affinities):
            yield from within(joined("affinities", index), affinity.rules())
        for index, spread in enumerate(self.spreads):
            yield from within(joined("spreads", index), spread.rules())
        yield from every_node_problems(self, type_)
        for name in ("periodic", "parameterized"):
            if (piece := getattr(self, name)) is not None:
                if type_ not in ("batch", "sysbatch") and getattr(piece, "enabled", None) is not False:
                    yield Problem(name, f"a {type_} job runs all the time: batch and sysbatch would do")
                yield from within(name, piece.rules())
        above = Above(
            job=self.name or self.id,
            type=type_,
            nomad=nomad,
            update=self.update,
            reschedule=self.reschedule,
            migrate=self.migrate,
        )
        for group, step in zip(self.groups, steps(self.groups), strict=True):
            yield from within(joined("groups", step), group.rules(above))

    def _names(self) -> Iterator[Problem]:
        if not self.id:
            yield Problem("id", "must be given")
        if set(" \0") & set(self.id):
            yield Problem("id", f"{self.id!r} holds a space or a null character")
        if "\0" in (self.name or ""):
            yield Problem("name", f"{self.name!r} holds a null character")
        if "" in self.datacenters:
            yield Problem(joined("datacenters", self.datacenters.index("")), "must not be empty")
        if not self.groups:
            yield Problem("groups", "must be given")
        yield from repeated("groups", (group.name for group in self.groups if group.name))


HIGHEST_PRIORITY = 100
"""Unless the servers' `job_max_priority` is another, which ours is not."""


def problems_of(body: Any) -> list[Problem]:
    """Everything wrong with a job as the API takes it: what has no place in it, and what breaks a rule."""
    if not isinstance(body, dict):
        return [Problem("", f"{body!r} is not a mapping")]
    wrong: list[Problem] = []
    job = Job.read(cast("Json", body), "", wrong)
    return [*wrong, *job.problems()]


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
