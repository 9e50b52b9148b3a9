"""What a resource kind of ours is: a spec, the handler that makes it so, and where the plugin finds it.

A kind's file reads Spec → Handler → Resource. The spec is everything a caller says, as a pydantic model; the
handler is a plain class, testable without gRPC; the resource is what programs declare. `register` is the only
link to the plugin, which knows no kind by name.
"""

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Generic, TypeVar

import pulumi
from pydantic import AfterValidator, BaseModel, ConfigDict, TypeAdapter
from typing_extensions import override

from mooring.clients.errors import Unreachable
from mooring.waiting import Clock, SystemClock

__all__ = [
    "REGISTERED",
    "CannotImport",
    "Handler",
    "Made",
    "Names",
    "NotHealthy",
    "NotOurs",
    "Problem",
    "Props",
    "Resource",
    "Seen",
    "Spec",
    "Unreachable",
    "Work",
    "register",
]

Props = dict[str, Any]
"""Plain values: secrets unwrapped, whole numbers as `int`."""


class Spec(BaseModel):
    """Base of every kind's inputs: frozen, and an unknown key is refused by name.

    A union of models names its discriminator, or a mistake in one is told as a mistake in each.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)


Names = Annotated[tuple[str, ...], AfterValidator(lambda names: tuple(sorted(names)))]
"""A set of names; sorted, because servers give them back in an order of their own."""

S = TypeVar("S", bound=Spec)


class NotOurs(Exception):
    """Something else stands where a new resource should go: a person must decide whose it is."""


class CannotImport(Exception):
    """The thing does not become a resource by an import; the message says why, and what to do instead."""


class NotHealthy(Exception):
    """The thing exists but does not work yet: it stays in the state, and the next `up` calls `update` on it."""

    def __init__(self, id_: str, outputs: Props, reasons: Sequence[str]) -> None:
        super().__init__("; ".join(reasons))
        self.id = id_
        self.outputs = outputs
        self.reasons = tuple(reasons)


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing that is wrong with an input, in the caller's words."""

    path: str
    """Where it stands, as `files./etc/hosts.mode`; empty for the resource as a whole."""

    reason: str

    place: tuple[str | int, ...] | None = None
    """The same in the inputs as they are written; None when the path says just that."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """What surrounds one call of a handler."""

    urn: str
    name: str
    """The resource's logical name."""

    project: str
    stack: str
    say: Callable[[str], None] = lambda _: None
    """Show one line of progress on the resource's row; it is gone when the step ends."""

    warn: Callable[[str], None] = lambda _: None
    """Add one warning to the run's diagnostics."""

    tell: Callable[[str], None] = lambda _: None
    """Add one line to what the run says of the resource, and leave it there."""

    cancelled: threading.Event = field(default_factory=threading.Event)
    """Set when the person asked to stop."""

    timeout: float | None = None
    """Seconds that the program allows (`custom_timeouts`); None leaves it to the kind."""

    @property
    def clock(self) -> Clock:
        """For every wait: it ends as soon as the person asks to stop."""
        return SystemClock(self.cancelled)


@dataclass(frozen=True, kw_only=True)
class Made:
    """A thing that now exists and works."""

    id: str
    """Its natural key, never random."""

    outputs: Props = field(default_factory=dict[str, Any])
    """What is known only after it exists; the inputs are added by the plugin."""


@dataclass(frozen=True, kw_only=True)
class Seen(Generic[S]):
    """What a read found."""

    spec: S
    """The observed values in the shape of the inputs: only fields the caller declared."""

    outputs: Props = field(default_factory=dict[str, Any])
    reasons: tuple[str, ...] = ()
    """Why it does not work, when it exists but does not: the next `up` then calls `update`."""


