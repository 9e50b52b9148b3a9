"""A full disk under the data of both servers of a host.

Not the host's own disk: a local node shares this machine's. The data are moved to a small file system in memory before
anything is measured, that one is filled, and afterwards the data go back to where they were.
"""

from mooring.drills import limits
from mooring.drills.drill import Drill, Scene
from mooring.drills.faults.nodes import leave_one_ordinary, ordinary
from mooring.drills.stage import Host

DATA = {"consul": "/var/lib/consul", "nomad": "/var/lib/nomad/server"}
ASIDE = "/var/lib/mooring-drill"
"""Where the data wait that lie under the small file system; a folder for each service."""

ROOM = 16
"""MiB that are free until it is filled: Raft's files grow by much less in a minute."""

HOLD = 20.0
"""Seconds for which the disk stays full."""

FULL = "mooring-drill.full"


def shrink(service: str, folder: str) -> str:
    """A script that puts a small file system in the place of `folder`, with what was in it."""
    return f"""set -e
systemctl stop {service}
mkdir -p {ASIDE}
cp -a {folder} {ASIDE}/{service}
size=$(($(du -sm {folder} | cut -f1) * 2 + {ROOM}))
mount -t tmpfs -o size=${{size}}m,mode=$(stat -c %a {folder}) mooring-drill {folder}
chown --reference={ASIDE}/{service} {folder}
cp -a {ASIDE}/{service}/. {folder}/
systemctl start {service}
"""


def give_back(service: str, folder: str) -> str:
    """A script that puts the data back onto the disk; it does nothing where they are there."""
    return f"""if mountpoint -q {folder}; then
rm -f {folder}/{FULL}
systemctl stop {service}
rm -rf {ASIDE}/{service}
cp -a {folder} {ASIDE}/{service}
umount {folder}
cp -a {ASIDE}/{service}/. {folder}/
systemctl start {service}
fi
rm -rf {ASIDE}/{service}; rmdir {ASIDE} 2>/dev/null || true
"""


def _small(scene: Scene) -> None:
    leave_one_ordinary(scene)
    host = ordinary(scene)
    scene.say(f"the data of both servers of {host.name} go to a small file system of their own")
    mend = scene.armed(host, "disk", "\n".join(give_back(*each) for each in DATA.items()))
    with scene.afterwards(f"the data of both servers of {host.name} are on its disk again", mend):
        for service, folder in DATA.items():
            scene.run(host, shrink(service, folder))


def _prepared(scene: Scene) -> Host:
    """The host whose data were moved."""
    return next(
        host
        for host in scene.stage.having("server")
        if scene.run(host, f"mountpoint -q {DATA['consul']} && echo y || true")
    )


def _fill(scene: Scene) -> None:
    host = _prepared(scene)
    scene.fault(f"the disk under both servers of {host.name} is full", hurts=[host])
    for folder in DATA.values():
        # dd ends with an error when nothing more goes in, which is what is wanted.
        left = scene.run(
            host, f"dd if=/dev/zero of={folder}/{FULL} bs=64k 2>/dev/null; df --output=avail {folder} | tail -1"
        )
        scene.step(f"{left} KiB are left in {folder}")
    scene.say(f"for {HOLD:g} s")
    scene.clock.sleep(HOLD)
    for folder in DATA.values():
        scene.run(host, f"rm -f {folder}/{FULL}")
    scene.step("there is room again")


FULL_DISK = Drill(
    name="full-disk",
    what=f"The disk under a host's two servers is full for {HOLD:g} s; both go on by themselves when there is room.",
    prepare=_small,
    fault=_fill,
    limits=limits.UNHURT,
)
