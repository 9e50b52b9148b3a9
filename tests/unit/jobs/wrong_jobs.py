"""Jobs with one thing wrong in each, and what is said about it.

The live test asks a server about every one of them: it must refuse those of `SERVERS` too, or we would be stricter
than it is without having said so, and need not refuse those of `OURS`.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from unit.jobs.some_jobs import IMAGE, group, job, one, seconds, task

from mooring.jobs import (
    Affinity,
    Artifact,
    BindAddress,
    ChangeScript,
    Check,
    CheckRestart,
    Connect,
    Constraint,
    Consul,
    CsiPlugin,
    Device,
    DispatchPayload,
    Docker,
    DockerDevice,
    Driver,
    EphemeralDisk,
    Exec,
    Gateway,
    GatewayProxy,
    GrpcCheck,
    HttpCheck,
    Ingress,
    IngressListener,
    IngressService,
    Java,
    Job,
    Lifecycle,
    LinkedService,
    LogConfig,
    Migrate,
    MountOptions,
    Network,
    Parameterized,
    Periodic,
    Port,
    Proxy,
    Qemu,
    RawExec,
    Reschedule,
    Resources,
    Restart,
    Scaling,
    ScriptCheck,
    Service,
    SidecarService,
    Spread,
    SpreadTarget,
    TcpCheck,
    Template,
    Terminating,
    Update,
    Upstream,
    Vault,
    Volume,
    VolumeMount,
    Wait,
)

NETWORK = Network(mode="host", ports={"http": Port(to=80)})
BRIDGE = Network(mode="bridge", ports={"http": Port(to=80)})
CSI: Mapping[str, Any] = {
    "type": "csi",
    "access_mode": "multi-node-multi-writer",
    "attachment_mode": "file-system",
}
WORD: Any = "sometimes"
"""No word that Nomad knows anywhere."""


def batch(**changes: Any) -> Job:
    return job(type="batch", **changes)


def grouped(**changes: Any) -> Job:
    return job(groups=[group(**changes)])


def served(*checks: Check, **changes: Any) -> Job:
    service = Service(**{"name": "web", "port": "http", "checks": list(checks), **changes})
    return grouped(networks=[NETWORK], services=[service])


def http(path: str = "/", **changes: Any) -> HttpCheck:
    return HttpCheck(path, **{"name": "answers", "interval": seconds(2), "timeout": seconds(1), **changes})


def tcp(**changes: Any) -> TcpCheck:
    return TcpCheck(**{"name": "answers", "interval": seconds(2), "timeout": seconds(1), **changes})


def script(command: str = "/bin/true", **changes: Any) -> ScriptCheck:
    return ScriptCheck(command, **{"name": "answers", "interval": seconds(2), "timeout": seconds(1), **changes})


def restart(**changes: Any) -> Job:
    return grouped(restart=Restart(**changes))


def reschedule(**changes: Any) -> Job:
    return grouped(reschedule=Reschedule(**changes))


def limited(**changes: Any) -> Job:
    return reschedule(**{"unlimited": False, "attempts": 3, "interval": timedelta(hours=1), **changes})


def update(**changes: Any) -> Job:
    return grouped(update=Update(**changes), count=3)


def migrate(**changes: Any) -> Job:
    return grouped(migrate=Migrate(**changes))


def constrained(*arguments: str, **changes: Any) -> Job:
    return job(constraints=[Constraint(*arguments, **changes)])


def preferring(*arguments: str, **changes: Any) -> Job:
    return job(affinities=[Affinity(*arguments, **changes)])


def spread(*targets: SpreadTarget, **changes: Any) -> Job:
    return job(spreads=[Spread("${node.datacenter}", targets=targets, **changes)])


def ports(**changes: Port) -> Job:
    return grouped(networks=[Network(mode="host", ports=changes)])


def volume(**changes: Any) -> Job:
    return grouped(volumes={"data": Volume(**{"source": "data", "type": "host", **changes})}, count=2)


def csi(**changes: Any) -> Job:
    return volume(**{**CSI, **changes})


def template(**changes: Any) -> Job:
    return one(templates=[Template(**{"destination": "local/x", "data": "x", **changes})])


def artifact(source: str = "https://example.com/x.tar.gz", **changes: Any) -> Job:
    return one(artifacts=[Artifact(source, **changes)])


def resources(**changes: Any) -> Job:
    return one(resources=Resources(**changes))


def connected(*networks: Network, name: str = "web", **changes: Any) -> Job:
    return grouped(networks=networks, services=[Service(name, port="http", connect=Connect(**changes))])


def ingress(*services: IngressService, **changes: Any) -> Job:
    listener = IngressListener(**{"port": 8080, "services": services, **changes})
    return connected(BRIDGE, gateway=Gateway(ingress=Ingress(listeners=[listener])))


def linked(**changes: Any) -> Job:
    service = LinkedService(**{"name": "db", **changes})
    return connected(BRIDGE, gateway=Gateway(terminating=Terminating(services=[service])))


MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
SYSTEMS = "a system job runs on every node, and prefers none"
NOTHING_LIKE_IT = "has no such policy"

SERVERS: list[tuple[Job, str]] = [
    (Job("", groups=[group()]), "id: must be given"),
    (Job("two words", groups=[group()]), "id: 'two words' holds a space or a null character"),
    (job(name="a\0b"), "name: 'a\\x00b' holds a null character"),
    (job(type=WORD), "type: 'sometimes' is not service, batch, system or sysbatch"),
    (job(datacenters=["dc1", ""]), "datacenters.1: must not be empty"),
    (job(groups=[]), "groups: must be given"),
    (job(groups=[group(), group()]), "groups.web: stands there twice"),
    (job(priority=101), "priority: 101 is not within 1 and 100"),
    # placement
    (constrained(operator="="), "constraints.0.attribute: must be given"),
    (constrained("${attr.x}"), "constraints.0.value: must be given for ="),
    (constrained("${attr.x}", "1", operator=WORD), "constraints.0.operator: 'sometimes' is not =, ==, is"),
    (constrained("${attr.x}", "x", operator="version"), "constraints.0.value: 'x' is not versions as `>= 1.2, < 2`"),
    (constrained("${attr.x}", "~> 1", operator="semver"), "constraints.0.value: '~> 1' is not versions"),
    (constrained("${attr.x}", "(", operator="regexp"), "constraints.0.value: '(' is no regular expression"),
    (constrained("${attr.x}", operator="set_contains"), "constraints.0.value: must be given for set_contains"),
    (constrained("${attr.x}", "1", operator="is_set"), "constraints.0.value: is_set compares with nothing"),
    (constrained("${attr.x}", "0", operator="distinct_property"), "constraints.0.value: '0' is not how many"),
    (grouped(constraints=[Constraint("${attr.x}")]), "groups.web.constraints.0.value: must be given for ="),
    (
        one(constraints=[Constraint(operator="distinct_hosts", value="true")]),
        "groups.web.tasks.app.constraints.0.operator: distinct_hosts is for jobs and groups only",
    ),
    (preferring("", "x"), "affinities.0.attribute: must be given"),
    (preferring("${attr.x}"), "affinities.0.value: must be given for ="),
    (preferring("${attr.x}", "1", weight=0), "affinities.0.weight: 0 is not within -100 and 100, without 0"),
    (preferring("${attr.x}", "1", weight=101), "affinities.0.weight: 101 is not within -100 and 100"),
    (preferring("${attr.x}", "1", weight=-101), "affinities.0.weight: -101 is not within -100 and 100"),
    (preferring("${attr.x}", "1", operator="distinct_hosts"), "affinities.0.operator: 'distinct_hosts' is not ="),
    (grouped(affinities=[Affinity("${attr.x}")]), "groups.web.affinities.0.value: must be given"),
    (one(affinities=[Affinity("${attr.x}")]), "groups.web.tasks.app.affinities.0.value: must be given"),
    (job(spreads=[Spread("")]), "spreads.0.attribute: must be given"),
    (spread(weight=0), "spreads.0.weight: 0 is not within 1 and 100"),
    (spread(weight=101), "spreads.0.weight: 101 is not within 1 and 100"),
    (spread(SpreadTarget("a", 101)), "spreads.0.targets.0.percent: 101 is not within 0 and 100"),
    (spread(SpreadTarget("a", 60), SpreadTarget("b", 60)), "spreads.0.targets: together they have 120 percent"),
    (spread(SpreadTarget("a", 6), SpreadTarget("a", 6)), "spreads.0.targets.a: stands there twice"),
    (grouped(spreads=[Spread("")]), "groups.web.spreads.0.attribute: must be given"),
    # what a type of job does not have
    (job(type="system", spreads=[Spread("${node.datacenter}")]), f"spreads: {SYSTEMS}"),
    (job(type="system", affinities=[Affinity("${attr.x}", "1")]), f"affinities: {SYSTEMS}"),
    (job(type="system", groups=[group(spreads=[Spread("${a}")])]), f"groups.web.spreads: {SYSTEMS}"),
    (
        job(type="system", groups=[group(tasks=[task(affinities=[Affinity("${a}", "1")])])]),
        f"groups.web.tasks.app.affinities: {SYSTEMS}",
    ),
    (job(type="system", reschedule=Reschedule(delay=MINUTE)), f"reschedule: a system job {NOTHING_LIKE_IT}"),
    (
        job(type="system", groups=[group(reschedule=Reschedule(attempts=0, unlimited=False))]),
        f"groups.web.reschedule: a system job {NOTHING_LIKE_IT}",
    ),
    (job(type="system", groups=[group(count=2)]), "groups.web.count: a system job has one instance on each node"),
    (batch(update=Update(canary=1)), f"update: a batch job {NOTHING_LIKE_IT}"),
    (batch(groups=[group(update=Update(canary=1))]), f"groups.web.update: a batch job {NOTHING_LIKE_IT}"),
    (batch(migrate=Migrate(max_parallel=1)), f"migrate: a batch job {NOTHING_LIKE_IT}"),
    (batch(groups=[group(migrate=Migrate(max_parallel=1))]), f"groups.web.migrate: a batch job {NOTHING_LIKE_IT}"),
    (
        job(type="system", groups=[group(stop_after_client_disconnect=MINUTE)]),
        "groups.web.stop_after_client_disconnect: is not for system jobs",
    ),
    (job(periodic=Periodic(crons=["@daily"])), "periodic: a service job runs all the time"),
    (job(parameterized=Parameterized()), "parameterized: a service job runs all the time"),
    # schedules
    (batch(periodic=Periodic()), "periodic.crons: must be given"),
    (batch(periodic=Periodic(cron="@daily", crons=["@daily"])), "periodic.cron: stands beside crons"),
    (batch(periodic=Periodic(crons=["@daily", "often"])), "periodic.crons.1: 'often' is no time"),
    (batch(periodic=Periodic(cron="61 * * * *")), "periodic.cron: '61 * * * *' is no time"),
    (batch(periodic=Periodic(crons=["* * * *"])), "periodic.crons.0: '* * * *' is no time"),
    (batch(periodic=Periodic(crons=["* * * foo *"])), "periodic.crons.0: '* * * foo *' is no time"),
    (batch(periodic=Periodic(crons=["@daily"], time_zone="Berlin")), "periodic.time_zone: 'Berlin' is not in"),
    (batch(periodic=Periodic(crons=["@daily"], spec_type=WORD)), "periodic.spec_type: 'sometimes' is not cron"),
    (batch(parameterized=Parameterized(payload=WORD)), "parameterized.payload: 'sometimes' is not optional"),
    (
        batch(parameterized=Parameterized(meta_required=["a"], meta_optional=["a"])),
        "parameterized.meta_optional: 'a' is required as well",
    ),
    # policies
    (restart(mode=WORD), "groups.web.restart.mode: 'sometimes' is not fail or delay"),
    (restart(attempts=0, mode="delay"), "groups.web.restart.mode: delay waits for the next interval"),
    (restart(interval=seconds(4), attempts=0), "groups.web.restart.interval: 4 s is below the minimum of 5 s"),
    (
        restart(attempts=10, delay=seconds(30), interval=MINUTE),
        "groups.web.restart.interval: 10 restarts with 30 s before each do not fit into 1 min",
    ),
    (reschedule(delay=seconds(4)), "groups.web.reschedule.delay: 4 s is below the minimum of 5 s"),
    (reschedule(attempts=2, interval=HOUR), "groups.web.reschedule.attempts: 2 and unlimited say two different"),
    (reschedule(delay_function=WORD), "groups.web.reschedule.delay_function: 'sometimes' is not constant"),
    (reschedule(max_delay=seconds(4), delay=seconds(5)), "groups.web.reschedule.max_delay: 4 s is below the minimum"),
    (reschedule(max_delay=MINUTE, delay=HOUR), "groups.web.reschedule.max_delay: 1 min is below the delay of 1 h"),
    (limited(interval=seconds(14), attempts=1), "groups.web.reschedule.interval: 14 s is below the minimum of 15 s"),
    (
        limited(interval=MINUTE, delay=seconds(30), delay_function="constant"),
        "groups.web.reschedule.interval: 3 attempts do not fit into 1 min",
    ),
    (
        limited(interval=seconds(120), delay=seconds(30), delay_function="exponential"),
        "groups.web.reschedule.interval: 3 attempts do not fit into 2 min",
    ),
    (
        limited(attempts=5, interval=seconds(149), delay=seconds(30), delay_function="fibonacci", max_delay=HOUR),
        "groups.web.reschedule.interval: 5 attempts do not fit into 149 s",
    ),
    (
        job(type="sysbatch", reschedule=Reschedule(attempts=1, interval=HOUR, delay=MINUTE)),
        "groups.web.reschedule.delay_function: must be given in a sysbatch job",
    ),
    (update(health_check=WORD), "groups.web.update.health_check: 'sometimes' is not checks"),
    (update(max_parallel=-1), "groups.web.update.max_parallel: -1 is below zero"),
    (update(canary=-1), "groups.web.update.canary: -1 is below zero"),
    (update(auto_promote=True), "groups.web.update.auto_promote: there is no canary to promote"),
    (update(min_healthy_time=seconds(-1)), "groups.web.update.min_healthy_time: -1 s is below zero"),
    (update(healthy_deadline=seconds(0)), "groups.web.update.healthy_deadline: 0 s is not above zero"),
    (update(progress_deadline=seconds(-1)), "groups.web.update.progress_deadline: -1 s is below zero"),
    (
        update(healthy_deadline=seconds(8)),
        "groups.web.update.min_healthy_time: 10 s is not below the healthy deadline of 8 s",
    ),
    (
        update(healthy_deadline=HOUR),
        "groups.web.update.healthy_deadline: 1 h is not below the progress deadline of 10 min",
    ),
    (update(stagger=seconds(0)), "groups.web.update.stagger: 0 s is not above zero"),
    (
        job(update=Update(healthy_deadline=HOUR)),
        "groups.web.update.healthy_deadline: 1 h is not below the progress deadline of 10 min",
    ),
    (migrate(max_parallel=-1), "groups.web.migrate.max_parallel: -1 is below zero"),
    (migrate(health_check=WORD), "groups.web.migrate.health_check: 'sometimes' is not checks or task_states"),
    (migrate(min_healthy_time=HOUR), "groups.web.migrate.min_healthy_time: 1 h is above the healthy deadline of 5 min"),
    (migrate(healthy_deadline=seconds(-1)), "groups.web.migrate.healthy_deadline: -1 s is below zero"),
    (grouped(scaling=Scaling()), "groups.web.scaling.max: must be given"),
    (grouped(scaling=Scaling(min=4, max=3)), "groups.web.scaling.max: 3 is below the least of 4"),
    (grouped(count=5, scaling=Scaling(min=1, max=3)), "groups.web.scaling.max: 3 is below the group's count of 5"),
    (grouped(count=1, scaling=Scaling(min=2, max=3)), "groups.web.scaling.min: 2 is above the group's count of 1"),
    (grouped(scaling=Scaling(min=-1, max=3)), "groups.web.scaling.min: -1 is below zero"),
    (grouped(scaling=Scaling(max=3, type=WORD)), "groups.web.scaling.type: 'sometimes' is not horizontal"),
    # groups
    (job(groups=[group("")]), "groups.0.name: must be given"),
    (grouped(count=-1), "groups.web.count: -1 is below zero"),
    (grouped(tasks=[]), "groups.web.tasks: must be given"),
    (grouped(shutdown_delay=seconds(-1)), "groups.web.shutdown_delay: -1 s is below zero"),
    (grouped(stop_after_client_disconnect=seconds(-1)), "groups.web.stop_after_client_disconnect: -1 s is below"),
    (
        grouped(stop_after_client_disconnect=MINUTE, max_client_disconnect=MINUTE),
        "groups.web.stop_after_client_disconnect: and max_client_disconnect say two different things",
    ),
    (grouped(tasks=[task(), task()]), "groups.web.tasks.app: stands there twice"),
    (grouped(tasks=[task("a", leader=True), task("b", leader=True)]), "groups.web.tasks: more than one is the leader"),
    (grouped(ephemeral_disk=EphemeralDisk(size=9)), "groups.web.ephemeral_disk.size: 9 MB is below the minimum"),
    (volume(source=""), "groups.web.volumes.data.source: must be given"),
    (volume(access_mode="single-node-writer"), "groups.web.volumes.data.access_mode: is for CSI volumes only"),
    (volume(attachment_mode="file-system"), "groups.web.volumes.data.attachment_mode: is for CSI volumes only"),
    (volume(mount_options=MountOptions()), "groups.web.volumes.data.mount_options: is for CSI volumes only"),
    (csi(access_mode=None), "groups.web.volumes.data.access_mode: must be given for a CSI volume"),
    (csi(attachment_mode=None), "groups.web.volumes.data.attachment_mode: must be given for a CSI volume"),
    (
        csi(attachment_mode="block-device", mount_options=MountOptions()),
        "groups.web.volumes.data.mount_options: a block device is not mounted",
    ),
    (csi(access_mode="multi-node-reader-only"), "groups.web.volumes.data.read_only: must be true for multi-node"),
    (
        csi(access_mode="single-node-writer"),
        "groups.web.volumes.data.access_mode: single-node-writer does not allow 2 instances",
    ),
    (
        csi(access_mode="multi-node-single-writer"),
        "groups.web.volumes.data.access_mode: multi-node-single-writer does not allow 2 instances",
    ),
    (
        job(type="system", groups=[group(volumes={"data": Volume("data", per_alloc=True, **CSI)})]),
        "groups.web.volumes.data.per_alloc: a system job has no numbered instances",
    ),
    (
        grouped(update=Update(canary=1), volumes={"data": Volume("data", per_alloc=True, **CSI)}),
        "groups.web.volumes.data.per_alloc: a canary would need the volume",
    ),
    # networks
    (ports(a=Port(static=65536)), "groups.web.networks.0.ports.a.static: 65536 is not within 1 and 65535"),
    (ports(a=Port(to=65536)), "groups.web.networks.0.ports.a.to: 65536 is not within -1 and 65535"),
    (ports(a=Port(to=-2)), "groups.web.networks.0.ports.a.to: -2 is not within -1 and 65535"),
    (ports(a=Port(static=80), b=Port(static=80)), "groups.web.networks.0.ports.b.static: 80 is the port of a"),
    (grouped(networks=[NETWORK, NETWORK]), "groups.web.networks.1.ports.http: stands there twice"),
    (
        grouped(networks=[NETWORK], tasks=[task(resources=Resources(networks=[NETWORK]))]),
        "groups.web.tasks.app.resources.networks.0.ports.http: stands there twice",
    ),
    (grouped(networks=[Network(mode="bridge", hostname="a..b")]), "groups.web.networks.0.hostname: 'a..b' is no name"),
    # services and checks
    (served(name=WORD + "!"), "groups.web.services.sometimes!.name: 'sometimes!' is not 1 to 63 letters"),
    (served(http(interval=seconds(0.5))), "groups.web.services.web.checks.answers.interval: 0.5 s is below"),
    (served(http(timeout=seconds(0))), "groups.web.services.web.checks.answers.timeout: 0 s is below the minimum"),
    (served(http("")), "groups.web.services.web.checks.answers.path: must be given"),
    (served(http("http://x/")), "groups.web.services.web.checks.answers.path: 'http://x/' is a whole address"),
    (served(http(), port=None), "groups.web.services.web.checks.answers.port: must be given, here or for the service"),
    (served(http(initial_status=WORD)), "groups.web.services.web.checks.answers.initial_status: 'sometimes' is not"),
    (served(http(address_mode=WORD)), "groups.web.services.web.checks.answers.address_mode: 'sometimes' is not"),
    (served(GrpcCheck(interval=seconds(1), timeout=seconds(1), on_update=WORD)), "on_update: 'sometimes' is not"),
    (served(http(on_update=WORD)), "groups.web.services.web.checks.answers.on_update: 'sometimes' is not"),
    (
        served(http(on_update="ignore", check_restart=CheckRestart(1))),
        "groups.web.services.web.checks.answers.on_update: ignore calls an instance healthy",
    ),
    (
        served(http(on_update="ignore_warnings", check_restart=CheckRestart(1))),
        "groups.web.services.web.checks.answers.on_update: ignore_warnings needs the same",
    ),
    (
        served(http(check_restart=CheckRestart(-1))),
        "groups.web.services.web.checks.answers.check_restart.limit: -1 is below zero",
    ),
    (
        served(http(check_restart=CheckRestart(1, grace=seconds(-1)))),
        "groups.web.services.web.checks.answers.check_restart.grace: -1 s is below zero",
    ),
    (served(script("", task="app")), "groups.web.services.web.checks.answers.command: must be given"),
    (served(script()), "groups.web.services.web.checks.answers.task: must be given: the script runs inside one"),
    (served(script(task="x")), "groups.web.services.web.checks.answers.task: the group has no task 'x'"),
    (served(http(expose=True)), "groups.web.services.web.checks.answers.expose: needs a sidecar"),
    (served(address="10.0.0.1", address_mode="host"), "groups.web.services.web.address_mode: host chooses another"),
    (served(address_mode=WORD), "groups.web.services.web.address_mode: 'sometimes' is not auto"),
    (served(address_mode="driver"), "groups.web.services.web.address_mode: driver is for a task's services"),
    (served(on_update=WORD), "groups.web.services.web.on_update: 'sometimes' is not"),
    (served(provider=WORD), "groups.web.services.web.provider: 'sometimes' is not consul or nomad"),
    (
        served(script(task="app"), provider="nomad"),
        "groups.web.services.web.checks.answers: a script check is Consul's",
    ),
    (served(http(tls_skip_verify=True), provider="nomad"), "checks.answers.tls_skip_verify: is Consul's"),
    (served(http(tls_server_name="x"), provider="nomad"), "checks.answers.tls_server_name: is Consul's"),
    (served(http(success_before_passing=1), provider="nomad"), "checks.answers.success_before_passing: is Consul's"),
    (served(tcp(failures_before_critical=1), provider="nomad"), "answers.failures_before_critical: is Consul's"),
    (served(http(method="HUG"), provider="nomad"), "checks.answers.method: 'HUG' is not GET"),
    (served(http(on_update="ignore_warnings"), provider="nomad"), "answers.on_update: ignore_warnings is Consul's"),
    (
        served(http(check_restart=CheckRestart(1, ignore_warnings=True)), provider="nomad"),
        "checks.answers.check_restart.ignore_warnings: is Consul's",
    ),
    (
        grouped(networks=[NETWORK], services=[Service("a"), Service("b", provider="nomad")]),
        "groups.web.services: stand in Consul's catalogue and in Nomad's",
    ),
    (grouped(services=[Service("a"), Service("a")]), "groups.web.services.a: stands there twice with the same port"),
    (one(services=[Service("a"), Service("a")]), "groups.web.tasks.app.services.a: stands there twice with the same"),
    (one(services=[Service("a", port="x")]), "tasks.app.services.a.port: neither group nor task has a port 'x'"),
    (
        one(services=[Service("a", checks=[http(port="80")])]),
        "services.a.checks.answers.port: neither group nor task has a port '80' without the address mode driver",
    ),
    (one(services=[Service("a", address_mode="alloc")]), "services.a.address_mode: alloc is for a group's services"),
    (one(services=[Service("a", task="b")]), "groups.web.tasks.app.services.a.task: is 'app', as it stands there"),
    (one(services=[Service("a", connect=Connect(native=True))]), "services.a.connect: is for a group's services"),
    (one(services=[Service("a", checks=[script(), script()])]), "services.a.checks.answers: stands there twice"),
    # Connect
    (connected(BRIDGE), "groups.web.services.web.connect: is one of native, sidecar_service and gateway"),
    (connected(NETWORK, sidecar_service=SidecarService()), "connect.sidecar_service: needs one network of the mode"),
    (connected(BRIDGE, name="Web", sidecar_service=SidecarService()), "sidecar_service: needs lower-case names"),
    (
        grouped(
            networks=[BRIDGE],
            services=[
                Service("web", port="http", checks=[tcp()], connect=Connect(sidecar_service=SidecarService())),
            ],
        ),
        "groups.web.services.web.checks.answers: a tcp check cannot reach a service behind a sidecar",
    ),
    (
        connected(BRIDGE, sidecar_service=SidecarService(proxy=Proxy(upstreams=[Upstream("a"), Upstream("b")]))),
        "groups.web.services: two upstreams listen on :0",
    ),
    (connected(BRIDGE, gateway=Gateway()), "connect.gateway: is one of ingress, terminating and mesh"),
    (connected(BRIDGE, gateway=Gateway(ingress=Ingress())), "gateway.ingress.listeners: must be given"),
    (ingress(), "gateway.ingress.listeners.0.services: must be given"),
    (ingress(IngressService("a"), port=0), "gateway.ingress.listeners.0.port: 0 is no port"),
    (ingress(IngressService("a"), protocol=WORD), "gateway.ingress.listeners.0.protocol: 'sometimes' is not tcp"),
    (ingress(IngressService("*")), "listeners.0.services.*.name: '*' is not for the protocol tcp"),
    (ingress(IngressService("a", hosts=["x"])), "listeners.0.services.a.hosts: are not for the protocol tcp"),
    (ingress(IngressService(""), protocol="http"), "listeners.0.services.name: must be given"),
    (
        ingress(IngressService("*", hosts=["x"]), protocol="http"),
        "listeners.0.services.*.hosts: are not for every service",
    ),
    (connected(gateway=Gateway(ingress=Ingress())), "connect.gateway: needs one network of the mode bridge or host"),
    (
        connected(
            BRIDGE,
            gateway=Gateway(
                ingress=Ingress(listeners=[IngressListener(port=80, services=[IngressService("a")])]),
                proxy=GatewayProxy(envoy_gateway_bind_addresses={"x": BindAddress("10.0.0.1", port=0)}),
            ),
        ),
        "gateway.proxy.envoy_gateway_bind_addresses.x.port: 0 is no port",
    ),
    (linked(name=""), "terminating.services.name: must be given"),
    (
        grouped(
            networks=[BRIDGE],
            services=[Service("a", connect=Connect(native=True))],
            tasks=[task("a"), task("b")],
        ),
        "groups.web.services.a.connect.native: needs the service's task",
    ),
    (served(http(task="app", address_mode="driver")), "checks.answers.address_mode: driver is for a task's services"),
    (served(http(address_mode="driver"), provider="nomad"), "checks.answers.address_mode: driver is Consul's"),
    (
        grouped(networks=[NETWORK], services=[Service("a", provider="nomad", connect=Connect(native=True))]),
        "groups.web.services.a.connect: is Consul's",
    ),
    (one(services=[Service("a", checks=[http(address_mode="alloc")])]), "answers.address_mode: alloc is for a group's"),
    (one(services=[Service("a", port="80", checks=[http(expose=True)])]), "answers.expose: is for a group's services"),
    (csi(access_mode="multi-node-reader-only", read_only=False), "read_only: must be true for multi-node-reader-only"),
    (one(volume_mounts=[VolumeMount("", "/x")]), "groups.web.tasks.app.volume_mounts.0.volume: must be given"),
    (job(groups=[group(affinities=[Affinity("${attr.x}", "1", weight=0)])]), "groups.web.affinities.0.weight: 0 is"),
    (connected(BRIDGE, gateway=Gateway(terminating=Terminating())), "gateway.terminating.services: must be given"),
    (linked(cert_file="x", key_file="y"), "terminating.services.db.ca_file: must be given with any of"),
    (linked(ca_file="x", key_file="y"), "terminating.services.db.cert_file: and key_file need each other"),
    (
        connected(
            BRIDGE,
            gateway=Gateway(
                ingress=Ingress(listeners=[IngressListener(port=80, services=[IngressService("a")])]),
                proxy=GatewayProxy(envoy_gateway_bind_addresses={"x": BindAddress("")}),
            ),
        ),
        "gateway.proxy.envoy_gateway_bind_addresses.x.address: must be given",
    ),
    # tasks
    (grouped(tasks=[task("")]), "groups.web.tasks.0.name: must be given"),
    (grouped(tasks=[task("a/b")]), "groups.web.tasks.a/b.name: 'a/b' is the name of a folder: no slashes"),
    (one(driver=Driver("")), "groups.web.tasks.app.driver.name: must be given"),
    (one(kill_timeout=seconds(-1)), "groups.web.tasks.app.kill_timeout: -1 s is below zero"),
    (
        update(healthy_deadline=seconds(2), min_healthy_time=seconds(1), progress_deadline=seconds(3)),
        "groups.web.tasks.app.kill_timeout: 5 s is above the progress deadline of 3 s",
    ),
    (
        one(kill_timeout=HOUR),
        "groups.web.tasks.app.kill_timeout: 1 h is above the progress deadline of 10 min",
    ),
    (one(shutdown_delay=seconds(-1)), "groups.web.tasks.app.shutdown_delay: -1 s is below zero"),
    (resources(memory=2), "groups.web.tasks.app.resources.memory: 2 MB is below the minimum of 10 MB"),
    (resources(cpu=0), "groups.web.tasks.app.resources.cpu: 0 MHz is below the minimum of 1 MHz"),
    (resources(cpu=100, cores=1), "groups.web.tasks.app.resources.cpu: stands beside cores"),
    (resources(memory=64, memory_max=32), "groups.web.tasks.app.resources.memory_max: 32 MB is below the 64 MB"),
    (resources(devices=[Device("")]), "groups.web.tasks.app.resources.devices.name: must be given"),
    (
        resources(devices=[Device("gpu", constraints=[Constraint(operator="distinct_hosts")])]),
        "resources.devices.gpu.constraints.0.operator: distinct_hosts is for jobs and groups only",
    ),
    (
        resources(devices=[Device("gpu", constraints=[Constraint("${device.attr.x}")])]),
        "resources.devices.gpu.constraints.0.value: must be given",
    ),
    (
        resources(devices=[Device("gpu", affinities=[Affinity("${device.attr.x}", "1", weight=0)])]),
        "resources.devices.gpu.affinities.0.weight: 0 is not within",
    ),
    (one(logs=LogConfig(max_files=0)), "groups.web.tasks.app.logs.max_files: 0 is below the minimum of 1"),
    (one(logs=LogConfig(max_file_size=0)), "groups.web.tasks.app.logs.max_file_size: 0 MB is below the minimum"),
    (one(logs=LogConfig(max_files=30)), "groups.web.tasks.app.logs: 30 files of 10 MB leave nothing of the ephemeral"),
    (one(lifecycle=Lifecycle(WORD)), "groups.web.tasks.app.lifecycle.hook: 'sometimes' is not prestart"),
    (template(data=None), "groups.web.tasks.app.templates.0.data: must be given, or source"),
    (template(destination=""), "groups.web.tasks.app.templates.0.destination: must be given"),
    (template(destination="../../x"), "templates.0.destination: '../../x' is outside of the allocation's folder"),
    (template(change_mode=WORD), "groups.web.tasks.app.templates.0.change_mode: 'sometimes' is not restart"),
    (template(change_mode="signal", env=True), "templates.0.change_mode: a running task cannot be told"),
    (template(change_mode="script"), "templates.0.change_script: must be given for the change mode script"),
    (template(change_mode="script", change_script=ChangeScript("")), "templates.0.change_script: must be given"),
    (template(splay=seconds(-1)), "groups.web.tasks.app.templates.0.splay: -1 s is below zero"),
    (template(perms="999"), "groups.web.tasks.app.templates.0.perms: '999' is not octal"),
    (template(wait=Wait(min=HOUR, max=MINUTE)), "templates.0.wait.min: 1 h is above the maximum of 1 min"),
    (
        one(templates=[Template("local/x", data="a"), Template("local/x", data="b")]),
        "groups.web.tasks.app.templates.local/x: stands there twice",
    ),
    (artifact(""), "groups.web.tasks.app.artifacts.0.source: must be given"),
    (artifact(mode=WORD), "groups.web.tasks.app.artifacts.0.mode: 'sometimes' is not any, file or dir"),
    (artifact(destination="../../x"), "artifacts.0.destination: '../../x' is outside of the allocation's folder"),
    (artifact(options={"checksum": "md5:ab"}), "artifacts.0.options.checksum: 'md5:ab' is not one of md5, sha1"),
    (artifact(options={"checksum": ""}), "artifacts.0.options.checksum: '' is not one of"),
    (one(dispatch_payload=DispatchPayload("../../../x")), "dispatch_payload.file: '../../../x' is outside"),
    (one(volume_mounts=[VolumeMount("x", "/x")]), "volume_mounts.0.volume: the group has no volume 'x'"),
    (one(csi_plugin=CsiPlugin("", type="node")), "groups.web.tasks.app.csi_plugin.id: must be given"),
    (one(csi_plugin=CsiPlugin("x", type=WORD)), "groups.web.tasks.app.csi_plugin.type: 'sometimes' is not node"),
    (one(vault=Vault([])), "groups.web.tasks.app.vault.policies: must be given"),
    (one(vault=Vault(["root"])), "groups.web.tasks.app.vault.policies: 'root' is for nobody"),
    (
        one(kind="connect-proxy:web", services=[Service("a")]),
        "groups.web.tasks.app.kind: a sidecar or gateway has no services and is no leader",
    ),
]
"""What the server refuses as well."""

HOST = "'host' would give the task the host's own namespace"

OURS: list[tuple[Job, str]] = [
    # The server takes these for something else, without a word.
    (job(priority=0), "priority: 0 is not within 1 and 100"),
    (volume(type=WORD), "groups.web.volumes.data.type: 'sometimes' is not host or csi"),
    (served(http(success_before_passing=-1)), "answers.success_before_passing: -1 is below zero"),
    (one(services=[Service("a", checks=[script(task="b")])]), "services.a.checks.answers.task: is 'app', as it"),
    # Nodes do what these say, and should not, or cannot do it.
    (one(driver=Docker(IMAGE, pid_mode="host")), f"groups.web.tasks.app.driver.pid_mode: {HOST}"),
    (one(driver=Docker(IMAGE, network_mode="host")), f"groups.web.tasks.app.driver.network_mode: {HOST}"),
    (one(driver=Docker(IMAGE, ipc_mode="host")), f"groups.web.tasks.app.driver.ipc_mode: {HOST}"),
    (one(driver=Docker(IMAGE, uts_mode="host")), f"groups.web.tasks.app.driver.uts_mode: {HOST}"),
    (one(driver=Docker(IMAGE, userns_mode="host")), f"groups.web.tasks.app.driver.userns_mode: {HOST}"),
    (
        one(driver=Docker(IMAGE, privileged=True)),
        "groups.web.tasks.app.driver.privileged: would give the task the whole",
    ),
    (one(driver=Docker(IMAGE, devices=[DockerDevice("/dev/sda")])), "app.driver.devices: would give the task a device"),
    (one(driver=Docker(IMAGE, ports=["x"])), "app.driver.ports.0: the group's network has no port 'x'"),
    (one(driver=Docker("")), "groups.web.tasks.app.driver.image: must be given"),
    (one(driver=Exec("x", pid_mode="host")), f"groups.web.tasks.app.driver.pid_mode: {HOST}"),
    (one(driver=Java(jar_path="x", ipc_mode="host")), f"groups.web.tasks.app.driver.ipc_mode: {HOST}"),
    (one(driver=Exec("")), "groups.web.tasks.app.driver.command: must be given"),
    (one(driver=RawExec("")), "groups.web.tasks.app.driver.command: must be given"),
    (one(driver=Qemu("")), "groups.web.tasks.app.driver.image_path: must be given"),
    (one(driver=Java()), "groups.web.tasks.app.driver.jar_path: must be given, or class_"),
    (one(driver=Driver("docker")), "groups.web.tasks.app.driver.name: docker has a type of its own, Docker"),
    (grouped(max_client_disconnect=MINUTE), "groups.web.max_client_disconnect: on Nomad 1.6.3 an agent that was cut"),
    (grouped(consul=Consul(namespace="a")), "groups.web.consul.namespace: needs Nomad and Consul Enterprise"),
    (one(vault=Vault(["a"], namespace="a")), "groups.web.tasks.app.vault.namespace: needs Vault Enterprise"),
    (grouped(count=1, update=Update(canary=2)), "groups.web.update.canary: 2 canaries are more than the group's 1"),
    (grouped(networks=[Network(mode="overlay")]), "groups.web.networks.0.mode: 'overlay' is not bridge, host, none"),
    (ports(a=Port(static=0)), "groups.web.networks.0.ports.a.static: 0 is not within 1 and 65535"),
    (served(port="x"), "groups.web.services.web.port: the group has no port 'x'"),
    (served(http(port="x")), "groups.web.services.web.checks.answers.port: the group has no port 'x'"),
    (restart(attempts=-1), "groups.web.restart.attempts: -1 is below zero"),
    (reschedule(attempts=-1), "groups.web.reschedule.attempts: -1 is below zero"),
    (
        one(restart=Restart(interval=seconds(1), attempts=0)),
        "groups.web.tasks.app.restart.interval: 1 s is below the minimum of 5 s",
    ),
    (resources(cores=-1), "groups.web.tasks.app.resources.cores: -1 is below zero"),
    (
        grouped(volumes={"x": Volume("x", type="host")}, tasks=[task(volume_mounts=[VolumeMount("x", "")])]),
        "destination",
    ),
    (one(csi_plugin=CsiPlugin("x", type="node", health_timeout=seconds(-1))), "health_timeout: -1 s is below zero"),
]
"""What only we refuse: nodes would do so much later, or nobody would."""
