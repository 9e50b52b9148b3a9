"""Whether this machine can carry the stack's local nodes: asked before anything is touched, answered all at once."""

import os
import shutil
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, ip_network
from pathlib import Path
from typing import Any, Self

import docker
import docker.errors
import pulumi
import requests

from components.hosts import LocalGroup
from infra.cloud_parts import missing_parts
from infra.settings import Settings, report
from infra.virtual_machines import Demand, Supply, lacking
from mooring.clients.answers import rows
from mooring.toolchain import binaries, images, pins
from mooring.toolchain.errors import CannotPrepare

NODE_MEMORY = 640
"""MiB that a node with both agents and a few small apps really uses; three of them were seen to use under 2 GB."""

NODE_DISK = 1024
"""MiB for a node's own images and logs; the machine image is shared."""

NODE_WATCHERS = 8
"""Instances of inotify that a node's systemd, message bus and engine hold; 6 were counted. They are all root's, of
which a kernel allows 128 unless told otherwise, and a node that gets none comes up degraded."""

WATCHERS = Path("/proc/sys/fs/inotify/max_user_instances")

LOCAL = "local:"


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What the stack asks of this machine."""

    network: IPv4Network
    network_name: str
    port: int
    nodes: Mapping[str, int]
    """The memory limit in MiB of each node, by container name."""

    publisher: str
    """The container that publishes the port."""

    images: tuple[str, ...]
    base_image: str | None
    """A public image, when the app is built on one."""

    @classmethod
    def by(cls, settings: Settings) -> Self:
        prefix = f"{pulumi.get_project()}-{pulumi.get_stack()}"
        local = [group for group in settings.groups if isinstance(group, LocalGroup)]
        own_base = settings.base_image.startswith(LOCAL)
        return cls(
            network=settings.network,
            network_name=prefix,
            port=settings.port,
            nodes={
                f"{prefix}-{group.name}-{i}": group.memory_mib for group in local for i in range(1, group.count + 1)
            },
            publisher=f"{prefix}-door",
            images=(
                images.reference("machine"),
                images.reference("registry"),
                *([images.reference(settings.base_image.removeprefix(LOCAL))] if own_base else []),
            ),
            base_image=None if own_base else settings.base_image,
        )


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What was found here."""

    networks: Mapping[str, IPv4Network]
    """Of the engine, by name, and of the machine itself, by interface."""

    containers: frozenset[str]
    missing_images: tuple[str, ...]
    port_taken: bool
    memory_mib: int
    """Available now."""

    total_memory_mib: int
    disk_mib: int
    """Free where the engine keeps its data."""

    watchers: int | None = None
    """Instances of inotify that root may still have; None where only root can count them."""

    unknown_image: str | None = None
    """Why the registry of the public base image does not know it."""

    engine: str | None = None
    """Why no engine answers; then nothing else was looked at."""

    @classmethod
    def look(cls, wanted: Wanted) -> Self:
        """Ask the engine and the kernel; nothing is changed."""
        try:
            api: Any = docker.from_env(timeout=15)
            info: dict[str, Any] = api.info()
        except docker.errors.DockerException as error:
            return cls.without_engine(str(error))
        memory = _meminfo()
        found = cls(
            networks={**_engine_networks(api), **_routes(Path("/proc/net/route").read_text())},
            containers=frozenset(str(c.name) for c in api.containers.list(all=True)),
            missing_images=tuple(name for name in wanted.images if not _has_image(api, name)),
            port_taken=_taken(wanted.port),
            memory_mib=memory["MemAvailable"],
            total_memory_mib=memory["MemTotal"],
            disk_mib=shutil.disk_usage(_existing(Path(info["DockerRootDir"]))).free >> 20,
            watchers=_watchers() if os.geteuid() == 0 else None,
            unknown_image=_unknown(api, wanted.base_image) if wanted.base_image else None,
        )
        api.close()
        return found

    @classmethod
    def without_engine(cls, reason: str) -> Self:
        return cls(
            networks={},
            containers=frozenset(),
            missing_images=(),
            port_taken=False,
            memory_mib=0,
            total_memory_mib=0,
            disk_mib=0,
            engine=reason,
        )


def problems(wanted: Wanted, machine: Machine) -> Iterator[str]:
    """Each thing that stands in the way: the setting, its value, and what would do."""
    if machine.engine is not None:
        yield f"no Docker engine answers on this machine ({machine.engine}); `make prepare` installs and starts one"
        return
    for name, other in machine.networks.items():
        if name != wanted.network_name and wanted.network.overlaps(other):
            yield (
                f"mooring:network: {wanted.network} overlaps {other} ({name}); "
                f"a free range such as {_free(wanted.network, machine)} would do"
            )
    if machine.port_taken and wanted.publisher not in machine.containers:
        yield f"mooring:port: {wanted.port} is in use on 127.0.0.1; another one would do"
    yield from _capacity_problems(wanted, machine)
    if machine.missing_images:
        yield f"this machine's engine lacks {', '.join(machine.missing_images)}; `make prepare` builds them"
    if machine.unknown_image is not None:
        yield f"mooring:baseImage: {wanted.base_image} cannot be had: {machine.unknown_image}; local:nodejs would do"


