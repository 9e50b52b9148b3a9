"""Files and directories on a host: one script that puts them there, one that looks at them.

Both go over in a single command with a tar archive on its standard input or output, so that contents, which may be
secret, never stand in a process list, and a host costs one round trip whatever the number of files.
"""

import io
import shlex
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated

from pydantic import Field

from mooring.clients import ssh
from mooring.clients.ssh import Connection
from mooring.kinds import ledger
from mooring.kinds.kind import Problem, Spec

Mode = Annotated[str, Field(pattern=r"^0[0-7]{3}$")]


class File(Spec):
    content: str = Field(repr=False)
    mode: Mode = "0644"
    owner: str = "root"
    group: str = "root"


class Directory(Spec):
    mode: Mode = "0755"
    owner: str = "root"
    group: str = "root"


Files = Mapping[str, File]
Directories = Mapping[str, Directory]


def path_problems(field: str, paths: Iterable[str]) -> Iterator[Problem]:
    for path in paths:
        if not path.startswith("/") or path.endswith("/") or ".." in path.split("/"):
            yield Problem(path=f"{field}.{path}", reason="must be an absolute path without '..' and a closing slash")


def archive(files: Files) -> bytes:
    """The files as a tar archive, owners by name; the same files give the same bytes."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for path, file in sorted(files.items()):
            content = file.content.encode()
            entry = tarfile.TarInfo(path.lstrip("/"))
            entry.size = len(content)
            entry.mode = int(file.mode, 8)
            entry.uname, entry.gname = file.owner, file.group
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def placing(files: Files, directories: Directories) -> str:
    """The script that makes directories and unpacks the archive of `files` from its standard input."""
    parents = sorted({path.rpartition("/")[0] for path in files} - {"", *directories})
    made = [ledger.noting_directories([*parents, *directories])] if parents or directories else []
    made += [
        f"install -d -m {d.mode} -o {shlex.quote(d.owner)} -g {shlex.quote(d.group)} {shlex.quote(path)}"
        for path, d in sorted(directories.items())
    ]
    made += [f"mkdir -p -m 0755 {' '.join(map(shlex.quote, parents))}"] if parents else []
    # --no-overwrite-dir: tar would otherwise set the mode of / and /etc to what it thinks they should be, and with /
    # closed to others every service that is not root's dies. What exists is unlinked first, which is tar's own way.
    return "\n".join([*made, "tar -x -p --same-owner --no-overwrite-dir -C / -f -"])


def judging(command: str) -> str:
    """The script that runs `command` on the files of the archive on its standard input; they are gone afterwards.

    `{root}` in the command is where they are: on a file system in memory, as they may be secret.
    """
    staged = "root=$(mktemp -d /run/mooring-judge.XXXXXX)\ntrap 'rm -rf -- \"$root\"' EXIT"
    return f'set -eu\n{staged}\ntar -x -p -C "$root" -f -\n{command.replace("{root}", "$root")}'


def looking(paths: Iterable[str]) -> str:
    """The script that prints those of `paths` that exist as a tar archive."""
    names = " ".join(shlex.quote(path.lstrip("/")) for path in sorted(paths))
    return f"cd / && tar -c --no-recursion --ignore-failed-read -f - -- {names} 2>/dev/null || true"


def found(archived: bytes) -> tuple[dict[str, File], dict[str, Directory]]:
    """What the archive that `looking` printed holds; anything but plain files and directories counts as absent."""
    files: dict[str, File] = {}
    directories: dict[str, Directory] = {}
    with tarfile.open(fileobj=io.BytesIO(archived), mode="r:") as tar:
        for entry in tar:
            path, mode = f"/{entry.name.rstrip('/')}", f"{entry.mode & 0o7777:04o}"
            if entry.isdir():
                directories[path] = Directory.model_construct(mode=mode, owner=entry.uname, group=entry.gname)
            elif entry.isfile() and (stream := tar.extractfile(entry)):
                files[path] = File.model_construct(
                    content=stream.read().decode(errors="backslashreplace"),
                    mode=mode,
                    owner=entry.uname,
                    group=entry.gname,
                )
    return files, directories


def look(
    where: Connection, files: Iterable[str], directories: Iterable[str] = ()
) -> tuple[dict[str, File], dict[str, Directory]]:
    """What stands at these paths on the host now."""
    return found(ssh.run(where, looking([*files, *directories])))


def strangers(present: Mapping[str, File], wanted: Files) -> list[str]:
    """The paths where something stands that is not exactly what is wanted."""
    return [path for path, file in sorted(present.items()) if path in wanted and file != wanted[path]]


def removing(files: Iterable[str], directories: Iterable[str]) -> str:
    """The script that removes the files, and those of the directories that are empty then, deepest first."""
    lines = [f"rm -f -- {shlex.quote(path)}" for path in sorted(files)]
    lines += [
        f"rmdir --ignore-fail-on-non-empty -- {shlex.quote(path)} 2>/dev/null || true"
        for path in sorted(directories, reverse=True)
    ]
    return "\n".join(lines)
