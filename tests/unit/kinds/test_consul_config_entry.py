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
    "Kind": "service-resolver",
    "Name": "web",
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
    ],
)
def test_what_somebody_changed_is_seen(edit: dict[str, Any], seen: dict[str, Any]) -> None:
    assert as_said(SAID, {**LIVE, **edit}) == {**SAID, **seen}


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
