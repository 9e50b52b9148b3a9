"""Single lines of a file on a host that is not ours as a whole: scripts that take the lines from their standard input.

The file is always there as a whole, with the line or without it, as who reads it does so at any moment. Lines are told
apart exactly, and never named in a command: a process list is for everybody.
"""

import shlex

from mooring.kinds import ledger


def adding(path: str, *, directory_mode: str) -> str:
    """Have each line stand in the file, once, which only root may read; its directory is made if it is missing."""
    folder = path.rpartition("/")[0]
    return "\n".join(
        [
            "set -eu",
            ledger.noting_directories([folder]),
            ledger.noting_file(path),
            f"[ -d {shlex.quote(folder)} ] || install -d -m {directory_mode} {shlex.quote(folder)}",
            *_begin(path),
            '{ [ ! -e "$file" ] || grep -vxFf "$lines" "$file" || true; cat "$lines"; } > "$file.new"',
            'mv "$file.new" "$file"',
        ]
    )


def removing(path: str) -> str:
    """Have none of the lines stand in the file; a file without lines goes."""
    return "\n".join(
        [
            "set -eu",
            f"[ -e {shlex.quote(path)} ] || exit 0",
            *_begin(path),
            'grep -vxFf "$lines" "$file" > "$file.new" || true',
            'if [ -s "$file.new" ]; then mv "$file.new" "$file"; else rm -f "$file.new" "$file"; fi',
        ]
    )


def _begin(path: str) -> list[str]:
    return [
        f"file={shlex.quote(path)}",
        "umask 077",
        'lines="$file.$$"',
        "trap 'rm -f \"$lines\"' EXIT",
        'cat > "$lines"',
        # One at a time, and not before the lines are here: two that read the same file would lose each other's.
        'exec 9<"$(dirname "$file")"',
        "flock 9",
    ]
