"""One drill: what it is called, what it does, what it promises; and the scene on which its fault is played."""

import shlex
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from mooring.clients import ssh
from mooring.clients.nomad import Nomad, region
from mooring.drills.limits import Limits
from mooring.drills.machine import NoOutside
from mooring.drills.stage import CannotDrill, Host, Stage
from mooring.drills.timeline import Timeline, What
from mooring.waiting import SYSTEM, Clock, wait_for

T = TypeVar("T")

SAFETY = 600
"""Seconds after which a host undoes by itself what was done to it inside, if nobody else has."""


@dataclass(frozen=True, kw_only=True)
class Drill:
    name: str
    what: str
    """One sentence for whoever reads the report."""

    fault: Callable[["Scene"], None]
    limits: Limits
    prepare: Callable[["Scene"], None] | None = None
    """What has to be arranged before the steady state and the instruments."""

    deadline: float = 60.0
    """Seconds from the fault in which the app must be whole again before the drill gives up on it."""

    from_outside: bool = False
    """Whether it needs the outside of machines, and so works on local nodes alone."""


@dataclass(frozen=True, kw_only=True)
class Instance:
    """One running allocation of the app."""

    id: str
    host: Host

    @property
    def name(self) -> str:
        """As Nomad's own tools shorten it, and as events name it."""
        return self.id[:8]


@dataclass(kw_only=True)
class Scene:
    """What a fault is played on. Whatever it breaks it says here how to mend, before it breaks it."""

    stage: Stage
    timeline: Timeline
    say: Callable[[str], None]
    load: Callable[[], int] = lambda: 0
    """How many requests have ended so far."""

    clock: Clock = SYSTEM
    undo: ExitStack = field(default_factory=ExitStack)
    victims: dict[str, str] = field(default_factory=dict[str, str])
    """Hosts that the fault takes, and their addresses."""

    unwell: set[str] = field(default_factory=set[str])
    """Hosts that may be marked down though they are not taken."""

    struck: set[str] = field(default_factory=set[str])
    """Instances that the fault takes, as events name them, and leaves their hosts well."""

    unsteady: Callable[[], Sequence[str]] = lambda: ()
    """What is not as it has to be, of the whole stack."""

    complaints: list[str] = field(default_factory=list[str])
    """What the fault itself found out that must not be."""

    fault_at: float | None = None
    restored_at: float | None = None

    @property
    def nomad(self) -> Nomad:
        return region(self.stage.nomad)

    def fault(
        self, what: str, *, takes: Iterable[Host] = (), hurts: Iterable[Host] = (), strikes: Iterable[Instance] = ()
    ) -> None:
        """Say that it breaks now. Called right before it does."""
        self.struck.update(instance.name for instance in strikes)
        self.victims.update({host.name: host.address for host in takes})
        self.unwell.update(host.name for host in hurts)
        event = self.timeline.add(What.FAULT, detail=what)
        if self.fault_at is None:
            self.fault_at = event.at

    def step(self, what: str) -> None:
        self.timeline.add(What.STEP, detail=what)

    def over(self, what: str) -> None:
        """Say that there is nothing to mend, and that from now on all has to become as it was."""
        self.restored_at = self.timeline.add(What.RESTORED, detail=what).at

    @contextmanager
    def afterwards(self, what: str, mend: Callable[[], object]) -> Generator[None]:
        """Mend it when the drill is over, however it ends; inside the block it is broken."""
        self.undo.callback(self._mend, what, mend)
        yield

    def _mend(self, what: str, mend: Callable[[], object]) -> None:
        ssh.forget_silence()
        mend()
        self.restored_at = self.timeline.add(What.RESTORED, detail=what).at

    def run(self, host: Host, command: str, *, within: float = 60.0) -> str:
        """What a command on a host prints; a failure raises."""
        return ssh.run(host.connection, command, within=within).decode().strip()

    def armed(self, host: Host, name: str, mend: str) -> Callable[[], None]:
        """Let the host mend itself if nobody has within `SAFETY`; what is returned mends it now.

        For what is broken from the inside: a drill that is killed with -9 must not leave it so.
        """
        unit = f"mooring-drill-{name}"
        self.run(
            host,
            f"systemctl reset-failed {unit}.service 2>/dev/null; "
            f"systemd-run --quiet --collect --unit={unit} --on-active={SAFETY}s /bin/sh -c {shlex.quote(mend)}",
        )

        def mend_now() -> None:
            self.run(host, f"{{ {mend}\n}}; systemctl stop {unit}.timer 2>/dev/null || true")

        return mend_now

    def until(self, probe: Callable[[], T | None], what: str, *, within: float, every: float = 0.1) -> T:
        return wait_for(probe, what, within=within, every=every, clock=self.clock)

    def instances(self) -> list[Instance]:
        """Those that run, in the order of their names."""
        return [
            Instance(id=found["ID"], host=self.stage.host(found["NodeName"]))
            for found in sorted(self.nomad.allocations(self.stage.job), key=lambda a: a["Name"])
            if found["ClientStatus"] == "running" and found["DesiredStatus"] == "run"
        ]

    def whole(self) -> bool:
        """Whether as many instances pass their checks as there are to be, as the recorder saw it last."""
        seen = list(self.timeline.of(What.CAPACITY))[-1:]
        return any(sum(event.counts.values()) >= self.stage.desired for event in seen)

    def container(self, instance: Instance) -> str:
        """The id of the instance's container on its host's engine."""
        found = self.run(instance.host, f"docker ps -q --filter label=com.hashicorp.nomad.alloc_id={instance.id}")
        if not found:
            raise CannotDrill(f"instance {instance.name} has no container on {instance.host.name}")
        return found.split()[0]


def possible(drill: Drill, stage: Stage) -> None:
    """Raise `NoOutside` when the drill needs what these hosts do not have."""
    others = [host.name for host in stage.hosts if host.container is None]
    if drill.from_outside and others:
        raise NoOutside(
            f"drill {drill.name!r} cuts machines off from the outside, which works on local nodes alone; "
            f"{', '.join(others)} {'is' if len(others) == 1 else 'are'} none"
        )
