"""`python3 -m mooring.toolchain`: runs with the system's Python, before anything is installed."""

import argparse
import sys

if sys.version_info < (3, 11):  # noqa: UP036 - run by whatever python3 is, so that it can say so
    sys.exit(f"Python {sys.version.split()[0]} is too old: set PYTHON to 3.11 or newer")

from mooring.toolchain import engine, environment, hypervisor, progress, virtualenv
from mooring.toolchain.errors import CannotPrepare
from mooring.toolchain.prepare import prepare


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python3 -m mooring.toolchain", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    preparing = commands.add_parser("prepare", help="bring everything that `pulumi up` needs to this machine")
    preparing.add_argument("--install", action="store_true", help="install missing system packages through sudo")
    preparing.add_argument("--stack", help="also bring what this stack needs beside the rest: libvirt for machines")
    preparing.add_argument("--dev", action="store_true", help="also bring what the project's checks and tests need")
    commands.add_parser("env", help="print the environment for a shell")
    commands.add_parser("lock", help="compile requirements.txt and requirements-dev.txt anew")
    commands.add_parser("stop-engine", help="end the Docker engine and libvirt, if `prepare` started them")
    chosen = parser.parse_args(argv)
    try:
        match chosen.command:
            case "prepare":
                prepare(through_sudo=chosen.install, stack=chosen.stack, dev=chosen.dev)
            case "env":
                sys.stdout.write(environment.exports())
            case "lock":
                virtualenv.lock()
            case _:
                if engine.stop():
                    progress.say("the Docker engine that was started for you has ended")
                if hypervisor.stop():
                    progress.say("the libvirt that was started for you has ended")
    except CannotPrepare as problem:
        progress.say(f"error: {problem}")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
