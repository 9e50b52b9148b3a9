"""What counts as a change of a job, and what a person reads when one does not become healthy."""

from typing import Any

from components.app import AppArgs, job
from mooring.kinds.nomad_deployment import consequences, placement_failures, progress
from mooring.kinds.nomad_job import as_declared, job_problems


def declared() -> dict[str, Any]:
    return job("hello", "r/hello@sha256:0", "dc1", AppArgs(port=8080)).to_api()


def live() -> dict[str, Any]:
    """The same as the server tells it: with its own defaults, nulls, and one more key in everything."""
    found = declared()
    found |= {"Version": 3, "Meta": None, "JobModifyIndex": 17}
    group = found["TaskGroups"][0]
    group |= {"EphemeralDisk": {"SizeMB": 300}, "Volumes": None}
    group["Tasks"][0] |= {"LogConfig": {"MaxFiles": 10}}
    group["Services"][0]["Checks"][0] |= {"Header": None}
    return found


def test_what_the_server_adds_is_no_change() -> None:
    assert as_declared(declared(), live()) == declared()


def test_a_count_changed_by_hand_is_a_change() -> None:
    found = live()
    found["TaskGroups"][0]["Count"] = 5

    assert as_declared(declared(), found)["TaskGroups"][0]["Count"] == 5


def test_a_job_that_was_stopped_is_a_change() -> None:
    assert as_declared(declared(), live() | {"Stop": True}) != declared()


def test_a_group_that_somebody_added_is_a_change() -> None:
    found = live()
    found["TaskGroups"].append({"Name": "extra", "Count": 1})

    assert [g["Name"] for g in as_declared(declared(), found)["TaskGroups"]] == ["hello", "extra"]


def test_groups_in_another_order_are_no_change() -> None:
    two = declared()
    two["TaskGroups"].append({"Name": "other", "Count": 1})
    found = live()
    found["TaskGroups"].insert(0, {"Name": "other", "Count": 1, "Meta": None})

    assert as_declared(two, found) == two


def test_two_services_of_one_name_are_told_apart_by_their_place() -> None:
    """Nomad wants a name to be unique only together with its port."""
    two = [{"Name": "web", "PortLabel": "http"}, {"Name": "web", "PortLabel": "admin"}]
    found = [{**service, "Tags": None} for service in two]

    assert as_declared(two, found) == two
    assert as_declared(two, [found[0], {**found[1], "PortLabel": "other"}]) != two


def test_null_for_something_said_to_be_empty_is_no_change() -> None:
    assert as_declared({"Meta": {}, "Env": []}, {"Meta": None, "Env": None}) == {"Meta": {}, "Env": []}


def test_null_for_something_that_was_said_is_a_change() -> None:
    assert as_declared({"Meta": {"a": "b"}}, {"Meta": None}) == {"Meta": None}


def test_the_hosts_own_namespaces_and_devices_are_refused() -> None:
    body = declared()
    body["TaskGroups"][0]["Tasks"][0]["Config"] |= {"pid_mode": "host", "devices": [{}], "privileged": True}

    assert [p.path.rpartition(".")[2] for p in job_problems(body)] == ["pid_mode", "devices", "privileged"]


def test_a_job_without_a_place_says_what_stands_against_it() -> None:
    evaluation = {
        "FailedTGAllocs": {
            "web": {
                "DimensionExhausted": {"memory": 3},
                "ConstraintFiltered": None,
                "CoalescedFailures": 2,
                "NodesEvaluated": 3,
            }
        }
    }

    assert placement_failures("hello", evaluation) == [
        "job hello, group web: 3 instances have no place: 3 nodes lack memory"
    ]


def test_the_schedulers_plan_is_told_group_by_group() -> None:
    plan = {
        "Annotations": {
            "DesiredTGUpdates": {
                "web": {"Canary": 1, "Ignore": 3, "Place": 0},
                "jobs": {"DestructiveUpdate": 2, "Stop": 1},
                "idle": {"Place": 0},
            }
        },
        "FailedTGAllocs": None,
    }

    assert consequences("shop", plan) == [
        "group jobs: 2 to replace, 1 to stop",
        "group web: 1 to place as canaries, 3 to leave as they are",
    ]


def test_progress_counts_over_all_groups() -> None:
    group = {"DesiredTotal": 3, "HealthyAllocs": 1, "PlacedAllocs": 2, "PlacedCanaries": None}

    assert progress({"TaskGroups": {"a": group, "b": group}}) == "2 of 6 healthy, 4 placed"
