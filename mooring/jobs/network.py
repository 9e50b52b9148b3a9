"""A group's network and the ports that it is given."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Final, Self, cast

from typing_extensions import override

from mooring.jobs.piece import Piece
from mooring.jobs.problem import Problem, joined, within
from mooring.jobs.shape import Json, One, Table, is_list, items_of


@dataclass(frozen=True, kw_only=True)
class Port(Piece):
    """A port of the node: one that the scheduler chooses, unless `static` says which."""

    OF = "Port"
    SPELT: ClassVar = {"static": "Value"}

    to: int = 0
    """Where it leads inside the group's own network; -1: to the same number. 0: nowhere else than to itself."""

    static: int | None = None
    """1 to 65535; only one instance on each node can then have it."""

    host_network: str | None = None
    """Which of the networks that the node's agent names. Nomad: default."""

    def rules(self) -> Iterator[Problem]:
        if self.static is not None and not 0 < self.static <= HIGHEST_PORT:
            yield Problem("static", f"{self.static} is not within 1 and {HIGHEST_PORT}")
        if not -1 <= self.to <= HIGHEST_PORT:
            yield Problem("to", f"{self.to} is not within -1 and {HIGHEST_PORT}")


@dataclass(frozen=True, kw_only=True)
class Dns(Piece):
    """What stands in the tasks' resolv.conf; the node's own when there is none."""

    OF = "DNSConfig"

    servers: Sequence[str] = ()
    """Addresses."""

    searches: Sequence[str] = ()
    """Domains that are tried behind a short name."""

    options: Sequence[str] = ()
    """As `ndots:2`."""


@dataclass(frozen=True, kw_only=True)
class Network(Piece):
    """One for the whole group: its tasks share it, and each of its ports has a name."""

    OF = "NetworkResource"
    SPELT: ClassVar = {"dns": "DNS", "mbits": "MBits"}

    mode: str | None = None
    """`host`: the node's own. `bridge`: one of the group's own. `none`, or `cni/<name>`. Nomad: host."""

    ports: Mapping[str, Port] = field(default_factory=dict[str, Port], metadata={"special": True})
    """By label, which services, checks and tasks name."""

    hostname: str | None = None
    """That the tasks see; with `bridge` only."""

    dns: Dns | None = None
    """Nomad: the node's own."""

    mbits: int | None = None
    """Deprecated since Nomad 0.12: nothing is measured any more."""

    @override
    def to_api(self) -> Json:
        """Nomad keeps static ports in a list of their own."""
        lists: dict[str, list[Json]] = {}
        for label, port in self.ports.items():
            key = "DynamicPorts" if port.static is None else "ReservedPorts"
            lists.setdefault(key, []).append({"Label": label, **port.to_api()})
        return super().to_api() | lists

    @classmethod
    @override
    def said(cls, body: Json, at: str, wrong: list[Problem]) -> dict[str, Any]:
        ports: dict[str, Port] = {}
        for key in LISTS:
            raws: Any = body.get(key) or ()
            # Anything but a list is told as one item that is none.
            for raw in items_of(raws) if is_list(raws) else [raws]:
                label, port = _port(raw, joined(at, "ports"), wrong)
                if key == "DynamicPorts" and not port.get("Value"):
                    port.pop("Value", None)
                if label in ports:
                    wrong.append(Problem(joined(at, "ports", label), "stands there twice"))
                ports[label] = Port.read(port, joined(at, "ports", label), wrong)
        rest = {key: value for key, value in body.items() if key not in LISTS}
        return super().said(rest, at, wrong) | ({"ports": ports} if ports else {})

    @override
    def misfits(self, at: str) -> Iterator[Problem]:
        yield from super().misfits(at)
        yield from PORTS.check(self.ports, joined(at, "ports"))

    @override
    def sound(self) -> Self:
        return replace(super().sound(), ports=PORTS.sound(self.ports, {}))

    def rules(self) -> Iterator[Problem]:
        if self.mode is not None and self.mode not in MODES and not self.mode.startswith("cni/"):
            yield Problem("mode", f"{self.mode!r} is not {', '.join(sorted(MODES))} or cni/<name>")
        for label, port in self.ports.items():
            yield from within(joined("ports", label), port.rules())
        if self.hostname and "${" not in self.hostname and not _is_domain(self.hostname):
            yield Problem("hostname", f"{self.hostname!r} is no name for DNS")


def _port(raw: Any, at: str, wrong: list[Problem]) -> tuple[str, Json]:
    if not isinstance(raw, dict):
        wrong.append(Problem(at, f"{raw!r} is not a mapping"))
        return "", {}
    port = dict(cast("Json", raw))
    return str(port.pop("Label", "")), port


PORTS: Final = Table(One(Port))
LISTS: Final = ("ReservedPorts", "DynamicPorts")
MODES: Final = frozenset({"bridge", "host", "none"})
HIGHEST_PORT: Final = 65535


def collisions(networks: Mapping[str, Network]) -> Iterator[Problem]:
    """Labels and static ports that two of a group's networks, by their paths, both have."""
    labels: set[str] = set()
    taken: dict[str, dict[int, str]] = defaultdict(dict)
    for path, network in networks.items():
        for label, port in network.ports.items():
            at = joined(path, "ports", label)
            if label in labels:
                yield Problem(at, "stands there twice")
            labels.add(label)
            if port.static:
                other = taken[port.host_network or "default"].setdefault(port.static, label)
                if other != label:
                    yield Problem(joined(at, "static"), f"{port.static} is the port of {other}")


def _is_domain(name: str) -> bool:
    labels = name.removesuffix(".").split(".")
    return len(name) < _LONGEST_NAME and all(0 < len(label) < _LONGEST_LABEL for label in labels)


_LONGEST_NAME: Final = 255
_LONGEST_LABEL: Final = 64
