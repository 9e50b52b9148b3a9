"""What a program could not say is no import: the first update would take it away."""

from typing import Any

import pytest
from fakes.world import World

from mooring.kinds.complete import all_said
from mooring.kinds.consul_acl import TokenHandler, TokenSpec
from mooring.kinds.consul_query import QueryHandler, QuerySpec
from mooring.kinds.kind import CannotImport

ACCESSOR = "33333333-cccc-4ccc-8ccc-333333333331"


def access(world: World) -> dict[str, Any]:
    return {"endpoint": world.consul_endpoint.model_dump()}


def test_a_tokens_roles_are_more_than_a_program_says(world: World) -> None:
    spec = TokenSpec(endpoint=world.consul_endpoint, accessor_id=ACCESSOR, secret_id=ACCESSOR)
    TokenHandler().create(spec, world.work())
    world.consul.tokens[ACCESSOR]["Roles"] = [{"ID": "1", "Name": "web"}]

    with pytest.raises(CannotImport, match=rf"consul's token {ACCESSOR} has what a program cannot say here.*: Roles"):
        TokenHandler().imported(ACCESSOR, access(world), world.work())


def test_a_query_that_is_a_template_is_more_than_a_program_says(world: World) -> None:
    QueryHandler().create(QuerySpec(endpoint=world.consul_endpoint, name="any", service="web"), world.work())
    next(iter(world.consul.store.queries.values()))["Template"]["Type"] = "name_prefix_match"

    with pytest.raises(CannotImport, match=r"consul's query 'any' .*: Template"):
        QueryHandler().imported("any", access(world), world.work())


@pytest.mark.parametrize(
    "more",
    [
        {"Hash": "abc", "CreateIndex": 7, "ModifyIndex": 9},
        {"Roles": None, "Local": False, "Template": {"Type": "", "Regexp": ""}, "Tags": []},
        {"Policies": [{"ID": "1", "Name": "a"}]},
        {"Service": {"Service": "web", "NodeMeta": None, "Failover": {"NearestN": 0, "Targets": None}}},
    ],
)
def test_what_a_server_adds_and_what_is_empty_is_nothing(more: dict[str, Any]) -> None:
    said = {"Name": "a", "Policies": [{"Name": "a"}], "Service": {"Service": "web", "Failover": {"NearestN": 0}}}

    all_said("it", {**said, **more}, said)


def test_each_thing_is_named_with_its_place() -> None:
    found = {"Policies": [{"Name": "a"}, {"Name": "b", "Scope": "x"}], "Service": {"NodeMeta": {"a": "b"}}}

    with pytest.raises(CannotImport, match=r"^it has .*: Policies\[1\]\.Scope, Service\.NodeMeta$"):
        all_said("it", found, {"Policies": [{"Name": "a"}, {"Name": "b"}], "Service": {}})
