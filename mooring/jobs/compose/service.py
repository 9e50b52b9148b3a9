"""One service of a compose file: a task, and what its group must have for it."""

import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from math import ceil
from typing import Any, Final

from mooring.jobs.compose.document import Part
from mooring.jobs.drivers import Docker, DockerLogging, DockerMount, TmpfsOptions
from mooring.jobs.network import Port
from mooring.jobs.policies import Restart, Update
from mooring.jobs.resources import Resources
from mooring.jobs.service import CheckRestart, ScriptCheck
from mooring.jobs.task import Task
from mooring.jobs.volumes import VolumeMount

MEBIBYTE: Final = 1024 * 1024
MHZ_OF_A_CPU: Final = 1000
"""Compose counts processors and Nomad counts MHz, of which a share is meant in both cases."""

Argument = Any


@dataclass(kw_only=True)
class Draft:
    """What one service has said so far."""

    name: str
    part: Part
    docker: dict[str, Argument] = field(default_factory=dict[str, Argument])
    task: dict[str, Argument] = field(default_factory=dict[str, Argument])
    resources: dict[str, Argument] = field(default_factory=dict[str, Argument])
    env: dict[str, str] = field(default_factory=dict[str, str])
    file_env: dict[str, str] = field(default_factory=dict[str, str])
    ports: dict[str, Port] = field(default_factory=dict[str, Port])
    listens: dict[int, Part] = field(default_factory=dict[int, Part])
    """Ports inside the container, as far as the file tells."""

    mounts: list[DockerMount] = field(default_factory=list[DockerMount])
    volumes: dict[str, Part] = field(default_factory=dict[str, Part])
    volume_mounts: list[VolumeMount] = field(default_factory=list[VolumeMount])
    checks: list[ScriptCheck] = field(default_factory=list[ScriptCheck])
    needs: dict[str, Part] = field(default_factory=dict[str, Part])
    """Services that start before it; the part is text with the condition, or nothing."""

    networks: dict[str, Part] = field(default_factory=dict[str, Part])
    secrets: dict[str, Part] = field(default_factory=dict[str, Part])
    """By the path inside the container; the part is text with the secret's name."""

    names: set[str] = field(default_factory=set[str])
    """Under which the others reach it."""

    hostname: str | None = None
    architecture: str | None = None
    count: int = 1
    count_part: Part | None = None
    update: Update | None = None
    built: Part | None = None
    stays_down: bool = False
    """It is not started again when it ends."""

    def made(self, **around: Argument) -> Task:
        """The task, with what its group says about it in addition."""
        image = self.docker.pop("image", "")
        docker = {**self.docker, **around.pop("docker", {})}
        if self.mounts:
            docker["mount"] = self.mounts
        task = {**self.task, **around}
        if self.resources:
            task["resources"] = Resources(**self.resources)
        return Task(
            self.name,
            Docker(image, **docker),
            env={**self.file_env, **self.env},
            volume_mounts=self.volume_mounts,
            **task,
        )


def drafted(name: str, part: Part, image: str | None) -> Draft:
    draft = Draft(name=name, part=part, names={name})
    for key, value in part.entries().items():
        if key.startswith("x-") or key in SILENT:
            continue
        if (reason := REFUSED.get(key)) is not None:
            value.wrong(reason)
        elif (read := READERS.get(key)) is not None:
            read(draft, value)
        else:
            value.wrong("has no counterpart in a Nomad job")
    if image is not None:
        draft.docker["image"] = image
    elif draft.built is not None:
        draft.built.wrong(f"nothing is built here: give the image, as in `images={{{name!r}: …}}`")
    elif not draft.docker.get("image"):
        part.wrong("has neither an image nor a build")
    return draft


def _text(key: str) -> Callable[[Draft, Part], None]:
    def read(draft: Draft, part: Part) -> None:
        draft.docker[key] = part.text

    return read


def _texts(key: str) -> Callable[[Draft, Part], None]:
    def read(draft: Draft, part: Part) -> None:
        draft.docker[key] = part.texts()

    return read


def _flag(key: str) -> Callable[[Draft, Part], None]:
    def read(draft: Draft, part: Part) -> None:
        draft.docker[key] = part.flag

    return read


def _build(draft: Draft, part: Part) -> None:
    draft.built = part


def _command(key: str) -> Callable[[Draft, Part], None]:
    def read(draft: Draft, part: Part) -> None:
        draft.docker[key] = shlex.split(part.text) if part.is_text else part.texts()

    return read


