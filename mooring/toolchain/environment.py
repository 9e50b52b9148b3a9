"""The environment that Pulumi and the agents' own programs run in: the one place that decides it.

`environment` is what commands of ours use; `exports` says the same to a shell, so that a plain `pulumi preview` does
what `make preview` does.
"""

import os
import secrets
import shlex
from collections.abc import Mapping
from pathlib import Path

from mooring.toolchain import launchers, places
from mooring.toolchain.errors import CannotPrepare

PASSPHRASE = "PULUMI_CONFIG_PASSPHRASE"  # noqa: S105 - the name of a variable
PASSPHRASE_FILE = "PULUMI_CONFIG_PASSPHRASE_FILE"  # noqa: S105 - the name of a variable

FIXED: Mapping[str, str] = {
    # A refresh before each run takes the program's own provider settings, which change with the state.
    "PULUMI_RUN_PROGRAM": "true",
    "PULUMI_SKIP_UPDATE_CHECK": "true",
    # Plugins come from here, by version and checksum, or not at all.
    "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
}

PARALLEL = "64"
"""Most steps wait for a machine and not for this one; Pulumi's own default, 4 per core, makes them wait in line."""


def binary_directory() -> Path:
    return places.cache() / "bin"


def backend_url() -> str:
    return f"file://{places.state()}"


def passphrase_file() -> Path:
    return places.state() / "passphrase"


def environment(own: Mapping[str, str] | None = None) -> dict[str, str]:
    """What to add to `own` (this process's environment): what the user has set on purpose stays as it is."""
    own = os.environ if own is None else own
    wanted = {
        "PATH": _first_on_path(own.get("PATH", os.defpath)),
        "PULUMI_HOME": str(launchers.pulumi_home()),
        **FIXED,
        "PULUMI_BACKEND_URL": own.get("PULUMI_BACKEND_URL") or backend_url(),
        "PULUMI_PARALLEL": own.get("PULUMI_PARALLEL") or PARALLEL,
    }
    # Pulumi prefers the passphrase itself, even an empty one, so ours must not stand beside it.
    if PASSPHRASE not in own:
        wanted[PASSPHRASE_FILE] = own.get(PASSPHRASE_FILE) or str(passphrase_file())
    return wanted


def exports() -> str:
    """The same for a POSIX shell, with the user's own settings decided when it is loaded."""
    ours = shlex.quote(str(binary_directory()))
    lines = [
        f'case "$PATH" in {ours}:*) ;; *) export PATH={ours}:"$PATH" ;; esac',
        f"export PULUMI_HOME={shlex.quote(str(launchers.pulumi_home()))}",
        *(f"export {name}={shlex.quote(value)}" for name, value in FIXED.items()),
        _unless_set("PULUMI_BACKEND_URL", backend_url()),
        _unless_set("PULUMI_PARALLEL", PARALLEL),
        f'[ -n "${{{PASSPHRASE}+set}}" ] || {_unless_set(PASSPHRASE_FILE, str(passphrase_file()))}',
    ]
    return "".join(f"{line}\n" for line in lines)


def write_exports() -> Path:
    """Keep the environment file as it should be, and say where it is."""
    file = places.private(places.state()) / "environment"
    if not file.is_file() or file.read_text() != exports():
        file.write_text(exports())
    return file


def ensure_passphrase(own: Mapping[str, str] | None = None) -> None:
    """Make the passphrase of a new local backend; never a second one, which could not open what the first closed."""
    own = os.environ if own is None else own
    if PASSPHRASE in own:
        return
    file = Path(own.get(PASSPHRASE_FILE) or passphrase_file())
    if file.is_file():
        return
    if file != passphrase_file():
        raise CannotPrepare(f"{PASSPHRASE_FILE} names {str(file)!r}, which is no file; unset it, or write it")
    if stacks := local_stacks():
        raise CannotPrepare(
            f"the passphrase file {file} is gone, but {places.state()} holds the stacks {', '.join(stacks)}, whose "
            f"secrets only it opens; put it back, or set {PASSPHRASE} or {PASSPHRASE_FILE}"
        )
    places.private(file.parent)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
        opened.write(secrets.token_urlsafe(32))


def local_stacks() -> list[str]:
    """The stacks that the local backend holds, by file name: `pulumi` itself would already ask for the passphrase."""
    found = (places.state() / ".pulumi" / "stacks").glob("**/*.json")
    return sorted({file.stem for file in found})


def _first_on_path(path: str) -> str:
    ours = str(binary_directory())
    return path if path.split(os.pathsep, 1)[0] == ours else f"{ours}{os.pathsep}{path}"


def _unless_set(name: str, value: str) -> str:
    return f'[ -n "${{{name}:-}}" ] || export {name}={shlex.quote(value)}'
