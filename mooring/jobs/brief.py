"""A job without what Nomad adds by itself: what a person would have written of one that a server tells in full.

Nomad's `Canonicalize` (`api/jobs.go`, `tasks.go`, `services.go` of 1.6.3) and its job hooks, the other way round. It
may be wrong for a version that is not known yet, so whoever takes a running job in has the server compare the two.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import fields, replace
from datetime import timedelta
from pathlib import PurePosixPath
from typing import Any, Final, TypeVar

from mooring.jobs.group import USUAL_KILL_TIMEOUT, Consul, Group
from mooring.jobs.job import Job
from mooring.jobs.logs import USUAL_FILE_SIZE, USUAL_FILES, LogConfig
from mooring.jobs.network import Network
from mooring.jobs.piece import Piece, has_default, merged
from mooring.jobs.placement import Constraint
from mooring.jobs.policies import MIGRATE, UPDATE, JobType, Reschedule, Restart
from mooring.jobs.resources import USUAL_MEMORY, Resources
from mooring.jobs.service import Check, CheckRestart, Service
from mooring.jobs.task import Artifact, Task, Vault
from mooring.jobs.template import Template
from mooring.jobs.volumes import USUAL_DISK, EphemeralDisk, VolumeMount

P = TypeVar("P", bound=Piece)


def brief(job: Job) -> Job:
    """The shortest job that a server understands as this one, with each group's policies said in the group."""
    type_: JobType = job.type or "service"
    return replace(
        _without(
            job,
            type="service",
            region="global",
            namespace="default",
            node_pool="default",
            priority=50,
            all_at_once=False,
            stop=False,
            datacenters=("*",),
        ),
        groups=[_group(group, job, type_) for group in job.groups],
        affinities=_each(job.affinities, weight=50),
        spreads=_each(job.spreads, weight=50),
        update=None,
        reschedule=None,
        migrate=None,
        periodic=job.periodic
        and _without(job.periodic, spec_type="cron", enabled=True, prohibit_overlap=False, time_zone="UTC"),
        parameterized=job.parameterized and _without(job.parameterized, payload="optional"),
    )


def _group(group: Group, job: Job, type_: JobType) -> Group:
    count = 1 if group.count is None else group.count
    least = count if group.scaling is None or group.scaling.min is None else group.scaling.min
    restart = merged(group.restart, Restart.default(type_))
    proxies = dict(_proxies(group, job))
    return replace(
        _without(group, count=1 if group.scaling is None else least, consul=Consul(), shutdown_delay=NOTHING),
        tasks=[_task(task, group, job, restart) for task in group.tasks if task.kind not in proxies],
        services=[_service(service, job, group, "") for service in group.services],
        networks=[_network(network, proxies.values()) for network in group.networks],
        constraints=_by_hand(group),
        affinities=_each(group.affinities, weight=50),
        spreads=_each(group.spreads, weight=50),
        ephemeral_disk=_rest(group.ephemeral_disk, EphemeralDisk(size=USUAL_DISK, sticky=False, migrate=False)),
        restart=_rest(group.restart, Restart.default(type_)),
        reschedule=_rest(_over(group.reschedule, job.reschedule), Reschedule.default(type_)),
        # A system job that says nothing of it has no such policy at all.
        update=_rest(_over(group.update, job.update), UPDATE, keep=type_ != "service"),
        migrate=_rest(_over(group.migrate, job.migrate), MIGRATE, keep=type_ != "service"),
        scaling=group.scaling and replace(_without(group.scaling, type="horizontal", enabled=True), min=least),
    )


def _task(task: Task, group: Group, job: Job, restart: Restart) -> Task:
    resources = task.resources or Resources()
    usual = {"cpu": 0 if resources.cores else 100, "cores": 0, "memory": USUAL_MEMORY, "memory_max": 0}
    devices = [_without(device, count=1) for device in resources.devices]
    networks = [_network(network) for network in resources.networks]
    return replace(
        _without(task, kill_timeout=USUAL_KILL_TIMEOUT),
        resources=_unless_empty(replace(_without(resources, **usual), devices=devices, networks=networks)),
        affinities=_each(task.affinities, weight=50),
        services=[_service(service, job, group, task.name) for service in task.services],
        templates=[_template(template) for template in task.templates],
        artifacts=[_artifact(artifact) for artifact in task.artifacts],
        volume_mounts=[_mount(mount) for mount in task.volume_mounts],
        restart=_rest(task.restart, restart),
        logs=_rest(task.logs, LogConfig(max_files=USUAL_FILES, max_file_size=USUAL_FILE_SIZE, disabled=False)),
        vault=task.vault and _vault(task.vault),
        csi_plugin=task.csi_plugin
        and _without(
            task.csi_plugin,
            mount_dir="/csi",
            stage_publish_base_dir="/local/csi",
            health_timeout=timedelta(seconds=30),
        ),
    )


def _network(network: Network, proxies: Collection[str] = ()) -> Network:
    ports = {
        label: _without(port, host_network="default")
        for label, port in network.ports.items()
        if label not in proxies or port.to != TO_ITSELF
    }
    return replace(_without(network, mbits=0), ports=ports)


