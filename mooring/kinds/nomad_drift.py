"""What became of a job since it was registered, in the words of whoever declared it.

Three forms of one job are laid over each other: what the program declares, what the server made of it (with its
defaults, its order, and what it adds by itself), and what it holds now. Whatever is the same in the last two is as
declared, however it is spelt; whatever is not is somebody's doing, also where the program says nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from mooring.clients.answers import Json, rows, table
from mooring.jobs import LEFT_OUT

BOOKKEEPING: Final = {
    struct: frozenset(key.partition(".")[2] for key in LEFT_OUT if key.startswith(f"{struct}."))
    for struct in ("Job", "ScalingPolicy")
}
"""Keys that a server writes into a job for itself, by the struct that has them."""

OURS: Final = "mooring."
"""Begins the keys of a job's meta that are nobody's declaration."""


def observed(declared: Json, ours: Json, live: Json) -> Json:
    """`declared`, with all that is no longer as in `ours`, the server's own form of it, taken from `live`.

    All three are left as they are.
    """
    found: Json = _laid_over(declared, _without_bookkeeping(ours), _without_bookkeeping(live))
    return found


def _without_bookkeeping(job: Json) -> Json:
    kept = {key: value for key, value in job.items() if key not in BOOKKEEPING["Job"]}
    kept["Meta"] = {key: value for key, value in table(job.get("Meta")).items() if not key.startswith(OURS)}
    kept["TaskGroups"] = [_without_policy(table(group)) for group in rows(job.get("TaskGroups"))]
    return kept


def _without_policy(group: Json) -> Json:
    scaling = {
        key: value for key, value in table(group.get("Scaling")).items() if key not in BOOKKEEPING["ScalingPolicy"]
    }
    return {**group, "Scaling": scaling}


def _laid_over(declared: Any, ours: Any, live: Any) -> Any:
    if _same(ours, live):
        return declared
    if isinstance(declared, dict) and isinstance(live, dict):
        return _table_over(table(declared), _if_table(ours), table(live))
    if isinstance(declared, list) and isinstance(live, list):
        return _rows_over(rows(declared), _if_rows(ours), rows(live))
    return live


def _same(one: Any, other: Any) -> bool:
    """Whether a server means the same by both: null, or nothing at all, is how Go says that a value is empty."""
    return one == other if one or other else True


def _table_over(declared: Json, ours: Mapping[str, Any], live: Json) -> Json:
    found: Json = {}
    for key in (*declared, *sorted({*ours, *live} - {*declared})):
        before, now = ours.get(key), live.get(key)
        if key in declared:
            if _same(before, now):
                found[key] = declared[key]
            elif now is not None:  # what is gone is left out
                found[key] = _laid_over(declared[key], before, now)
        elif not _same(before, now):
            found[key] = _said_by_nobody(before, now)
    return found


def _said_by_nobody(before: Any, now: Any) -> Any:
    """What stands in a place of which the program says nothing, as far as it is not what the server put there."""
    if isinstance(now, dict):
        return _table_over({}, _if_table(before), table(now))
    if now is None:
        return type(before)()  # `{}`, `[]`, `0`: a null would not be a value to Pulumi
    return now


def _rows_over(declared: list[Any], ours: Sequence[Any], live: list[Any]) -> list[Any]:
    for name in (_by_name, _by_label):
        if all(map(_all_named(name), (declared, ours, live))):
            return _named_over(
                {name(item): item for item in declared}, *({name(i): i for i in r} for r in (ours, live))
            )
    if len(declared) <= len(ours) == len(live):
        kept = [_laid_over(*three) for three in zip(declared, ours, live, strict=False)]
        beyond = zip(ours[len(declared) :], live[len(declared) :], strict=True)
        added = [now for before, now in beyond if not _same(before, now)]
    else:
        kept = [item for item, before in zip(declared, ours, strict=False) if before in live]
        added = [item for item in live if item not in ours]
    return [*kept, *(_said_by_nobody(None, item) for item in added)]


def _named_over(declared: Json, ours: Json, live: Json) -> list[Any]:
    """Named things are the same by their name, wherever they stand."""
    kept = [_laid_over(item, ours.get(name), live[name]) for name, item in declared.items() if name in live]
    added = {name: item for name, item in live.items() if name not in declared and not _same(ours.get(name), item)}
    return [*kept, *(_said_by_nobody(ours.get(name), item) for name, item in added.items())]


def _if_table(value: Any) -> Json:
    return table(value) if isinstance(value, dict) else {}


def _if_rows(value: Any) -> list[Any]:
    return rows(value) if isinstance(value, list) else []


def _by_name(item: Any) -> Any:
    return _if_table(item).get("Name")


def _by_label(item: Any) -> Any:
    return _if_table(item).get("Label")


def _all_named(name: Callable[[Any], Any]) -> Callable[[Sequence[Any]], bool]:
    """Whether each has a name of its own. Of services Nomad wants that only together with the port."""

    def named(items: Sequence[Any]) -> bool:
        names = [name(item) for item in items]
        return all(names) and len(set(names)) == len(names)

    return named
