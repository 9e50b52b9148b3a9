"""The steady state: each thing that is not as it has to be is one sentence."""

from typing import Any

import pytest

from mooring.clients.http import Endpoint
from mooring.clients.ssh import Connection
from mooring.drills.stage import Host, Stage
from mooring.drills.steady import Seen, judged

HOSTS = ("n1", "n2", "n3")
ENDPOINT = Endpoint(addresses=("10.0.0.1",), port=1, authority="", certificate="", private_key="")
IDS = tuple(f"1d5c6a8e-0000-4000-8000-00000000000{number}" for number in range(1, 4))


def stage(desired: int = 3) -> Stage:
    def never(*_: object) -> Any:
        raise AssertionError("nobody is asked")

    return Stage(
        stack="test",
        hosts=tuple(
            Host(
                name=name,
                roles=frozenset({"server", "client"}),
                connection=Connection(address=f"10.0.0.{number}", private_key="", host_key=""),
            )
            for number, name in enumerate(HOSTS, start=1)
        ),
        consul=ENDPOINT,
        nomad=ENDPOINT,
        url="http://127.0.0.1/",
        job="hello",
        service="hello",
        desired=desired,
        problems=never,
        difference=never,
        up=never,
    )


def server(name: str, **changes: Any) -> dict[str, Any]:
    return {"Name": name, "Voter": True, "Healthy": True, "Leader": name.startswith("n1"), **changes}


def node(name: str, status: str = "ready", eligibility: str = "eligible") -> dict[str, Any]:
    return {"Name": name, "Status": status, "SchedulingEligibility": eligibility}


def instance(allocation: str, host: str, gossip: str = "passing") -> dict[str, Any]:
    return {
        "Service": {"ID": f"_nomad-task-{allocation}-group-hello-hello-http", "Service": "hello"},
        "Node": {"Node": host},
        "Checks": [{"CheckID": "serfHealth", "Status": gossip}],
    }


def allocation(id_: str, client: str = "running", desired: str = "run") -> dict[str, Any]:
    return {"ID": id_, "ClientStatus": client, "DesiredStatus": desired}


def seen(**changes: Any) -> Seen:
    usual: dict[str, Any] = {
        "problems": (),
        "consul_servers": [server(name) for name in HOSTS],
        "nomad_servers": [server(f"{name}.global") for name in HOSTS],
        "nodes": [node(name) for name in HOSTS],
        "instances": [instance(id_, host) for id_, host in zip(IDS, HOSTS, strict=True)],
        "allocations": [allocation(id_) for id_ in IDS],
    }
    return Seen(**(usual | changes))


def test_a_stack_that_is_well_has_no_complaint() -> None:
    assert list(judged(stage(), seen())) == []


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"problems": ["page: does not answer"]}, "page: does not answer"),
        (
            {"consul_servers": [server("n1"), server("n2"), server("n3", Voter=False)]},
            "consul: the healthy voters are n1, n2, not n1, n2, n3",
        ),
        (
            {"nomad_servers": [*(server(f"{name}.global") for name in HOSTS), server("n4.global")]},
            "nomad: the healthy voters are n1, n2, n3, n4, not n1, n2, n3",
        ),
        ({"consul_servers": [server(name, Leader=False) for name in HOSTS]}, "consul: none lead, not one"),
        ({"nodes": [node("n1"), node("n2"), node("n3", "down")]}, "nomad: node n3 is down and eligible"),
        (
            {"nodes": [node("n1"), node("n2"), node("n3", eligibility="ineligible")]},
            "nomad: node n3 is ready and ineligible",
        ),
        (
            {
                "instances": [
                    *(instance(i, h) for i, h in zip(IDS, HOSTS, strict=True)),
                    instance("9" + IDS[0][1:], "n2"),
                ]
            },
            "consul: hello on n2 is registered, and its instance 9d5c6a8e",
        ),
        (
            {"allocations": [*(allocation(id_) for id_ in IDS), allocation("9" * 36)]},
            "job hello: 4 instances are to run, not 3",
        ),
        (
            {"allocations": [*(allocation(id_) for id_ in IDS), allocation("9" * 36, desired="stop")]},
            "job hello: 99999999 still run, and are to stop",
        ),
    ],
)
def test_what_is_wrong_is_named(changes: dict[str, Any], complaint: str) -> None:
    (found,) = judged(stage(), seen(**changes))

    assert found.startswith(complaint)


def test_what_is_registered_on_a_host_that_is_gone_is_a_ghost() -> None:
    dead = [instance(IDS[0], "n1"), instance(IDS[1], "n2"), instance(IDS[2], "n3", gossip="critical")]

    assert list(judged(stage(), seen(instances=dead))) == ["consul: hello is registered on n3, which is gone"]
