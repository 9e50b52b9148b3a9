"""Counts that an autoscaler owns: a group with a `scaling` block says how many to begin with, and no more."""

from collections.abc import Iterator, Mapping
from typing import Any

from mooring.clients.answers import Json, rows, table


def owned(job: Mapping[str, Any]) -> dict[str, tuple[int, int]]:
    """The least and the most of each group whose count is an autoscaler's, by the group's name."""
    return {
        group["Name"]: (int(scaling.get("Min") or 0), int(scaling["Max"]))
        for group in rows(job.get("TaskGroups"))
        if (scaling := table(group.get("Scaling"))).get("Max") is not None and scaling.get("Enabled") is not False
    }


def with_live_counts(job: Json, live: Json | None) -> Json:
    """What to register: with the counts that the autoscaler has chosen, as far as the program's bounds allow them."""
    counts = _counts(table(live))
    return _counted(
        job,
        {name: min(max(counts[name], least), most) for name, (least, most) in owned(job).items() if name in counts},
    )


def with_declared_counts(live: Json, declared: Json) -> Json:
    """What to compare: a count within the bounds is no difference, whatever it is."""
    counts, now = _counts(declared), _counts(live)
    return _counted(
        live,
        {
            name: counts[name]
            for name, (least, most) in owned(declared).items()
            if name in counts and least <= now.get(name, least) <= most
        },
    )


def owned_counts(declared: Json, live: Json) -> Iterator[str]:
    """One line for each group whose count the autoscaler has moved away from what the program begins with."""
    counts, now = _counts(declared), _counts(live)
    for name, (least, most) in owned(declared).items():
        if name in now and now[name] != counts.get(name):
            began = counts.get(name, least)
            yield f"group {name}: {now[name]} instances are the autoscaler's choice ({began} at first, {least}-{most})"


def _counts(job: Mapping[str, Any]) -> dict[str, int]:
    return {group["Name"]: group["Count"] for group in rows(job.get("TaskGroups")) if "Count" in group}


def _counted(job: Json, counts: Mapping[str, int]) -> Json:
    if not counts:
        return job
    groups = [
        {**group, "Count": counts[group["Name"]]} if group["Name"] in counts else group
        for group in rows(job["TaskGroups"])
    ]
    return {**job, "TaskGroups": groups}
