"""`mooring:vm:File`: what virtual machines start from: a base disk, a kernel, an initial ramdisk.

In libvirt's pool a file is named by its content, so one that stands there whole is the right one, and machines made
from different ones stand side by side.
"""

import hashlib
import re
import tempfile
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pulumi
import requests
from pydantic import Field
from typing_extensions import override

from mooring.clients.libvirt import SYSTEM, Libvirt
from mooring.kinds.kind import Handler, Made, Problem, Props, Resource, Seen, Spec, Unreachable, Work, register
from mooring.kinds.vm_network import NAME

ANSWER_WITHIN = 60.0
"""Seconds without a byte, after which a download counts as failed."""

CONTENT_NAMED = re.compile(r"-[0-9a-f]{16}$")


class FileSpec(Spec):
    uri: str = SYSTEM
    pool: str = Field(pattern=NAME)
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,30}$")
    """Before the content's digest, in the name of the file in the pool."""

    source: str
    """An absolute path on the machine that runs this, or an https:// address."""

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class WrongFile(Exception):
    """What was found at the source is not what the checksum says: nothing of it was used."""


def volume_name(name: str, sha256: str) -> str:
    return f"{name}-{sha256[:16]}"


def is_boot_file(volume: str) -> bool:
    """Whether a file of a pool is one of these, and can be had again."""
    return CONTENT_NAMED.search(volume) is not None


@register
class FileHandler(Handler[FileSpec]):
    token = "mooring:vm:File"  # noqa: S105 -- a type token, not a secret
    spec = FileSpec
    identity = frozenset({"pool", "name", "sha256"})
    access = frozenset({"uri", "source"})

    @override
    def check(self, spec: FileSpec) -> Iterable[Problem]:
        if not spec.source.startswith(("/", "https://")):
            yield Problem(path="source", reason=f"must be an absolute path or an https:// address, got {spec.source!r}")

    @override
    def create(self, spec: FileSpec, work: Work) -> Made:
        libvirt = Libvirt(spec.uri)
        name = volume_name(spec.name, spec.sha256)
        if not _whole(libvirt, spec, name):
            with _local(spec, work) as file:
                work.say(f"copying {file.name} into the pool {spec.pool}")
                libvirt.upload(spec.pool, name, file)
        return self._made(libvirt, spec, name)

    @override
    def read(self, id_: str, spec: FileSpec, outputs: Props, work: Work) -> Seen[FileSpec] | None:
        libvirt = Libvirt(spec.uri)
        if spec.pool not in libvirt.pools():
            return None
        found = libvirt.volume(spec.pool, id_.rpartition("/")[2])
        return None if found is None else Seen(spec=spec, outputs={"path": found.path, "format": found.format})

    @override
    def update(self, id_: str, old: FileSpec, new: FileSpec, outputs: Props, work: Work) -> Props:
        return self.create(new, work).outputs

    @override
    def delete(self, id_: str, spec: FileSpec, outputs: Props, work: Work) -> None:
        libvirt = Libvirt(spec.uri)
        if spec.pool not in libvirt.pools():
            return
        name = id_.rpartition("/")[2]
        found = libvirt.volume(spec.pool, name)
        if found is None:
            return
        if users := sorted(_disks_on(libvirt, spec.pool, found.path)):
            # Without it their disks would be a handful of differences to nothing. The pool takes it along at its end.
            work.tell(f"{name} stays in the pool: {', '.join(users)} still stand on it")
            return
        libvirt.remove_volume(spec.pool, name)

    @staticmethod
    def _made(libvirt: Libvirt, spec: FileSpec, name: str) -> Made:
        found = libvirt.volume(spec.pool, name)
        if found is None:
            raise Unreachable(f"{name} was copied into the pool {spec.pool}, and libvirt does not find it there")
        return Made(id=f"{spec.pool}/{name}", outputs={"path": found.path, "format": found.format})


def _disks_on(libvirt: Libvirt, pool: str, path: str) -> Iterable[str]:
    for other in libvirt.volumes(pool):
        found = libvirt.volume(pool, other)
        if found is not None and found.base == path:
            yield other


def _whole(libvirt: Libvirt, spec: FileSpec, name: str) -> bool:
    """Whether it is there already, and not only half, as after a run that was killed."""
    if name not in libvirt.volumes(spec.pool):
        return False
    with tempfile.TemporaryDirectory(dir="/var/tmp") as scratch:
        there = Path(scratch) / name
        libvirt.download(spec.pool, name, there)
        return _digest(there) == spec.sha256


@contextmanager
def _local(spec: FileSpec, work: Work) -> Generator[Path]:
    if spec.source.startswith("/"):
        file = Path(spec.source)
        try:
            found = _digest(file)
        except OSError as error:
            raise WrongFile(f"{file} cannot be read ({error.strerror})") from error
        _must_be(found, spec)
        yield file
        return
    # Not /tmp, which may be memory.
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="mooring-") as scratch:
        file = Path(scratch) / (Path(urlsplit(spec.source).path).name or "download")
        _must_be(_downloaded(spec.source, file, work), spec)
        yield file


def _must_be(found: str, spec: FileSpec) -> None:
    if found != spec.sha256:
        raise WrongFile(f"{spec.source} has SHA-256 {found}, not {spec.sha256}; nothing of it is used")


def _digest(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _downloaded(url: str, file: Path, work: Work) -> str:
    """Bring it and return its digest."""
    found, done = hashlib.sha256(), 0
    try:
        with requests.get(url, stream=True, timeout=ANSWER_WITHIN) as response, file.open("wb") as content:
            response.raise_for_status()
            for chunk in response.iter_content(1 << 20):
                work.clock.sleep(0)
                content.write(chunk)
                found.update(chunk)
                done += len(chunk)
                work.say(f"downloading {url}: {done >> 20} MiB")
    except requests.RequestException as error:
        raise Unreachable(f"{url} cannot be had: {error}") from error
    return found.hexdigest()


class File(Resource):
    """A file in libvirt's pool. `path` is where QEMU finds it, `format` what libvirt found it to be."""

    path: pulumi.Output[str]
    format: pulumi.Output[str]

    def __init__(
        self,
        resource_name: str,
        *,
        pool: pulumi.Input[str],
        name: str,
        source: str,
        sha256: str,
        uri: str = SYSTEM,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        inputs = {"uri": uri, "pool": pool, "name": name, "source": source, "sha256": sha256}
        super().__init__(FileHandler, resource_name, inputs, outputs=("path", "format"), opts=opts)
