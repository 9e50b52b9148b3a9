"""How a task is run: the drivers that come with Nomad, each with its own configuration, and an open one for others.

The fields have the drivers' own names. A value may be text with `${…}` in it wherever a driver takes a number or a
truth value, as Nomad fills that in on the node.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, ClassVar, Literal

from typing_extensions import override

from mooring.jobs.piece import Piece
from mooring.jobs.problem import Problem, joined
from mooring.jobs.shape import Json


@dataclass(frozen=True)
class Configuration(Piece):
    """Part of a driver's configuration, in which a block stands in a list of its own, as Nomad's parser writes it."""

    DRIVER = True

    @classmethod
    @override
    def spelt(cls, name: str) -> str:
        return name


@dataclass(frozen=True)
class TaskDriver(Configuration):
    """What every driver is."""

    NAME: ClassVar[str]

    def rules(self, ports: Collection[str]) -> Iterator[Problem]:
        """What no server looks at, but the node refuses, or worse, does not; `ports` are the group's labels."""
        del ports
        for name in ("pid_mode", "network_mode", "ipc_mode", "uts_mode", "userns_mode"):
            # No setting of an agent of Nomad 1.6 refuses these, and each hands out the host.
            if getattr(self, name, None) == "host":
                yield Problem(name, "'host' would give the task the host's own namespace")


@dataclass(frozen=True, kw_only=True)
class DockerAuth(Configuration):
    """For a registry that the agent itself has no login for; it lies readable in the job."""

    OF = "docker.auth"

    username: str | None = None
    """At the registry."""

    password: str | None = field(default=None, repr=False)
    """At the registry."""

    email: str | None = None
    """Nobody asks for it any more."""

    server_address: str | None = None
    """The registry's. Driver: Docker Hub."""


@dataclass(frozen=True)
class DockerDevice(Configuration):
    OF = "docker.devices"

    host_path: str
    """As `/dev/kvm`."""

    _: KW_ONLY
    container_path: str | None = None
    """Docker: the same path."""

    cgroup_permissions: str | None = None
    """Letters of `rwm`. Docker: all three."""


@dataclass(frozen=True, kw_only=True)
class DockerLogging(Configuration):
    """Another place for the logs than Nomad's own files; `nomad alloc logs` then shows nothing."""

    OF = "docker.logging"

    type: str | None = None
    """Docker's log driver, as `syslog`."""

    driver: str | None = None
    """The old word for `type`."""

    config: Mapping[str, str] = field(default_factory=dict[str, str])
    """The log driver's own options."""


@dataclass(frozen=True, kw_only=True)
class DockerHealthchecks(Configuration):
    OF = "docker.healthchecks"

    disable: bool | None = None
    """Leave out the image's own HEALTHCHECK, which Nomad never looks at."""


@dataclass(frozen=True, kw_only=True)
class BindOptions(Configuration):
    OF = "docker.mount.bind_options"

    propagation: str | None = None
    """As `rslave`. Docker: rprivate."""


@dataclass(frozen=True, kw_only=True)
class TmpfsOptions(Configuration):
    OF = "docker.mount.tmpfs_options"

    size: int | None = None
    """Bytes."""

    mode: int | None = None
    """Written in decimal: 493 is 0755."""


@dataclass(frozen=True)
class VolumeDriver(Configuration):
    OF = "docker.mount.volume_options.driver_config"

    name: str
    """Of Docker's plugin."""

    _: KW_ONLY
    options: Mapping[str, str] = field(default_factory=dict[str, str])
    """The plugin's own."""


@dataclass(frozen=True, kw_only=True)
class VolumeOptions(Configuration):
    OF = "docker.mount.volume_options"

    no_copy: bool | None = None
    """Leave a new volume empty, instead of filling it with what the image has there."""

    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    """On a volume that is made."""

    driver_config: VolumeDriver | None = None
    """What makes it. Docker: local."""


@dataclass(frozen=True)
class DockerMount(Configuration):
    """Something of the node inside the container: `DockerMount("/data", source="mysql")`."""

    OF = "docker.mount"

    target: str
    """Inside the container."""

    _: KW_ONLY
    type: Literal["volume", "bind", "tmpfs"] | None = None
    """Driver: volume. An agent may refuse host folders and volumes."""

    source: str | None = None
    """A volume's name, or a path: relative to the task's folder."""

    readonly: bool | None = None
    """Driver: no."""

    bind_options: BindOptions | None = None
    """With `bind`."""

    tmpfs_options: TmpfsOptions | None = None
    """With `tmpfs`."""

    volume_options: VolumeOptions | None = None
    """With `volume`."""


