"""What a task needs of its node."""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

from mooring.jobs.network import Network
from mooring.jobs.piece import Piece
from mooring.jobs.placement import Affinity, Constraint


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
    networks: Sequence[Network] = ()
    """Deprecated since Nomad 0.12: a group's network has the ports."""
