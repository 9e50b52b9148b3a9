"""Machines that somebody else made: containers that boot systemd, started by hand, each with an SSH key of its own."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from live.stack import docker

from components.hosts.local import CAPABILITIES
from mooring.clients import ssh
from mooring.clients.errors import Unreachable
from mooring.clients.ssh import Connection
from mooring.kinds.kind import Work
from mooring.kinds.ssh import KeyPairHandler, KeyPairSpec
from mooring.toolchain import images
from mooring.waiting import wait_for

NETWORK = "mooring-lent"
CIDR = "198.18.25.0/24"
FIRST = 21

BARE = """
set -eu
systemctl is-system-running --wait >/dev/null
rm -rf /opt/mooring /etc/sysctl.d/60-mooring.conf
systemctl stop docker.socket docker containerd
DEBIAN_FRONTEND=noninteractive apt-get purge -q -y haproxy zstd containernetworking-plugins %s >/dev/null
apt-get update -q >/dev/null
"""
"""Makes of our machine image one that knows nothing of us."""

WITH_ENGINE = "systemctl start docker"
WITHOUT_ENGINE = """
find /var/lib/docker -mindepth 1 -delete
rm -rf /var/lib/containerd /etc/docker
systemctl daemon-reload
systemctl reset-failed
"""

LISTING = r"""
export LC_ALL=C
cd /
find etc usr opt root home srv var/lib var/spool -xdev \
  \( -path var/lib/apt -o -path var/lib/dpkg -o -path var/lib/docker -o -path var/lib/containerd \
     -o -path var/lib/systemd/random-seed \) -prune -o -printf '%y %m %u %g %p %l\n' | sort
find etc usr/local opt root home srv -xdev -type f ! -path 'etc/*-' ! -path etc/ld.so.cache ! -path etc/.pwd.lock \
  -exec sha256sum {} + | sort -k2
for d in var/lib/docker var/lib/containerd; do [ ! -d $d ] || ls -A $d; done
dpkg-query -W -f '${db:Status-Abbrev} ${Package} ${Version}\n'
apt-mark showmanual
apt-mark showhold
getent passwd
getent group
systemctl list-unit-files --plain --no-legend
systemctl list-units --all --plain --no-legend --state=failed,active --type=service,timer,socket | awk '{print $1,$3}'
ls -A / /run | grep -v -x -e mount
sysctl net.ipv4.tcp_retries2 net.ipv4.tcp_syn_retries
ip -brief address | awk '{print $1,$3}'
if command -v docker >/dev/null; then
  docker image ls -a -q --no-trunc; docker ps -a --format '{{.Names}}'; docker volume ls -q
  docker network ls --format '{{.Name}}'
