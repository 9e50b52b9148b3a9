"""A typed job as it is sent: checked, and with the values that come later in their places."""

from collections.abc import Mapping
from typing import Any

import pulumi

from mooring import jobs
from mooring.clients.answers import rows, table


def body_of(job: jobs.Job, images: Mapping[str, pulumi.Input[str]] | None = None) -> dict[str, Any]:
    """As the API takes it; a task's image that is one of the names in `images` becomes what was pushed under it.

    Raises `pulumi.RunError` with everything that is wrong with the job.
    """
    body = job.to_api()
    if problems := [*job.problems(), *jobs.torn(job)]:
        raise pulumi.RunError("\n".join([f"job {job.id} cannot be run:", *(f"  {problem}" for problem in problems)]))
    found: dict[str, Any] = jobs.resolved(with_images(body, images or {}))
    return found


def with_images(value: Any, images: Mapping[str, pulumi.Input[str]]) -> Any:
    """The job with the image of each task that uses a name of ours; everything else is as it was."""
    match value:
        case {"Config": {"image": str(image)}} if image in images:
            return {**value, "Config": {**value["Config"], "image": images[image]}}
        case dict():
            return {key: with_images(inner, images) for key, inner in table(value).items()}
        case list():
            return [with_images(inner, images) for inner in rows(value)]
        case _:
            return value


def is_checked(job: jobs.Job) -> bool:
    """Whether Consul asks any of its services how it is."""
    return any(
        service.checks
        for group in job.groups
        for service in (*group.services, *(service for task in group.tasks for service in task.services))
        if service.provider != "nomad"
    )
