"""A job in which a value is not known yet is not blamed for it, wherever it stands."""

from collections.abc import Iterable, Iterator
from copy import deepcopy
from datetime import timedelta
from typing import Any, cast

import pytest

from mooring import jobs
from mooring.kinds.nomad_job import JobHandler
from mooring.plugin.inputs import problems
from mooring.plugin.wire import UNKNOWN, secret

Place = tuple[str | int, ...]
SECOND = timedelta(seconds=1)


def shop() -> jobs.Job:
    app = jobs.Task(
        "app",
        jobs.Docker(
            "shop:1",
            ports=["http"],
            mounts=[jobs.DockerMount("/data", type="volume", source="data")],
            logging=jobs.DockerLogging(type="json-file", config={"max-size": "1m"}),
            labels={"org.example.team": "shop"},
        ),
        env={"TOKEN": "one", "a.b": "dotted"},
        resources=jobs.Resources(cpu=100, memory=64, memory_max=128),
        templates=[jobs.Template("local/app.conf", data="x", wait=jobs.Wait(min=SECOND, max=2 * SECOND))],
        artifacts=[jobs.Artifact("https://example.org/a.tgz")],
        constraints=[jobs.Constraint("${attr.kernel.name}", "linux")],
        volume_mounts=[jobs.VolumeMount("data", "/var/data")],
        logs=jobs.LogConfig(max_files=2),
        kill_timeout=SECOND,
    )
    check = jobs.HttpCheck(
        "/ok", interval=SECOND, timeout=SECOND, check_restart=jobs.CheckRestart(limit=3), header={"Accept": ["x"]}
    )
    group = jobs.Group(
        "web",
        count=2,
        networks=[jobs.Network(mode="bridge", ports={"http": jobs.Port(to=8080), "admin": jobs.Port(static=9000)})],
        services=[jobs.Service("shop", port="http", tags=["a"], checks=[check], meta={"x": "y"})],
        volumes={"data": jobs.Volume("data", type="host", read_only=True)},
        update=jobs.Update(max_parallel=1, canary=1, auto_promote=True, healthy_deadline=60 * SECOND),
        restart=jobs.Restart(attempts=2, interval=60 * SECOND, delay=SECOND, mode="fail"),
        reschedule=jobs.Reschedule(delay=5 * SECOND, delay_function="constant", unlimited=True),
        spreads=[jobs.Spread("${node.unique.id}", weight=50)],
        scaling=jobs.Scaling(min=1, max=3),
        meta={"colour": "blue"},
        tasks=[app, jobs.Task("log", jobs.Exec("/bin/log"), lifecycle=jobs.Lifecycle(hook="prestart", sidecar=True))],
    )
    return jobs.Job("shop", datacenters=["dc1"], priority=60, meta={"owner": "shop"}, groups=[group])


def nightly() -> jobs.Job:
    task = jobs.Task("work", jobs.RawExec("/bin/work", args=["a"]), dispatch_payload=jobs.DispatchPayload("in"))
    group = jobs.Group("work", tasks=[task])
    parameterized = jobs.Parameterized(payload="required", meta_required=["customer"])
    return jobs.Job("nightly", type="batch", datacenters=["dc1"], parameterized=parameterized, groups=[group])


JOBS = {"shop": shop().to_api(), "nightly": nightly().to_api()}


def places(value: Any, at: Place = ()) -> Iterator[Place]:
    inside: Iterable[tuple[str | int, Any]] = ()
    if isinstance(value, dict):
        inside = cast("dict[str, Any]", value).items()
    elif isinstance(value, list):
        inside = enumerate(cast("list[Any]", value))
    for step, inner in inside:
        yield (*at, step)
        yield from places(inner, (*at, step))


def inputs(body: Any) -> dict[str, Any]:
    endpoint = {"addresses": ["192.0.2.1"], "port": 4646, "authority": "a", "certificate": "c", "private_key": "k"}
    return {"endpoint": endpoint, "job_id": body["ID"], "job": body}


def unknown_at(body: Any, place: Place, value: Any = UNKNOWN) -> Any:
    body = deepcopy(body)
    inner = body
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = value
    return body


CASES = [
    pytest.param(name, place, id=f"{name} {'.'.join(map(str, place))}")
    for name, body in JOBS.items()
    for place in places(body)
    if place != ("ID",)  # a resource's name, which a program knows
]


@pytest.mark.parametrize("name", JOBS)
def test_the_jobs_are_sound(name: str) -> None:
    assert problems(JobHandler(), inputs(JOBS[name])) == []


@pytest.mark.parametrize(("name", "place"), CASES)
def test_a_value_that_is_not_known_yet_is_nothing_wrong(name: str, place: Place) -> None:
    assert problems(JobHandler(), inputs(unknown_at(JOBS[name], place))) == []
    assert problems(JobHandler(), inputs(unknown_at(JOBS[name], place, secret(UNKNOWN)))) == []


@pytest.mark.parametrize("place", [("Meta", "owner"), ("TaskGroups", 0, "Tasks", 0, "Env", "TOKEN")])
def test_beside_a_text_that_is_not_known_yet_the_rest_is_judged(place: Place) -> None:
    body = unknown_at(JOBS["shop"], ("TaskGroups", 0, "Tasks", 0, "Resources", "MemoryMB"), 2)

    assert [said.partition(": ")[0] for said in problems(JobHandler(), inputs(unknown_at(body, place)))] == [
        "job.groups.web.tasks.app.resources.memory"
    ]


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("groups.web.tasks.app.env.a.b", ("TaskGroups", 0, "Tasks", 0, "Env", "a.b")),
        ("groups.web.tasks.app.resources.memory", ("TaskGroups", 0, "Tasks", 0, "Resources", "MemoryMB")),
        ("groups.web.networks.0.ports.admin.static", ("TaskGroups", 0, "Networks", 0, "ReservedPorts", 0, "Value")),
        ("groups.web.tasks.app.driver.image", ("TaskGroups", 0, "Tasks", 0, "Config", "image")),
        ("groups.web.services.shop.checks.0.path", ("TaskGroups", 0, "Services", 0, "Checks", 0, "Path")),
        ("groups.web.nothing.of.the.kind", ("TaskGroups", 0)),
        ("", ()),
    ],
)
def test_a_path_in_our_words_is_found_in_nomads_form(path: str, place: Place) -> None:
    assert jobs.place_in(JOBS["shop"], path) == place
