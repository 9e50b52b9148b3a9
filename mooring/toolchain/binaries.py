"""Finding a program, and getting it when it is not there yet.

In this order: a path that the user names · the per-user cache · the official release · a build from Go modules. The
program and the commands only ever `locate`: nothing is downloaded in the middle of an `up`.
"""

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from mooring.toolchain import builds, pins, places, progress, releases, virtualenv
from mooring.toolchain.builds import Go
from mooring.toolchain.errors import CannotPrepare, NotPublished
from mooring.toolchain.pins import Licence, Tool

OFFICIAL = "official release"
BUILT = "built from Go modules"


def locate(tool: str, version: str | None = None) -> Path:
    """The program, if it is here already; `version` is the pinned one unless named."""
    wanted = _tool(tool)
    version = version or wanted.version
    if (named := named_by_user(wanted, version)) is not None:
        return named
    cached = cached_program(wanted, version)
    if not cached.is_file():
        raise CannotPrepare(
            f"{tool} {version} is not at {cached}; `make prepare` brings it, and so does naming a program in "
            f"{wanted.setting}"
        )
    return cached


def agent_binary(tool: str, version: str, say: Callable[[str], None] = progress.say) -> Path:
    """A Consul or Nomad of the version that a stack names, fetched if need be.

    The pinned one is there once the machine is prepared. Any other comes as an official release. Of those only the
    `older` ones are built where that cannot be had: any other may be under another licence than the reviewed modules.
    """
    wanted = _tool(tool)
    pins.ordered(version)
    if wanted.licence(version) is Licence.BUSL:
        say(f"{tool} {version} is under {Licence.BUSL}")
    if (named := named_by_user(wanted, version)) is not None:
        return named
    cached = cached_program(wanted, version)
    if cached.is_file() or version == wanted.version:
        return locate(tool, version)
    try:
        with progress.doing(f"{tool} {version}", "downloading the official release", "1 min", "checked"):
            fetch(wanted, version)
    except NotPublished as problem:
        if version not in wanted.older:
            raise CannotPrepare(
                f"{tool} {version} comes as an official release only, and that cannot be had: {problem}; "
                f"version {' or '.join([wanted.version, *wanted.older])} would do"
            ) from problem
        say(f"{tool} {version}: no official release from here: {problem}")
        about = f"{wanted.module.seconds} s" if wanted.module else ""
        with builds.turn(), progress.doing(f"{tool} {version}", "building it from Go modules", about, "built"):
            build(wanted, builds.go(virtualenv.PYTHON, architecture()), version)
        builds.forget()
    return cached


def plugin(tool: Tool, say: Callable[[str], None] = progress.say) -> Path:
    """A plugin of an agent, fetched if need be; raises `CannotPrepare` when its official release cannot be had."""
    if (named := named_by_user(tool, tool.version)) is not None:
        return named
    cached = cached_program(tool, tool.version)
    if not cached.is_file():
        say(f"{tool.name} {tool.version} is wanted by the stack")
        try:
            with progress.doing(tool.name, "downloading the official release", "1 min", "checked"):
                fetch(tool, tool.version)
        except NotPublished as problem:
            raise CannotPrepare(
                f"{tool.name} {tool.version} comes as an official release only, and that cannot be had: {problem}; "
                f"the path of one in {tool.setting} would do, or hosts without that driver"
            ) from problem
    return cached


def cached_program(tool: Tool, version: str) -> Path:
    return _directory(tool, version) / tool.program


def named_by_user(tool: Tool, version: str) -> Path | None:
    """The program that the user names for the pinned version; a path that holds none is refused."""
    named = os.environ.get(tool.setting)
    if not named or version != tool.version:
        return None
    path = Path(named).expanduser().absolute()
    if not (path.is_file() and os.access(path, os.X_OK)):
        raise CannotPrepare(
            f"{tool.setting} names {named!r}, which is no program; the path of {tool.name} {tool.version} would do"
        )
    return path


def source(tool: Tool) -> str | None:
    """Where the cached pinned program came from, None when there is none."""
    if not cached_program(tool, tool.version).is_file():
        return None
    return (_directory(tool, tool.version) / "SOURCE").read_text().strip()


def fetch(tool: Tool, version: str) -> None:
    """Put the official release into the cache; `NotPublished` when it cannot be had."""
    _fill(tool, version, OFFICIAL, lambda into: releases.bring(tool, version, architecture(), into))


def build(tool: Tool, go: Go, version: str | None = None) -> None:
    """Put a program that we build ourselves into the cache; the pinned version unless another is named."""
    module, version = tool.module, version or tool.version
    if module is None:
        raise CannotPrepare(f"{tool.name} {version} cannot be built; a path in {tool.setting} would do")
    _fill(tool, version, BUILT, lambda into: builds.build(tool, version, module, go, into))


def architecture() -> str:
    return pins.architecture(os.uname().machine)


def _fill(tool: Tool, version: str, origin: str, bring: Callable[[Path], None]) -> None:
    """Fill a directory of the cache and only then give it its name: what has the name is whole."""
    directory = _directory(tool, version)
    directory.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory.parent, prefix=".") as scratch:
        fresh = Path(scratch) / "fresh"
        fresh.mkdir()
        bring(fresh)
        (fresh / "SOURCE").write_text(f"{origin}\n")
        if directory.exists():
            directory.rename(Path(scratch) / "replaced")
        fresh.rename(directory)


def _directory(tool: Tool, version: str) -> Path:
    return places.cache() / "bin" / f"{tool.name}-{version}"


def _tool(name: str) -> Tool:
    known = {**pins.TOOLS, **{tool.name: tool for tool in pins.PLUGINS.values()}}
    if name not in known:
        raise CannotPrepare(f"no program {name!r} is pinned; one of {', '.join(known)} would do")
    return known[name]


def link(tool: Tool) -> None:
    """Let `<cache>/bin/<tool>` lead to the program, as that directory is on PATH."""
    target = locate(tool.name)
    place = places.cache() / "bin" / tool.program
    if place.is_symlink() and place.readlink() == target:
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=".") as scratch:
        fresh = Path(scratch) / "link"
        fresh.symlink_to(target)
        fresh.replace(place)


def discard(tool: Tool) -> None:
    shutil.rmtree(_directory(tool, tool.version), ignore_errors=True)
