"""What is done every day, and may lose no request: deploys, drains, reloads, a deploy without a registry."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from mooring.clients.answers import Json, table
from mooring.drills import limits
from mooring.drills.drill import Drill, Scene
from mooring.drills.stage import CannotDrill, Host
from mooring.kinds.nomad_deployment import evaluation_reasons

MARK = "mooring-drill"
"""The key of a job's metadata in which one deploy differs from the next."""

DEPLOYS = 20
RELOADS = 100
RELOAD_EVERY = 2.0
"""Seconds: as many reloads as that are 20,000 requests."""

DRAINED_WITHIN = 120.0
BALANCER = "mooring-haproxy"
REGISTRY = "mooring-registry"


def _deploys(times: int, scene: Scene) -> None:
    original = _job(scene)

    def restore() -> None:
        # By the same road: the job that the program says is one more deploy.
        now = _job(scene)
        if now["Meta"] != original["Meta"]:
            _deploy(scene, now, original["Meta"])

    with scene.afterwards("the job is as the program says", restore):
        scene.fault(f"{times} {'deploy' if times == 1 else 'deploys'}, one after the other")
        for number in range(1, times + 1):
            job = _job(scene)
            scene.step(f"deploy {number} of {times}")
            _deploy(scene, job, {**table(job["Meta"]), MARK: str(number)})


def _job(scene: Scene) -> Json:
    found = scene.nomad.job(scene.stage.job)
    if found is None:
        raise CannotDrill(f"job {scene.stage.job!r} is gone")
    return found


def _deploy(scene: Scene, job: Json, meta: Mapping[str, Any] | None) -> None:
    """Register the job with other metadata, which replaces every instance, and follow it to its end."""
    changed = {**job, "Meta": meta}
    answer = scene.nomad.register(changed, unless_changed_since=job["JobModifyIndex"])
    reasons = evaluation_reasons(scene.nomad, scene.stage.job, answer["EvalID"], lambda _: None, scene.clock)
    scene.complaints += [f"a deploy failed: {reason}" for reason in reasons]


def _drains(scene: Scene) -> None:
    scene.fault("every host in turn is drained, and may have instances again")
    clients = scene.stage.having("client")
    turn = 0
    while scene.load() < limits.ENOUGH:
        host = clients[turn % len(clients)]
        turn += 1
        scene.step(f"{host.name} is drained")
        _drain(scene, host)
    scene.over(f"{turn} drains are done")


def _drain(scene: Scene, host: Host) -> None:
    node = next(found["ID"] for found in scene.nomad.nodes() if found["Name"] == host.name)
    try:
        scene.nomad.drain(node, within=DRAINED_WITHIN)
        scene.until(
            lambda: True if _empty(scene, host) and scene.whole() else None,
            f"{host.name} is empty and the app is whole without it",
            within=DRAINED_WITHIN,
            every=0.5,
        )
    finally:
        # Also when it is interrupted, and at once: the next host can be drained only when this one takes part again.
        scene.nomad.undrain(node)


def _empty(scene: Scene, host: Host) -> bool:
    return not any(
        found["NodeName"] == host.name and found["ClientStatus"] in ("running", "pending")
        for found in scene.nomad.allocations(scene.stage.job)
    )


def _reloads(scene: Scene) -> None:
    edges = scene.stage.having("edge")
    scene.fault(f"{RELOADS} reloads of every balancer")
    for number in range(1, RELOADS + 1):
        if number % 10 == 0:
            scene.step(f"reload {number} of {RELOADS}")
        for edge in edges:
            scene.run(edge, f"systemctl reload {BALANCER}")
        scene.clock.sleep(RELOAD_EVERY)
    scene.over("the last reload is done")


def _without_registry(scene: Scene) -> None:
    serving = [
        host
        for host in scene.stage.having("registry")
        if scene.run(host, f"systemctl is-active {REGISTRY} || true") == "active"
    ]
    if not serving:
        raise CannotDrill("no host of the stack runs a registry")
    host = serving[0]
    mend = scene.armed(host, "registry", f"systemctl start {REGISTRY}")
    with scene.afterwards(f"the registry on {host.name} runs again", mend):
        scene.run(host, f"systemctl stop {REGISTRY}")
        _deploys(1, scene)


DEPLOY = Drill(
    name="deploy",
    what="A new version is rolled out, instance by instance.",
    fault=partial(_deploys, 1),
    limits=limits.NO_REQUEST_LOST,
)
ROLLING = Drill(
    name="deploys",
    what=f"{DEPLOYS} new versions are rolled out, one after the other.",
    fault=partial(_deploys, DEPLOYS),
    limits=limits.OPERATION,
)
DRAINED = Drill(
    name="drain",
    what="Every host in turn is drained and let in again, until 20,000 requests were sent.",
    fault=_drains,
    limits=limits.OPERATION,
)
RELOADED = Drill(
    name="reload",
    what=f"The balancers are reloaded {RELOADS} times.",
    fault=_reloads,
    limits=limits.OPERATION,
)
WITHOUT_REGISTRY = Drill(
    name="registry",
    what="The registry is stopped, and a new version of what the hosts have is rolled out.",
    fault=_without_registry,
    limits=limits.NO_REQUEST_LOST,
)
