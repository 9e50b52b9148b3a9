"""What counts as a change of a config entry, which a program says only in part."""

from typing import Any

import pytest
from fakes.world import World

from mooring.kinds.consul_config_entry import EntryHandler, EntrySpec, as_said

SAID: dict[str, Any] = {
    "ConnectTimeout": "60s",
    "DefaultSubset": "",
    "Failover": {"*": {"Datacenters": ["dc2", "dc3"]}},
    "Subsets": {"v1": {"Filter": "x", "OnlyPassing": False}},
}
LIVE: dict[str, Any] = {
    "ConnectTimeout": "1m0s",
    "Failover": {"*": {"Datacenters": ["dc2", "dc3"], "Policy": {}}},
    "Subsets": {"v1": {"Filter": "x"}},
    "ModifyIndex": 7,
}


def test_what_the_server_adds_leaves_out_or_spells_another_way_is_no_change() -> None:
    assert as_said(SAID, LIVE) == SAID


@pytest.mark.parametrize(
    ("edit", "seen"),
    [
        ({"ConnectTimeout": "2m0s"}, {"ConnectTimeout": "2m0s"}),
        ({"DefaultSubset": "v1"}, {"DefaultSubset": "v1"}),
        ({"Failover": {"*": {"Datacenters": ["dc2"]}}}, {"Failover": {"*": {"Datacenters": ["dc2"]}}}),
        (
            {"Subsets": {"v1": {"Filter": "x", "OnlyPassing": True}}},
            {"Subsets": {"v1": {"Filter": "x", "OnlyPassing": True}}},
        ),
        ({"Meta": {"by": "hand"}}, {"Meta": {"by": "hand"}}),
        (
            {"Failover": {"*": {"Datacenters": ["dc2", "dc3", "dc4"], "Service": "other"}}},
            {"Failover": {"*": {"Datacenters": ["dc2", "dc3", "dc4"], "Service": "other"}}},
        ),
    ],
)
def test_what_somebody_changed_is_seen(edit: dict[str, Any], seen: dict[str, Any]) -> None:
    assert as_said(SAID, {**LIVE, **edit}) == {**SAID, **seen}


INTENTION: dict[str, Any] = {
    "Sources": [
        {"Name": "*", "Action": "deny"},
        {"Name": "web", "Action": "allow"},
        {"Name": "api", "Permissions": [{"Action": "allow", "HTTP": {"PathPrefix": "/v2"}}]},
    ]
}


def intention() -> dict[str, Any]:
    """As Consul answers it: the sources by precedence, which with the type is its own addition."""
    added = {"Precedence": 9, "Type": "consul"}
    deny, allow, api = (source | added for source in INTENTION["Sources"])
    return {"Sources": [allow, api, deny | {"Precedence": 8}], "CreateIndex": 18, "ModifyIndex": 18}


def test_the_sources_of_an_intention_in_consuls_order_are_no_change() -> None:
    assert as_said(INTENTION, intention()) == INTENTION


def test_a_source_that_was_changed_or_added_is_seen_in_its_place() -> None:
    live = intention()
    live["Sources"][0] |= {"Action": "deny", "Description": "by hand"}
    live["Sources"].append({"Name": "new", "Action": "allow", "Type": "consul"})

    deny, allow, api = INTENTION["Sources"]
    changed = allow | {"Action": "deny", "Description": "by hand"}
    assert as_said(INTENTION, live)["Sources"][:3] == [deny, changed, api]
    assert [source["Name"] for source in as_said(INTENTION, live)["Sources"]] == ["*", "web", "api", "new"]


def test_a_source_that_was_taken_away_is_seen_as_missing() -> None:
    live = intention()
    del live["Sources"][1]

    assert as_said(INTENTION, live)["Sources"] == INTENTION["Sources"][:2]


def test_blocks_of_zeros_are_no_change() -> None:
    assert as_said({"Listeners": []}, {"TLS": {"Enabled": False}, "Listeners": None, "MeshGateway": {}}) == {
        "Listeners": []
    }


def test_what_somebody_took_away_is_seen_as_missing() -> None:
    without = {key: value for key, value in LIVE.items() if key != "Failover"}

    assert as_said(SAID, without) == {key: value for key, value in SAID.items() if key != "Failover"}


def test_spellings_that_consul_does_not_answer_with_are_refused(world: World) -> None:
    entry = {"connect_timeout": "5s", "Name": "web", "Protocol": "http"}
    spec = EntrySpec(endpoint=world.consul_endpoint, kind="service-resolver", name="web", entry=entry)

    told = {problem.path: problem.reason for problem in EntryHandler().check(spec)}

    assert told == {
        "entry.connect_timeout": "must be spelled as Consul's API answers it, as `Protocol`",
        "entry.Name": "is the input `name`",
    }
