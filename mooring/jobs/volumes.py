"""Storage that outlives a task: a group asks for it, its tasks mount it."""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from datetime import timedelta
from typing import ClassVar, Literal

from mooring.jobs.piece import Piece


@dataclass(frozen=True, kw_only=True)
class MountOptions(Piece):
    """How a CSI volume is mounted on the node."""

    OF = "CSIMountOptions"
    SPELT: ClassVar = {"fs_type": "FSType"}

    fs_type: str | None = None
    mount_flags: Sequence[str] = ()


@dataclass(frozen=True)
class Volume(Piece):
    """A volume that must be there for a group to run: `Volume("mysql", type="host")`."""

    OF = "VolumeRequest"

    source: str
    """Its name in the agent's configuration (host), or its id (CSI)."""

    _: KW_ONLY
    type: Literal["host", "csi"]
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


@dataclass(frozen=True)
class CsiPlugin(Piece):
    """Makes a task a storage plugin."""

    OF = "TaskCSIPluginConfig"
    SPELT: ClassVar = {"id": "ID"}

    id: str
    _: KW_ONLY
    type: Literal["node", "controller", "monolith"]
    mount_dir: str | None = None
    """Where the plugin makes its socket. Nomad: /csi."""

    stage_publish_base_dir: str | None = None
    """Below which it mounts volumes. Nomad: /local/csi."""

    health_timeout: timedelta = timedelta(0)
    """It is restarted when it is not healthy by then. 0: Nomad's 30 s."""
