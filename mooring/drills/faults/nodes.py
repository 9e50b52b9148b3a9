"""Faults of whole machines, from the outside: power cut, frozen, all at once."""

import random
from collections import Counter
from functools import partial

from mooring.clients import consul
from mooring.drills import limits, machine
from mooring.drills.drill import Drill, Scene
from mooring.drills.stage import CannotDrill, Host

CLUSTERS = ("consul", "nomad")
TURNS = 20
"""How often a leader is unseated until chance seats it where it is wanted: one of two, each time."""


def ordinary(scene: Scene) -> Host:
    """A host with an instance that leads nothing and, if there is such a one, carries neither registry nor balancer."""
    carrying = led_by_others(scene)
    if not carrying:
        raise CannotDrill("every host with an instance leads a cluster")
    burdened = [*scene.stage.having("registry")[:1], *scene.stage.having("edge")]
    return min(carrying, key=lambda host: (host in burdened, host.name))


def led_by_others(scene: Scene) -> list[Host]:
    """The hosts with an instance that lead nothing."""
    leading = {leader(scene, cluster) for cluster in CLUSTERS}
    return [instance.host for instance in scene.instances() if instance.host not in leading]


def spread(scene: Scene) -> None:
    """Put the instances on as many hosts as they can be on: once a host was lost, Nomad leaves them where they went."""
    for _ in range(TURNS):
        placed = Counter(instance.host for instance in scene.instances())
        if len(placed) >= min(scene.stage.desired, len(scene.stage.having("client"))):
            return
        crowded, _ = placed.most_common(1)[0]
        scene.say(f"{crowded.name} has {placed[crowded]} instances: one of them goes elsewhere")
        scene.nomad.stop_allocation(next(each.id for each in scene.instances() if each.host == crowded))
        scene.until(partial(_steady, scene), "the app is whole again", within=60, every=0.5)
    raise CannotDrill(f"the instances were not spread over the hosts in {TURNS} moves")


def leave_one_ordinary(scene: Scene) -> None:
    """Let the leaders change until a host with an instance leads nothing: a drill before may have left it otherwise."""
    spread(scene)
    for turn in range(TURNS):
        if led_by_others(scene):
            return
        _unseat(scene, CLUSTERS[turn % len(CLUSTERS)], "every host with an instance leads a cluster")


def worst(scene: Scene) -> Host:
    """The host whose loss hurts most: registry, balancer and instances, if one has them all."""
    carrying = {instance.host for instance in scene.instances() if "server" in instance.host.roles}
    first_registry = scene.stage.having("registry")[:1]
    return max(
        sorted(carrying or set(scene.stage.having("server")), key=lambda host: host.name),
        key=lambda host: (host in first_registry, "edge" in host.roles),
    )


def leader(scene: Scene, cluster: str) -> Host | None:
    found = consul.cluster(scene.stage.consul).leader() if cluster == "consul" else scene.nomad.leader()
    return scene.stage.at(found) if found else None


def seat_leaders(scene: Scene) -> None:
    """Let the worst host lead both clusters: there is no call for it in these versions, so chance has to."""
    spread(scene)
    wanted = worst(scene)
    for cluster in CLUSTERS:
        for _ in range(TURNS):
            if _sitting(scene, cluster) == wanted:
                break
            _unseat(scene, cluster, f"it is to be led by {wanted.name}")
        else:
            raise CannotDrill(f"{cluster} was never led by {wanted.name} in {TURNS} elections: try again")


def _sitting(scene: Scene, cluster: str) -> Host:
    return scene.until(partial(leader, scene, cluster), f"{cluster} has a leader", within=30)


def _unseat(scene: Scene, cluster: str, why: str) -> None:
    sitting = _sitting(scene, cluster)
    scene.say(f"{cluster} is led by {sitting.name}, and {why}: another election")
    scene.run(sitting, f"systemctl restart {cluster}")
    scene.until(partial(_steady, scene), "every server is a voter again", within=60, every=0.5)


def _steady(scene: Scene) -> bool | None:
    return None if scene.unsteady() else True


def _kill(scene: Scene) -> None:
    _cut_off(scene, ordinary(scene))


def _kill_worst(scene: Scene) -> None:
    _cut_off(scene, worst(scene))


def _cut_off(scene: Scene, victim: Host) -> None:
    with scene.afterwards(f"{victim.name} has power again", partial(machine.power_on, victim)):
        scene.fault(f"the power of {victim.name} is cut", takes=[victim])
        machine.cut_power(victim)


def _freeze(scene: Scene) -> None:
    victim = ordinary(scene)
    with scene.afterwards(f"{victim.name} goes on where it stopped", partial(machine.thaw, victim)):
        scene.fault(f"{victim.name} is frozen whole", takes=[victim])
        machine.freeze(victim)
        scene.say(f"for {limits.AWAY:g} s")
        scene.clock.sleep(limits.AWAY)


def _cut_all(scene: Scene) -> None:
    hosts = list(scene.stage.hosts)
    random.shuffle(hosts)

    def power_on() -> None:
        for host in hosts:
            scene.say(f"{host.name} is started")
            machine.power_on(host)

    with scene.afterwards(f"all have power again, in the order {', '.join(h.name for h in hosts)}", power_on):
        scene.fault("the power of every host is cut", hurts=hosts)
        for host in hosts:
            machine.cut_power(host)


KILLED = Drill(
    name="node",
    what="A host that leads nothing loses its power, with everything on it, and gets it back when the app is whole.",
    prepare=leave_one_ordinary,
    fault=_kill,
    limits=limits.NODE,
    from_outside=True,
)
WORST = Drill(
    name="worst-node",
    what="The host that leads both clusters, carries an instance, the registry and, where one host has all that, a "
    "balancer, loses its power.",
    prepare=seat_leaders,
    fault=_kill_worst,
    limits=limits.WORST_NODE,
    from_outside=True,
)
FROZEN = Drill(
    name="frozen-node",
    what="A host stops as a whole, and goes on as if nothing had been when it was replaced long ago.",
    prepare=leave_one_ordinary,
    fault=_freeze,
    limits=limits.FROZEN_NODE,
    from_outside=True,
)
COLD_START = Drill(
    name="cold-start",
    what="Every host loses its power at once, and they come back one after the other in random order.",
    fault=_cut_all,
    limits=limits.COLD_START,
    from_outside=True,
)
