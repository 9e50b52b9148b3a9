"""The typed job is complete, and its two translations are each other's inverse."""

import json
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from unit.jobs.api import NOMAD
from unit.jobs.some_jobs import IMAGE, any_of, job, one, seconds, task

from components.app import AppArgs
from components.app import job as app_job
from mooring import jobs
from mooring.jobs import (
    LEFT_OUT,
    Check,
    Constraint,
    Docker,
    DockerMount,
    Driver,
    Group,
    InvalidJob,
    Job,
    Network,
    Port,
    Problem,
    TcpCheck,
    Volume,
    problems_of,
)
from mooring.jobs.drivers import DRIVERS, Configuration
from mooring.jobs.piece import Piece, shapes
from mooring.jobs.service import KINDS
from mooring.jobs.shape import Length, Plain

WRITTEN_BY_HAND = {
    "ServiceCheck": {"Type"},
    "NetworkResource": {"ReservedPorts", "DynamicPorts"},
    "Port": {"Label"},
    "VolumeRequest": {"Name"},
    "Task": {"Driver", "Config"},
}
"""What is translated by code of its own and not by a field."""


def pieces() -> list[type[Piece]]:
    return [
        piece
        for piece in (getattr(jobs, name) for name in jobs.__all__)
        if isinstance(piece, type) and issubclass(piece, Piece) and hasattr(piece, "OF")
    ]


def keys(struct: str) -> set[str]:
    """What our pieces hold of a struct."""
    of = [piece for piece in pieces() if struct == piece.OF]
    return {piece.spelt(field.name) for piece in of for field in fields(piece) if not field.metadata.get("special")}


@pytest.mark.parametrize("struct", NOMAD["structs"])
def test_every_field_of_the_servers_struct_is_modelled_or_left_out_with_a_reason(struct: str) -> None:
    left_out = {key.partition(".")[2] for key in LEFT_OUT if key.startswith(f"{struct}.")}
    modelled = keys(struct) | WRITTEN_BY_HAND.get(struct, set())

    if struct not in {piece.OF for piece in pieces()}:
        assert struct.startswith("Multiregion")  # LEFT_OUT["Job.Multiregion"]
    else:
        assert modelled | left_out == set(NOMAD["structs"][struct]) | NEWER.get(struct, set())
        assert not modelled & left_out


NEWER = {"TaskGroup": {"Disconnect"}}
"""Left out by name although this version has no such field."""


def test_a_field_can_be_unsaid_exactly_where_the_server_can_tell() -> None:
    wrong: list[str] = []
    for piece in pieces():
        for field, shape in shapes(piece):
            kind = NOMAD["structs"].get(piece.OF, {}).get(piece.spelt(field.name), "")
            of_zeros = isinstance(shape, Length) or (isinstance(shape, Plain) and shape.type is not str)
            may_be_unsaid = field.default is None
            if piece.OF in NOMAD["structs"] and of_zeros and may_be_unsaid != (kind == "?"):
                wrong.append(f"{piece.__name__}.{field.name}")

    assert wrong == ["Port.static"]  # a static port stands in another list, so its zero can be told


def specification(struct: str) -> set[str]:
    driver, *path = struct.split(".")
    spec: dict[str, Any] = NOMAD["drivers"][driver]
    for step in path:
        spec = spec[step]
    return set(spec)


@pytest.mark.parametrize(
    "piece",
    [piece for piece in pieces() if issubclass(piece, Configuration) and piece.OF],
    ids=lambda piece: piece.__name__,
)
def test_every_field_of_a_drivers_specification_is_modelled(piece: type[Configuration]) -> None:
    assert {piece.spelt(field.name) for field in fields(piece)} == specification(piece.OF)


def test_every_driver_is_modelled() -> None:
    assert set(DRIVERS) == set(NOMAD["drivers"])


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(any_of(Job))
def test_to_the_api_and_back_is_the_identity(value: Job) -> None:
    written = json.loads(json.dumps(value.to_api()))

    assert Job.from_api(written) == value


