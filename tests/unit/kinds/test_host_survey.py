"""Machines that somebody else made: everything that is wrong with them is told at once, and nothing is touched."""

from typing import Any

import pytest
from fakes.hosts import FakeHost
from fakes.world import World

from mooring.clients.ssh import Answer
from mooring.kinds import host_claim
from mooring.kinds.host_claim import ClaimHandler, ClaimSpec
from mooring.kinds.host_survey import Demand, SurveyHandler, SurveySpec, Unfit

HANDLER = SurveyHandler()
DEMAND = Demand(
    ports={"tcp/8501": "Consul", "udp/8301": "Consul"},
    paths=("/etc/consul.d",),
    packages=("haproxy", "docker.io"),
    memory_mib=640,
    disk_mib=1024,
)


@pytest.fixture
def others(world: World) -> FakeHost:
    connection = world.host.connection.model_copy(update={"address": "198.18.0.12"})
    made = FakeHost(connection, machine_id="fedcba9876543210fedcba9876543210")
    world.hosts.bring_back(made)
    for host in (world.host, made):
        host.packages.archive["docker.io"] = ("20.10",)
    return made


def spec(world: World, others: FakeHost, **changes: Any) -> SurveySpec:
    connections = {"a": world.host.connection, "b": others.connection}
    return SurveySpec(
        connections=connections, demands={name: DEMAND.model_copy(update=changes) for name in connections}
    )


def told(world: World, others: FakeHost, **changes: Any) -> str:
    entries = dict(world.host.entries)
    with pytest.raises(Unfit) as caught:
        HANDLER.create(spec(world, others, **changes), world.work())

    assert world.host.entries == entries
    return str(caught.value)


def test_machines_that_offer_everything_are_fit(world: World, others: FakeHost) -> None:
    HANDLER.foresee(spec(world, others), world.work())

    assert HANDLER.create(spec(world, others), world.work()).id == "mooring/test"


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ({"distribution": "debian 11"}, "runs debian 11; Debian 12 or Ubuntu 22.04 or later would do"),
        ({"distribution": "alpine 3"}, "runs alpine 3; Debian 12"),
        ({"init": "busybox"}, "was booted by busybox; a machine with systemd would do"),
        ({"state": "degraded", "failed": "a.service"}, "systemd says degraded (a.service); mend that first"),
        ({"architecture": "aarch64"}, "is aarch64, the programs here are for"),
        ({"memory": "512"}, "has 512 MiB of memory; its roles need 640"),
        ({"disk": "900"}, "has 900 MiB free under /var/lib; its roles need 1024"),
    ],
)
def test_what_a_machine_lacks_is_told_with_what_would_do(
    answer: dict[str, str], sentence: str, world: World, others: FakeHost
) -> None:
    others.says = answer

    assert f"b (198.18.0.12): {sentence}" in told(world, others)


def test_a_clock_that_is_off_is_told_whichever_way(world: World, others: FakeHost) -> None:
    world.host.ahead, others.ahead = -60, 4

    text = told(world, others)

    assert "a (198.18.0.11): its clock is 60 s off" in text
    assert "b (" not in text


def test_what_is_in_the_way_is_told(world: World, others: FakeHost) -> None:
    world.host.ports |= {"tcp/8501", "udp/8301", "tcp/22"}
    others.entries["/etc/consul.d"] = others.entries["/etc"]

    text = told(world, others)

    assert "a (198.18.0.11): port tcp/8501 is in use; Consul needs it" in text
    assert "port udp/8301" in text
    assert "tcp/22" not in text
    assert "b (198.18.0.12): something stands at /etc/consul.d" in text


def test_a_package_that_cannot_be_had_is_told(world: World, others: FakeHost) -> None:
    del others.packages.archive["haproxy"]

    assert "b (198.18.0.12): knows no package haproxy; `apt-get update`" in told(world, others)


def test_an_engine_that_is_there_makes_its_package_needless(world: World, others: FakeHost) -> None:
    del others.packages.archive["docker.io"]
    others.says = {"engine": "27.0"}

    HANDLER.create(spec(world, others), world.work())


def test_one_machine_under_two_names_is_told(world: World, others: FakeHost) -> None:
    others.machine_id = world.host.machine_id

    assert "a and b are one machine, or clones of one" in told(world, others)


def test_a_silent_machine_is_told_beside_what_is_wrong_with_the_others(world: World, others: FakeHost) -> None:
    world.host.says = {"init": "busybox"}
    world.hosts.take_away(others)

    text = told(world, others)

    assert "a (198.18.0.11): was booted by busybox" in text
    assert "b: 198.18.0.12:22 cannot be reached" in text


def test_a_preview_is_shown_although_a_machine_is_silent(world: World, others: FakeHost) -> None:
    """It may be one of many that are hosts already, and another is to take its place."""
    world.hosts.take_away(others)

    HANDLER.foresee(spec(world, others), world.work())


def test_a_machine_that_another_stack_has_is_refused(world: World, others: FakeHost) -> None:
    ClaimHandler().create(ClaimSpec(connection=others.connection), world.work("another"))

    assert "b (198.18.0.12): is lent to the stack mooring/another" in told(world, others)


def test_what_a_killed_run_of_ours_left_is_not_in_the_way(world: World, others: FakeHost) -> None:
    ClaimHandler().create(ClaimSpec(connection=others.connection), world.work())
    others.ports.add("tcp/8501")

    HANDLER.create(spec(world, others), world.work())


def test_only_who_joins_is_looked_at_later(world: World, others: FakeHost) -> None:
    both = spec(world, others)
    before = both.model_copy(update={"demands": {"a": DEMAND}})
    world.host.says = {"init": "busybox"}

    HANDLER.update("mooring/test", before, both, {}, world.work())

    others.says = {"init": "busybox"}
    with pytest.raises(Unfit, match=r"b \(198\.18\.0\.12\): was booted by busybox"):
        HANDLER.update("mooring/test", before, both, {}, world.work())


def test_a_refused_sudo_says_what_would_do(world: World, others: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    person = others.connection.model_copy(update={"user": "admin"})
    asked = spec(world, others).model_copy(update={"connections": {"a": person, "b": person}})
    monkeypatch.setattr(FakeHost, "run", _no_sudo)

    with pytest.raises(Unfit, match="a password is required; admin must be root's equal by `sudo` without a password"):
        HANDLER.create(asked, world.work())


def _no_sudo(_: FakeHost, script: str, stdin: bytes) -> Any:
    assert script.startswith("sudo -n -- bash -c ")
    assert stdin == b""
    return Answer(status=1, stdout=b"", stderr="sudo: a password is required")


def test_the_claim_is_where_the_survey_looks(world: World) -> None:
    ClaimHandler().create(ClaimSpec(connection=world.host.connection), world.work())

    assert host_claim.holder_of(world.host.connection) == "mooring/test"


def test_a_host_that_is_behind_ssh_must_connect_us_to_what_is_on_it(world: World, others: FakeHost) -> None:
    others.forwards = False

    assert told(world, others, forwarding=True).splitlines()[1:] == [
        "  b (198.18.0.12): sshd of 198.18.0.12 makes no connections for root"
    ]


def test_a_host_that_is_reached_as_it_is_need_not(world: World, others: FakeHost) -> None:
    others.forwards = False

    assert HANDLER.create(spec(world, others), world.work()).id == "mooring/test"


def test_how_a_host_is_to_be_reached_is_no_difference(world: World, others: FakeHost) -> None:
    usual = spec(world, others)

    assert HANDLER.same(usual, spec(world, others, forwarding=True))
    assert not HANDLER.same(usual, spec(world, others, disk_mib=1))
