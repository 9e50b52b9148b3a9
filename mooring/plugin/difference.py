"""What differs between two nested values, path by path, and how Pulumi is told.

Secrets are compared by value and reported where their wrapper stands, so a diff shows `[secret] => [secret]` for
what changed and stays readable beside it.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum
from typing import Any, Final

from pulumi.runtime.proto import provider_pb2 as pb

from mooring.plugin.wire import Marked, Path, Step, bare, is_list, is_mapping, is_secret, plain

_MISSING: Final = object()
_SIMPLE_KEY: Final = re.compile(r"[A-Za-z_][^.\[\]\"/]*")


class Change(StrEnum):
    ADD = "add"
    DELETE = "delete"
    UPDATE = "update"


_KINDS: Final = {
    Change.ADD: (pb.PropertyDiff.ADD, pb.PropertyDiff.ADD_REPLACE),
    Change.DELETE: (pb.PropertyDiff.DELETE, pb.PropertyDiff.DELETE_REPLACE),
    Change.UPDATE: (pb.PropertyDiff.UPDATE, pb.PropertyDiff.UPDATE_REPLACE),
}


def spelled(path: Path) -> str:
    """`path` in Pulumi's property-path syntax; a key that is no plain word is quoted, as `files["/etc/hosts"].mode`."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif _SIMPLE_KEY.fullmatch(step):
            text += f".{step}" if text else step
        else:
            quoted = step.replace('"', '\\"')  # and no more: Pulumi's parser knows no other escape
            text += f'["{quoted}"]'
    return text


def differences(old: Marked, new: Marked) -> dict[Path, Change]:
    """Every innermost place where `old` and `new` differ as they are written."""
    return differences_in_meaning(old, new, plain(old), plain(new))


def differences_in_meaning(
    old: Marked, new: Marked, old_meaning: Any, new_meaning: Any, path: Path = ()
) -> dict[Path, Change]:
    """Every innermost place where the meanings differ, named by what was written.

    A meaning is the value as its model understands it, with defaults filled in: leaving a default out and writing
    it down mean the same. `old` and `new` are what was written, and only what stands there is named.
    """
    if old_meaning == new_meaning:
        return {}
    is_whole = is_secret(old) or is_secret(new) or not (_matches(old, old_meaning) and _matches(new, new_meaning))
    steps = None if is_whole else _shared_steps(old, new, old_meaning, new_meaning)
    if steps is None:
        return {path: _change(old, new)}
    found: dict[Path, Change] = {}
    for step in steps:
        found |= differences_in_meaning(
            _at(old, step), _at(new, step), _at(old_meaning, step), _at(new_meaning, step), (*path, step)
        )
    return found


def _change(old: Marked, new: Marked) -> Change:
    match old is _MISSING, new is _MISSING:
        case True, False:
            return Change.ADD
        case False, True:
            return Change.DELETE
        case _:
            return Change.UPDATE


def _shared_steps(*values: Any) -> Sequence[Step] | None:
    """The steps from here when all are mappings or all are lists; None when there is nothing to step into."""
    if all(is_mapping(value) for value in values):
        return sorted({key for value in values for key in value})
    if all(is_list(value) for value in values):
        return range(max(len(value) for value in values))
    return None


def _matches(written: Marked, meaning: Any) -> bool:
    """Whether the items of a list stand where they were written: a model may sort them, or drop one."""
    if not (is_list(written) and is_list(meaning)):
        return True
    return len(written) == len(meaning) and all(map(_is_kept, map(bare, written), meaning))


def _is_kept(item: Any, understood: Any) -> bool:
    return type(item) is type(understood) if is_mapping(item) or is_list(item) else item == understood


def _at(value: Any, step: Step) -> Any:
    if isinstance(step, str):
        return value.get(step, _MISSING)
    return value[step] if step < len(value) else _MISSING


def diff_response(
    changes: Mapping[Path, Change], *, identity: Collection[str] = (), delete_first: bool = True
) -> pb.DiffResponse:
    """What Pulumi is told: a change under a name in `identity` makes another thing."""
    fields = sorted({str(path[0]) for path in changes})
    replaced = [name for name in fields if name in identity]
    return pb.DiffResponse(
        changes=pb.DiffResponse.DIFF_SOME if changes else pb.DiffResponse.DIFF_NONE,
        hasDetailedDiff=True,
        diffs=fields,
        replaces=replaced,
        deleteBeforeReplace=delete_first and bool(replaced),
        detailedDiff={
            spelled(path): pb.PropertyDiff(kind=_KINDS[change][path[0] in identity], inputDiff=True)
            for path, change in changes.items()
        },
    )


def patched(written: Marked, old_meaning: Any, new_meaning: Any) -> Marked:
    """`written`, changed only where the meanings differ: how an observed value is put in the caller's own words."""
    if old_meaning == new_meaning:
        return written
    if new_meaning is _MISSING:
        return _MISSING
    if is_secret(written):
        return {**written, "value": patched(bare(written), old_meaning, new_meaning)}
    if is_mapping(written) and is_mapping(old_meaning) and is_mapping(new_meaning):
        values = {
            key: patched(*(_at(value, key) for value in (written, old_meaning, new_meaning)))
            for key in sorted({*written, *old_meaning, *new_meaning})
        }
        return {key: value for key, value in values.items() if value is not _MISSING}
    if is_list(written) and is_list(old_meaning) and is_list(new_meaning) and _matches(written, old_meaning):
        return [
            patched(*(_at(value, index) for value in (written, old_meaning, new_meaning)))
            for index in range(len(new_meaning))
        ]
    return new_meaning
