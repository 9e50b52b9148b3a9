"""The folder that is Pulumi's home: its two plugins that may be missing, what starts our stand-ins, and no logs.

Pulumi looks for the Python language host beside its own program, and for the Docker plugin in PULUMI_HOME. An
official one that can be had, or that the user names, always takes the place of a stand-in.
"""

import shutil
import tempfile
from pathlib import Path

from mooring.toolchain import binaries, pins, places

LANGUAGE_HOST = "mooring.toolchain.standins.language_host"
DOCKER_PLUGIN = "mooring.toolchain.standins.docker_plugin"

MARK = "# A stand-in written by mooring.toolchain; replaced as soon as the official one can be had."


def launcher(module: str) -> str:
    """A program that starts one stand-in with the virtualenv of the project that Pulumi was called in.

    Pulumi starts plugins in the program's folder, so the project is found by climbing from there, and one cache
    serves any number of checkouts. MOORING_PYTHON is for where no project is above, as when a plugin is asked for
    its schema.
    """
    return f"""#!/bin/sh
{MARK}
directory=$PWD
while [ "$directory" != / ] && [ ! -f "$directory/Pulumi.yaml" ]; do directory=$(dirname "$directory"); done
python=$directory/.venv/bin/python
[ -x "$python" ] || python=${{MOORING_PYTHON:-}}
if [ -z "$python" ]; then
    echo "no Pulumi.yaml with a .venv beside it in or above $PWD; run 'make prepare', or set MOORING_PYTHON" >&2
    exit 1
fi
exec "$python" -P -u -m {module} "$@"
"""


def pulumi_home() -> Path:
    return places.cache() / "pulumi"


def docker_plugin() -> Path:
    """Where Pulumi looks for the version that the SDK asks for."""
    tool = pins.DOCKER_PLUGIN
    return pulumi_home() / "plugins" / f"resource-docker-v{tool.version}" / tool.program


def write_language_host() -> bool:
    """Write the stand-in beside a Pulumi that we built; whether it came into use just now."""
    if binaries.named_by_user(pins.PULUMI, pins.PULUMI.version) or binaries.source(pins.PULUMI) != binaries.BUILT:
        return False
    place = binaries.cached_program(pins.PULUMI, pins.PULUMI.version).with_name("pulumi-language-python")
    return _write(place, launcher(LANGUAGE_HOST))


def write_docker_plugin() -> bool:
    """Put the plugin where Pulumi looks: the user's, else the official, else the stand-in.

    Returns whether the stand-in came into use just now.
    """
    tool = pins.DOCKER_PLUGIN
    official = binaries.named_by_user(tool, tool.version)
    if official is None and binaries.source(tool) == binaries.OFFICIAL:
        official = binaries.cached_program(tool, tool.version)
    place = docker_plugin()
    if official is None:
        return _write(place, launcher(DOCKER_PLUGIN))
    if not (place.is_symlink() and place.readlink() == official):
        place.parent.mkdir(parents=True, exist_ok=True)
        place.unlink(missing_ok=True)
        place.symlink_to(official)
    return False


def stands_in() -> bool:
    """Whether the Docker plugin in place is ours."""
    place = docker_plugin()
    return place.is_file() and not place.is_symlink()


NO_LOGS = """\
A file where Pulumi would make a folder, so that it keeps no log of its own.

Pulumi writes everything that each resource says to a log that no setting turns off: of a preview of 300 jobs that took
more than half of its own work (5.4 s of processor time, 2.1 s without), and up to 500 MB here. What a run did is shown
by the run; `pulumi --logtostderr -v=9` tells the rest when it is asked for.
"""


def keep_no_logs() -> None:
    """Let Pulumi find no folder for its automatic log: it then goes on without one."""
    place = pulumi_home() / "logs"
    if place.is_file():
        return
    shutil.rmtree(place, ignore_errors=True)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(NO_LOGS)


def _write(place: Path, text: str) -> bool:
    if not place.is_symlink() and place.is_file() and place.read_text(errors="replace") == text:
        return False
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=".") as scratch:
        fresh = Path(scratch) / place.name
        fresh.write_text(text)
        fresh.chmod(0o755)
        fresh.replace(place)
    return True
