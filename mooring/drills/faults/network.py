"""Faults of the network between hosts; the way from here to each of them stays open."""

from collections.abc import Sequence

from mooring.drills import limits
from mooring.drills.drill import Drill, Scene
from mooring.drills.faults.nodes import leave_one_ordinary, ordinary
from mooring.drills.stage import Host

CHAIN = "MOORING-DRILL"
PASSED = ("INPUT", "OUTPUT", "FORWARD")
"""FORWARD as well: what goes to a container's published port is not for the host itself."""

OUT = "; ".join(f"iptables -w -D {chain} -j {CHAIN} 2>/dev/null" for chain in PASSED)
MEND = f"{OUT}; iptables -w -F {CHAIN}; iptables -w -X {CHAIN}; true"
LOSS = 0.1
HOLD = 30.0
"""Seconds of a bad network."""


def dropping(peers: Sequence[str], probability: float = 1.0) -> str:
    """A command that drops what comes from and goes to the peers; what is under way already as well.

    By the kernel's packet filter and not by a queueing discipline, which not every kernel has.
    """
    chance = "" if probability >= 1 else f" -m statistic --mode random --probability {probability:g}"
    rules = [f"iptables -w -A {CHAIN} {way} {peer}{chance} -j DROP" for peer in peers for way in ("-s", "-d")]
    return " && ".join([f"iptables -w -N {CHAIN}", *rules, *(f"iptables -w -I {on} -j {CHAIN}" for on in PASSED)])


def _peers(scene: Scene, host: Host) -> list[str]:
    return [other.address for other in scene.stage.hosts if other != host]


def _partition(scene: Scene) -> None:
    victim = ordinary(scene)
    mend = scene.armed(victim, "partition", MEND)
    with scene.afterwards(f"{victim.name} reaches the others again", mend):
        scene.fault(f"{victim.name} and the others do not reach each other", takes=[victim])
        scene.run(victim, dropping(_peers(scene, victim)))
        scene.say(f"for {limits.AWAY:g} s")
        scene.clock.sleep(limits.AWAY)


def _lose(scene: Scene) -> None:
    victim = ordinary(scene)
    mend = scene.armed(victim, "loss", MEND)
    with scene.afterwards(f"{victim.name} loses nothing any more", mend):
        scene.fault(f"{victim.name} loses {LOSS:.0%} of the packets from and to the others", hurts=[victim])
        scene.run(victim, dropping(_peers(scene, victim), LOSS))
        scene.say(f"for {HOLD:g} s")
        scene.clock.sleep(HOLD)


PARTITIONED = Drill(
    name="partition",
    what="A host is cut off from all others, runs on by itself, and comes back when it was replaced.",
    prepare=leave_one_ordinary,
    fault=_partition,
    limits=limits.PARTITION,
)
LOSSY = Drill(
    name="packet-loss",
    what=f"A host loses {LOSS:.0%} of its packets for {HOLD:g} s.",
    prepare=leave_one_ordinary,
    fault=_lose,
    limits=limits.PACKET_LOSS,
)
