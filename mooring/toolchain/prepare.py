"""From a fresh Debian or Ubuntu to ready for `pulumi up`: find what is missing, then bring it side by side."""

import fcntl
import os
import shutil
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from mooring.toolchain import (
    binaries,
    builds,
    disks,
    environment,
    hypervisor,
    images,
    launchers,
    packages,
    pins,
    places,
    progress,
    releases,
    virtualenv,
)
from mooring.toolchain.engine import Engine, ensure_running
from mooring.toolchain.errors import CannotPrepare, NotPublished
from mooring.toolchain.packages import Needed
from mooring.toolchain.pins import Publisher, Tool
from mooring.toolchain.steps import Wait, run_all

GIGABYTE = 10**9

ROOM_TO_FETCH = 3 * GIGABYTE
"""Programs, the archives of the images, and one root file system in the making."""

ROOM_TO_BUILD = 12 * GIGABYTE
"""Building all four with empty Go caches took 8 on top; they are given back afterwards."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Where each program that is not here yet comes from."""

    fetched: tuple[Tool, ...] = ()
    built: tuple[Tool, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.fetched or self.built)


def prepare(*, through_sudo: bool = False, stack: str | None = None, dev: bool = False) -> None:
    """Do all that is missing, for `stack` in particular where one is named; nothing, and quickly, when nothing is.

    With `dev` also what the project's own checks and tests need.
    """
    with _alone():
        environment.ensure_passphrase()
        plan = look()
        if plan and (lack := too_little(plan, shutil.disk_usage(places.cache()).free)):
            raise CannotPrepare(f"{places.cache()}: {lack}, or another place named by MOORING_CACHE")
        here, machines = Engine.chosen().answers(), hypervisor.wanted(stack)
        needed = needed_packages(plan.built, engine_answers=here, root=os.geteuid() == 0)
        packages.ensure([*needed, *(hypervisor.NEEDED if machines else ())], through_sudo=through_sudo)
        # Before anything slow: without an engine all the rest is for nothing.
        engine = ensure_running()
        if machines:
            hypervisor.ensure_running()
        run_all(_steps(plan, engine, through_sudo=through_sudo, machines=machines, dev=dev))
        builds.forget()
        launchers.keep_no_logs()
        file = environment.write_exports()
    if plan:
        progress.say(f"ready; for plain `pulumi` commands load the environment with: . {file}")


def look() -> Plan:
    """See what is missing and which publishers can be reached."""
    missing = [tool for tool in pins.TOOLS.values() if _is_missing(tool)]
    # What a stand-in of ours does the work of is asked for again each time, as the official one is better.
    stood_in_for = [tool for tool in (pins.PULUMI, pins.DOCKER_PLUGIN) if _is_stood_in_for(tool)]
    within = {_publisher(tool): releases.HASTY for tool in stood_in_for}
    within |= {_publisher(tool): releases.PATIENT for tool in missing if tool not in stood_in_for}
    return plan(missing, stood_in_for, _in_reach(within))


def plan(missing: Iterable[Tool], stood_in_for: Iterable[Tool], in_reach: frozenset[Publisher]) -> Plan:
    """The official release wherever its publisher can be reached, else a build where there is one."""
    fetched = [tool for tool in dict.fromkeys([*missing, *stood_in_for]) if _publisher(tool) in in_reach]
    built = [tool for tool in missing if tool.module is not None and tool not in fetched]
    return Plan(fetched=tuple(fetched), built=tuple(built))


def too_little(plan: Plan, free: int) -> str | None:
    """Why what is planned does not fit on the disk, if it does not."""
    wanted = ROOM_TO_BUILD if plan.built else ROOM_TO_FETCH
    if free >= wanted:
        return None
    return f"{free / GIGABYTE:.1f} GB are free and {wanted / GIGABYTE:.0f} GB are needed; freeing some would do"


def needed_packages(built: Iterable[Tool], *, engine_answers: bool, root: bool) -> Iterator[Needed]:
    """Every system package that the rest relies on; an engine that answers makes Debian's own needless."""
    yield from (packages.VENV, packages.CERTIFICATES, packages.SSH, packages.NETWORK)
    yield from (packages.BOOTSTRAP, packages.KEYRING, packages.COMPRESSION)
    if not engine_answers:
        yield packages.ENGINE
    if not root:
        yield packages.ID_MAPPING
    if any(tool.module is not None and tool.module.cgo for tool in built):
        yield from packages.COMPILING