@dataclass(frozen=True)
class Docker(TaskDriver):
    """A container: `Docker("registry.example:5000/web@sha256:…", ports=["http"])`."""

    OF = "docker"
    NAME = "docker"

    image: str
    """By digest, so that every instance is the same one."""

    _: KW_ONLY
    command: str | None = None
    """Instead of the image's CMD."""

    args: Sequence[str] = ()
    """Behind `command`, or instead of the image's CMD."""

    entrypoint: Sequence[str] = ()
    """Instead of the image's ENTRYPOINT."""

    ports: Sequence[str] = ()
    """Labels of the group's ports that lead into the container."""

    advertise_ipv6_address: bool | None = None
    """Services get the container's IPv6 address."""

    auth: DockerAuth | None = None
    """For one registry; the agent's own logins are the better place."""

    auth_soft_fail: bool | None = None
    """Pull without a login when the login cannot be found."""

    cap_add: Sequence[str] = ()
    """Capabilities beyond the agent's defaults; it refuses those that it does not allow."""

    cap_drop: Sequence[str] = ()
    """Capabilities to take away; `all` takes all."""

    cpuset_cpus: str | None = None
    """As `0-2,7`; the task's `cores` are the better way."""

    cpu_hard_limit: bool | None = None
    """Make `cpu` a limit. Driver: no, a share."""

    cpu_cfs_period: int | None = None
    """Microseconds. Driver: 100000."""

    devices: Sequence[DockerDevice] = ()
    """Devices of the node; refused, since they are the whole node's."""

    dns_search_domains: Sequence[str] = ()
    """The group's network is the better place."""

    dns_options: Sequence[str] = ()
    """The group's network is the better place."""

    dns_servers: Sequence[str] = ()
    """The group's network is the better place."""

    extra_hosts: Sequence[str] = ()
    """Lines of /etc/hosts, as `db:10.0.0.5`."""

    force_pull: bool | None = None
    """Pull even what the node has. Driver: no, unless the tag is `latest`."""

    group_add: Sequence[str] = ()
    """Further groups of the task's user."""

    healthchecks: DockerHealthchecks | None = None
    """The image's own."""

    hostname: str | None = None
    """Inside the container; with a network of its own only."""

    init: bool | None = None
    """Run an init process, which reaps what the task leaves behind."""

    interactive: bool | None = None
    """Keep stdin open."""

    ipc_mode: str | None = None
    """`host` is refused. Driver: one of its own."""

    ipv4_address: str | None = None
    """With a `network_mode` that names a network of Docker's."""

    ipv6_address: str | None = None
    """With a `network_mode` that names a network of Docker's."""

    isolation: str | None = None
    """Windows only."""

    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    """On the container."""

    load: str | None = None
    """An archive with the image, among the task's artifacts."""

    logging: DockerLogging | None = None
    """Driver: json-file, which Nomad reads."""

    mac_address: str | None = None
    """Of the container's network card."""

    memory_hard_limit: int | None = None
    """MB; the task's `memory_max` is the better way."""

    mount: Sequence[DockerMount] = ()
    """Folders, volumes and memory of the node inside the container."""

    mounts: Sequence[DockerMount] = ()
    """The old word for `mount`; the driver takes both together."""

    network_aliases: Sequence[str] = ()
    """With a `network_mode` that names a network of Docker's."""

    network_mode: str | None = None
    """`host` is refused: a group's network with mode `host` says it where the scheduler sees it."""

    runtime: str | None = None
    """One that the agent allows."""

    pids_limit: int | None = None
    """At most the agent's."""

    pid_mode: str | None = None
    """`host` is refused."""

    port_map: Mapping[str, int] = field(default_factory=dict[str, int])
    """Deprecated since Nomad 0.12: `ports`, and `to` on the group's port."""

    privileged: bool | None = None
    """Refused when it is true."""

    image_pull_timeout: str | None = None
    """As `5m`, which is the driver's."""

    readonly_rootfs: bool | None = None
    """Let nothing be written but to mounts. Driver: no."""

    security_opt: Sequence[str] = ()
    """As `no-new-privileges`."""

    shm_size: int | None = None
    """Bytes of /dev/shm. Docker: 64 MiB."""

    storage_opt: Mapping[str, str] = field(default_factory=dict[str, str])
    """As `size`; not with every storage driver."""

    sysctl: Mapping[str, str] = field(default_factory=dict[str, str])
    """Kernel settings of the container's own namespaces."""

    tty: bool | None = None
    """Give it a terminal. Driver: no."""

    ulimit: Mapping[str, str] = field(default_factory=dict[str, str])
    """As `{"nofile": "2048:4096"}`: soft and hard."""

    uts_mode: str | None = None
    """`host` is refused."""

    userns_mode: str | None = None
    """`host` is refused."""

    volumes: Sequence[str] = ()
    """`source:target[:ro]`; below the task's own folder unless the agent allows more."""

    volume_driver: str | None = None
    """For names in `volumes`; the agent must allow it."""

    work_dir: str | None = None
    """Instead of the image's WORKDIR."""

    @override
    def rules(self, ports: Collection[str]) -> Iterator[Problem]:
        yield from super().rules(ports)
        if not self.image:
            yield Problem("image", "must be given")
        if self.devices:
            yield Problem("devices", "would give the task a device of the host")
        if self.privileged:
            yield Problem("privileged", "would give the task the whole host")
        for index, port in enumerate(self.ports):
            if port not in ports:
                yield Problem(joined("ports", index), f"the group's network has no port {port!r}")


