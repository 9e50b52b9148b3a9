"""Every drill, those that matter most first."""

from collections.abc import Sequence

from mooring.drills.drill import Drill
from mooring.drills.faults import agents, containers, disks, network, nodes, operations, program, rotation
from mooring.drills.stage import CannotDrill

DRILLS: tuple[Drill, ...] = (
    containers.KILLED,
    program.BAD_DEPLOY,
    nodes.KILLED,
    nodes.WORST,
    operations.DEPLOY,
    operations.ROLLING,
    containers.HUNG,
    operations.DRAINED,
    operations.RELOADED,
    rotation.ROTATED,
    agents.CONSUL_AGENT,
    agents.NOMAD_AGENT,
    agents.CONSUL_LEADER,
    agents.NOMAD_LEADER,
    nodes.FROZEN,
    network.PARTITIONED,
    agents.BEHIND_BALANCER,
    agents.CONSUL_DOWN,
    operations.WITHOUT_REGISTRY,
    network.LOSSY,
    disks.FULL_DISK,
    nodes.COLD_START,
    program.KILLED_UP,
)


def chosen(names: Sequence[str]) -> list[Drill]:
    """The drills of these names in this order, or all of them; raises `CannotDrill` with every name that is none."""
    by_name = {drill.name: drill for drill in DRILLS}
    if unknown := [name for name in names if name not in by_name]:
        raise CannotDrill(f"there is no drill {', '.join(map(repr, unknown))}; these are: {', '.join(by_name)}")
    return [by_name[name] for name in names] if names else list(DRILLS)