def _steps(
    plan: Plan, engine: Engine, *, through_sudo: bool, machines: bool, dev: bool
) -> Mapping[str, Callable[[Wait], None]]:
    def python(_: Wait) -> None:
        virtualenv.ensure_python()

    def installed(wait: Wait) -> None:
        wait("python")
        virtualenv.ensure(dev=dev)

    def program(tool: Tool) -> Callable[[Wait], None]:
        def obtain(wait: Wait) -> None:
            fetched = tool in plan.fetched and _fetch(tool)
            if not fetched and _is_missing(tool) and tool.module is not None:
                if tool.module.cgo:
                    packages.ensure(packages.COMPILING, through_sudo=through_sudo)
                _build(tool, wait)
            _put_in_place(tool)

        return obtain

    def image(name: str) -> Callable[[Wait], None]:
        tools = [tool.name for tool, _ in images.IMAGES[name].programs]
        return lambda wait: images.ensure(name, engine, lambda: wait(*tools))

    def disk(wait: Wait) -> None:
        disks.ensure(lambda: wait(*(tool.name for tool, _ in images.MACHINE.programs)))

    return {
        "python": python,
        "virtualenv": installed,
        **{tool.name: program(tool) for tool in pins.TOOLS.values()},
        **{f"image {name}": image(name) for name in images.IMAGES},
        **({"disk": disk} if machines else {}),
    }


def _fetch(tool: Tool) -> bool:
    """Bring the official release; False, and a line that says why, when it cannot be had after all."""
    try:
        with progress.doing(f"{tool.name} {tool.version}", "downloading the official release", "1 min", "checked"):
            binaries.fetch(tool, tool.version)
    except NotPublished as problem:
        progress.say(f"{tool.name} {tool.version}: no official release from here: {problem}")
        return False
    return True


def _build(tool: Tool, wait: Wait) -> None:
    if tool.module is None:
        raise CannotPrepare(f"{tool.name} {tool.version} cannot be built; a path in {tool.setting} would do")
    wait("python")
    about = f"{tool.module.seconds} s"
    with builds.turn(), progress.doing(f"{tool.name} {tool.version}", "building it from Go modules", about, "built"):
        binaries.build(tool, builds.go(virtualenv.PYTHON, binaries.architecture()))


def _put_in_place(tool: Tool) -> None:
    """Let PATH and Pulumi find it, with a stand-in where the official plugin is not to be had."""
    if tool is pins.DOCKER_PLUGIN:
        stand_in = launchers.write_docker_plugin()
    else:
        binaries.link(tool)
        stand_in = tool is pins.PULUMI and launchers.write_language_host()
    if stand_in:
        what = "the official Docker plugin" if tool is pins.DOCKER_PLUGIN else "Pulumi's own Python language host"
        progress.say(f"{what} cannot be had from here: a stand-in of ours takes its place until it can")


def _is_missing(tool: Tool) -> bool:
    if binaries.named_by_user(tool, tool.version) is not None:
        return False
    return binaries.source(tool) is None


def _is_stood_in_for(tool: Tool) -> bool:
    if binaries.named_by_user(tool, tool.version) is not None:
        return False
    return launchers.stands_in() if tool is pins.DOCKER_PLUGIN else binaries.source(tool) == binaries.BUILT


def _publisher(tool: Tool) -> Publisher:
    return tool.release.publisher


def _in_reach(within: Mapping[Publisher, float]) -> frozenset[Publisher]:
    """Which publishers answer, all asked at once."""
    with ThreadPoolExecutor(max_workers=len(Publisher)) as pool:
        asked = {one: pool.submit(releases.reachable, one, within=seconds) for one, seconds in within.items()}
        return frozenset(one for one, answer in asked.items() if answer.result())


@contextmanager
def _alone() -> Generator[None]:
    """One preparation at a time per user: two would build and install the same things."""
    places.cache().mkdir(parents=True, exist_ok=True)
    with (places.cache() / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress.say("another preparation is under way; waiting for it to end")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
