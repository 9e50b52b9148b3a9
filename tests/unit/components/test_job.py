"""A typed job as a component: what is sent, what is refused, and what a load balancer gets of it."""

from datetime import timedelta

import pytest

from components.job import health_paths
from components.job_body import with_images
from mooring import jobs

SECOND = timedelta(seconds=1)


def shop(image: str = "shop") -> jobs.Job:
    return jobs.Job(
        "shop",
        datacenters=["dc1"],
        groups=[
            jobs.Group(
                "web",
                networks=[jobs.Network(mode="host", ports={"http": jobs.Port(to=8080)})],
                services=[
                    jobs.Service("shop", port="http", checks=[jobs.HttpCheck("/ok", interval=SECOND, timeout=SECOND)]),
                    jobs.Service("raw", port="http", checks=[jobs.TcpCheck(interval=SECOND, timeout=SECOND)]),
                ],
                tasks=[
                    jobs.Task("app", jobs.Docker(image, ports=["http"])),
                    jobs.Task("log", jobs.Docker("busybox:1")),
                ],
            )
        ],
    )


def test_the_job_that_the_other_tests_use_is_sound() -> None:
    assert shop().problems() == []


def test_a_name_of_ours_becomes_what_was_pushed_and_no_other_image_does() -> None:
    sent = with_images(shop().to_api(), {"shop": "r:5000/shop@sha256:0"})

    images = [task["Config"]["image"] for task in sent["TaskGroups"][0]["Tasks"]]
    assert images == ["r:5000/shop@sha256:0", "busybox:1"]


def test_nothing_but_the_image_is_touched() -> None:
    assert with_images(shop().to_api(), {"shop": "shop"}) == shop().to_api()
    assert with_images(shop().to_api(), {"app": "x", "web": "x"}) == shop().to_api()


def test_only_a_service_with_a_page_to_ask_for_can_stand_behind_a_balancer() -> None:
    assert health_paths(shop()) == {"shop": "/ok"}


@pytest.mark.parametrize("memory", [1, 9])
def test_what_nomad_would_refuse_is_known_before(memory: int) -> None:
    tiny = jobs.Job(
        "tiny",
        datacenters=["dc1"],
        groups=[jobs.Group("g", tasks=[jobs.Task("t", jobs.Docker("i"), resources=jobs.Resources(memory=memory))])],
    )

    assert [str(problem) for problem in tiny.problems()] == [
        f"groups.g.tasks.t.resources.memory: {memory} MB is below the minimum of 10 MB"
    ]
