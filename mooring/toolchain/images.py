"""The images that are made here and pulled from nowhere: the local node's, the base of apps, the registry's.

Each is named by a digest of everything that decides what is in it, so a tag is a pure function of the checkout and
the program can name an image without asking an engine. Made once, an image is kept in the engine and as an archive
in the cache, from which an engine that lost it, or another engine, is given it again.
"""

import hashlib
import json
import os
import re
import shutil
import stat
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from mooring.toolchain import binaries, pins, places, progress
from mooring.toolchain.commands import answer, run
from mooring.toolchain.engine import Engine
from mooring.toolchain.errors import CannotPrepare
from mooring.toolchain.pins import Tool


@dataclass(frozen=True, kw_only=True)
class Image:
    """What is not in a file of images/<name>/."""

    name: str
    what: str
    variant: str | None
    """mmdebstrap's word for how much of Debian it starts from; None: nothing at all."""

    programs: tuple[tuple[Tool, str], ...] = ()
    """Programs of ours and where they go."""

    directories: tuple[str, ...] = ()
    changes: tuple[str, ...] = field(default=())
    """In a Dockerfile's words, as `docker import --change` takes them."""

    seconds: int


MACHINE = Image(
    name="machine",
    what="a Debian machine with systemd, sshd and a Docker engine",
    variant="minbase",
    programs=tuple((tool, f"opt/mooring/bin/{tool.name}-{tool.version}") for tool in (pins.CONSUL, pins.NOMAD)),
    changes=('ENTRYPOINT ["/lib/systemd/systemd"]', "ENV container=docker"),
    seconds=60,
)

NODEJS = Image(
    name="nodejs",
    what="Debian's Node.js, a base for apps",
    variant="extract",
    changes=('CMD ["node"]',),
    seconds=10,
)

REGISTRY = Image(
    name="registry",
    what="the registry and nothing else",
    variant=None,
    programs=((pins.REGISTRY, "bin/registry"),),
    directories=("etc/distribution", "tmp", "var/lib/registry"),
    # Paths and ports as in the official image, which can take this one's place.
    changes=(
        'ENTRYPOINT ["/bin/registry"]',
        'CMD ["serve", "/etc/distribution/config.yml"]',
        "EXPOSE 5000",
        "VOLUME /var/lib/registry",
    ),
    seconds=5,
)

IMAGES = {image.name: image for image in (MACHINE, NODEJS, REGISTRY)}

FORMAT = "1"
"""Raised when this file itself makes images in another way."""


def reference(name: str) -> str:
    """The image's tag, by its recipe alone: contacts nobody."""
    return f"mooring/{name}:{key(_image(name), places.RECIPES / name)}"


def archive(name: str) -> Path:
    """The image as a file: for any engine, by `zstd -dc FILE | docker load`."""
    image = _image(name)
    return places.cache() / "images" / f"{name}-{key(image, places.RECIPES / name)}.tar.zst"


def key(image: Image, recipe: Path) -> str:
    """Of everything that decides what is in an image."""
    found = hashlib.sha256()
    settled = {
        "format": FORMAT,
        "suite": pins.DEBIAN_SUITE if image.variant else None,
        "variant": image.variant,
        "programs": [(tool.name, tool.version, place) for tool, place in image.programs],
        "directories": image.directories,
        "changes": image.changes,
    }
    found.update(json.dumps(settled, sort_keys=True).encode())
    for file in sorted(path for path in recipe.rglob("*") if path.is_file()):
        # Only the executable bit: the rest of a mode depends on the umask of whoever cloned.
        executable = bool(file.stat().st_mode & stat.S_IXUSR)
        found.update(f"\0{file.relative_to(recipe)}\0{executable}\0".encode() + file.read_bytes())
    return found.hexdigest()[:12]


def ready(name: str, engine: Engine) -> bool:
    return engine.has_image(reference(name)) and archive(name).is_file()


def ensure(name: str, engine: Engine, programs_ready: Callable[[], None]) -> None:
    """Let the engine and the cache have an image, from whichever of them has it, else by making it.

    `programs_ready` returns when the programs that go into it are there: a root file system is made beside their
    builds.
    """
    image, wanted, kept = _image(name), reference(name), archive(name)
    quick = f"{image.seconds // 4 + 1} s"
    if engine.has_image(wanted):
        if not kept.is_file():
            with progress.doing(f"image {wanted}", "copying it into the cache", quick, "copied"):
                _keep(engine, wanted, kept)
        return
    if kept.is_file():
        with progress.doing(f"image {wanted}", "loading it from the cache", quick, "loaded"), _unpacked(kept) as tar:
            engine.load_image(tar)
        return
    with progress.doing(f"image {wanted}", f"making {image.what}", f"{image.seconds} s", "made"):
        _make(image, engine, programs_ready)
        _keep(engine, wanted, kept)


def _make(image: Image, engine: Engine, programs_ready: Callable[[], None]) -> None:
    # A root file system is too large for a /tmp in memory, and another user must be able to enter (see below).
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix=f"mooring-{image.name}-") as scratch:
        root = Path(scratch) / "root.tar"
        if image.variant is not None:
            put_debian_together(image, image.variant, Path(scratch), root)
        programs_ready()
        with tarfile.open(root, "a" if root.exists() else "w") as tar:
            for place in image.directories:
                tar.addfile(_entry(place, 0o755, tarfile.DIRTYPE))
            add_programs(tar, image)
        with root.open("rb") as content:
            changes = (f"LABEL org.mooring.image={image.name}", *image.changes)
            engine.import_image(content, reference(image.name), changes)


