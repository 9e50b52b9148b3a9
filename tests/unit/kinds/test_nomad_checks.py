"""What a failing check said, kept from the time when it was still in the catalogue."""

from typing import Any, cast

from mooring.clients.consul import Consul
from mooring.clients.errors import Unreachable
from mooring.kinds.nomad_checks import LONGEST, FailingChecks, checked_services

JOB: dict[str, Any] = {
    "ID": "hello",
    "TaskGroups": [
        {
            "Services": [
                {"Name": "hello", "Checks": [{"Type": "http"}]},
                {"Name": "${NOMAD_JOB_NAME}-x", "Checks": [{"Type": "tcp"}]},
                {"Name": "quiet"},
                {"Name": "native", "Provider": "nomad", "Checks": [{"Type": "tcp"}]},
            ],
            "Tasks": [{"Services": [{"Name": "admin", "Provider": "consul", "Checks": [{"Type": "tcp"}]}]}],
        }
    ],
}
ALLOCATION = {"ID": "11112222-3333", "NodeName": "dev-server-1"}
OTHER = {"ID": "99992222-3333", "NodeName": "dev-server-2"}


class Catalogue:
    def __init__(self) -> None:
        self.status, self.output, self.answers = "critical", "HTTP GET http://10.0.0.1: 500", True

    def service(self, name: str) -> list[dict[str, Any]]:
        if not self.answers:
            raise Unreachable("consul", "nobody answers")
        if name != "hello":
            return []
        id_ = f"_nomad-task-{ALLOCATION['ID']}-group-hello-hello-http"
        serf = {"ServiceID": "", "Name": "Serf Health Status", "Status": "critical", "Output": "gone"}
        check = {"ServiceID": id_, "Name": "hello answers", "Status": self.status, "Output": self.output}
        return [{"Service": {"ID": id_}, "Checks": [serf, check]}]


def checks(catalogue: Catalogue) -> FailingChecks:
    return FailingChecks(cast("Consul", catalogue), JOB)


def test_only_services_in_consul_that_are_asked_how_they_are_are_looked_for() -> None:
    assert checked_services(JOB) == {"hello", "admin"}


def test_the_last_output_of_an_instances_own_check_is_told() -> None:
    found = checks(Catalogue())
    found.look()

    assert list(found.of(ALLOCATION)) == [
        "instance 11112222 on dev-server-1, check 'hello answers': HTTP GET http://10.0.0.1: 500"
    ]
    assert list(found.of(OTHER)) == []


def test_a_check_that_is_gone_with_its_instance_is_remembered_and_one_that_passes_is_not() -> None:
    catalogue = Catalogue()
    found = checks(catalogue)
    found.look()
    catalogue.answers = False
    found.look()
    assert list(found.of(ALLOCATION))

    catalogue.answers, catalogue.status = True, "passing"
    found.look()
    assert list(found.of(ALLOCATION)) == []


def test_a_task_that_was_started_anew_does_not_silence_what_its_check_said() -> None:
    catalogue = Catalogue()
    found = checks(catalogue)
    found.look()
    catalogue.output = ""
    found.look()

    assert next(found.of(ALLOCATION)).endswith("500")


def test_a_page_that_is_quoted_is_cut_and_put_on_one_line() -> None:
    catalogue = Catalogue()
    catalogue.output = "<html>\n" + "x" * 5000
    found = checks(catalogue)
    found.look()

    (line,) = found.of(ALLOCATION)
    assert "\n" not in line
    assert len(line) < LONGEST + 80
