"""Faults of one instance of the app, on a host that is well."""

from mooring.drills import limits
from mooring.drills.drill import Drill, Scene


def _kill(scene: Scene) -> None:
    instance = scene.instances()[0]
    container = scene.container(instance)
    scene.fault(f"the container of instance {instance.name} on {instance.host.name} is killed", strikes=[instance])
    scene.run(instance.host, f"docker kill {container}")


def _hang(scene: Scene) -> None:
    instance = scene.instances()[0]
    container = scene.container(instance)
    # Its restart takes the frozen container away; if nothing did, it is thawed.
    thaw = scene.armed(instance.host, "hang", f"docker unpause {container} 2>/dev/null || true")
    with scene.afterwards("the process is thawed, if it is still there", thaw):
        scene.fault(f"the process of instance {instance.name} on {instance.host.name} is frozen", strikes=[instance])
        scene.run(instance.host, f"docker pause {container}")


KILLED = Drill(
    name="container",
    what="The container of one instance is killed.",
    fault=_kill,
    limits=limits.CONTAINER,
)
HUNG = Drill(
    name="hung",
    what="The process of one instance hangs: it holds its connections and answers nothing.",
    fault=_hang,
    limits=limits.HUNG,
)
