"""`mooring:host:Survey`: whether machines that somebody else made can be hosts, asked before anything is put on one.

All of them are asked at once, and everything that is wrong is told at once: in a preview already, and again before the
first change.
"""

import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Self

import pulumi
from pydantic import Field
from typing_extensions import override

from mooring.clients import ssh
from mooring.clients.errors import CommandFailed, Unreachable, Untrusted
from mooring.clients.ssh import Connection, WillNotForward
from mooring.kinds import host_claim
from mooring.kinds.kind import Handler, Made, Props, Resource, Seen, Spec, Work, register

DISTRIBUTIONS = {"debian": 12, "ubuntu": 22}
"""The oldest of each whose packages are new enough: systemd 249, HAProxy 2.4, Docker 20.10."""

SKEW = 5.0
"""Seconds. Certificates count from the moment they are made, and a log that is to be read beside another must agree."""

ENGINE = "docker.io"
"""The package that an engine of whatever origin makes needless."""

ASKING = """
set -u
. /etc/os-release
echo "distribution $ID $VERSION_ID"
echo "init $(cat /proc/1/comm)"
echo "state $(timeout 60 systemctl is-system-running --wait 2>/dev/null)"
echo "failed $(systemctl list-units --state=failed --plain --no-legend 2>/dev/null | awk '{print $1}' | paste -sd ' ')"
echo "architecture $(uname -m)"
echo "machine $(cat /etc/machine-id)"
echo "time $(date +%s.%N)"
echo "memory $(awk '/MemTotal/ {print int($2/1024)}' /proc/meminfo)"
echo "disk $(df -Pm /var/lib | awk 'NR==2 {print $4}')"
echo "engine $(docker version --format '{{.Server.Version}}' 2>/dev/null)"
awk 'FNR > 1 && ($4 == "0A" || FILENAME ~ /udp/) {print "port", FILENAME, $2}' \
  /proc/net/tcp /proc/net/tcp6 /proc/net/udp /proc/net/udp6 2>/dev/null
"""


class Demand(Spec):
    """What one machine must offer."""

    ports: dict[str, str] = Field(default_factory=dict[str, str])
    """Which must be free, as `tcp/8501`, and for what."""

    paths: tuple[str, ...] = ()
    """Where nothing may stand yet."""

    packages: tuple[str, ...] = ()
    """That are there or can be had."""

    memory_mib: int = 0
    disk_mib: int = 0
    forwarding: bool = False
    """Its sshd makes connections for us: the only way to what listens on it."""


class SurveySpec(Spec):
    connections: dict[str, Connection]
    demands: dict[str, Demand]
    """By host, as the connections."""


class Unfit(Exception):
    """Machines that cannot be hosts as they are: nothing was touched, mend what is listed and run again."""


@register
class SurveyHandler(Handler[SurveySpec]):
    """Once they are adopted, what is wrong with hosts is told by what stands on them."""

    token = "mooring:host:Survey"  # noqa: S105 -- a type token, not a secret
    spec = SurveySpec
    access = frozenset({"connections"})
    secret_inputs = frozenset({"connections.*.private_key"})

    @override
    def same(self, old: SurveySpec, new: SurveySpec) -> bool:
        # How a host is reached is no difference, and whether it can be is told by whoever tries.
        return _beside_access(old) == _beside_access(new)

    @override
    def foresee(self, spec: SurveySpec, work: Work) -> None:
        # Also asked when a host joins others of which one may be down: that is no reason to show no preview.
        found = surveyed(spec, sorted(spec.demands), work)
        if found.wrong:
            raise Unfit(_told(found.wrong + found.silent))
        for sentence in found.silent:
            work.warn(sentence)

    @override
    def create(self, spec: SurveySpec, work: Work) -> Made:
        _refuse(spec, sorted(spec.demands), work)
        return Made(id=f"{work.project}/{work.stack}")

    @override
    def read(self, id_: str, spec: SurveySpec, outputs: Props, work: Work) -> Seen[SurveySpec]:
        return Seen(spec=spec)

    @override
    def update(self, id_: str, old: SurveySpec, new: SurveySpec, outputs: Props, work: Work) -> Props:
        _refuse(new, sorted(name for name, demand in new.demands.items() if old.demands.get(name) != demand), work)
        return {}

    @override
    def delete(self, id_: str, spec: SurveySpec, outputs: Props, work: Work) -> None:
        """Nothing was made."""


