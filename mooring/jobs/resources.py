"""What a task needs of its node."""

from collections.abc import Iterator, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar, Final

from mooring.jobs.network import Network
from mooring.jobs.piece import Piece
from mooring.jobs.placement import Affinity, Constraint
from mooring.jobs.problem import Problem, joined, negatives, within


@dataclass(frozen=True)
class Device(Piece):
    """A device that a plugin of the agent hands out: `Device("nvidia/gpu", count=2)`."""

    OF = "RequestedDevice"

    name: str
    """`type`, `vendor/type` or `vendor/type/model`."""

    _: KW_ONLY
    count: int | None = None
    """Nomad: 1."""

    constraints: Sequence[Constraint] = ()
    """On what it is, as `${device.attr.memory}`."""

    affinities: Sequence[Affinity] = ()
    """On what it is."""

    def rules(self) -> Iterator[Problem]:
        if not self.name:
            yield Problem("name", "must be given, as type, vendor/type or vendor/type/model")
        yield from negatives(self, "count")
        for index, constraint in enumerate(self.constraints):
            at = joined("constraints", index)
            if constraint.operator in ("distinct_hosts", "distinct_property"):
                yield Problem(joined(at, "operator"), f"{constraint.operator} is for jobs and groups only")
            else:
                yield from within(at, constraint.rules())
        for index, affinity in enumerate(self.affinities):
            yield from within(joined("affinities", index), affinity.rules())


@dataclass(frozen=True, kw_only=True)
class Resources(Piece):
    OF = "Resources"
    SPELT: ClassVar = {"cpu": "CPU", "memory": "MemoryMB", "memory_max": "MemoryMaxMB"}

    cpu: int | None = None
    """MHz: a share of what the node has, not a limit. Nomad: 100, unless there are `cores`."""

    cores: int | None = None
    """Whole cores that nothing else gets, instead of `cpu`."""

    memory: int | None = None
    """MB (Nomad's: 1024 * 1024 bytes): what is set aside, and the limit unless `memory_max` is more. Nomad: 300."""

    memory_max: int | None = None
    """MB; beyond it the task is killed. Only where the scheduler allows oversubscription."""

    devices: Sequence[Device] = ()
    """Such as graphics cards."""

    networks: Sequence[Network] = ()
    """Deprecated since Nomad 0.12: a group's network has the ports."""

    def rules(self) -> Iterator[Problem]:
        yield from negatives(self, "cores")
        if self.cores and self.cpu:
            yield Problem("cpu", "stands beside cores: one of the two would do")
        if self.cpu is not None and self.cpu < LEAST_CPU and not self.cores:
            yield Problem("cpu", f"{self.cpu} MHz is below the minimum of {LEAST_CPU} MHz")
        if self.memory is not None and self.memory < LEAST_MEMORY:
            yield Problem("memory", f"{self.memory} MB is below the minimum of {LEAST_MEMORY} MB")
        memory = USUAL_MEMORY if self.memory is None else self.memory
        if self.memory_max and self.memory_max < memory:
            yield Problem("memory_max", f"{self.memory_max} MB is below the {memory} MB that are set aside")
        for device in self.devices:
            yield from within(joined("devices", device.name), device.rules())
        for index, network in enumerate(self.networks):
            yield from within(joined("networks", index), network.rules())


LEAST_CPU: Final = 1
LEAST_MEMORY: Final = 10
USUAL_MEMORY: Final = 300
"""MB, Nomad's own."""
