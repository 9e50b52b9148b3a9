"""The job that an app becomes."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pulumi
import pytest
from fakes.engine import Engine

from components.access import NomadAccess
from components.app import App, AppArgs, job, job_before
from components.timings import Profile, timings
from mooring import jobs
from mooring.plugin.wire import plain

PACE = timings([], clients=3)
IMAGE = "registry:5000/hello@sha256:" + "0" * 64


def app(**said: Any) -> jobs.Job:
    return job("hello", IMAGE, "dc1", AppArgs(**{"port": 8080, "health": "/healthz", **said}))


def group(**said: Any) -> jobs.Group:
    (only,) = app(**said).groups
    return only


def task(**said: Any) -> jobs.Task:
    return group(**said).tasks[0]


def test_an_app_heals_by_default() -> None:
    update = group().update

    assert update is not None
    assert (update.auto_revert, update.canary, update.progress_deadline) == (True, 1, timedelta(0))


def test_a_failing_check_restarts_the_instance() -> None:
    (check,) = group().services[0].checks

    assert check.check_restart == jobs.CheckRestart(4, grace=timedelta(seconds=10))


def test_an_instance_serves_on_until_every_balancer_has_forgotten_it() -> None:
    assert group().shutdown_delay == timedelta(seconds=PACE.forgotten_within)


def test_emulated_servers_have_patient_checks_and_deployments() -> None:
    careful = group(pace=timings([], clients=3, profile=Profile.CAREFUL))
    (check,) = careful.services[0].checks

    assert (check.interval, check.timeout) == (timedelta(seconds=5), timedelta(seconds=4))
    assert careful.update is not None
    assert careful.update.healthy_deadline == timedelta(seconds=420)


def test_another_health_path_comes_by_canary() -> None:
    """Services are changed in place, in every instance at once: seen on 2026-11-24 as an outage of all three."""
    assert group(health="/ready").meta != group().meta


def test_max_client_disconnect_is_never_used() -> None:
    """It can send a Nomad 1.6.3 client into a panic loop."""
    assert group().max_client_disconnect is None


def test_the_task_runs_as_nobody_with_nothing_it_could_do_to_its_host() -> None:
    driver = task().driver

    assert task().user == "65534"
    assert isinstance(driver, jobs.Docker)
    assert tuple(driver.cap_drop) == ("all",)
    assert driver.readonly_rootfs


def test_the_same_app_is_the_same_job() -> None:
    assert app() == app()


def test_a_piece_is_laid_over_the_apps_own() -> None:
    made = group(update=jobs.Update(canary=2), restart=jobs.Restart(attempts=1)).update

    assert made == replace(group().update or jobs.Update(), canary=2)


def test_what_stands_beside_the_app_shares_its_node() -> None:
    made = group(beside=[jobs.Task("shipper", jobs.Docker("logs:1"))])

    assert [each.name for each in made.tasks] == ["hello", "shipper"]


def test_the_last_word_is_on_the_whole_job() -> None:
    assert app(change=lambda made: replace(made, priority=80)).priority == 80


def test_a_secret_is_named_in_the_job_and_stands_elsewhere() -> None:
    made = job("hello", IMAGE, "dc1", AppArgs(port=8080, secrets={"PASSWORD": "not for everybody"}), "7")
    (template,) = made.groups[0].tasks[0].templates

    assert "not for everybody" not in str(made)
    assert template.data == (
        '{{ with nomadVar "nomad/jobs/hello" }}\nPASSWORD={{ .PASSWORD.Value | toJSON }}\n{{ end }}\n'
    )
    assert template.env
    assert template.destination.startswith("secrets/")


def test_another_secret_rolls_as_another_version_of_the_job() -> None:
    args = AppArgs(port=8080, secrets={"PASSWORD": "p"})

    assert job("hello", IMAGE, "dc1", args, "7") != job("hello", IMAGE, "dc1", args, "8")
    (template,) = job("hello", IMAGE, "dc1", args, "7").groups[0].tasks[0].templates
    assert template.change_mode == "noop"


def test_what_runs_before_is_tried_once_and_needs_no_port() -> None:
    before = job_before("hello", IMAGE, "dc1", AppArgs(port=8080, before=["node", "migrate.js"], env={"A": "b"}))
    (only,) = before.groups
    driver = only.tasks[0].driver

    assert before.type == "batch"
    assert before.problems() == []
    assert isinstance(driver, jobs.Docker)
    assert (driver.command, tuple(driver.args), tuple(driver.ports)) == ("node", ("migrate.js",), ())
    assert only.tasks[0].env["A"] == "b"
    assert only.restart == jobs.Restart(attempts=0, mode="fail")
    assert only.reschedule == jobs.Reschedule(attempts=0, unlimited=False)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"secrets": {"no-name": "x"}}, "'no-name' is no variable's name"),
        ({"secrets": {"A": "x"}, "env": {"A": "y"}}, "secrets: A stands in env as well"),
        ({"secrets": {"PORT": "x"}}, "secrets: PORT stands in env as well"),
    ],
)
def test_what_no_environment_can_hold_is_refused(said: dict[str, Any], reason: str) -> None:
    (problem,) = AppArgs(port=8080, **said).problems()

    assert reason in problem


class TestDeclared:
    """As the engine is told."""

    @pytest.fixture
    def declare(self, engine: Engine, ground: Callable[[], Any]) -> Callable[..., App]:
        def run(said: Callable[[], dict[str, Any]]) -> App:
            def program() -> App:
                on = NomadAccess(
                    deploy=endpoint(),
                    status=endpoint(),
                    catalogue=endpoint(),
                    datacenter="dc1",
                    timings=timings([], clients=3),
                    goes_with=ground().hosts.goes_with,
                )
                return App("hello", image=pulumi.Output.from_input(IMAGE), on=on, port=8080, **said())

            return engine.run(program)

        return run

    def test_a_value_that_comes_later_is_sent_when_it_has_come(
        self, engine: Engine, declare: Callable[..., App]
    ) -> None:
        declare(lambda: {"env": {"FROM": pulumi.Output.from_input("somewhere")}})

        sent = plain(engine.one("mooring:nomad:Job", "hello").inputs["job"])["TaskGroups"][0]["Tasks"][0]
        assert sent["Config"]["image"] == IMAGE
        assert sent["Env"]["FROM"] == "somewhere"

    def test_the_job_waits_for_what_runs_before_it(self, engine: Engine, declare: Callable[..., App]) -> None:
        made = declare(lambda: {"before": ["node", "migrate.js"], "secrets": {"PASSWORD": pulumi.Output.secret("s")}})

        assert {"hello-before", "hello-secrets", "hello-before-secrets"} <= engine.behind(made.service.job.urn)
        assert engine.one("mooring:nomad:Variable", "hello-secrets").inputs["path"] == "nomad/jobs/hello"

    def test_what_nomad_would_refuse_is_told_at_once(self, declare: Callable[..., App]) -> None:
        with pytest.raises(pulumi.RunError, match=r"groups\.hello\.tasks\.hello\.resources\.memory: 2 MB"):
            declare(lambda: {"memory": 2})

    def test_a_value_that_would_be_lost_in_a_longer_text_is_refused(self, declare: Callable[..., App]) -> None:
        def lost() -> dict[str, Any]:
            return {"env": {"URL": f"postgres://{jobs.later(pulumi.Output.from_input('db.example'))}"}}

        with pytest.raises(pulumi.RunError, match=r"groups\.hello\.tasks\.hello\.env\.URL: a value known later"):
            declare(lost)


def endpoint() -> dict[str, Any]:
    return {"addresses": ["198.18.9.11"], "port": 4646, "authority": "a", "certificate": "c", "private_key": "k"}
