"""Files and variables that Nomad renders for a task from Consul, Nomad's variables and services, and Vault."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import KW_ONLY, dataclass
from datetime import timedelta
from typing import ClassVar, Literal

from mooring.jobs.piece import Piece
from mooring.jobs.problem import Problem, negatives, outside, spoken, within


@dataclass(frozen=True)
class ChangeScript(Piece):
    """Run inside the task when its template changes."""

    OF = "ChangeScript"

    command: str
    """A path inside the task."""

    _: KW_ONLY
    args: Sequence[str] = ()
    """Handed to it."""

    timeout: timedelta | None = None
    """Nomad: 5 s."""

    fail_on_error: bool | None = None
    """Kill the task when the script fails. Nomad: no."""


@dataclass(frozen=True, kw_only=True)
class Wait(Piece):
    """A change is rendered when nothing more has changed for `min`, and after `max` at the latest."""

    OF = "WaitConfig"

    min: timedelta | None = None
    """Nomad: the agent's own."""

    max: timedelta | None = None
    """Nomad: four times `min`."""

    def rules(self) -> Iterator[Problem]:
        if self.min is not None and self.max is not None and self.min > self.max:
            yield Problem("min", f"{spoken(self.min)} is above the maximum of {spoken(self.max)}")


@dataclass(frozen=True)
class Template(Piece):
    """`Template("local/app.conf", data=…)`."""

    OF = "Template"
    SPELT: ClassVar = {
        "destination": "DestPath",
        "source": "SourcePath",
        "data": "EmbeddedTmpl",
        "env": "Envvars",
        "left_delimiter": "LeftDelim",
        "right_delimiter": "RightDelim",
        "error_on_missing_key": "ErrMissingKey",
    }

    destination: str
    """Relative to the task's folder: below `local/`, or `secrets/`, which is never written to a disk."""

    _: KW_ONLY
    data: str | None = None
    """The template itself, in Consul Template's language."""

    source: str | None = None
    """A file with it instead, on the node: usually one that an artifact has brought."""

    env: bool | None = None
    """The rendered lines `KEY=value` are also the task's environment. Nomad: no."""

    change_mode: Literal["restart", "signal", "script", "noop"] | None = None
    """What the task is told when what was rendered changes. Nomad: restart."""

    change_signal: str | None = None
    """With `signal`. Nomad: SIGHUP."""

    change_script: ChangeScript | None = None
    """With `script`, and required there."""

    splay: timedelta | None = None
    """Wait up to that long, by chance, so that not all instances are told at once. Nomad: 5 s."""

    wait: Wait | None = None
    """Nomad: the agent's own."""

    perms: str | None = None
    """Octal. Nomad: 0644."""

    uid: int | None = None
    """The file's owner. Nomad: the agent's own."""

    gid: int | None = None
    """The file's group. Nomad: the agent's own."""

    left_delimiter: str | None = None
    """Nomad: {{."""

    right_delimiter: str | None = None
    """Nomad: }}."""

    error_on_missing_key: bool | None = None
    """Fail, instead of writing `<no value>`, when a key is missing from a map. Nomad: no."""

    def rules(self) -> Iterator[Problem]:
        if not self.data and not self.source:
            yield Problem("data", "must be given, or source")
        if not self.destination:
            yield Problem("destination", "must be given")
        elif outside(self.destination, below="task"):
            yield Problem("destination", f"{self.destination!r} is outside of the allocation's folder")
        if self.change_mode == "signal" and self.env:
            yield Problem("change_mode", "a running task cannot be told of new variables by a signal")
        if self.change_mode == "script" and (self.change_script is None or not self.change_script.command):
            yield Problem("change_script", "must be given for the change mode script")
        yield from negatives(self, "splay")
        if self.perms and not re.fullmatch("0*[0-7]{1,4}", self.perms):
            yield Problem("perms", f"{self.perms!r} is not octal, as 0644")
        if self.wait is not None:
            yield from within("wait", self.wait.rules())
