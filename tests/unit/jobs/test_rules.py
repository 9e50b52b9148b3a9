"""Everything wrong with a job is told at once, in its own words, before anything is contacted."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from unit.jobs.some_jobs import IMAGE, any_of, app, group, job, json, one, seconds, task
from unit.jobs.wrong_jobs import OURS, SERVERS

from mooring.jobs import (
    LEFT_OUT,
    Constraint,
    Docker,
    Group,
    InvalidJob,
    Java,
    Job,
    Network,
    Periodic,
    Port,
    Problem,
    Reschedule,
    Resources,
    Restart,
    Service,
    Task,
    Update,
    problems_of,
    schedule,
)


def told(wrong: Job) -> list[str]:
    return [str(problem) for problem in wrong.problems()]


@pytest.mark.parametrize(("wrong", "sentence"), [*SERVERS, *OURS], ids=[sentence for _, sentence in (*SERVERS, *OURS)])
def test_what_is_wrong_is_told_and_where(wrong: Job, sentence: str) -> None:
    assert any(sentence in line for line in told(wrong))


def test_everything_is_told_at_once() -> None:
    wrong = job(
        priority=0,
        groups=[
            group(
                count=-1,
                restart=Restart(interval=seconds(1)),
                tasks=[task(driver=Docker(IMAGE, privileged=True), resources=Resources(memory=2, cpu=0))],
            )
        ],
    )

    assert {problem.path for problem in wrong.problems()} == {
        "priority",
        "groups.web.count",
        "groups.web.restart.interval",
        "groups.web.tasks.app.driver.privileged",
        "groups.web.tasks.app.resources.memory",
        "groups.web.tasks.app.resources.cpu",
    }


def test_values_of_another_type_are_told_beside_the_rules() -> None:
    lots: Any = "lots"
    thirty: Any = 30
    wrong = job(priority=lots, groups=[group(shutdown_delay=thirty, tasks=[task(resources=Resources(memory=2))])])

    assert told(wrong) == [
        "groups.web.shutdown_delay: 30 is not a timedelta",
        "priority: 'lots' is not a whole number",
        "groups.web.tasks.app.resources.memory: 2 MB is below the minimum of 10 MB",
    ]


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (job(groups={"web": group()}), "groups: {"),
        (job(groups=["web"]), "groups.0: 'web' is no Group"),
        (job(groups=[group(tasks=[Task("app", "docker")])]), "groups.web.tasks.app.driver: 'docker' is no TaskDriver"),  # type: ignore[arg-type]
        (job(meta=["a"]), "meta: ['a'] is not a mapping"),
        (job(meta={"a": 1}), "meta.a: 1 is not text"),
        (job(stop="yes"), "stop: 'yes' is not true or false"),
        (job(priority=True), "priority: True is not a whole number"),
        (job(groups=[group(networks=[Network(ports={"http": 80})])]), "ports.http: 80 is no Port"),  # type: ignore[dict-item]
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_value_of_another_type_is_no_crash(wrong: Job, sentence: str) -> None:
    assert any(sentence in line for line in told(wrong))


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(any_of(Job))
def test_any_job_is_judged(value: Job) -> None:
    assert all(isinstance(problem, Problem) for problem in value.problems())


def test_nothing_is_wrong_with_the_short_form() -> None:
    assert app("hello", IMAGE, datacenter="dc1", port=8080).checked()


def test_a_job_with_something_wrong_is_refused_with_all_of_it() -> None:
    with pytest.raises(InvalidJob, match=r"^priority: .*; groups\.web\.count: -1 is below zero$"):
        job(priority=0, groups=[group(count=-1)]).checked()


def test_unknown_keys_and_broken_rules_are_told_together() -> None:
    body = one(resources=Resources(memory=2)).to_api()
    body["TaskGroups"][0]["Disconnect"] = {"LostAfter": 1}
    body["TaskGroups"][0]["Tasks"][0]["Config"]["pid_mod"] = "host"

    assert [str(problem) for problem in problems_of(body)] == [
        f"groups.web.Disconnect: {LEFT_OUT['TaskGroup.Disconnect']}",
        "groups.web.tasks.app.driver.pid_mod: Nomad knows no such key; did you mean pid_mode?",
        "groups.web.tasks.app.resources.memory: 2 MB is below the minimum of 10 MB",
    ]


def test_a_job_that_is_no_mapping_is_refused() -> None:
    assert [str(problem) for problem in problems_of("job")] == ["'job' is not a mapping"]


def test_max_client_disconnect_is_a_question_of_the_version() -> None:
    lost = job(groups=[group(max_client_disconnect=timedelta(minutes=10))])

    assert lost.problems(nomad="1.7.7")
    assert not lost.problems(nomad="1.8.0")


@pytest.mark.parametrize(
    "cron", ["@daily", "*/5 * * * *", "0 4 1,15 jan-jun mon-fri", "0 0 4 * * sun 2030", "0 4 l * 5#2", "5 4 ? * 7 2030"]
)
def test_a_time_is_any_that_nomad_reads(cron: str) -> None:
    assert not job(type="batch", periodic=Periodic(crons=[cron], time_zone="Europe/Berlin")).problems()


def test_a_periodic_job_that_is_switched_off_may_hold_anything() -> None:
    assert not job(periodic=Periodic(enabled=False, crons=["often"])).problems()


def test_a_regular_expression_that_only_go_reads_is_left_to_the_server() -> None:
    assert not job(constraints=[Constraint("${attr.x}", r"a(?i)b\z", operator="regexp")]).problems()


def test_a_static_port_may_be_taken_once_on_each_of_a_nodes_networks() -> None:
    ports = {"a": Port(static=80), "b": Port(static=80, host_network="private")}

    assert not job(groups=[group(networks=[Network(ports=ports)])]).problems()


def test_a_groups_policy_says_only_what_differs_from_the_jobs() -> None:
    shared = Update(healthy_deadline=timedelta(minutes=20), progress_deadline=timedelta(minutes=30))

    assert not job(update=shared, groups=[group(update=Update(max_parallel=2))]).problems()


@pytest.mark.parametrize(
    ("function", "interval", "fits"),
    [
        ("constant", 90, True),
        ("constant", 89, False),
        ("exponential", 121, True),
        ("exponential", 120, False),
        ("fibonacci", 60, True),
        ("fibonacci", 59, False),
    ],
)
def test_attempts_fit_into_an_interval_as_nomad_reckons(function: Any, interval: int, *, fits: bool) -> None:
    """Three attempts with 30 s before the first; the live test has the same limits of the server itself."""
    policy = Reschedule(
        attempts=3, unlimited=False, interval=seconds(interval), delay=seconds(30), delay_function=function
    )

    assert (not job(reschedule=policy).problems()) is fits


def test_delays_that_have_reached_their_ceiling_add_up() -> None:
    def needs(function: Any, total: int) -> bool:
        policy = Reschedule(
            attempts=6,
            unlimited=False,
            interval=seconds(total),
            delay=seconds(10),
            delay_function=function,
            max_delay=seconds(30),
        )
        return not job(reschedule=policy).problems()

    assert needs("exponential", 141)
    assert not needs("exponential", 140)
    assert needs("fibonacci", 60)
    assert not needs("fibonacci", 59)


@pytest.mark.parametrize("function", ["constant", "exponential", "fibonacci"])
def test_more_attempts_than_time_itself_has_room_for_are_no_crash(function: Any) -> None:
    """Seen once with 55,000 attempts, by the test with any job."""
    policy = Reschedule(
        attempts=10**6,
        unlimited=False,
        interval=timedelta(days=400),
        delay=timedelta(days=300),
        delay_function=function,
        max_delay=timedelta(days=400),
    )
    wrong = job(reschedule=policy, groups=[group(restart=Restart(attempts=10**9, delay=timedelta(days=300)))])

    assert {problem.path for problem in wrong.problems()} == {
        "groups.web.reschedule.interval",
        "groups.web.restart.interval",
    }


def test_a_name_that_is_made_of_variables_is_judged_by_what_becomes_of_it() -> None:
    assert not job(groups=[group(services=[Service("${JOB}-${TASKGROUP}-${meta.x}")])]).problems()
    assert job(groups=[Group("a_b", tasks=[task()], services=[Service()])]).problems()


def test_a_class_of_a_java_program_is_spelt_as_the_driver_spells_it() -> None:
    assert Java(class_="Hello").to_api() == {"class": "Hello"}


def test_a_policy_that_does_not_say_everything_is_not_judged_by_itself() -> None:
    with pytest.raises(TypeError, match="does not say everything"):
        list(Restart(attempts=1).rules())


def test_a_machine_without_time_zones_leaves_them_to_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedule, "available_timezones", set[str])

    assert not job(type="batch", periodic=Periodic(crons=["@daily"], time_zone="Berlin")).problems()


def test_an_unknown_operator_of_a_constraint_is_told_once() -> None:
    body = job().to_api() | {"Constraints": [{"LTarget": "${attr.x}", "RTarget": "1"}]}

    assert [problem.path for problem in problems_of(body)] == ["constraints.0.operator"]


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_whatever_stands_in_the_place_of_a_value_is_no_crash(data: st.DataObject) -> None:
    body = data.draw(st.sampled_from([job.to_api() for job, _ in (*SERVERS, *OURS)]))
    inner: Any = body
    while True:
        key = data.draw(st.sampled_from(sorted(inner) if isinstance(inner, dict) else range(len(inner))))
        if not isinstance(inner[key], (dict, list)) or not inner[key] or data.draw(st.booleans()):
            break
        inner = inner[key]
    inner[key] = data.draw(json)

    assert all(isinstance(problem, Problem) for problem in problems_of(body))
