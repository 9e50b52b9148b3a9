"""Typed jobs against a real server: it reads every job file, judges as we do, and sees no difference."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from live.nomad_server import Refused, Scheduler, scheduler
from unit.jobs.api import said
from unit.jobs.test_python import made
from unit.jobs.wrong_jobs import OURS, SERVERS

from mooring.jobs import InvalidJob, Job, as_python
from mooring.jobs.brief import brief
from mooring.jobs.hcl import variable_file
from mooring.kinds.nomad_import import taken_in
from mooring.toolchain import binaries
from mooring.toolchain.errors import CannotPrepare

pytestmark = pytest.mark.live

HERE = Path(__file__).parent
SHARED = Path(os.environ.get("MOORING_CORPUS", HERE.parents[2] / "shared" / "corpus"))
"""Definitions of others, which are not part of this project; without them its own have to do."""

VARIABLES: dict[str, Any] = {
    "everything": {"image": "registry.example:5000/web@sha256:0", "tags": ["${NOMAD_ALLOC_ID}", 'a "b"']},
    "e2e_consul_input_service_reversion": {"service": "s"},
    "e2e_e2eutil_input_restart-node": {"nodeID": "n"},
    "e2e_jobsubmissions_input_xyz": {"X": "x", "Y": 1, "Z": True},
    "e2e_servicediscovery_input_checks_task_restart_helper": {"nodeID": "n", "cmd": "touch", "delay": "1s"},
    "e2e_workload_id_input_node-meta": dict.fromkeys(
        ["foo_key", "empty_key", "unset_key", "foo_constraint", "empty_constraint", "unset_constraint"], "k"
    ),
}
"""By file, for variables without a default."""

NOT_READ = {"demo_csi_kadalu-csi_controller": "pathexpand"}
"""What the server's parser refuses, and the word that says why."""

OUR_REFUSALS = (
    "would give the task",
    "needs Nomad and Consul Enterprise",
    "on Nomad 1.6.3 an agent that was cut off",
)
"""What is wrong with some files although a server takes them."""


def files(kind: str) -> list[Path]:
    return sorted([*(HERE.parent / "corpus" / kind).iterdir(), *(SHARED / kind).glob("*.*")])


def name(file: Path) -> str:
    return file.name.partition(".")[0]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scheduler]:
    try:
        binaries.locate("nomad")
    except CannotPrepare as problem:
        if os.environ.get("REQUIRE_LIVE") == "1":
            pytest.fail(f"{problem}; `make prepare` brings it")
        pytest.skip(str(problem))
    with scheduler(tmp_path_factory.mktemp("server")) as found:
        for namespace in ("platform", "NamespaceA", "proxy", "prod"):
            found.add_namespace(namespace)
        yield found


def typed(server: Scheduler, file: Path) -> Job:
    return Job.from_hcl(file, parse=server.parse, variables=VARIABLES.get(name(file), {}))


@pytest.mark.parametrize("file", files("hcl"), ids=name)
def test_a_job_file_comes_in_goes_out_and_comes_back_unchanged(server: Scheduler, file: Path) -> None:
    if (word := NOT_READ.get(name(file))) is not None:
        with pytest.raises(Refused, match=word):
            typed(server, file)
        return
    seen: list[Any] = []

    def parse(text: str, variables: str) -> Any:
        seen.append(server.parse(text, variables))
        return seen[0]

    job = Job.from_hcl(file, parse=parse, variables=VARIABLES.get(name(file), {}))

    assert said(job.to_api()) == said(seen[0])
    assert Job.from_api(job.to_api()) == job


@pytest.mark.parametrize("file", [f for f in files("hcl") if name(f) not in NOT_READ], ids=name)
def test_a_job_file_is_refused_for_what_the_server_has_against_it_or_for_a_reason_of_ours(
    server: Scheduler, file: Path
) -> None:
    job = typed(server, file)
    problems, objections = list(map(str, job.problems())), server.objections(job.to_api())
    if "Vault not enabled" in str(objections):
        objections = []  # it depends on the agents' configuration, which a job does not know
    ours = [problem for problem in problems if any(words in problem for words in OUR_REFUSALS)]

    assert bool(objections) == bool(set(problems) - set(ours))