@dataclass(frozen=True, kw_only=True)
class Found:
    wrong: list[str]
    silent: list[str]
    """Machines that did not answer, of which nothing is known."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What a machine said of itself."""

    said: Mapping[str, str]
    ports: frozenset[str]
    present: frozenset[str]
    """Of the paths that were asked about."""

    packages: Mapping[str, str]
    """`installed`, `available` or `unknown`."""

    holder: str | None
    skew: float
    """Seconds by which its clock is ahead of ours, as far as the way there lets tell."""

    no_way: str | None = None
    """Why its sshd would connect us to nothing there."""

    @classmethod
    def parse(cls, text: str, holder: str | None, asked: float, answered: float) -> Self:
        lines = [line.partition(" ")[::2] for line in text.splitlines()]
        said = {key: value for key, value in lines if key not in ("port", "path", "package")}
        ahead = float(said["time"]) - (asked + answered) / 2
        doubt = (answered - asked) / 2
        return cls(
            said=said,
            ports=frozenset(_port(value) for key, value in lines if key == "port"),
            present=frozenset(value for key, value in lines if key == "path"),
            packages={value.split()[0]: value.split()[1] for key, value in lines if key == "package"},
            holder=holder,
            skew=max(abs(ahead) - doubt, 0.0),
        )


def surveyed(spec: SurveySpec, names: Sequence[str], work: Work) -> Found:
    """Ask the named machines at once."""
    if not names:
        return Found(wrong=[], silent=[])
    work.say(f"looking at {', '.join(names)}")
    with ThreadPoolExecutor(min(len(names), 32)) as pool:
        answers = dict(zip(names, pool.map(partial(_asked, spec), names), strict=True))
    facts = {name: answer for name, answer in answers.items() if isinstance(answer, Facts)}
    wrong = [
        f"{name} ({spec.connections[name].address}): {sentence}"
        for name, answer in answers.items()
        for sentence in (
            complaints(answer, spec.demands[name], host_claim.stack(work))
            if isinstance(answer, Facts)
            else [str(answer)]
            if not isinstance(answer, Unreachable)
            else []
        )
    ]
    return Found(
        wrong=[*wrong, *_twice({name: fact.said["machine"] for name, fact in facts.items()})],
        silent=[f"{name}: {answer}" for name, answer in answers.items() if isinstance(answer, Unreachable)],
    )


def complaints(facts: Facts, demand: Demand, stack: str) -> Iterator[str]:
    """Everything that keeps a machine from being a host of `stack`, with what would do."""
    yield from _as_a_machine(facts)
    yield from _for_its_roles(facts, demand)
    # A run that was killed here has left our own agents and files.
    if facts.holder != stack:
        yield from _in_the_way(facts, demand)


def _as_a_machine(facts: Facts) -> Iterator[str]:
    name, version = facts.said["distribution"].split()
    oldest = DISTRIBUTIONS.get(name)
    if oldest is None or float(version) < oldest:
        yield f"runs {name} {version}; Debian 12 or Ubuntu 22.04 or later would do"
    if facts.said["init"] != "systemd":
        yield f"was booted by {facts.said['init']}; a machine with systemd would do"
    elif facts.said["state"] != "running":
        failed = facts.said["failed"] or "no unit failed"
        yield f"systemd says {facts.said['state']} ({failed}); mend that first, or `systemctl reset-failed` it"
    if facts.said["architecture"] != platform.machine():
        yield f"is {facts.said['architecture']}, the programs here are for {platform.machine()}"
    if facts.skew > SKEW:
        yield f"its clock is {facts.skew:.0f} s off; let it be kept, as by systemd-timesyncd"
    if facts.no_way is not None:
        yield facts.no_way


