"""Jobs to test with: one for each thing that a test is about, and strategies that build any."""

from datetime import timedelta
from functools import cache
from typing import Any

from hypothesis import strategies as st

from mooring.jobs import (
    Check,
    CheckRestart,
    Docker,
    Driver,
    Group,
    GrpcCheck,
    HttpCheck,
    Job,
    Migrate,
    Network,
    Port,
    Reschedule,
    Resources,
    Restart,
    ScriptCheck,
    Service,
    Spread,
    Task,
    TaskDriver,
    TcpCheck,
    Update,
)
from mooring.jobs.drivers import DRIVERS
from mooring.jobs.piece import Piece, has_default, shapes
from mooring.jobs.shape import Length, Many, One, Open, Plain, Shape, Table, Word

IMAGE = "registry.example:5000/web@sha256:0000000000000000000000000000000000000000000000000000000000000000"


def seconds(count: float) -> timedelta:
    return timedelta(seconds=count)


def task(name: str = "app", **changes: Any) -> Task:
    return Task(name, **{"driver": Docker(IMAGE), **changes})


def group(name: str = "web", **changes: Any) -> Group:
    return Group(name, **{"tasks": [task()], **changes})


def job(**changes: Any) -> Job:
    return Job("hello", **{"groups": [group()], **changes})


def one(**changes: Any) -> Job:
    """A job of one task, of which this is different."""
    return job(groups=[group(tasks=[task(**changes)])])


def app(name: str, image: str, *, datacenter: str, port: int) -> Job:
    """A web service, much as the short form `App` makes one."""
    healthy = seconds(90)
    return Job(
        name,
        type="service",
        namespace="default",
        priority=50,
        stop=False,
        datacenters=[datacenter],
        groups=[
            Group(
                name,
                count=3,
                spreads=[Spread("${node.unique.id}", weight=100)],
                networks=[Network(mode="host", ports={"http": Port(to=port)})],
                services=[
                    Service(
                        name,
                        provider="consul",
                        port="http",
                        checks=[
                            HttpCheck(
                                "/",
                                name=f"{name} answers",
                                interval=seconds(1),
                                timeout=seconds(1),
                                check_restart=CheckRestart(3, grace=seconds(10)),
                            )
                        ],
                    )
                ],
                update=Update(
                    max_parallel=1,
                    canary=1,
                    auto_promote=True,
                    auto_revert=True,
                    health_check="checks",
                    min_healthy_time=seconds(2),
                    healthy_deadline=healthy,
                    progress_deadline=seconds(0),
                ),
                restart=Restart(attempts=10, interval=seconds(300), delay=seconds(1), mode="fail"),
                reschedule=Reschedule(
                    attempts=0,
                    interval=seconds(0),
                    delay=seconds(5),
                    delay_function="exponential",
                    max_delay=seconds(60),
                    unlimited=True,
                ),
                migrate=Migrate(
                    max_parallel=1, health_check="checks", min_healthy_time=seconds(2), healthy_deadline=healthy
                ),
                shutdown_delay=seconds(6),
                tasks=[
                    Task(
                        name,
                        Docker(
                            image,
                            ports=["http"],
                            cap_drop=["all"],
                            security_opt=["no-new-privileges"],
                            readonly_rootfs=True,
                        ),
                        user="65534",
                        env={"PORT": str(port)},
                        resources=Resources(cpu=100, memory=128),
                        kill_signal="SIGTERM",
                        kill_timeout=seconds(20),
                    )
                ],
            )
        ],
    )


names = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=6)
json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(names, inner, max_size=2),
    max_leaves=3,
)
times = st.timedeltas(seconds(0), timedelta(days=400))


def values(shape: Shape) -> st.SearchStrategy[Any]:
    match shape:
        case Plain(type=kind):
            found = {str: names, int: st.integers(-5, 70000), bool: st.booleans()}[kind]
        case Word(words=words):
            found = st.sampled_from(words)
        case Length():
            found = times
        case Many(item=item):
            found = st.lists(values(item), max_size=2)
        case Table(item=item):
            found = st.dictionaries(names, values(item), max_size=2)
        case One(piece=piece):
            found = any_of(piece)
        case Open():
            found = json
        case _:
            raise NotImplementedError(shape)
    return found


@cache
def any_of(piece: type[Any]) -> st.SearchStrategy[Any]:
    """Any value of the piece, right or wrong, as long as its types are."""
    if piece is Check:
        return st.one_of(map(any_of, (HttpCheck, TcpCheck, GrpcCheck, ScriptCheck)))
    if piece is TaskDriver:
        return st.one_of(*map(any_of, DRIVERS.values()), st.builds(Driver, names.filter(_is_open), tables))
    return st.deferred(lambda: st.builds(piece, **arguments(piece)))


tables = st.dictionaries(names, json, max_size=2)


def _is_open(name: str) -> bool:
    return name not in DRIVERS


def arguments(piece: type[Piece]) -> dict[str, st.SearchStrategy[Any]]:
    """Most fields are left at their default, as in any job; otherwise a job would be too large to look at."""
    found: dict[str, st.SearchStrategy[Any]] = {}
    for field, shape in shapes(piece):
        said = values(shape)
        default = st.just(field.default_factory() if callable(field.default_factory) else field.default)
        found[field.name] = st.one_of(default, default, default, said) if has_default(field) else said
    if piece is Network:
        found["ports"] = st.dictionaries(names, any_of(Port), max_size=2)
    if piece is Task:
        found["driver"] = any_of(TaskDriver)
    if piece is Job:
        found["groups"] = st.lists(any_of(Group), min_size=1, max_size=2)
    if piece is Group:
        found["tasks"] = st.lists(any_of(Task), min_size=1, max_size=2)
    return found