def _capacity_problems(wanted: Wanted, machine: Machine) -> Iterator[str]:
    new = {name: memory for name, memory in wanted.nodes.items() if name not in machine.containers}
    if machine.memory_mib < NODE_MEMORY * len(new):
        yield (
            f"mooring:hosts: {len(new)} new nodes need about {NODE_MEMORY * len(new)} MiB of memory, "
            f"{machine.memory_mib} MiB are available; fewer hosts would do"
        )
    for name, memory in new.items():
        if memory > machine.total_memory_mib:
            yield f"mooring:hosts: {name} may use {memory} MiB, this machine has {machine.total_memory_mib} MiB"
    if machine.disk_mib < NODE_DISK * len(new):
        yield (
            f"mooring:hosts: {len(new)} new nodes need about {NODE_DISK * len(new)} MiB of disk, "
            f"{machine.disk_mib} MiB are free where the engine keeps its data"
        )
    if machine.watchers is not None and machine.watchers < NODE_WATCHERS * len(new):
        yield (
            f"mooring:hosts: {len(new)} new nodes need {NODE_WATCHERS * len(new)} instances of inotify, "
            f"{machine.watchers} are free; `sysctl -w fs.inotify.max_user_instances=1024` would do"
        )


def preflight(settings: Settings) -> None:
    """Refuse to start where it would end half-way; raises `pulumi.RunError` with everything that is wrong."""
    wanted = Wanted.by(settings)
    found = [
        *missing_agents(settings),
        *missing_parts(settings.groups),
        *(problems(wanted, Machine.look(wanted)) if wanted.nodes else ()),
        *lacking_for_machines(settings),
    ]
    if found:
        raise pulumi.RunError(report(f"stack {pulumi.get_stack()}", found))


def lacking_for_machines(settings: Settings) -> Iterator[str]:
    demand = Demand.by(settings)
    if demand.machines:
        routes = _routes(Path("/proc/net/route").read_text(), but=())
        yield from lacking(demand, Supply.look(settings, routes, _meminfo()["MemAvailable"]))


def missing_agents(settings: Settings) -> Iterator[str]:
    """The agents' programs and plugins that are not on this machine in the version that the stack wants."""
    for setting, tool, version in (
        ("consulVersion", "consul", settings.consul_version),
        ("nomadVersion", "nomad", settings.nomad_version),
    ):
        try:
            binaries.locate(tool, version)
        except CannotPrepare as problem:
            yield f"mooring:{setting}: {problem}"
    for driver, plugin in pins.PLUGINS.items():
        try:
            if any(driver in group.drivers for group in settings.groups):
                binaries.locate(plugin.name)
        except CannotPrepare as problem:
            yield f"mooring:hosts: drivers: {driver}: {problem}"


def _free(network: IPv4Network, machine: Machine) -> str:
    """The first range of the same size, within those reserved for benchmarks, that nothing here uses."""
    ours = ip_network("198.18.0.0/15").subnets(new_prefix=max(network.prefixlen, 15))
    taken = machine.networks.values()
    return str(next((n for n in ours if not any(n.overlaps(other) for other in taken)), "198.18.0.0/24"))


def _engine_networks(api: Any) -> dict[str, IPv4Network]:
    found: dict[str, IPv4Network] = {}
    for network in api.networks.list():
        for pool in rows(network.attrs["IPAM"]["Config"]):
            subnet = ip_network(pool["Subnet"], strict=False)
            if isinstance(subnet, IPv4Network):
                found[str(network.name)] = subnet
    return found


def _routes(table: str, but: tuple[str, ...] = ("br-", "docker")) -> dict[str, IPv4Network]:
    """The networks that this machine is in, from the kernel's table; the engine's bridges come from it, by name."""
    found: dict[str, IPv4Network] = {}
    for line in table.splitlines()[1:]:
        interface, destination, *_, mask = line.split()[:8]
        prefix = int(mask, 16).bit_count()
        if prefix and not interface.startswith(but):
            address = int.from_bytes(int(destination, 16).to_bytes(4, "little"))
            found[interface] = IPv4Network((address, prefix))
    return found


def _has_image(api: Any, name: str) -> bool:
    try:
        api.images.get(name)
    except docker.errors.ImageNotFound:
        return False
    return True


def _unknown(api: Any, name: str) -> str | None:
    if _has_image(api, name):
        return None
    try:
        api.images.get_registry_data(name)
    except (docker.errors.APIError, requests.RequestException) as error:
        return str(getattr(error, "explanation", None) or error)
    return None


def _taken(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def _watchers() -> int:
    held = sum(1 for file in Path("/proc").glob("[0-9]*/fd/*") if _target(file) == "anon_inode:inotify")
    return int(WATCHERS.read_text()) - held


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:  # its process has ended meanwhile
        return ""


def _meminfo() -> dict[str, int]:
    """MiB by the kernel's own names."""
    lines = (line.split() for line in Path("/proc/meminfo").read_text().splitlines())
    return {name.rstrip(":"): int(kib) >> 10 for name, kib, *_ in lines}


def _existing(path: Path) -> Path:
    """The path, or the nearest folder above it that this user can see."""
    return path if path.exists() else _existing(path.parent)