@pytest.mark.parametrize("piece", [p for p in pieces() if p not in (Check, Driver)], ids=lambda piece: piece.__name__)
def test_each_piece_comes_back_from_the_api(piece: type[Piece]) -> None:
    @settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
    @given(any_of(piece))
    def comes_back(value: Piece) -> None:
        assert type(value).from_api(json.loads(json.dumps(value.to_api()))) == value

    if piece.__name__ not in ("Configuration", "TaskDriver"):
        comes_back()


def test_only_what_is_said_is_written() -> None:
    assert one().to_api() == {
        "ID": "hello",
        "Name": "hello",
        "TaskGroups": [
            {"Name": "web", "Tasks": [{"Name": "app", "Driver": "docker", "Config": {"image": IMAGE}}]},
        ],
    }


def test_the_short_form_can_be_read() -> None:
    made = app_job("hello", "r/hello@sha256:0", "dc1", AppArgs(port=8080))

    assert Job.from_api(made.to_api()) == made


def test_a_list_and_a_tuple_say_the_same() -> None:
    assert Group("web", tasks=[task()]) == Group("web", tasks=(task(),))


def test_a_time_is_nanoseconds_to_the_api() -> None:
    assert one(kill_timeout=seconds(1.5)).to_api()["TaskGroups"][0]["Tasks"][0]["KillTimeout"] == 1_500_000_000


def test_a_time_finer_than_a_microsecond_is_refused() -> None:
    body = one(kill_timeout=seconds(1)).to_api()
    body["TaskGroups"][0]["Tasks"][0]["KillTimeout"] = 1500

    with pytest.raises(InvalidJob, match=r"groups\.web\.tasks\.app\.kill_timeout: 1500 ns is finer"):
        Job.from_api(body)


def test_static_ports_stand_in_a_list_of_their_own() -> None:
    assert Network(ports={"http": Port(to=80), "ssh": Port(static=22)}).to_api() == {
        "DynamicPorts": [{"Label": "http", "To": 80}],
        "ReservedPorts": [{"Label": "ssh", "Value": 22}],
    }


def test_a_port_label_that_stands_there_twice_is_refused() -> None:
    with pytest.raises(InvalidJob, match=r"ports\.http: stands there twice"):
        Network.from_api({"DynamicPorts": [{"Label": "http"}], "ReservedPorts": [{"Label": "http", "Value": 80}]})


def test_a_volume_has_its_name_on_both_sides() -> None:
    assert Group("db", volumes={"data": Volume("mysql", type="host")}).to_api()["Volumes"] == {
        "data": {"Name": "data", "Type": "host", "Source": "mysql"}
    }
    with pytest.raises(InvalidJob, match=r"volumes\.data\.name: is not 'data'"):
        Group.from_api({"Name": "db", "Volumes": {"data": {"Name": "other", "Type": "host", "Source": "mysql"}}})


def test_a_drivers_block_stands_in_a_list_and_is_read_without_one_too() -> None:
    typed = Docker(IMAGE, labels={"a": "b"}, mount=[DockerMount("/data", source="data")])
    written = {"image": IMAGE, "labels": [{"a": "b"}], "mount": [{"target": "/data", "source": "data"}]}

    assert typed.to_api() == written
    assert Docker.from_api(written | {"labels": {"a": "b"}}) == typed


def test_a_driver_of_others_takes_what_it_is_given() -> None:
    podman = task(driver=Driver("podman", {"image": "docker://redis", "ports": ["db"]}))

    assert podman.to_api() == {
        "Name": "app",
        "Driver": "podman",
        "Config": {"image": "docker://redis", "ports": ["db"]},
    }


def test_an_unknown_key_is_refused_with_the_name_that_was_meant() -> None:
    body = job().to_api()
    body["TaskGroups"][0]["Cuont"] = 3

    with pytest.raises(InvalidJob, match=r"^groups\.web\.Cuont: Nomad knows no such key; did you mean Count\?$"):
        Job.from_api(body)


