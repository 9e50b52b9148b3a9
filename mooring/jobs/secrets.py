"""What in a running job looks like a secret, and so must not become a literal of a program."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Self, cast

from mooring.jobs.drivers import Docker, Driver, TaskDriver
from mooring.jobs.job import Job
from mooring.jobs.shape import is_list, items_of
from mooring.jobs.task import Task

_NAMES: Final = re.compile(
    r"(^|_|-)(password|passwd|pass|pwd|passphrase|secret|token|credentials?|api_?key|private_?key|secret_?key"
    r"|access_?key|auth_?key|encryption_?key|signing_?key|dsn)(_|-|\d|$)",
    re.IGNORECASE,
)
_LOGIN: Final = re.compile(r"://[^\s/:@]*:[^\s/@]+@")
"""A password in an address."""

_ELSEWHERE: Final = re.compile(r"\$\{[^}]+\}")
"""What Nomad puts in by itself is no secret of the job's text."""


@dataclass(frozen=True)
class Secret:
    """One that was found."""

    key: str
    """Under which a stack's configuration may hold it; once in the job."""

    value: str


class Place(str):
    """Where a secret stood in a job. It reads as text, and in Python it is the expression that gives the secret."""

    __slots__ = ("expression",)

    expression: str

    def __new__(cls, expression: str) -> Self:
        made = super().__new__(cls, "known.later.invalid/secret")
        made.expression = expression
        return made


def without_secrets(job: Job, configuration: str) -> tuple[Job, list[Secret]]:
    """The job with a `Place` for each secret, and the secrets, by keys of the configuration of that name."""
    found: list[Secret] = []

    def place(key: str, value: str) -> Place:
        known = [secret.key for secret in found]
        key = re.sub(r"[^A-Za-z0-9_-]+", "-", key)
        once = next(k for k in (key, *(f"{key}-{n}" for n in range(2, len(known) + 3))) if k not in known)
        found.append(Secret(once, value))
        return Place(f'later(pulumi.Config("{configuration}").require_secret("{once}"))')

    def task(one: Task) -> Task:
        env = {
            name: place(f"{one.name}-{name}", value) if looks_secret(name, value) else value
            for name, value in one.env.items()
        }
        return replace(one, env=env, driver=_driver(one.driver, one.name))

    def _driver(driver: TaskDriver, of: str) -> TaskDriver:
        if isinstance(driver, Docker) and driver.auth is not None and _is_literal(driver.auth.password):
            password = place(f"{of}-registry-password", str(driver.auth.password))
            return replace(driver, auth=replace(driver.auth, password=password))
        if isinstance(driver, Driver):
            return replace(driver, config=_table(driver.config, of))
        return driver

    def _table(values: Mapping[str, Any], of: str) -> dict[str, Any]:
        return {key: _value(key, value, of) for key, value in values.items()}

    def _value(key: str, value: Any, of: str) -> Any:
        if isinstance(value, dict):
            return _table(cast("dict[str, Any]", value), of)
        if is_list(value):
            return [_value(key, item, of) for item in items_of(value)]
        secret = isinstance(value, str) and _NAMES.search(key) and _is_literal(value)
        return place(f"{of}-{key}", value) if secret else value

    groups = [replace(group, tasks=[task(one) for one in group.tasks]) for group in job.groups]
    return replace(job, groups=groups), found


def looks_secret(name: str, value: str) -> bool:
    """Whether a variable is one, by its own name or by a password in an address; a judgement, on the careful side."""
    return _is_literal(value) and bool(_NAMES.search(name) or _LOGIN.search(value))


def _is_literal(value: str | None) -> bool:
    """Whether it is said there, and is not a path or something that Nomad puts in."""
    return bool(value) and not _ELSEWHERE.fullmatch(str(value)) and not str(value).startswith("/")
