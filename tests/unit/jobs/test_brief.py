"""A job as a server tells it, brought back to what somebody would have written."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from unit.jobs.some_jobs import any_of, job, one
from unit.jobs.test_python import made

from mooring.jobs import (
    Affinity,
    CheckRestart,
    Connect,
    Constraint,
    Group,
    HttpCheck,
    Job,
    Migrate,
    Network,
    Port,
    Resources,
    Restart,
    Scaling,
    Service,
    SidecarService,
    TcpCheck,
    Template,
    Update,
    as_python,
)
from mooring.jobs.brief import brief

SECOND: Final = timedelta(seconds=1)

TOLD: Final[Mapping[str, Any]] = json.loads((Path(__file__).parent / "told_1.6.3.json").read_text())
"""Of each job of the corpus what its file says, and what a server of that version told of it after it was registered.

`tests/live/test_jobs.py` asks a running server the same.
"""

SOUND: Final = Service("hello", port="http", checks=[TcpCheck(interval=SECOND, timeout=SECOND)])


@pytest.mark.parametrize("name", TOLD)
def test_what_a_server_tells_is_brought_back_to_what_was_said(name: str) -> None:
    said, told = (Job.from_api(TOLD[name][form]) for form in ("said", "told"))

    assert brief(told) == brief(said)
    assert len(as_python(brief(told))) < len(as_python(told)) / 1.2


@pytest.mark.parametrize("name", TOLD)
def test_its_python_makes_the_same_job_again(name: str) -> None:
    short = brief(Job.from_api(TOLD[name]["told"]))

    assert made(as_python(short)) == short
    assert brief(Job.from_api(made(as_python(short)).to_api())) == short


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(any_of(Job))
def test_what_is_brief_stays_as_it_is(value: Job) -> None:
    assert brief(brief(value)) == brief(value)


def test_what_differs_from_nomads_own_stays() -> None:
    said = one(
        resources=Resources(cpu=200, memory=300),
        kill_timeout=timedelta(seconds=6),
        restart=Restart(attempts=9),
        templates=[Template("local/x", data="x", change_mode="noop", perms="0600")],
    )

    assert brief(said).groups[0].tasks[0] == replace(said.groups[0].tasks[0], resources=Resources(cpu=200))


def test_what_a_job_says_for_all_its_groups_is_said_in_each() -> None:
    said = job(update=Update(canary=1), groups=[Group("a", update=Update(canary=2)), Group("b")])

    assert [group.update for group in brief(said).groups] == [Update(canary=2), Update(canary=1)]
    assert brief(said).update is None


@pytest.mark.parametrize(("type_", "kept"), [("service", None), ("system", Update())])
def test_an_update_policy_that_says_only_the_usual_counts_where_there_would_be_none(type_: Any, kept: Any) -> None:
    said = job(type=type_, groups=[Group("a", update=Update(max_parallel=1))])

    assert brief(said).groups[0].update == kept


def test_a_policy_of_the_usual_is_no_policy() -> None:
    said = job(groups=[Group("a", restart=Restart.default("service"), migrate=Migrate(max_parallel=1))])

    assert brief(said).groups[0] == Group("a")


def test_restarts_are_usual_by_the_type_of_the_job() -> None:
    said = job(type="batch", groups=[Group("a", restart=Restart.default("service"))])

    assert brief(said).groups[0].restart == Restart(attempts=2, interval=timedelta(minutes=30))


@pytest.mark.parametrize("name", [None, "hello-web", "${BASE}"])
def test_a_service_that_is_called_as_it_would_be_needs_no_name(name: str | None) -> None:
    said = job(groups=[Group("web", services=[replace(SOUND, name=name)])])

    assert brief(said).groups[0].services[0].name is None


def test_what_a_service_says_for_its_checks_is_said_by_each() -> None:
    check = HttpCheck("/", interval=SECOND, timeout=SECOND, name='service: "hello" check', on_update="ignore")
    said = replace(SOUND, checks=[check], check_restart=CheckRestart(3, grace=SECOND), on_update="ignore")

    found = brief(job(groups=[Group("web", services=[said])])).groups[0].services[0]

    assert found.check_restart is None
    assert found.on_update == "ignore"
    assert found.checks == (HttpCheck("/", interval=SECOND, timeout=SECOND, check_restart=CheckRestart(3)),)


def test_constraints_that_nomad_derives_are_not_said() -> None:
    by_hand = Constraint("${attr.kernel.name}", "linux")
    derived = Constraint("${attr.consul.version}", ">= 1.7.0", operator="semver")

    assert brief(job(groups=[Group("a", services=[SOUND], constraints=[by_hand, derived])])).groups[0].constraints == (
        by_hand,
    )
    assert brief(job(groups=[Group("a", constraints=[derived])])).groups[0].constraints == (derived,)


def test_a_signal_asks_for_a_node_that_has_it_in_whichever_order() -> None:
    derived = Constraint("${attr.os.signals}", "SIGUSR1,SIGHUP", operator="set_contains")
    said = one(
        kill_signal="SIGUSR1", templates=[Template("local/x", data="x", change_mode="signal", change_signal="SIGHUP")]
    )
    told = replace(said, groups=[replace(said.groups[0], constraints=[derived])])

    assert brief(told) == brief(said)
    assert brief(told).groups[0].constraints == ()


def test_the_proxy_of_a_sidecar_is_nomads_own() -> None:
    connect = Connect(sidecar_service=SidecarService())
    service = Service("api", port="9001", connect=connect)
    said = one(services=[])
    group = replace(said.groups[0], services=[service], networks=[Network(mode="bridge")])
    proxy = replace(group.tasks[0], name="connect-proxy-api", kind="connect-proxy:api")
    told = replace(
        group,
        tasks=[*group.tasks, proxy],
        networks=[Network(mode="bridge", ports={"connect-proxy-api": Port(to=-1, host_network="default")})],
    )

    assert brief(replace(said, groups=[told])) == brief(replace(said, groups=[group]))


def test_a_count_that_scales_starts_from_the_least() -> None:
    scaled = [Group("a", count=2, scaling=Scaling(max=3)), Group("a", scaling=Scaling(min=2, max=3, enabled=True))]

    assert brief(job(groups=[scaled[0]])) == brief(job(groups=[scaled[1]]))
    assert brief(job(groups=[Group("a", count=3, scaling=Scaling(min=2, max=3))])).groups[0].count == 3


def test_weights_of_half_are_the_usual() -> None:
    said = job(affinities=[Affinity("${node.class}", "a", weight=50), Affinity("${node.class}", "b", weight=-50)])

    assert [affinity.weight for affinity in brief(said).affinities] == [None, -50]