def test_everything_that_has_no_place_is_told_at_once() -> None:
    body = one().to_api() | {"ConsulToken": "…", "Multiregion": {"Regions": []}}
    body["TaskGroups"][0]["Tasks"][0] |= {"Config": {"image": IMAGE, "imgae": "x"}, "Env": []}
    body["TaskGroups"].append("nothing")

    with pytest.raises(InvalidJob) as refused:
        Job.from_api(body)

    assert [problem.path for problem in refused.value.problems] == [
        "ConsulToken",
        "Multiregion",
        "groups.web.tasks.app.driver.imgae",
        "groups.1",
    ]


def test_what_only_the_server_sets_is_no_part_of_a_job() -> None:
    assert Job.from_api(job().to_api() | {"ModifyIndex": 7, "Status": "running", "Version": 3}) == job()


def test_a_job_level_update_of_zeros_is_how_the_server_says_none() -> None:
    """Nomad 1.6.3 answers so for every job that has update blocks in its groups alone."""
    zeros = dict.fromkeys(
        ["Stagger", "MaxParallel", "MinHealthyTime", "HealthyDeadline", "ProgressDeadline", "Canary"], 0
    )
    live = job().to_api() | {"Update": {**zeros, "HealthCheck": "", "AutoRevert": False, "AutoPromote": False}}

    assert Job.from_api(live) == job()


def test_a_key_of_another_kind_of_check_is_refused_when_it_says_something() -> None:
    check = TcpCheck(interval=seconds(1), timeout=seconds(1))

    assert Check.from_api(check.to_api() | {"Path": "", "Args": None}) == check
    with pytest.raises(InvalidJob, match="Path: means nothing to a tcp check"):
        Check.from_api(check.to_api() | {"Path": "/"})


def test_a_check_of_no_known_type_is_refused() -> None:
    with pytest.raises(InvalidJob, match="type: 'udp' is not http, tcp, grpc or script"):
        Check.from_api({"Type": "udp"})


def test_every_kind_of_check_says_which_it_is() -> None:
    assert [kind.TYPE for kind in KINDS.values()] == ["http", "tcp", "grpc", "script"]


def test_an_operator_is_always_written_as_the_server_has_no_default() -> None:
    assert Constraint("${attr.kernel.name}", "linux").to_api() == {
        "LTarget": "${attr.kernel.name}",
        "RTarget": "linux",
        "Operand": "=",
    }


def test_every_key_left_out_is_one_of_the_servers() -> None:
    for path in LEFT_OUT:
        struct, _, field = path.partition(".")

        assert field in set(NOMAD["structs"][struct]) | NEWER.get(struct, set())


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"DynamicPorts": ["http"]}, "ports: 'http' is not a mapping"),
        ({"DynamicPorts": [{"Label": "http", "To": "80"}]}, ""),
        ({"DNS": []}, "dns: [] is not a mapping"),
    ],
)
def test_what_is_no_network_is_no_crash(body: Any, sentence: str) -> None:
    wrong: list[Problem] = []
    Network.read(body, "", wrong)

    assert [str(problem) for problem in wrong] == ([sentence] if sentence else [])


def test_what_does_not_fit_is_kept_as_it_came_for_the_rules_to_judge() -> None:
    body = job().to_api() | {"Datacenters": "dc1", "Meta": ["a"], "Stop": "no", "Constraints": {"a": 1}}

    assert [str(problem) for problem in problems_of(body)] == [
        "datacenters: 'dc1' is not a list",
        "stop: 'no' is not true or false",
        "constraints: {'a': 1} is not a list",
        "meta: ['a'] is not a mapping",
    ]


def test_a_check_that_is_no_mapping_is_refused() -> None:
    with pytest.raises(InvalidJob, match="'http' is not a mapping"):
        Check.from_api("http")


def test_a_time_that_is_no_number_is_kept_for_the_rules_to_judge() -> None:
    body = job(groups=[Group("web", tasks=[task()])]).to_api()
    body["TaskGroups"][0]["ShutdownDelay"] = "6s"

    assert [str(problem) for problem in problems_of(body)] == ["groups.web.shutdown_delay: '6s' is not a timedelta"]