@dataclass(frozen=True)
class Exec(TaskDriver):
    """A program of the node's, in a namespace and a file system of its own: `Exec("/bin/date", args=["-u"])`."""

    OF = "exec"
    NAME = "exec"

    command: str
    """A path inside the task's file system."""

    _: KW_ONLY
    args: Sequence[str] = ()
    """Handed to it."""

    pid_mode: Literal["private", "host"] | None = None
    """`host` is refused. Agent's default: private."""

    ipc_mode: Literal["private", "host"] | None = None
    """`host` is refused. Agent's default: private."""

    cap_add: Sequence[str] = ()
    """Beyond the agent's defaults; it refuses those that it does not allow."""

    cap_drop: Sequence[str] = ()
    """Capabilities to take away."""

    @override
    def rules(self, ports: Collection[str]) -> Iterator[Problem]:
        yield from super().rules(ports)
        if not self.command:
            yield Problem("command", "must be given")


@dataclass(frozen=True)
class RawExec(TaskDriver):
    """A program of the node's, with the agent's own rights and nothing around it; agents have it switched off."""

    OF = "raw_exec"
    NAME = "raw_exec"

    command: str
    """A path on the node."""

    _: KW_ONLY
    args: Sequence[str] = ()
    """Handed to it."""

    @override
    def rules(self, ports: Collection[str]) -> Iterator[Problem]:
        yield from super().rules(ports)
        if not self.command:
            yield Problem("command", "must be given")


@dataclass(frozen=True, kw_only=True)
class Java(TaskDriver):
    """A program for the Java virtual machine: `Java(jar_path="local/app.jar")`."""

    OF = "java"
    NAME = "java"

    jar_path: str | None = None
    """Usually below `local/`, where an artifact has brought it. Either this or `class_`."""

    class_: str | None = None
    """The class whose main function is run."""

    class_path: str | None = None
    """Where classes are looked for."""

    jvm_options: Sequence[str] = ()
    """As `-Xmx512m`."""

    args: Sequence[str] = ()
    """Handed to the program."""

    pid_mode: Literal["private", "host"] | None = None
    """`host` is refused. Agent's default: private."""

    ipc_mode: Literal["private", "host"] | None = None
    """`host` is refused. Agent's default: private."""

    cap_add: Sequence[str] = ()
    """Beyond the agent's defaults; it refuses those that it does not allow."""

    cap_drop: Sequence[str] = ()
    """Capabilities to take away."""

    @override
    def rules(self, ports: Collection[str]) -> Iterator[Problem]:
        yield from super().rules(ports)
        if not self.jar_path and not self.class_:
            yield Problem("jar_path", "must be given, or class_")

    @classmethod
    @override
    def spelt(cls, name: str) -> str:
        return name.rstrip("_")  # `class` is Python's own word


@dataclass(frozen=True)
class Qemu(TaskDriver):
    """A virtual machine: `Qemu("local/disk.qcow2")`."""

    OF = "qemu"
    NAME = "qemu"

    image_path: str
    """A disk image, usually below `local/`, where an artifact has brought it."""

    _: KW_ONLY
    accelerator: str | None = None
    """`kvm` where the node has it. Driver: tcg."""

    args: Sequence[str] = ()
    """QEMU's own."""

    drive_interface: str | None = None
    """Driver: ide."""

    graceful_shutdown: bool | None = None
    """Press the power button and wait, instead of ending the process. Driver: no."""

    guest_agent: bool | None = None
    """Open a socket to the QEMU agent inside. Driver: no."""

    port_map: Mapping[str, int] = field(default_factory=dict[str, int])
    """From labels of the group's ports to ports of the guest."""

    @override
    def rules(self, ports: Collection[str]) -> Iterator[Problem]:
        yield from super().rules(ports)
        if not self.image_path:
            yield Problem("image_path", "must be given")


@dataclass(frozen=True)
class Driver(TaskDriver):
    """Any other driver that the nodes have, with whatever it understands: `Driver("podman", {"image": "…"})`."""

    OF = ""
    NAME = ""

    name: str
    """As the nodes' plugin calls itself."""

    config: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """The plugin's own."""

    @override
    def to_api(self) -> Json:
        return dict(self.config)

    @override
    def rules(self, ports: Collection[str]) -> Iterator[Problem]:
        if not self.name:
            yield Problem("name", "must be given")
        if (known := DRIVERS.get(self.name)) is not None:
            yield Problem("name", f"{self.name} has a type of its own, {known.__name__}")


DRIVERS = {driver.NAME: driver for driver in (Docker, Exec, RawExec, Java, Qemu)}


def written(driver: TaskDriver) -> Json:
    """As the two fields of a task that hold it."""
    config = driver.to_api()
    name = driver.name if isinstance(driver, Driver) else driver.NAME
    return {"Driver": name, "Config": config} if config else {"Driver": name}


def read(name: Any, config: Any, at: str, wrong: list[Problem]) -> TaskDriver:
    if isinstance(name, str) and (known := DRIVERS.get(name)) is not None:
        return known.read({} if config is None else config, joined(at, "driver"), wrong)
    return Driver(name, config or dict[str, Any]())