class Handler(ABC, Generic[S]):
    """The verbs of one kind. Each call may run beside any other one, in a thread of its own.

    A create that was interrupted is simply run again: what exists and is exactly what we want becomes ours. What
    exists and differs is a question for a person.
    """

    token: ClassVar[str]
    """The type token, `mooring:<module>:<Name>`; it is contract, as state files hold it."""

    spec: ClassVar[type[Spec]]

    identity: ClassVar[frozenset[str]] = frozenset()
    """Inputs (top-level names) whose change makes another thing: delete, then create."""

    made_beside: ClassVar[bool] = False
    """Whether another thing is made while the old one is still there, which goes last: of what is in use, such as a
    token, and whose identity no two share."""

    access: ClassVar[frozenset[str]] = frozenset()
    """Inputs that say how the thing is reached, not what it is: a change of these alone is no change."""

    foreseen_in_part: ClassVar[frozenset[str]] = frozenset()
    """Inputs (top-level names) of which `foresee` makes sense while values in them are unknown, and are markers."""

    apart: ClassVar[frozenset[str]] = frozenset()
    """Inputs (dotted paths, `*` is every key or index, each with all below it) that `check` judges by themselves alone.

    While any other input is not known yet, what `check` says may be about that one in another place, and has to wait.
    Empty: `check` names the place of whatever it judges.
    """

    secret_inputs: ClassVar[frozenset[str]] = frozenset()
    """Inputs (dotted paths, `files.*.content` for every key or index) that are secret whatever the program said."""

    secret_outputs: ClassVar[frozenset[str]] = frozenset()
    """Outputs (top-level names) that are secret from birth."""

    reached_as: ClassVar[str] = ""
    """The token of the kind whose recorded `access` reaches these things too, as an import knows nothing but an id.

    Empty: things of this kind are not imported.
    """

    perhaps_secret: ClassVar[frozenset[str]] = frozenset()
    """Inputs (as `secret_inputs`) that an import takes for secrets, until a program says whether they are."""

    not_imported: ClassVar[str] = "declare it: what exists and is exactly so becomes the stack's own"
    """Why not, where there is no `reached_as`, and what to do instead."""

    def check(self, spec: S) -> Iterable[Problem]:
        """Everything wrong that the model alone cannot see; contacts nobody.

        In a preview a value that is not known yet is some text; what is said about such a value is not shown.
        """
        del spec
        return ()

    def check_step(self, old: S, new: S) -> Iterable[Problem]:
        """Everything wrong with going from `old`, which is there, to `new`; contacts nobody, and is asked first."""
        del old, new
        return ()

    def renewed(self, changed: frozenset[str]) -> Iterable[str]:
        """Outputs that an update of these inputs gives new values: a preview shows them as not known yet."""
        del changed
        return ()

    def foresee(self, spec: S, work: Work) -> None:
        """Tell, in a preview, what making it so would lead to beyond the difference itself; nothing is written.

        Not asked while a value is unknown. `Unreachable` leaves the preview as it is; any other exception fails it.
        """
        del spec, work

    def same(self, old: S, new: S) -> bool:
        """Whether two specs that are not equal ask for the same thing nevertheless; contacts nobody."""
        del old, new
        return False

    def named(self, id_: str) -> Props:
        """The inputs that an id says, of a kind that is imported; raises `CannotImport` for what is no such id."""
        raise NotImplementedError(f"{self.token} is not imported, so nobody asks what {id_!r} says")

    def imported(self, id_: str, access: Props, work: Work) -> Seen[S] | None:
        """What stands on the server under an id, as a program would say it.

        `access` are the inputs of that name, taken from a resource of the kind `reached_as`. None when there is
        nothing; raises `CannotImport`.
        """
        reached: Props = {}
        for name, value in access.items():
            model: Any = self.spec.model_fields[name].annotation
            reached[name] = TypeAdapter(model).validate_python(value)
        # What the id does not say is missing, so a read that needs more of the spec has an `imported` of its own.
        asked: Any = self.spec.model_construct(**reached, **self.named(id_))
        seen = self.read(id_, asked, {}, work)
        if seen is not None:
            self.complete(id_, seen.spec)
        return seen

    def id_of(self, id_: str, spec: S) -> str:
        """The id that a create would have given to what came in, where an import has to say more."""
        del spec
        return id_

    def complete(self, id_: str, spec: S) -> None:
        """Raise `CannotImport` if there is more on the server than `spec` says, which an update would take away."""

    @abstractmethod
    def create(self, spec: S, work: Work) -> Made:
        """Make it, or adopt what is already exactly so; raise `NotHealthy` when it exists and does not work."""

    @abstractmethod
    def read(self, id_: str, spec: S, outputs: Props, work: Work) -> Seen[S] | None:
        """What the server says now; None when it is gone; `Unreachable` when that could not be told."""

    @abstractmethod
    def update(self, id_: str, old: S, new: S, outputs: Props, work: Work) -> Props:
        """Make it so in place and return the new outputs. Also called, with old == new, to retry an unhealthy one."""

    @abstractmethod
    def delete(self, id_: str, spec: S, outputs: Props, work: Work) -> None:
        """Take it away; succeed when it is already gone."""


REGISTERED: dict[str, Handler[Any]] = {}

H = TypeVar("H", bound=Handler[Any])


def register(handler: type[H]) -> type[H]:
    """Class decorator: let the plugin serve this kind. Importing a kind's module is all that is needed."""
    if handler.token in REGISTERED:
        raise ValueError(f"two kinds claim the token {handler.token}")
    REGISTERED[handler.token] = handler()
    return handler


class Resource(pulumi.CustomResource):
    """Base of what programs declare: the inputs by name, and the outputs that the handler adds."""

    def __init__(
        self,
        handler: type[Handler[Any]],
        name: str,
        inputs: Mapping[str, Any],
        *,
        outputs: Sequence[str] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        # Pulumi resolves only the outputs it is told of; None says "known after it exists".
        super().__init__(handler.token, name, {**inputs, **dict.fromkeys(outputs)}, opts)

    @override
    def translate_output_property(self, prop: str) -> str:
        # The wire has the Python names; without this the SDK would try to re-spell them.
        return prop

    @override
    def translate_input_property(self, prop: str) -> str:
        return prop