def add_programs(tar: tarfile.TarFile, image: Image) -> None:
    for tool, place in image.programs:
        program = binaries.locate(tool.name)
        entry = _entry(place, 0o755, tarfile.REGTYPE)
        entry.size = program.stat().st_size
        with program.open("rb") as content:
            tar.addfile(entry, content)


def put_debian_together(image: Image, variant: str, scratch: Path, root: Path, on_top: Sequence[str] = ()) -> None:
    """Write a root file system as the tar `root`: by the image's recipe, and then by those named in `on_top`."""
    # Without root, mmdebstrap works as another user in a namespace, who can enter neither a private temporary
    # directory nor a private home.
    scratch.chmod(0o755)
    recipes = [shutil.copytree(places.RECIPES / name, scratch / "recipes" / name) for name in (image.name, *on_top)]
    run(
        debian_command(recipes, variant, root, acquire=acquire_settings(answer(["apt-config", "dump"]) or "")),
        what=f"image {image.name}: Debian's packages could not be put together",
        stdin="".join(f"{line}\n" for line in _sources()),
        env={"TMPDIR": str(scratch)},
    )


def debian_command(recipes: Sequence[Path], variant: str, root: Path, *, acquire: Sequence[str]) -> list[str]:
    """The argv that makes a root file system; it reads the package sources from its standard input."""
    lines = [line for recipe in recipes for line in (recipe / "packages").read_text().splitlines()]
    packages = [line for line in lines if line and not line.startswith("#")]
    # What is only extracted is never configured, and so has no customize stage.
    stage = "extract" if variant == "extract" else "customize"
    return [
        "mmdebstrap",
        f"--variant={variant}",
        f"--include={','.join(packages)}",
        "--dpkgopt=path-exclude=/usr/share/man/*",
        *(f"--aptopt={setting}" for setting in acquire),
        *(f"--{stage}-hook={recipe / 'customize'}" for recipe in recipes),
        pins.DEBIAN_SUITE,
        str(root),
        "-",
    ]


def acquire_settings(dump: str) -> list[str]:
    """How this machine's apt reaches the archive (proxies, authorities, date checks), from `apt-config dump`."""
    ours = re.compile(r"Acquire::(?:https?|Check)\b[^ ]* \".+\";")
    return [line for line in dump.splitlines() if ours.fullmatch(line)]


def debian_sources(base: str) -> list[str]:
    suite = pins.DEBIAN_SUITE
    return [
        _source(f"{base}/debian", suite),
        _source(f"{base}/debian", f"{suite}-updates"),
        _source(f"{base}/debian-security", f"{suite}-security"),
    ]


def own_sources(index: str) -> list[str]:
    """The sources of the suite that this machine has itself, so that a mirror it is set up with is used here too."""
    found: list[str] = []
    for line in index.splitlines():
        address, release, component, origin = line.split("|")
        if origin == "Debian" and component == "main" and re.fullmatch(rf"{pins.DEBIAN_SUITE}(-.+)?", release):
            found.append(_source(address, release))
    return found if any(f" {pins.DEBIAN_SUITE} " in line for line in found) else []


def _source(address: str, release: str) -> str:
    return f"deb [signed-by={pins.DEBIAN_KEYRING}] {address} {release} main"


def _sources() -> list[str]:
    if named := os.environ.get(pins.DEBIAN_SETTING):
        return debian_sources(named.rstrip("/"))
    wanted = "$(REPO_URI)|$(RELEASE)|$(COMPONENT)|$(ORIGIN)"
    index = answer(["apt-get", "indextargets", "--format", wanted, "Created-By: Packages"])
    return own_sources(index or "") or debian_sources(pins.DEBIAN_URL)


def _entry(name: str, mode: int, kind: bytes) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(f"./{name}")
    entry.type = kind
    entry.mode = mode
    return entry


def _keep(engine: Engine, wanted: str, kept: Path) -> None:
    """Write an archive of the image, whole or not at all."""
    kept.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=kept.parent, prefix=".") as scratch:
        fresh = Path(scratch) / kept.name
        argv = ["zstd", "--quiet", "--threads=0", "-1", "-o", str(fresh)]
        with subprocess.Popen(argv, stdin=subprocess.PIPE) as packing:  # noqa: S603 - argv is ours
            if packing.stdin is None:
                raise AssertionError("a pipe was asked for")
            engine.save_image(wanted, packing.stdin)
            packing.stdin.close()
        if packing.returncode != 0:
            raise CannotPrepare(f"image {wanted}: zstd ended with {packing.returncode}; free disk space would do")
        fresh.replace(kept)


@contextmanager
def _unpacked(kept: Path) -> Generator[IO[bytes]]:
    argv = ["zstd", "--quiet", "--decompress", "--stdout", str(kept)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as unpacking:  # noqa: S603 - argv is ours
        if unpacking.stdout is None:
            raise AssertionError("a pipe was asked for")
        yield unpacking.stdout
    if unpacking.returncode != 0:
        raise CannotPrepare(f"{kept} is damaged; delete it, and it is made again")


def _image(name: str) -> Image:
    if name not in IMAGES:
        raise CannotPrepare(f"no image {name!r} is made here; one of {', '.join(IMAGES)} would do")
    return IMAGES[name]
