"""The program on a machine that could carry every stack, before an engine that only takes down what it is told."""

import json
import runpy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from fakes.engine import Engine

from infra import cloud_parts
from infra.preflight import Machine, Wanted
from infra.virtual_machines import Supply
from mooring.toolchain import accelerator, binaries, disks, places
from mooring.toolchain.accelerator import Choice, Verdict
from mooring.toolchain.disks import BootFile, Disk

STACKS = places.CHECKOUT / "stacks"

DISK = Disk(
    base=BootFile(path=Path("/cache/disks/disk.qcow2"), sha256="a" * 64),
    kernel=BootFile(path=Path("/cache/disks/vmlinuz"), sha256="b" * 64),
    initrd=BootFile(path=Path("/cache/disks/initrd.img"), sha256="c" * 64),
)


@pytest.fixture(scope="session")
def run() -> Iterator[Callable[..., Engine]]:
    """Runs the program of a stack, with other values for some keys and further secrets that must not be told."""
    engines: list[Engine] = []

    def run(stack: str, secrets: tuple[str, ...] = (), *, plugins: bool = True, **changed: str) -> Engine:
        config = values(stack) | {f"mooring:{key}": value for key, value in changed.items()}
        engines.append(Engine(stack=stack, config=config, secrets=set(secrets)))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Machine, "look", roomy)
            patch.setattr(binaries, "locate", tool)
            patch.setattr(Supply, "look", lambda *_: Supply(routes={}, memory_mib=64_000, disk_mib=500_000))
            patch.setattr(cloud_parts, "plugin_is_here", lambda *_: plugins)
            patch.setattr(disks, "locate", lambda: DISK)
            patch.setattr(accelerator, "accelerator", lambda _: Verdict(choice=Choice.TCG, reason="pretended"))
            patch.setenv("MOORING_STATE", "/state")
            patch.setenv("MOORING_CACHE", "/cache")
            engines[-1].run(lambda: runpy.run_module("infra", run_name="__main__"))
        return engines[-1]

    yield run
    for engine in engines:
        engine.close()


def values(stack: str) -> dict[str, str]:
    """As the engine hands them to a program: text, with whatever is not plain text as JSON."""
    said: dict[str, Any] = yaml.safe_load((STACKS / f"Pulumi.{stack}.yaml").read_text())["config"]
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in said.items()}


def roomy(_: Wanted) -> Machine:
    return Machine(
        networks={},
        containers=frozenset(),
        missing_images=(),
        port_taken=False,
        memory_mib=64_000,
        total_memory_mib=64_000,
        disk_mib=500_000,
    )


def tool(name: str, version: str | None = None) -> Path:
    return Path("/cache", f"{name}-{version}")
