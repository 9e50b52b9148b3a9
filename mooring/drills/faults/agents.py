"""Faults of Consul's and Nomad's own processes, on hosts that are well."""

from collections.abc import Mapping
from functools import partial

from mooring.clients.answers import table
from mooring.drills import limits
from mooring.drills.drill import Drill, Scene
from mooring.drills.faults.nodes import leader, leave_one_ordinary, ordinary
from mooring.drills.stage import CannotDrill, Host

HOLD = 20.0
"""Seconds for which Consul stays away: longer than the balancer remembers a name without being told to."""


def _kill(scene: Scene, service: str, host: Host) -> None:
    before = starts(scene)
    scene.fault(f"{service} on {host.name} is killed", hurts=[host])
    scene.run(host, f"systemctl kill --signal=KILL {service}")
    scene.until(
        lambda: None if scene.run(host, f"systemctl is-active {service} || true") != "active" else True,
        f"{service} runs again on {host.name}",
        within=30,
    )
    # Not at once: an agent that came back may yet stop what it does not know.
    scene.clock.sleep(limits.SEES_ITS_TASKS_WITHIN)
    if (after := starts(scene)) != before:
        scene.complaints.append(f"instances were started anew or moved: {sorted(after.items() ^ before.items())}")


def starts(scene: Scene) -> Mapping[str, str]:
    """When each running instance's tasks were started."""
    return {
        f"{found['ID'][:8]} {task}": state["StartedAt"]
        for found in scene.nomad.allocations(scene.stage.job)
        if found["ClientStatus"] == "running"
        for task, state in table(found["TaskStates"]).items()
    }


def _kill_agent(service: str, scene: Scene) -> None:
    _kill(scene, service, ordinary(scene))


def _kill_leader(service: str, scene: Scene) -> None:
    found = leader(scene, service)
    if found is None:
        raise CannotDrill(f"{service} has no leader")
    _kill(scene, service, found)


def _stop_consul(roles: frozenset[str], scene: Scene) -> None:
    hosts = [host for host in scene.stage.hosts if not roles or roles & host.roles]
    names = ", ".join(host.name for host in hosts)
    mends = [scene.armed(host, "consul", "systemctl start consul") for host in hosts]

    def start() -> None:
        for mend in mends:
            mend()

    with scene.afterwards(f"consul runs again on {names}", start):
        scene.fault(f"consul is stopped on {names}", hurts=hosts)
        for host in hosts:
            scene.run(host, "systemctl stop consul")
        scene.say(f"for {HOLD:g} s")
        scene.clock.sleep(HOLD)


CONSUL_AGENT = Drill(
    name="consul-agent",
    what="The Consul agent of a host is killed; instances and balancer must not notice.",
    prepare=leave_one_ordinary,
    fault=partial(_kill_agent, "consul"),
    limits=limits.UNHURT,
)
NOMAD_AGENT = Drill(
    name="nomad-agent",
    what="The Nomad agent of a host is killed; its instances go on, and the agent finds them again.",
    prepare=leave_one_ordinary,
    fault=partial(_kill_agent, "nomad"),
    limits=limits.UNHURT,
)
CONSUL_LEADER = Drill(
    name="consul-leader",
    what="The Consul server that leads is killed.",
    fault=partial(_kill_leader, "consul"),
    limits=limits.LEADER,
)
NOMAD_LEADER = Drill(
    name="nomad-leader",
    what="The Nomad server that leads is killed.",
    fault=partial(_kill_leader, "nomad"),
    limits=limits.LEADER,
)
BEHIND_BALANCER = Drill(
    name="balancer-consul",
    what=f"Consul is stopped on the balancers' own hosts for {HOLD:g} s; they go on with what they know.",
    fault=partial(_stop_consul, frozenset({"edge"})),
    limits=limits.CONSUL_DOWN,
)
CONSUL_DOWN = Drill(
    name="consul-down",
    what=f"Consul is stopped on every host for {HOLD:g} s; the balancers go on with what they know.",
    fault=partial(_stop_consul, frozenset[str]()),
    limits=limits.CONSUL_DOWN,
)