def _for_its_roles(facts: Facts, demand: Demand) -> Iterator[str]:
    if int(facts.said["memory"]) < demand.memory_mib:
        yield f"has {facts.said['memory']} MiB of memory; its roles need {demand.memory_mib}"
    if int(facts.said["disk"]) < demand.disk_mib:
        yield f"has {facts.said['disk']} MiB free under /var/lib; its roles need {demand.disk_mib}"
    unknown = [p for p, state in facts.packages.items() if state == "unknown" and not (p == ENGINE and _engine(facts))]
    if unknown:
        yield f"knows no package {', '.join(unknown)}; `apt-get update`, or a source that has it, would do"


def _in_the_way(facts: Facts, demand: Demand) -> Iterator[str]:
    if facts.holder is not None:
        yield f"is lent to the stack {facts.holder}; take it away there first"
    for port, use in sorted(demand.ports.items()):
        if port in facts.ports:
            yield f"port {port} is in use; {use} needs it"
    if facts.present:
        yield f"something stands at {', '.join(sorted(facts.present))}; move it away, or choose another machine"


def _engine(facts: Facts) -> bool:
    return bool(facts.said["engine"])


def _asked(spec: SurveySpec, name: str) -> Facts | Exception:
    where, demand = spec.connections[name], spec.demands[name]
    try:
        holder = host_claim.holder_of(where)
        before = time.time()
        text = ssh.run(where, asking(demand)).decode()
        after = time.time()
        no_way = _no_way(where) if demand.forwarding else None
    except CommandFailed as error:
        hint = "" if where.user == "root" else f"; {where.user} must be root's equal by `sudo` without a password"
        return CommandFailed(f"{error}{hint}")
    except (Unreachable, Untrusted) as error:
        return error
    return replace(Facts.parse(text, holder, before, after), no_way=no_way)


def _no_way(where: Connection) -> str | None:
    """Why sshd makes no connections for us: asked by having it connect to itself, as a key may be barred as well."""
    try:
        ssh.dial(where, "127.0.0.1", where.port, within=5).close()
    except WillNotForward as refused:
        return str(refused)
    except Unreachable:
        return None  # it listens elsewhere; it would have forwarded
    return None


def _beside_access(spec: SurveySpec) -> dict[str, Demand]:
    return {name: demand.model_copy(update={"forwarding": False}) for name, demand in spec.demands.items()}


def asking(demand: Demand) -> str:
    """The script that prints a machine's facts, one on a line."""
    paths = [f"[ ! -e {path} ] || echo path {path}" for path in demand.paths]
    packages = [
        f"echo package {name} $(if [ \"$(dpkg-query -W -f '${{db:Status-Status}}' {name} 2>/dev/null)\" = installed ]; "
        f'then echo installed; elif [ -n "$(apt-cache show {name} 2>/dev/null | head -1)" ]; then echo available; '
        f"else echo unknown; fi)"
        for name in demand.packages
    ]
    return "\n".join([ASKING, *paths, *packages])


def _port(words: str) -> str:
    file, _, address = words.partition(" ")
    protocol = file.rpartition("/")[2].removesuffix("6")
    return f"{protocol}/{int(address.rpartition(':')[2], 16)}"


def _twice(machines: Mapping[str, str]) -> Iterator[str]:
    for id_ in sorted(set(machines.values())):
        same = sorted(name for name, machine in machines.items() if machine == id_)
        if len(same) > 1:
            yield f"{' and '.join(same)} are one machine, or clones of one: /etc/machine-id is {id_} on each"


def _refuse(spec: SurveySpec, names: Sequence[str], work: Work) -> None:
    found = surveyed(spec, names, work)
    if found.wrong or found.silent:
        raise Unfit(_told(found.wrong + found.silent))


def _told(sentences: Sequence[str]) -> str:
    return "\n".join(["these machines cannot be hosts as they are:", *(f"  {sentence}" for sentence in sentences)])


class Survey(Resource):
    """There once every machine was found fit."""

    def __init__(
        self,
        resource_name: str,
        *,
        connections: pulumi.Input[Mapping[str, Any]],
        demands: pulumi.Input[Mapping[str, Any]],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(SurveyHandler, resource_name, {"connections": connections, "demands": demands}, opts=opts)
