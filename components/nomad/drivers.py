"""What a Nomad client can run: which drivers, what each needs on its host, and what each may do there."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import pulumi

from components.access import IMAGE_CREDENTIALS
from components.hosts import Driver, Host
from mooring.kinds.host_packages import Packages
from mooring.kinds.host_program import Program, weigh
from mooring.toolchain import binaries, pins
from mooring.toolchain.pins import Tool

PLUGINS = "/opt/mooring/nomad-plugins"
"""Nomad's `plugin_dir` on every client; what lies there it starts."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Needs:
    """What a driver needs on the host beside Nomad itself."""

    packages: tuple[str, ...] = ()
    """Debian's and Ubuntu's."""

    units: tuple[str, ...] = ()
    """systemd units that must run before the agent."""

    plugin: Tool | None = None
    """Its maker's own program, where Nomad has the driver not built in."""


NEEDS: Final[Mapping[Driver, Needs]] = MappingProxyType(
    {
        Driver.DOCKER: Needs(units=("docker.service",)),
        Driver.EXEC: Needs(),
        Driver.JAVA: Needs(packages=("default-jre-headless",)),
        Driver.PODMAN: Needs(packages=("podman",), units=("podman.socket",), plugin=pins.PODMAN_DRIVER),
        Driver.LXC: Needs(packages=("lxc", "lxc-templates"), plugin=pins.LXC_DRIVER),
    }
)

ENGINE_CAPABILITIES: Final = (
    "chown",
    "dac_override",
    "fsetid",
    "fowner",
    "setgid",
    "setuid",
    "setpcap",
    "net_bind_service",
    "kill",
)
"""What an app may ask for at most: Docker's defaults without those that reach the network's or the host's insides."""

CHROOT: Final = (
    "/bin",
    "/lib",
    "/lib32",
    "/lib64",
    "/sbin",
    "/usr",
    "/run/systemd/resolve",
    "/etc/alternatives",
    "/etc/ca-certificates",
    "/etc/group",
    "/etc/host.conf",
    "/etc/hosts",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
    "/etc/nsswitch.conf",
    "/etc/passwd",
    "/etc/protocols",
    "/etc/resolv.conf",
    "/etc/services",
    "/etc/ssl/certs",
)
"""What a task without an image of its own sees of its host. Nomad's own list has all of /etc, and with it the keys of
every agent, as hard links that only a directory's mode keeps the task from."""


def client_part(drivers: Iterable[Driver]) -> dict[str, Any]:
    """Keys of an agent's `client` block."""
    names = sorted(drivers)
    part: dict[str, Any] = {"options": {"driver.allowlist": ",".join(names)}}
    if {Driver.EXEC, Driver.JAVA} & set(names):
        part["chroot_env"] = {path: path for path in CHROOT}
    return part


def plugin_blocks(drivers: Iterable[Driver]) -> list[dict[str, Any]]:
    """An agent's `plugin` blocks, one for each driver that has something to be told."""
    return [
        {_block(driver): [{"config": [configuration]}]}
        for driver in sorted(drivers)
        if (configuration := _told(driver))
    ]


def programs(drivers: Iterable[Driver]) -> list[Tool]:
    """The makers' own programs that these drivers are."""
    return [plugin for driver in sorted(drivers) if (plugin := NEEDS[driver].plugin) is not None]


def units(drivers: Iterable[Driver]) -> list[str]:
    """What runs before the agent does."""
    return [unit for driver in sorted(drivers) for unit in NEEDS[driver].units]


def brought(name: str, host: Host, parent: pulumi.Resource) -> list[pulumi.Resource]:
    """Declare what the host's drivers need there; the agent waits for all of it."""
    opts = pulumi.ResourceOptions(parent=parent, deleted_with=host.goes_with)
    packages: dict[str, dict[str, str]] = {package: {} for driver in host.drivers for package in NEEDS[driver].packages}
    made: list[pulumi.Resource] = []
    if packages:
        made.append(Packages(f"{name}-drivers", connection=host.connection, packages=packages, opts=opts))
    for tool in programs(host.drivers):
        source = binaries.locate(tool.name)
        made.append(
            Program(
                f"{name}-{tool.name}",
                connection=host.connection,
                path=plugin_path(tool),
                source=str(source),
                sha256=weigh(source),
                opts=opts,
            )
        )
    return made


def plugin_path(tool: Tool) -> str:
    return f"{PLUGINS}/{tool.program}"


def _block(driver: Driver) -> str:
    plugin = NEEDS[driver].plugin
    return driver.value if plugin is None else plugin.program


def _told(driver: Driver) -> dict[str, Any]:
    match driver:
        case Driver.DOCKER:
            return {
                "allow_privileged": False,
                "allow_caps": list(ENGINE_CAPABILITIES),
                "allow_runtimes": ["runc"],
                "volumes": [{"enabled": False}],
                "pids_limit": 512,
                "pull_activity_timeout": "2m",
                "auth": [{"config": IMAGE_CREDENTIALS}],
                # A day: an instance can be restarted while the registry is gone.
                "gc": [{"image": True, "image_delay": "24h", "container": True}],
                "extra_labels": ["job_name", "task_group_name", "task_name", "namespace", "node_name"],
            }
        case Driver.EXEC | Driver.JAVA:
            return {
                "default_pid_mode": "private",
                "default_ipc_mode": "private",
                "no_pivot_root": False,
                "allow_caps": list(ENGINE_CAPABILITIES),
            }
        case Driver.PODMAN:
            return {
                "socket_path": "unix:///run/podman/podman.sock",
                "volumes": [{"enabled": False}],
                "gc": [{"container": True}],
                "recover_stopped": False,
            }
        case Driver.LXC:
            return {"enabled": True, "volumes_enabled": False, "gc": [{"container": True}]}