def _service(service: Service, job: Job, group: Group, task: str) -> Service:
    name = service.named(job.name or job.id, group.name, task)
    usual = replace(service, name=None).named(job.name or job.id, group.name, task)
    on_update = service.on_update or "require_healthy"
    # Nomad forgets that it was the service that said it: each check has it.
    checks = [_check(check, check.restart(service), name, on_update, task) for check in service.checks]
    owner = {"task": task} if task else {}
    return replace(
        _without(service, provider="consul", address_mode="auto", on_update="require_healthy", **owner),
        name=None if name == usual else service.name,
        checks=checks,
        check_restart=None,
    )


def _check(check: Check, restart: CheckRestart | None, service: str, on_update: str, task: str) -> Check:
    owner = {"task": task} if task else {}
    kept = _without(check, name=f'service: "{service}" check', on_update=on_update, **owner)
    return replace(kept, check_restart=restart and _without(restart, grace=timedelta(seconds=1)))


def _template(template: Template) -> Template:
    kept = _without(
        template,
        change_mode="restart",
        splay=timedelta(seconds=5),
        perms="0644",
        left_delimiter="{{",
        right_delimiter="}}",
        env=False,
        error_on_missing_key=False,
        **({"change_signal": "SIGHUP"} if template.change_mode == "signal" else {}),
    )
    script = template.change_script
    return replace(kept, change_script=script and _without(script, timeout=SCRIPT_TIMEOUT, fail_on_error=False))


def _artifact(artifact: Artifact) -> Artifact:
    name = PurePosixPath(artifact.source).name
    return _without(artifact, mode="any", destination=f"local/{name}" if artifact.mode == "file" else "local/")


def _mount(mount: VolumeMount) -> VolumeMount:
    return _without(mount, read_only=False, propagation_mode="private")


def _vault(vault: Vault) -> Vault:
    return _without(vault, env=True, disable_file=False, change_mode="restart", change_signal="SIGHUP")


SCRIPT_TIMEOUT: Final = timedelta(seconds=5)
NOTHING: Final = timedelta(0)


TO_ITSELF: Final = -1


def _proxies(group: Group, job: Job) -> Iterable[tuple[str, str]]:
    """Of the tasks that Nomad adds beside services with a sidecar: the kind, and the label of its port."""
    for service in group.services:
        if service.connect is not None and service.connect.sidecar_service is not None:
            name = service.named(job.name or job.id, group.name, "")
            yield f"connect-proxy:{name}", f"connect-proxy-{name}"


def _by_hand(group: Group) -> Sequence[Constraint]:
    """Without the constraints that Nomad derives from what the group asks for (`nomad/job_endpoint_hooks.go`)."""
    implied = list(_implied(group))
    return [constraint for constraint in group.constraints if constraint not in implied]


def _implied(group: Group) -> Iterable[Constraint]:
    services = [*group.services, *(service for task in group.tasks for service in task.services)]
    if any(task.vault is not None for task in group.tasks):
        yield Constraint("${attr.vault.version}", ">= 0.6.1", operator="semver")
    if any(service.provider == "nomad" for service in services):
        yield Constraint("${attr.nomad.service_discovery}", "true")
        if any(service.checks for service in services):
            yield Constraint("${attr.nomad.version}", ">= 1.4.0", operator="semver")
    if any(service.provider != "nomad" for service in services):
        yield Constraint("${attr.consul.version}", ">= 1.7.0", operator="semver")
    signals = {signal for task in group.tasks for signal in _signals(task)}
    for constraint in group.constraints:
        of_signals = constraint.attribute == "${attr.os.signals}" and constraint.operator == "set_contains"
        if of_signals and set((constraint.value or "").split(",")) == signals:
            yield constraint  # in the order in which Go happened to walk a map


def _signals(task: Task) -> Iterable[str]:
    if task.vault is not None and task.vault.change_mode == "signal":
        yield task.vault.change_signal or "SIGHUP"
    if task.kill_signal:
        yield task.kill_signal
    for template in task.templates:
        if template.change_mode == "signal":
            yield template.change_signal or "SIGHUP"


def _over(own: P | None, above: P | None) -> P | None:
    """What a group says of a policy, and of the rest what the job says for all its groups."""
    if own is None or above is None:
        return above if own is None else own
    return merged(own, above)


def _each(pieces: Sequence[P], **usual: Any) -> Sequence[P]:
    return [_without(piece, **usual) for piece in pieces]


def _rest(piece: P | None, usual: P, *, keep: bool = False) -> P | None:
    """What a policy says beyond the usual one; None when that is nothing and it need not `keep` its place."""
    if piece is None:
        return None
    rest = _without(piece, **{field.name: getattr(usual, field.name) for field in fields(usual)})
    return rest if keep else _unless_empty(rest)


def _unless_empty(piece: P) -> P | None:
    return None if piece == type(piece)() else piece


def _without(piece: P, **usual: Any) -> P:
    """`piece`, with every field that says the usual left unsaid."""
    unsaid: dict[str, Any] = {}
    for field in fields(piece):
        if field.name in usual and has_default(field) and _equal(getattr(piece, field.name), usual[field.name]):
            unsaid[field.name] = _default(field)
    return replace(piece, **unsaid)


def _equal(value: Any, usual: Any) -> bool:
    return bool(tuple(value) == usual if isinstance(usual, tuple) and value is not None else value == usual)


def _default(field: Any) -> Any:
    return field.default_factory() if callable(field.default_factory) else field.default