@pytest.mark.parametrize("file", [f for f in files("hcl") if name(f) not in NOT_READ], ids=name)
def test_the_server_sees_no_difference_between_a_file_and_its_typed_job(server: Scheduler, file: Path) -> None:
    parsed = server.parse(file.read_text(), _variables(file))
    job = typed(server, file).to_api()
    if objections := server.objections(parsed):
        assert server.objections(job) == objections
        return
    if '"Gateway": {' in json.dumps(parsed):
        with pytest.raises(Refused, match="/v1/config"):  # the server would write it down in a Consul
            server.register(parsed)
        return
    server.register(parsed)
    itself = server.plan(parsed)["Diff"]  # a scaling policy alone makes it say "Edited"

    assert server.plan(job)["Diff"] == itself

    live = server.job(parsed["ID"], parsed["Namespace"] or "default")

    assert server.plan(Job.from_api(live).to_api())["Diff"] == itself

    taken = taken_in(live, server.plan)

    assert server.plan(made(as_python(taken)).to_api())["Diff"] == itself
    if '"Connect": {' not in json.dumps(parsed):  # of its sidecars Nomad tells more than was said
        assert taken == brief(Job.from_api(job))
    server.purge(parsed["ID"], parsed["Namespace"] or "default")


def _variables(file: Path) -> str:
    return variable_file(VARIABLES.get(name(file), {}))


@pytest.mark.parametrize(("job", "sentence"), SERVERS, ids=[sentence for _, sentence in SERVERS])
def test_the_server_refuses_what_is_said_to_be_refused_by_it(server: Scheduler, job: Job, sentence: str) -> None:
    del sentence

    assert server.objections(job.to_api())


def test_what_only_we_refuse_would_be_taken(server: Scheduler) -> None:
    """Otherwise it belongs to the others; Vault is asked for here although the server knows none."""
    refused = {sentence for job, sentence in OURS if server.objections(job.to_api())}

    assert refused == {"groups.web.tasks.app.vault.namespace: needs Vault Enterprise"}


def test_an_unset_variable_is_refused_by_name(server: Scheduler) -> None:
    file = HERE.parent / "corpus" / "hcl" / "everything.nomad.hcl"

    with pytest.raises(Refused, match="image"):
        Job.from_hcl(file, parse=server.parse)


def test_a_file_that_is_no_job_is_refused_with_its_name(server: Scheduler, tmp_path: Path) -> None:
    file = tmp_path / "broken.hcl"
    file.write_text('job "x" {')

    with pytest.raises(Refused, match="Failed to parse") as refused:
        Job.from_hcl(file, parse=server.parse)

    assert refused.value.__notes__ == [f"in {file}"]


def test_a_value_for_a_variable_arrives_as_it_is(server: Scheduler, tmp_path: Path) -> None:
    text = 'tab\t "quoted" ${x} %{y} $${z} back\\slash \b ümläut 😀\n'
    file = tmp_path / "text.hcl"
    file.write_text('variable "text" {}\njob "x" {\n  meta {\n    text = var.text\n  }\n}\n')

    assert Job.from_hcl(file, parse=server.parse, variables={"text": text}).meta == {"text": text}


def test_a_job_of_another_edition_is_refused_by_name(server: Scheduler, tmp_path: Path) -> None:
    file = tmp_path / "wide.hcl"
    file.write_text('job "x" {\n  multiregion {\n    region "a" {}\n  }\n}\n')

    with pytest.raises(InvalidJob, match="Multiregion: needs Nomad Enterprise"):
        Job.from_hcl(file, parse=server.parse)


class Anything(dict[str, str]):
    """Has a value for every variable."""

    def get(self, key: str, default: Any = None) -> Any:
        del default
        return f"value-of-{key}"


def _built(file: Path) -> dict[str, str]:
    services = yaml.safe_load(file.read_text())["services"]
    return {service: f"registry.example:5000/{service}:1" for service, said in services.items() if "build" in said}


def taken(file: Path, **arguments: Any) -> Job | InvalidJob:
    try:
        return Job.from_compose(file, **arguments)
    except InvalidJob as refused:
        return refused


@pytest.mark.parametrize("file", files("compose"), ids=name)
def test_a_compose_file_becomes_a_job_that_can_be_planned_or_is_refused_by_line(server: Scheduler, file: Path) -> None:
    found = taken(file, images=_built(file), variables=Anything())
    if isinstance(found, InvalidJob):
        assert [problem for problem in found.problems if not re.match(LINE, problem.path)] == []
        return

    assert server.objections(found.to_api()) == []
    assert server.plan(found.to_api())["Diff"]["Type"] == "Added"


LINE = r"[\w.-]+\.yaml:\d+: \w+"


@pytest.mark.skipif(not SHARED.is_dir(), reason="the definitions of others are not here")
def test_the_compose_files_that_become_jobs_are_these() -> None:
    """So that a change that refuses more of them, or fewer, is seen."""
    found = [name(file) for file in files("compose") if isinstance(taken(file, images=_built(file)), Job)]

    assert found == [
        "shop",
        "aspnet-mssql",
        "django",
        "fastapi",
        "gitea-postgres",
        "nextcloud-redis-mariadb",
        "nginx-aspnet-mysql",
        "nginx-flask-mysql",
        "sparkjava-mysql",
        "spring-postgres",
        "wordpress-mysql",
    ]
