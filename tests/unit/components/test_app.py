"""The job that an app becomes."""

from components.app import FORGOTTEN_WITHIN, SECOND, AppArgs, job

IMAGE = "registry:5000/hello@sha256:" + "0" * 64


def group() -> dict[str, object]:
    made: dict[str, object] = job("hello", IMAGE, "dc1", AppArgs(port=8080, health="/healthz"))["TaskGroups"][0]
    return made


def test_an_app_heals_by_default() -> None:
    update = group()["Update"]

    assert isinstance(update, dict)
    assert update["AutoRevert"]
    assert update["Canary"] == 1
    assert update["ProgressDeadline"] == 0


def test_a_failing_check_restarts_the_instance() -> None:
    services = group()["Services"]

    assert isinstance(services, list)
    assert services[0]["Checks"][0]["CheckRestart"]["Limit"] == 3


def test_an_instance_serves_on_until_every_balancer_has_forgotten_it() -> None:
    assert group()["ShutdownDelay"] == FORGOTTEN_WITHIN * SECOND


def test_max_client_disconnect_is_never_used() -> None:
    """It can send a Nomad 1.6.3 client into a panic loop."""
    assert "MaxClientDisconnect" not in group()


def test_the_task_runs_as_nobody_with_nothing_it_could_do_to_its_host() -> None:
    tasks = group()["Tasks"]

    assert isinstance(tasks, list)
    assert tasks[0]["User"] == "65534"
    assert tasks[0]["Config"]["cap_drop"] == ["all"]
    assert tasks[0]["Config"]["readonly_rootfs"]


def test_the_same_app_is_the_same_job() -> None:
    assert group() == group()
