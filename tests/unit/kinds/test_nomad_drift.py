"""What counts as somebody's change of a job: three forms of it laid over each other."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
from fakes.nomad_jobs import canonical

from mooring.kinds.nomad_drift import observed

Json = dict[str, Any]


def declared() -> Json:
    return {
        "ID": "web",
        "Datacenters": ["dc1"],
        "TaskGroups": [
            {
                "Name": "web",
                "Count": 2,
                "Networks": [{"DynamicPorts": [{"Label": "http"}]}],
                "Services": [{"Name": "web", "PortLabel": "http", "Tags": ["b", "a"], "Checks": []}],
                "Tasks": [
                    {
                        "Name": "app",
                        "Driver": "docker",
                        "Resources": {},
                        "Config": {"image": "app:1", "args": ["a"]},
                        "Env": {"A": "1", "B": "2"},
                        "Constraints": [{"LTarget": "${attr.kernel.name}", "RTarget": "linux"}],
                        "Templates": [{"EmbeddedTmpl": "one", "DestPath": "local/one"}],
                    }
                ],
            }
        ],
    }


def ours() -> Json:
    """As a server tells it: in its own order, with what it adds by itself."""
    found = canonical(declared())
    group = found["TaskGroups"][0]
    task = group["Tasks"][0]
    task["Constraints"] = [{**task["Constraints"][0], "Operand": "="}, {"LTarget": "implied", "Operand": "is_set"}]
    task["Templates"][0] |= {"ChangeMode": "restart", "Splay": 5}
    group["Services"][0] |= {"Tags": ["a", "b"], "Checks": None}
    found["Meta"] = {"mooring.stack": "shop/dev"}
    return found | {"Version": 3, "JobModifyIndex": 17, "Status": "running", "NomadTokenID": "a"}


def task(job: Json) -> Json:
    found: Json = job["TaskGroups"][0]["Tasks"][0]
    return found


def test_what_is_as_it_was_registered_is_as_declared() -> None:
    live = ours() | {"Version": 9, "JobModifyIndex": 40, "Status": "dead", "NomadTokenID": "b"}

    assert observed(declared(), ours(), live) == declared()


def test_the_marks_of_a_stack_are_no_difference() -> None:
    assert observed(declared(), ours(), ours() | {"Meta": None}) == declared()


def test_the_numbers_of_a_scaling_policy_are_no_difference() -> None:
    before, now = ours(), ours()
    before["TaskGroups"][0]["Scaling"] = {"ID": "one", "Min": 1, "Max": 3, "ModifyIndex": 1}
    now["TaskGroups"][0]["Scaling"] = {"ID": "two", "Min": 1, "Max": 3, "ModifyIndex": 2}

    assert observed(declared(), before, now) == declared()


def test_groups_in_another_order_are_no_difference() -> None:
    two, before, now = declared(), ours(), ours()
    for job in (two, before, now):
        job["TaskGroups"].insert(0, {"Name": "other", "Count": 1})
    now["TaskGroups"].reverse()

    assert observed(two, before, now) == two


CHANGES: dict[str, tuple[Callable[[Json], Any], Callable[[Json], Any]]] = {
    "a declared field": (
        lambda live: live["TaskGroups"][0].update(Count=5),
        lambda seen: seen["TaskGroups"][0].update(Count=5),
    ),
    "a field that the program leaves to the server": (
        lambda live: live.update(Priority=80),
        lambda seen: seen.update(Priority=80),
    ),
    "a stopped job": (lambda live: live.update(Stop=True), lambda seen: seen.update(Stop=True)),
    "a block that the program leaves to the server, field by field": (
        lambda live: live["TaskGroups"][0]["EphemeralDisk"].update(SizeMB=500),
        lambda seen: seen["TaskGroups"][0].update(EphemeralDisk={"SizeMB": 500}),
    ),
    "a block of the server's that was emptied": (
        lambda live: live["TaskGroups"][0].update(EphemeralDisk=None),
        lambda seen: seen["TaskGroups"][0].update(EphemeralDisk={}),
    ),
    "a variable that was added": (
        lambda live: task(live)["Env"].update(C="3"),
        lambda seen: task(seen)["Env"].update(C="3"),
    ),
    "a variable that was taken away": (
        lambda live: task(live)["Env"].pop("B"),
        lambda seen: task(seen)["Env"].pop("B"),
    ),
    "all variables taken away": (lambda live: task(live).update(Env=None), lambda seen: task(seen).pop("Env")),
    "meta that was added": (
        lambda live: live["Meta"].update(by="hand"),
        lambda seen: seen.update(Meta={"by": "hand"}),
    ),
    "a constraint that was changed": (
        lambda live: task(live)["Constraints"][0].update(RTarget="darwin"),
        lambda seen: task(seen)["Constraints"][0].update(RTarget="darwin"),
    ),
    "a constraint that was added": (
        lambda live: task(live)["Constraints"].append({"LTarget": "x", "Operand": "=", "RTarget": ""}),
        lambda seen: task(seen)["Constraints"].append({"LTarget": "x", "Operand": "="}),
    ),
    "a constraint that was taken away": (
        lambda live: task(live)["Constraints"].pop(0),
        lambda seen: task(seen).update(Constraints=[]),
    ),
    "a template that was added": (
        lambda live: task(live)["Templates"].insert(0, {"EmbeddedTmpl": "two", "DestPath": "local/two", "Uid": None}),
        lambda seen: task(seen)["Templates"].append({"EmbeddedTmpl": "two", "DestPath": "local/two"}),
    ),
    "a template that was changed": (
        lambda live: task(live)["Templates"][0].update(EmbeddedTmpl="two"),
        lambda seen: task(seen)["Templates"][0].update(EmbeddedTmpl="two"),
    ),
    "a default of a declared template": (
        lambda live: task(live)["Templates"][0].update(ChangeMode="noop"),
        lambda seen: task(seen)["Templates"][0].update(ChangeMode="noop"),
    ),
    "a check that was added": (
        lambda live: live["TaskGroups"][0]["Services"][0].update(Checks=[{"Name": "c", "Type": "tcp", "Body": ""}]),
        lambda seen: seen["TaskGroups"][0]["Services"][0].update(Checks=[{"Name": "c", "Type": "tcp"}]),
    ),
    "a tag that was added": (
        lambda live: live["TaskGroups"][0]["Services"][0]["Tags"].append("c"),
        lambda seen: seen["TaskGroups"][0]["Services"][0]["Tags"].append("c"),
    ),
    "a port that was added": (
        lambda live: live["TaskGroups"][0]["Networks"][0]["DynamicPorts"].append({"Label": "admin", "To": 0}),
        lambda seen: seen["TaskGroups"][0]["Networks"][0]["DynamicPorts"].append({"Label": "admin"}),
    ),
    "a group that was added": (
        lambda live: live["TaskGroups"].insert(0, {"Name": "extra", "Count": 1, "Meta": None}),
        lambda seen: seen["TaskGroups"].append({"Name": "extra", "Count": 1}),
    ),
    "a group that was taken away": (
        lambda live: live["TaskGroups"].clear(),
        lambda seen: seen["TaskGroups"].clear(),
    ),
    "another image": (
        lambda live: task(live)["Config"].update(image="app:2"),
        lambda seen: task(seen)["Config"].update(image="app:2"),
    ),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_is_seen_in_its_place_and_nothing_beside_it(what: str) -> None:
    change, expected = CHANGES[what]
    live, seen = ours(), declared()
    change(live)
    expected(seen)

    assert observed(declared(), ours(), live) == seen


def test_nothing_is_changed_by_looking() -> None:
    three = declared(), ours(), ours() | {"Stop": True}
    before = copy.deepcopy(three)

    observed(*three)

    assert three == before