def _environment(draft: Draft, part: Part) -> None:
    draft.env = part.words()


def _env_file(draft: Draft, part: Part) -> None:
    for item in part.items():
        entries = {"path": item} if item.is_text else item.entries()
        path = part.report.file.parent / entries["path"].text
        is_optional = "required" in entries and not entries["required"].flag
        if path.is_file():
            draft.file_env |= _variables(path.read_text())
        elif not is_optional:
            item.wrong(f"there is no file {path.name} beside this one")


def _variables(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in text.splitlines():
        name, is_set, value = line.strip().removeprefix("export ").partition("=")
        if is_set and not name.startswith("#"):
            value = value.strip()
            quoted = re.fullmatch(r"""(["'])(.*)\1""", value)
            found[name.strip()] = quoted[2] if quoted else re.sub(r"\s+#.*", "", value)
    return found


PORT: Final = re.compile(
    r"(?:(?:(?P<address>.+):)?(?P<published>\d+(?:-\d+)?)?:)?(?P<target>\d+(?:-\d+)?)(?:/(tcp|udp))?"
)


def _ports(draft: Draft, part: Part) -> None:
    for item in part.items():
        if item.is_text:
            found = PORT.fullmatch(item.text)
            if found is None:
                item.wrong(f"{item.text!r} is not a port as 8080:80")
                continue
            address, published, target = found["address"], found["published"], found["target"]
        else:
            entries = item.entries()
            for key in entries.keys() - {"target", "published", "protocol", "mode", "host_ip", "name", "app_protocol"}:
                entries[key].wrong("has no counterpart in a Nomad job")
            if "target" not in entries:
                item.wrong("has no target")
                continue
            texts = {key: value.text for key, value in entries.items()}
            address, published, target = texts.get("host_ip"), texts.get("published"), texts["target"]
        if address not in (None, "", "0.0.0.0"):  # noqa: S104 -- what others wrote, compared and not bound
            item.wrong(f"a port of the address {address} alone has no counterpart: an agent names its own networks")
        _publish(draft, item, published or "", target)


def _publish(draft: Draft, part: Part, published: str, target: str) -> None:
    inside, outside = _range(target), _range(published)
    if outside and len(inside) != len(outside):
        part.wrong(f"{len(outside)} ports cannot lead to {len(inside)}")
        return
    for index, to in enumerate(inside):
        static = outside[index] if outside else None
        draft.listens[to] = part
        draft.ports[f"{draft.name}_{static or to}"] = Port(to=to, static=static)


def _range(text: str) -> list[int]:
    if not text:
        return []
    first, _, last = text.partition("-")
    return list(range(int(first), int(last or first) + 1))


def _expose(draft: Draft, part: Part) -> None:
    for item in part.items():
        found = PORT.fullmatch(item.text)
        if found is None or ":" in item.text:
            item.wrong(f"{item.text!r} is not a port")
            continue
        for port in _range(found["target"]):
            draft.listens[port] = item


def _volumes(draft: Draft, part: Part) -> None:
    for item in part.items():
        if item.is_text:
            source, _, rest = item.text.partition(":") if ":" in item.text else ("", "", item.text)
            target, _, options = rest.partition(":")
            _mount(draft, item, source=source, target=target, read_only="ro" in options.split(","))
        else:
            _long_volume(draft, item)


def _long_volume(draft: Draft, part: Part) -> None:
    entries = part.entries()
    texts = {key: value.text for key, value in entries.items() if value.is_text}
    kind, target = texts.get("type", "volume"), texts.get("target", "")
    for key in entries.keys() - {"type", "source", "target", "read_only", "tmpfs"}:
        entries[key].wrong("has no counterpart in a Nomad job")
    read_only = "read_only" in entries and entries["read_only"].flag
    match kind:
        case "tmpfs":
            options = entries["tmpfs"].entries() if "tmpfs" in entries else {}
            size = options["size"].size if "size" in options else None
            draft.mounts.append(_tmpfs(target, size))
        case "volume" | "bind":
            _mount(draft, part, source=texts.get("source", ""), target=target, read_only=read_only)
        case _:
            entries["type"].wrong(f"{kind!r} has no counterpart in a Nomad job")


def _is_path(source: str) -> bool:
    return source.startswith((".", "/", "~")) or "/" in source


def _mount(draft: Draft, part: Part, *, source: str, target: str, read_only: bool) -> None:
    if not source:
        draft.mounts.append(DockerMount(target, type="volume", readonly=read_only or None))
    elif _is_path(source):
        part.wrong(
            f"{source} is on this machine and not on the nodes: put it into the image, or bring it as an artifact or a "
            "template"
        )
    else:
        draft.volumes[source] = part
        draft.volume_mounts.append(VolumeMount(source, target, read_only=read_only or None))


def _secrets(draft: Draft, part: Part) -> None:
    for item in part.items():
        entries = {"source": item} if item.is_text else item.entries()
        for key in entries.keys() - {"source", "target"}:
            entries[key].wrong("has no counterpart in a Nomad job")
        if "source" not in entries:
            item.wrong("has no source")
            continue
        target = entries["target"].text if "target" in entries else entries["source"].text
        draft.secrets[target if target.startswith("/") else f"/run/secrets/{target}"] = entries["source"]


def _tmpfs(target: str, size: int | None = None) -> DockerMount:
    options = TmpfsOptions(size=size) if size is not None else None
    return DockerMount(target, type="tmpfs", tmpfs_options=options)


def _tmpfs_list(draft: Draft, part: Part) -> None:
    draft.mounts += [_tmpfs(item.text.partition(":")[0]) for item in part.items()]


def _depends_on(draft: Draft, part: Part) -> None:
    if part.is_list:
        draft.needs |= {item.text: item for item in part.items()}
        return
    for name, entry in part.entries().items():
        for key in entry.entries().keys() - {"condition", "required"}:
            entry.entries()[key].wrong("has no counterpart in a Nomad job")
        condition = entry.entries().get("condition", entry)
        if condition is not entry:
            condition.word("service_started", "service_healthy", "service_completed_successfully")
        draft.needs[name] = condition


def _links(draft: Draft, part: Part) -> None:
    for item in part.items():
        name, _, alias = item.text.partition(":")
        draft.needs.setdefault(name, item)
        if alias not in ("", name):
            item.wrong(f"{alias} is a name for {name} here alone: give it to {name} for all, as an alias of a network")


def _networks(draft: Draft, part: Part) -> None:
    if part.is_list:
        draft.networks = {item.text: item for item in part.items()}
        return
    draft.networks = part.entries()
    for entry in draft.networks.values():
        for key, value in entry.entries().items():
            if key == "aliases":
                draft.names |= set(value.texts())
            elif key != "priority":
                value.wrong("has no counterpart: the scheduler gives out addresses")


def _extra_hosts(draft: Draft, part: Part) -> None:
    hosts = {name: entry for name, entry in part.pairs("=").items() if not entry.is_nothing} or part.pairs(":")
    for entry in hosts.values():
        if entry.text == "host-gateway":
            entry.wrong("has no counterpart: the node's address is ${attr.unique.network.ip-address}")
    draft.docker["extra_hosts"] = [f"{name}:{entry.text}" for name, entry in hosts.items()]


def _network_mode(draft: Draft, part: Part) -> None:
    del draft
    if part.text == "host":
        part.wrong("would give the task the host's own network")
    elif part.text not in ("bridge", "default"):
        part.wrong(f"{part.text!r} has no counterpart: tasks of one group share a network")


def _own_namespace(_: Draft, part: Part) -> None:
    if part.text == "host":
        part.wrong("'host' would give the task the host's own namespace")
    else:
        part.wrong("has no counterpart in a Nomad job")


def _privileged(_: Draft, part: Part) -> None:
    if part.flag:
        part.wrong("would give the task the whole host")


def _hostname(draft: Draft, part: Part) -> None:
    draft.hostname = part.text
    draft.names.add(part.text)


def _container_name(draft: Draft, part: Part) -> None:
    # Nomad names its containers itself; the others may reach it by this one all the same.
    draft.names.add(part.text)


def _labels(draft: Draft, part: Part) -> None:
    draft.task["meta"] = part.words()


def _user(draft: Draft, part: Part) -> None:
    draft.task["user"] = part.text


def _stop_signal(draft: Draft, part: Part) -> None:
    draft.task["kill_signal"] = part.text


def _stop_grace_period(draft: Draft, part: Part) -> None:
    draft.task["kill_timeout"] = part.time


def _pull_policy(draft: Draft, part: Part) -> None:
    if part.word("always", "missing", "if_not_present", "build") == "always":
        draft.docker["force_pull"] = True


def _platform(draft: Draft, part: Part) -> None:
    system, _, architecture = part.text.partition("/")
    if system != "linux" or not architecture or "/" in architecture:
        part.wrong(f"{part.text!r} has no counterpart: linux/amd64 and linux/arm64 do")
    draft.architecture = architecture


def _shm_size(draft: Draft, part: Part) -> None:
    draft.docker["shm_size"] = part.size


def _sysctls(draft: Draft, part: Part) -> None:
    draft.docker["sysctl"] = part.words()


def _ulimits(draft: Draft, part: Part) -> None:
    limits: dict[str, str] = {}
    for name, limit in part.entries().items():
        if limit.is_text:
            limits[name] = limit.text
        else:
            both = limit.entries()
            limits[name] = ":".join(both[key].text for key in ("soft", "hard") if key in both)
    draft.docker["ulimit"] = limits


def _logging(draft: Draft, part: Part) -> None:
    entries = part.entries()
    for key in entries.keys() - {"driver", "options"}:
        entries[key].wrong("has no counterpart in a Nomad job")
    options = entries["options"].words() if "options" in entries else {}
    draft.docker["logging"] = DockerLogging(
        type=entries["driver"].text if "driver" in entries else None, config=options
    )


def _restart(draft: Draft, part: Part) -> None:
    policy, _, attempts = part.text.partition(":")
    if policy not in ("no", "always", "on-failure", "unless-stopped"):
        part.wrong(f"{part.text!r} is not no, always, on-failure or unless-stopped")
    if policy == "no":
        draft.task["restart"] = Restart(attempts=0)
        draft.stays_down = True
    elif attempts:
        draft.task["restart"] = Restart(attempts=int(attempts) if attempts.isdigit() else 0)


def _healthcheck(draft: Draft, part: Part) -> None:
    entries = part.entries()
    for key in entries.keys() - {"test", "interval", "timeout", "retries", "start_period", "disable"}:
        entries[key].wrong("has no counterpart in a Nomad job")
    test = entries.get("test")
    if ("disable" in entries and entries["disable"].flag) or test is None:
        return
    argv = ["CMD-SHELL", test.text] if test.is_text else test.texts()
    match argv:
        case ["NONE"]:
            return
        case ["CMD-SHELL", line]:
            command, args = "/bin/sh", ["-c", line]
        case ["CMD", command, *args]:
            pass
        case _:
            test.wrong("is not NONE, CMD or CMD-SHELL with a command")
            return
    draft.checks.append(
        ScriptCheck(
            command,
            args=args,
            name=f"{draft.name} is healthy",
            task=draft.name,
            interval=entries["interval"].time if "interval" in entries else USUAL_TIME,
            timeout=entries["timeout"].time if "timeout" in entries else USUAL_TIME,
            check_restart=CheckRestart(
                entries["retries"].number if "retries" in entries else USUAL_RETRIES,
                grace=entries["start_period"].time if "start_period" in entries else None,
            ),
        )
    )


USUAL_TIME: Final = timedelta(seconds=30)
USUAL_RETRIES: Final = 3
"""Both are compose's own."""


def _scale(draft: Draft, part: Part) -> None:
    draft.count, draft.count_part = part.number, part


def _mem_limit(draft: Draft, part: Part) -> None:
    draft.resources["memory"] = ceil(part.size / MEBIBYTE)


def _cpus(draft: Draft, part: Part) -> None:
    draft.resources["cpu"] = round(part.fraction * MHZ_OF_A_CPU)


def _pids_limit(draft: Draft, part: Part) -> None:
    draft.docker["pids_limit"] = part.number


def _deploy(draft: Draft, part: Part) -> None:
    for key, value in part.entries().items():
        match key:
            case "replicas":
                _scale(draft, value)
            case "mode":
                if value.text != "replicated":
                    value.wrong(f"{value.text!r} has no counterpart beside other services: a system job would be one")
            case "labels":
                draft.task["meta"] = {**draft.task.get("meta", {}), **value.words()}
            case "resources":
                _resources(draft, value)
            case "restart_policy":
                _restart_policy(draft, value)
            case "update_config":
                _update_config(draft, value)
            case _:
                value.wrong("has no counterpart in a Nomad job")


def _resources(draft: Draft, part: Part) -> None:
    """What is reserved is set aside; a limit on memory beyond it may be used where there is room."""
    entries = part.entries()
    said: dict[str, dict[str, Part]] = {}
    for kind, keys in {"reservations": {"cpus", "memory"}, "limits": {"cpus", "memory", "pids"}}.items():
        said[kind] = entries.pop(kind).entries() if kind in entries else {}
        for key in said[kind].keys() - keys:
            said[kind][key].wrong("has no counterpart in a Nomad job")
    for value in entries.values():
        value.wrong("has no counterpart in a Nomad job")
    reserved, limits = said["reservations"], said["limits"]
    if (cpus := reserved.get("cpus", limits.get("cpus"))) is not None:
        _cpus(draft, cpus)
    if (memory := reserved.get("memory", limits.get("memory"))) is not None:
        _mem_limit(draft, memory)
    if "memory" in reserved and "memory" in limits:
        draft.resources["memory_max"] = ceil(limits["memory"].size / MEBIBYTE)
    if "pids" in limits:
        _pids_limit(draft, limits["pids"])


def _restart_policy(draft: Draft, part: Part) -> None:
    entries = part.entries()
    for key in entries.keys() - {"condition", "delay", "max_attempts", "window"}:
        entries[key].wrong("has no counterpart in a Nomad job")
    if "condition" in entries and entries["condition"].word("none", "on-failure", "any") == "none":
        draft.task["restart"] = Restart(attempts=0)
        draft.stays_down = True
        return
    draft.task["restart"] = Restart(
        attempts=entries["max_attempts"].number if "max_attempts" in entries else None,
        delay=entries["delay"].time if "delay" in entries else None,
        interval=entries["window"].time if "window" in entries else None,
    )


def _update_config(draft: Draft, part: Part) -> None:
    entries = part.entries()
    for key in entries.keys() - {"parallelism", "failure_action"}:
        entries[key].wrong("has no counterpart in a Nomad job")
    action = entries["failure_action"].word("continue", "rollback", "pause") if "failure_action" in entries else ""
    draft.update = Update(
        max_parallel=entries["parallelism"].number if "parallelism" in entries else None,
        auto_revert=True if action == "rollback" else None,
    )


REFUSED: Final[Mapping[str, str]] = {
    "configs": "lie beside this file and not on the nodes: put them into the image, or into a template",
    "devices": "would give the task a device of the host",
    "extends": "has no counterpart: a YAML anchor says the same",
}

SILENT: Final = frozenset({"attach", "profiles", "annotations"})
"""What says nothing about how it runs in production."""

READERS: Final[Mapping[str, Callable[[Draft, Part], None]]] = {
    "build": _build,
    "cap_add": _texts("cap_add"),
    "cap_drop": _texts("cap_drop"),
    "command": _command("args"),
    "container_name": _container_name,
    "cpus": _cpus,
    "depends_on": _depends_on,
    "deploy": _deploy,
    "dns": _texts("dns_servers"),
    "dns_opt": _texts("dns_options"),
    "dns_search": _texts("dns_search_domains"),
    "entrypoint": _command("entrypoint"),
    "env_file": _env_file,
    "environment": _environment,
    "expose": _expose,
    "extra_hosts": _extra_hosts,
    "group_add": _texts("group_add"),
    "healthcheck": _healthcheck,
    "hostname": _hostname,
    "image": _text("image"),
    "init": _flag("init"),
    "ipc": _own_namespace,
    "labels": _labels,
    "links": _links,
    "logging": _logging,
    "mem_limit": _mem_limit,
    "network_mode": _network_mode,
    "networks": _networks,
    "pid": _own_namespace,
    "pids_limit": _pids_limit,
    "platform": _platform,
    "ports": _ports,
    "privileged": _privileged,
    "pull_policy": _pull_policy,
    "read_only": _flag("readonly_rootfs"),
    "restart": _restart,
    "runtime": _text("runtime"),
    "scale": _scale,
    "secrets": _secrets,
    "security_opt": _texts("security_opt"),
    "shm_size": _shm_size,
    "stdin_open": _flag("interactive"),
    "stop_grace_period": _stop_grace_period,
    "stop_signal": _stop_signal,
    "sysctls": _sysctls,
    "tmpfs": _tmpfs_list,
    "tty": _flag("tty"),
    "ulimits": _ulimits,
    "user": _user,
    "userns_mode": _own_namespace,
    "uts": _own_namespace,
    "volumes": _volumes,
    "working_dir": _text("work_dir"),
}