fi
"""
"""What a machine holds that is not its own bookkeeping: logs, apt's and dpkg's lists, backup copies of /etc/passwd."""


class Lent:
    """Machines by the last part of their host's name."""

    def __init__(self, folder: Path, names: tuple[str, ...]) -> None:
        self.names = names
        self.key_file = folder / "id"
        self._keys = {name: _key() for name in ("", *names)}
        self.key_file.write_text(f"{self._keys['']['private_key'].rstrip()}\n")
        self._folder = folder

    def address(self, name: str) -> str:
        return CIDR.replace("0/24", str(FIRST + self.names.index(name)))

    def host_key(self, name: str) -> str:
        return self._keys[name]["public_key"]

    def connection(self, name: str) -> Connection:
        return Connection(
            address=self.address(name), private_key=self._keys[""]["private_key"], host_key=self.host_key(name)
        )

    def start(self, name: str, *, engine: bool) -> None:
        container = f"{NETWORK}-{name}"
        capabilities = [word for each in CAPABILITIES for word in ("--cap-add", each)]
        options = [f"--security-opt={each}=unconfined" for each in ("seccomp", "apparmor", "systempaths")]
        docker(
            *("create", "--name", container, "--hostname", name, "--network", NETWORK, "--ip", self.address(name)),
            *("--memory", "2g", "--memory-swap", "2g", "--cap-drop", "ALL", *capabilities, *options),
            *("--cgroupns", "host", "-v", "/sys/fs/cgroup:/sys/fs/cgroup:rw", "-v", f"{container}:/var/lib/docker"),
            *("--tmpfs", "/run", "--tmpfs", "/run/lock", "--tmpfs", "/tmp", "-e", "container=docker"),  # noqa: S108
            *("--stop-signal", "SIGRTMIN+3", images.reference("machine")),
        )
        laid = self._folder / name / "etc" / "mooring" / "bootstrap"
        laid.mkdir(parents=True)
        (laid / "ssh_host_ed25519_key").write_text(self._keys[name]["private_key"])
        (laid / "authorized_keys").write_text(f"{self._keys['']['public_key']}\n")
        archive = subprocess.check_output(["tar", "-C", self._folder / name, "--owner=0", "--group=0", "-c", "."])
        subprocess.run(["docker", "cp", "-", f"{container}:/"], input=archive, check=True)
        docker("start", container)
        wait_for(lambda: self._answers(name), f"{name} answers", within=60, every=0.2)
        bare = BARE % ("" if engine else "docker.io containerd runc")
        self.run(name, bare + (WITH_ENGINE if engine else WITHOUT_ENGINE), within=180)

    def shut(self, name: str) -> None:
        """Let this machine reach nothing on it but SSH and a balancer, as a firewall between them would."""
        pid = docker("inspect", "--format", "{{.State.Pid}}", f"{NETWORK}-{name}")
        gateway = CIDR.replace("0/24", "1")
        rule = ["INPUT", "-s", gateway, "-p", "tcp", "--syn", "-m", "multiport", "!", "--dports", "22,80"]
        command = ["nsenter", "--net", "--target", pid, "iptables", "-w", "-I", *rule, "-j", "REJECT"]
        subprocess.run([*command, "--reject-with", "tcp-reset"], check=True)

    def _answers(self, name: str) -> bool | None:
        ssh.forget_silence()
        try:
            return ssh.answer(self.connection(name), "true", within=5).status == 0
        except Unreachable:
            return None

    def run(self, name: str, script: str, within: float = 120) -> str:
        return ssh.run(self.connection(name), f"bash -c {_quoted(script)}", within=within).decode()

    def listing(self, name: str) -> list[str]:
        return self.run(name, LISTING).splitlines()

    def group(self) -> list[str]:
        """As lines of a stack file."""
        return [
            *("    - name: own", "      kind: adopted", "      roles: [server, client, registry, edge]"),
            *(f"      keyFile: {self.key_file}", "      onlySsh: true", "      machines:"),
            *(f"        {n}: {{address: {self.address(n)}, hostKey: {self.host_key(n)}}}" for n in self.names),
        ]


def _quoted(script: str) -> str:
    return "'" + script.replace("'", "'\\''") + "'"


def _key() -> dict[str, str]:
    made = KeyPairHandler().create(KeyPairSpec(), Work(urn="", name="key", project="", stack="")).outputs
    return {"private_key": made["private_key"], "public_key": made["public_key"]}


@contextmanager
def lent(folder: Path, *, with_engine: tuple[str, ...], without: tuple[str, ...]) -> Iterator[Lent]:
    """Machines that are up, and gone afterwards whatever happens."""
    folder.mkdir(mode=0o700, parents=True)
    made = Lent(folder, (*with_engine, *without))
    _sweep(made)
    docker("network", "create", "--subnet", CIDR, NETWORK)
    try:
        for name in made.names:
            made.start(name, engine=name in with_engine)
        yield made
    finally:
        _sweep(made)
        shutil.rmtree(folder)


def _sweep(made: Lent) -> None:
    """Also what a run left that was ended before it could clean up."""
    names = [f"{NETWORK}-{name}" for name in made.names]
    for command in (["rm", "-f"], ["volume", "rm", "-f"]):
        subprocess.run(["docker", *command, *names], check=False, capture_output=True)
    subprocess.run(["docker", "network", "rm", NETWORK], check=False, capture_output=True)
