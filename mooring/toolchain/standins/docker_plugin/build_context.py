"""The folder an image is built from: what belongs to it, its digest, and the archive the engine gets.

Contacts nobody. The digest changes when, and only when, something that the build can see changes: names, kinds,
permissions and contents, never times, owners or where the folder lies.
"""

import hashlib
import os
import stat
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, Self

from docker.utils.build import PatternMatcher

OUTSIDE: Final = ".dockerfile"
"""The name a Dockerfile gets in the archive when it lies outside the context."""


class NoSuchContext(Exception):
    """The program names a folder or Dockerfile that is not there: its author must act."""


@dataclass(frozen=True, kw_only=True)
class BuildContext:
    folder: Path
    dockerfile: Path

    @classmethod
    def of(cls, build: dict[str, Any]) -> Self:
        """The context of an image's `build`, with the official plugin's defaults; relative to the program."""
        folder = Path(build.get("context") or ".")
        dockerfile = Path(build.get("dockerfile") or folder / "Dockerfile")
        if not folder.is_dir():
            raise NoSuchContext(f"the build context {str(folder)!r} is not a folder")
        if not dockerfile.is_file():
            hint = folder / dockerfile
            advice = f"; set dockerfile to {str(hint)!r}" if not dockerfile.is_absolute() and hint.is_file() else ""
            raise NoSuchContext(f"could not open the Dockerfile {str(dockerfile)!r}{advice}")
        return cls(folder=folder, dockerfile=dockerfile)

    @property
    def dockerfile_inside(self) -> str | None:
        """The Dockerfile's name in the context; None when it lies elsewhere."""
        dockerfile, folder = self.dockerfile.resolve(), self.folder.resolve()
        return dockerfile.relative_to(folder).as_posix() if dockerfile.is_relative_to(folder) else None

    @property
    def dockerfile_name(self) -> str:
        """What the engine is told to build by."""
        return self.dockerfile_inside or OUTSIDE

    @property
    def relative_dockerfile(self) -> str:
        return os.path.relpath(self.dockerfile, self.folder)

    def ignored(self) -> list[str]:
        """The patterns of the Dockerfile's own ignore file, else of the context's."""
        for file in (Path(f"{self.dockerfile}.dockerignore"), self.folder / ".dockerignore"):
            if file.is_file():
                return patterns(file.read_text().splitlines())
        return []

    def files(self, exceptions: Sequence[str] = ()) -> list[str]:
        """The names of all that is not ignored, folders too, in an order of their own."""
        matcher = PatternMatcher([*self.ignored(), *(f"!{name}" for name in exceptions)])
        return sorted({Path(name).as_posix() for name in matcher.walk(self.folder)})

    def digest(self) -> str:
        """What tells two contexts apart; the Dockerfile counts even when it is ignored or outside."""
        digest = hashlib.sha256()
        for piece in self._pieces():
            digest.update(len(piece).to_bytes(8))
            digest.update(piece)
        return digest.hexdigest()

    def _pieces(self) -> Iterator[bytes]:
        yield self.dockerfile.read_bytes()
        for name in self.files():
            path = self.folder / name
            mode = path.lstat().st_mode
            if stat.S_ISDIR(mode):
                continue  # as git: a folder is what lies in it
            yield name.encode()
            yield stat.filemode(mode).encode()
            # A link is where it points, not what lies there: that may be outside, or nothing.
            yield os.fsencode(path.readlink()) if stat.S_ISLNK(mode) else _content_digest(path)

    def write_archive(self, target: IO[bytes]) -> None:
        """Write what the engine gets: everybody's files as root's, and the build's own files though ignored."""
        own = [name for name in (self.dockerfile_inside, ".dockerignore") if name]
        with tarfile.open(fileobj=target, mode="w") as tar:
            for name in self.files(exceptions=own):
                tar.add(self.folder / name, arcname=name, recursive=False, filter=_as_root)
            if not self.dockerfile_inside:
                tar.add(self.dockerfile, arcname=OUTSIDE, recursive=False, filter=_as_root)


def patterns(lines: Sequence[str]) -> list[str]:
    """The patterns of an ignore file; a line that starts with # is a comment."""
    return [pattern for line in lines if (pattern := line.strip()) and not pattern.startswith("#")]


def _content_digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _as_root(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return entry
