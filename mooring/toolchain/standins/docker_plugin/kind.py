"""What a kind of Docker resource is to the stand-in: its properties, what a change of them means, and its verbs."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from mooring.plugin.wire import UNKNOWN, Marked, is_list, is_mapping
from mooring.toolchain.standins.docker_plugin.api import DockerApi
from mooring.toolchain.standins.docker_plugin.known import Shape

Props = dict[str, Any]
"""Plain values: secrets unwrapped, whole numbers as `int`."""

_BRIDGE_NOTES: Final = frozenset({"__defaults", "__meta"})
"""Keys the official plugin leaves in a state for itself."""


class Failed(Exception):
    """The engine refused, in its own words: the person must act."""


class NotHealthy(Exception):
    """The thing exists and does not work: it stays in the state, and the next `up` calls `update` on it."""

    def __init__(self, id_: str, reason: str) -> None:
        super().__init__(reason)
        self.id = id_


@dataclass(frozen=True, kw_only=True)
class Work:
    """What surrounds one call of a verb."""

    api: DockerApi
    streams: DockerApi
    """The same engine without a time limit: a build or a push may be silent for as long as it takes."""

    say: Callable[[str], None] = lambda _: None
    """Show one line of progress on the resource's row."""

    cancelled: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True, kw_only=True)
class Made:
    id: str
    outputs: Props


@dataclass(frozen=True, kw_only=True)
class Seen:
    inputs: Props
    """The inputs as they are now; only what can change under the same id is looked at."""

    outputs: Props


class Kind(ABC):
    """The verbs of one kind; each may run beside any other one."""

    token: ClassVar[str]
    word: ClassVar[str]
    """What a program calls it."""

    shape: ClassVar[Shape]

    in_place: ClassVar[frozenset[str]] = frozenset()
    """Inputs that can change without making another thing."""

    defaults: ClassVar[Mapping[str, Any]] = {}
    """What the official plugin fills in: saying it and leaving it out mean the same."""

    drifting: ClassVar[frozenset[str]] = frozenset()
    """Those of `defaults` that are written into the inputs, as somebody may change them behind our back."""

    unordered: ClassVar[frozenset[str]] = frozenset()
    """Inputs whose items have no order."""

    secret_inputs: ClassVar[frozenset[str]] = frozenset()
    """Inputs (dotted) that are kept out of messages even when the program forgot to call them secret."""

    automatic_name: ClassVar[bool] = True

    asks_when_read: ClassVar[bool] = True
    """Whether a read is about what the engine holds; otherwise what was recorded is what is told, engine or none."""

    inputs_are_outputs: ClassVar[bool] = True
    """Whether what the program said can be asked of the resource as well."""

    def completed(self, inputs: dict[str, Marked], plain_inputs: Props) -> dict[str, Marked]:
        """`inputs` as they are recorded; contacts nobody."""
        del plain_inputs
        return {**{name: self.defaults[name] for name in sorted(self.drifting)}, **inputs}

    def problems(self, inputs: Props) -> Iterable[str]:
        """Everything wrong with known properties that the engine would not say, or only once half is made.

        In a preview a value anywhere inside may be the sentinel of what exists only later: that is no problem.
        """
        del inputs
        return ()

    def meaning(self, inputs: Props) -> Props:
        """`inputs` without what makes no difference: two with equal meaning need no change."""
        said = {
            name: _sorted(value) if name in self.unordered else value for name, value in _without_notes(inputs).items()
        }
        return {name: value for name, value in said.items() if self.defaults.get(name, _NO_DEFAULT) != value}

    def changed(self, old: Props, new: Props) -> set[str]:
        """The names of the inputs whose meaning differs."""
        before, after = self.meaning(old), self.meaning(new)
        return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}

    @abstractmethod
    def create(self, props: Props, work: Work) -> Made: ...

    @abstractmethod
    def read(self, id_: str, props: Props, outputs: Props, work: Work) -> Seen | None:
        """What the engine says now; None when the thing is gone."""

    def update(self, id_: str, old: Props, new: Props, outputs: Props, work: Work) -> Props:
        """Make it so in place and return the outputs."""
        raise NotImplementedError(f"{self.word} {id_} has nothing that can change in place")

    @abstractmethod
    def delete(self, id_: str, props: Props, work: Work) -> None:
        """Take it away; succeed when it is already gone."""


_NO_DEFAULT: Final = object()


def _without_notes(value: Any) -> Any:
    if is_mapping(value):
        return {key: _without_notes(item) for key, item in value.items() if key not in _BRIDGE_NOTES}
    return [_without_notes(item) for item in value] if is_list(value) else value


def _sorted(value: Any) -> Any:
    """Lists anywhere inside `value` in one order of their own."""
    if is_list(value):
        return sorted((_sorted(item) for item in value), key=repr)
    return {key: _sorted(item) for key, item in sorted(value.items())} if is_mapping(value) else value


def labels(props: Mapping[str, Any]) -> dict[str, str]:
    return {item["label"]: item.get("value", "") for item in items(props, "labels")}


def items(props: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """The blocks under `name`; none when nobody said it, and none that exist only later."""
    value = props.get(name)
    return [item for item in value if is_mapping(item)] if is_list(value) else []


def block(props: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The one block under `name`; empty when nobody said it, or when it exists only later."""
    value = props.get(name)
    return value if is_mapping(value) else {}


def texts(props: Mapping[str, Any], name: str) -> list[str]:
    """The texts under `name`; none when nobody said it, and none that exist only later."""
    value = props.get(name)
    return [text for text in value if text != UNKNOWN] if is_list(value) else []


def said(**values: Any) -> dict[str, Any]:
    """`values` without those nobody said: the engine then decides."""
    return {name: value for name, value in values.items() if value is not None}


def unsaid(computed: Props, props: Props) -> Props:
    """Those of the `computed` values that the program left to the engine: its own words take precedence."""
    return {name: value for name, value in computed.items() if props.get(name) is None}
