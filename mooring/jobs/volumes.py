"""Storage that outlives a task: a group asks for it, its tasks mount it."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import KW_ONLY, dataclass
from datetime import timedelta
from typing import ClassVar, Final, Literal

from mooring.jobs.piece import Piece
from mooring.jobs.policies import JobType
from mooring.jobs.problem import Problem, negatives


@dataclass(frozen=True, kw_only=True)
class MountOptions(Piece):
    """How a CSI volume is mounted on the node."""

    OF = "CSIMountOptions"
    SPELT: ClassVar = {"fs_type": "FSType"}

    fs_type: str | None = None
    """As `ext4`. Plugin: its own default."""

    mount_flags: Sequence[str] = ()
    """As `noatime`; they may hold secrets of the plugin's, and are shown to nobody."""


@dataclass(frozen=True)
class Volume(Piece):
    """A volume that must be there for a group to run: `Volume("mysql", type="host")`."""

    OF = "VolumeRequest"

    source: str
    """Its name in the agent's configuration (host), or its id (CSI)."""

    _: KW_ONLY
    type: Literal["host", "csi"]
    """One that the nodes' agents name, or one of a storage plugin."""

    read_only: bool = False
    """For all tasks of the group, whatever their mounts say."""

    access_mode: (
        Literal[
            "single-node-reader-only",
            "single-node-writer",
            "multi-node-reader-only",
            "multi-node-single-writer",
            "multi-node-multi-writer",
        ]
        | None
    ) = None
    """CSI only, and required there."""

    attachment_mode: Literal["file-system", "block-device"] | None = None
    """CSI only, and required there."""

    mount_options: MountOptions | None = None
    """CSI only."""

    per_alloc: bool = False
    """Each instance has a volume of its own, whose source ends in `[0]`, `[1]` and so on."""

    def rules(self, type_: JobType, *, count: int, canaries: int) -> Iterator[Problem]:
        if not self.source:
            yield Problem("source", "must be given")
        if self.per_alloc and type_ in ("system", "sysbatch"):
            yield Problem("per_alloc", f"a {type_} job has no numbered instances")
        if self.per_alloc and canaries > 0:
            yield Problem("per_alloc", "a canary would need the volume of the instance that it stands beside")
        if self.type == "host":
            for name in ("access_mode", "attachment_mode", "mount_options"):
                if getattr(self, name) is not None:
                    yield Problem(name, "is for CSI volumes only")
        elif self.type == "csi":
            yield from self._csi(1 if self.per_alloc else count)

    def _csi(self, sharers: int) -> Iterator[Problem]:
        if self.attachment_mode is None:
            yield Problem("attachment_mode", "must be given for a CSI volume")
        elif self.attachment_mode == "block-device" and self.mount_options is not None:
            yield Problem("mount_options", "a block device is not mounted")
        match self.access_mode:
            case None:
                yield Problem("access_mode", "must be given for a CSI volume")
            case "single-node-reader-only" | "multi-node-reader-only" if not self.read_only:
                yield Problem("read_only", f"must be true for {self.access_mode}")
            case _:
                pass
        single = self.access_mode in ("single-node-reader-only", "single-node-writer")
        one_writer = self.access_mode == "multi-node-single-writer" and not self.read_only
        if (single or one_writer) and sharers > 1:
            yield Problem("access_mode", f"{self.access_mode} does not allow {sharers} instances")


@dataclass(frozen=True)
class VolumeMount(Piece):
    OF = "VolumeMount"

    volume: str
    """A key of the group's `volumes`."""

    destination: str
    """Inside the task."""

    _: KW_ONLY
    read_only: bool | None = None
    """Nomad: no."""

    propagation_mode: Literal["private", "host-to-task", "bidirectional"] | None = None
    """Whether later mounts are seen on the other side. Nomad: private."""

    def rules(self, volumes: Collection[str]) -> Iterator[Problem]:
        if not self.volume:
            yield Problem("volume", "must be given")
        elif self.volume not in volumes:
            yield Problem("volume", f"the group has no volume {self.volume!r}")
        if not self.destination:
            yield Problem("destination", "must be given")


@dataclass(frozen=True, kw_only=True)
class EphemeralDisk(Piece):
    """The group's share of the node's disk, for what may be lost with the instance."""

    OF = "EphemeralDisk"
    SPELT: ClassVar = {"size": "SizeMB"}

    size: int | None = None
    """MB, at least 10, and more than all logs of a task may take. Nomad: 300."""

    sticky: bool | None = None
    """Place the next version where the data is, when that is possible. Nomad: no."""

    migrate: bool | None = None
    """With `sticky`: copy the data when it is not. Nomad: no."""

    def rules(self) -> Iterator[Problem]:
        if self.size is not None and self.size < SMALLEST_DISK:
            yield Problem("size", f"{self.size} MB is below the minimum of {SMALLEST_DISK} MB")


SMALLEST_DISK: Final = 10
USUAL_DISK: Final = 300
"""MB, Nomad's own."""


@dataclass(frozen=True)
class CsiPlugin(Piece):
    """Makes a task a storage plugin."""

    OF = "TaskCSIPluginConfig"
    SPELT: ClassVar = {"id": "ID"}

    id: str
    """What volumes name it by."""

    _: KW_ONLY
    type: Literal["node", "controller", "monolith"]
    """Mounts on its node, speaks for the whole cluster, or both."""

    mount_dir: str | None = None
    """Where the plugin makes its socket. Nomad: /csi."""

    stage_publish_base_dir: str | None = None
    """Below which it mounts volumes. Nomad: /local/csi."""

    health_timeout: timedelta = timedelta(0)
    """It is restarted when it is not healthy by then. 0: Nomad's 30 s."""

    def rules(self) -> Iterator[Problem]:
        if not self.id:
            yield Problem("id", "must be given")
        yield from negatives(self, "health_timeout")
