"""A job file becomes a typed job by way of a cluster's parser; `tests/live/test_jobs.py` asks a real one."""

from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from fakes.network import Network, Question, Reply, refusal
from unit.jobs.some_jobs import job

from mooring.clients import http
from mooring.clients.errors import ApiError
from mooring.clients.http import Endpoint
from mooring.clients.nomad import Nomad
from mooring.jobs import InvalidJob, Job
from mooring.jobs.hcl import literal, variable_file


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "hello.nomad.hcl"
    file.write_text('job "hello" {}')
    return file


def test_the_file_and_the_values_of_its_variables_are_handed_to_the_parser(path: Path) -> None:
    asked: list[tuple[str, str]] = []

    def parse(text: str, variables: str) -> dict[str, Any]:
        asked.append((text, variables))
        return job().to_api() | {"Region": None, "Payload": None, "Dispatched": False}

    assert Job.from_hcl(path, parse=parse, variables={"count": 3}) == job()
    assert Job.from_hcl(path, parse=parse, variables='count = 3 # as in "prod"') == job()
    assert asked == [('job "hello" {}', "count = 3\n"), ('job "hello" {}', 'count = 3 # as in "prod"')]


def test_what_the_parser_refuses_is_told_with_the_files_name(path: Path) -> None:
    def parse(*_: str) -> dict[str, Any]:
        raise ApiError("POST", "/v1/jobs/parse", 400, 'input.hcl:1: Unset variable "count"')

    with pytest.raises(ApiError, match="Unset variable") as refused:
        Job.from_hcl(path, parse=parse)

    assert refused.value.__notes__ == [f"in {path}"]


def test_what_has_no_place_in_a_job_is_refused_by_name(path: Path) -> None:
    multiregion = job().to_api() | {"Multiregion": {"Regions": [{"Name": "a"}]}}

    with pytest.raises(InvalidJob, match=r"^Multiregion: needs Nomad Enterprise$"):
        Job.from_hcl(path, parse=lambda _text, _variables: multiregion)


@pytest.mark.parametrize(
    ("value", "spelt"),
    [
        ("plain", '"plain"'),
        ('a "quoted" ${name}', '"a \\"quoted\\" $${name}"'),
        ("%{ if }", '"%%{ if }"'),
        ("bell\b", '"bell\\U00000008"'),
        ("C:\\bin", '"C:\\\\bin"'),
        ("ümlaut\n", '"ümlaut\\n"'),
        (3, "3"),
        (True, "true"),
        (None, "null"),
        (["a", 1], '["a", 1]'),
        ({"a": {"b": ("c",)}}, '{"a" = {"b" = ["c"]}}'),
    ],
)
def test_a_value_is_spelt_so_that_the_language_takes_it_as_it_is(value: Any, spelt: str) -> None:
    assert literal(value) == spelt


def test_each_variable_has_a_line() -> None:
    assert variable_file({"a": 1, "b": "x"}) == 'a = 1\nb = "x"\n'


class Parsing:
    """A region that parses, and nothing else."""

    def reply(self, question: Question) -> Reply:
        match question.method, question.path:
            case "POST", ["jobs", "parse"] if question.body["JobHCL"] == "no job":
                return refusal(HTTPStatus.BAD_REQUEST, "Failed to parse job: input.hcl:1")
            case "POST", ["jobs", "parse"]:
                return Reply(body={"ID": question.body["JobHCL"], "Meta": question.body})
            case _:
                raise question.not_taught()


@pytest.fixture
def region(monkeypatch: pytest.MonkeyPatch) -> Nomad:
    network = Network()
    network.servers["10.0.0.1", 4646] = Parsing()
    monkeypatch.setattr(http, "wire", network.wire)
    return Nomad(Endpoint(addresses=("10.0.0.1",), port=4646, authority="", certificate="", private_key=""))


def test_a_region_is_asked_for_the_job_without_its_defaults(region: Nomad) -> None:
    found = region.parse_job("hello", "count = 3")

    assert found["Meta"] == {"JobHCL": "hello", "Variables": "count = 3", "Canonicalize": False}


def test_a_file_that_is_no_job_is_refused_in_the_parsers_words(region: Nomad) -> None:
    with pytest.raises(ApiError, match="Failed to parse job"):
        region.parse_job("no job")
