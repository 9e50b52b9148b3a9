"""What was made on a host that goes on living without us, noted on the host itself.

A machine that somebody else owns must be left as it was found, also by a run that was killed before it could tell the
state what it had made, and also when the state is lost. So whatever our scripts make there is noted before it is made,
in a file that only a claimed host has (`mooring.kinds.host_claim`); elsewhere the lines below do nothing.
"""

import shlex
from collections.abc import Iterable, Iterator

FOLDER = "/var/lib/mooring"
"""Ours alone, and gone with the claim."""

MADE = f"{FOLDER}/made"
"""One line each: what kind of thing, and its name."""


def noting_directories(paths: Iterable[str]) -> str:
    """A line that notes those of the directories, and of all above them, that are not there yet."""
    every = sorted({step for path in paths for step in _with_parents(path)})
    names = " ".join(map(shlex.quote, every))
    return f'[ ! -e {MADE} ] || for d in {names}; do [ -e "$d" ] || echo "directory $d" >> {MADE}; done'


def noting_file(path: str) -> str:
    """A line that notes a file that stays when its resource changes, such as a program's old version."""
    return _noting("file", path, f"[ -e {shlex.quote(path)} ]")


def noting_user(name: str) -> str:
    return _noting("user", name, f"id -u {shlex.quote(name)} >/dev/null 2>&1")


def noting_image(reference: str) -> str:
    return _noting("image", reference, f"docker image inspect {shlex.quote(reference)} >/dev/null 2>&1")


def _noting(what: str, name: str, there: str) -> str:
    return f"[ ! -e {MADE} ] || {there} || echo {shlex.quote(f'{what} {name}')} >> {MADE}"


def _with_parents(path: str) -> Iterator[str]:
    steps = path.split("/")[1:]
    for depth in range(1, len(steps) + 1):
        yield f"/{'/'.join(steps[:depth])}"


SWEEP = f"""
[ ! -e {MADE} ] || while read -r what name; do
  case $what in
    file) rm -f -- "$name" ;;
    image) ! docker image inspect "$name" >/dev/null 2>&1 || docker image rm "$name" >/dev/null ;;
    user) ! id -u "$name" >/dev/null 2>&1 || userdel "$name" ;;
  esac || exit 1
done < {MADE}
[ ! -e {MADE} ] || sed -n 's/^directory //p' {MADE} | sort -ru | while read -r name; do
  [ ! -d "$name" ] || rmdir --ignore-fail-on-non-empty -- "$name"
done
rm -rf -- {FOLDER}
"""
"""Takes away what was noted and is still there; a directory that is not empty stays, as what is in it is not ours."""
