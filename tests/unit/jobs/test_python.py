"""A job can be written down as the Python that makes it."""

import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from unit.jobs.some_jobs import IMAGE, any_of, app, job, one

from mooring.jobs import Constraint, Docker, Driver, Group, Job, Lifecycle, Task, Template, as_python

STACK = Path(__file__).parents[2] / "corpus" / "compose" / "shop.yaml"


def made(source: str) -> Job:
    names: dict[str, Any] = {}
    exec(source, names)  # noqa: S102 -- it is made for that
    found: Job = names["job"]
    return found


def test_the_python_of_a_job() -> None:
    small = Job(
        "hello",
        groups=[
            Group(
                "web",
                shutdown_delay=timedelta(seconds=6),
                tasks=[Task("app", Docker(IMAGE), env={"PORT": "8080"}, lifecycle=Lifecycle("prestart"))],
                constraints=[Constraint(operator="distinct_hosts", value="true")],
            )
        ],
    )

    assert (
        as_python(small)
        == f"""from datetime import timedelta

from mooring.jobs import Constraint, Docker, Group, Job, Lifecycle, Task

job = Job(
    "hello",
    groups=[
        Group(
            "web",
            tasks=[
                Task(
                    "app",
                    Docker(
                        "{IMAGE}",
                    ),
                    env={{"PORT": "8080"}},
                    lifecycle=Lifecycle("prestart"),
                ),
            ],
            constraints=[Constraint(value="true", operator="distinct_hosts")],
            shutdown_delay=timedelta(seconds=6),
        ),
    ],
)
"""
    )


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(any_of(Job))
def test_the_python_of_any_job_makes_that_job(value: Job) -> None:
    assert made(as_python(value)) == value


@pytest.mark.parametrize(
    "text",
    [
        "plain",
        'with "double"',
        "with 'single'",
        "with \"both\" 'kinds'",
        "back\\slash",
        "tab\tümlaut 😀",
        "a\nb\n" * 80,
    ],
)
def test_text_comes_back_as_it_was(text: str) -> None:
    value = one(env={"TEXT": text}, templates=[Template("local/x", data=text)])

    assert made(as_python(value)) == value


@pytest.mark.parametrize(
    ("time", "python"),
    [
        (timedelta(0), "timedelta(0)"),
        (timedelta(minutes=90), "timedelta(minutes=90)"),
        (timedelta(hours=48), "timedelta(days=2)"),
        (timedelta(seconds=1.5), "timedelta(milliseconds=1500)"),
        (timedelta(microseconds=7), "timedelta(microseconds=7)"),
        (timedelta(seconds=-5), "timedelta(seconds=-5)"),
    ],
)
def test_a_time_is_told_in_the_largest_unit_that_is_whole(time: timedelta, python: str) -> None:
    assert python in as_python(one(kill_timeout=time))


def test_what_only_another_driver_knows_is_written_down_as_it_is() -> None:
    value = one(driver=Driver("podman", {"image": "x", "tmpfs": ["/run"], "init": True, "memory": None, "n": 1.5}))

    assert made(as_python(value)) == value


@pytest.mark.parametrize(
    "value",
    [
        job(),
        app("hello", IMAGE, datacenter="dc1", port=8080),
        Job.from_compose(STACK, images={"web": IMAGE}),
    ],
    ids=["small", "short form", "stack"],
)
def test_the_formatter_has_nothing_to_change(value: Job) -> None:
    source = as_python(value)
    ruff = [sys.executable, "-m", "ruff", "format", "--config=line-length=120", "--isolated", "-"]
    formatted = subprocess.run(ruff, input=source, capture_output=True, text=True, check=True).stdout

    assert formatted == source
