"""Tokens that are exchanged: a successor is known before anybody is told of it, and the old one goes last."""

from typing import Any

import pytest
from fakes.world import World

from mooring.clients import consul, nomad
from mooring.clients.errors import Forbidden, Unreachable
from mooring.clients.http import Endpoint
from mooring.kinds import consul_acl, consul_credentials, nomad_acl, nomad_credentials
from mooring.kinds.kind import Handler, Props
from mooring.kinds.random import PasswordHandler, UuidHandler
from mooring.kinds.registry_account import AccountHandler

CONSUL = consul_credentials.CredentialsHandler()
NOMAD = nomad_credentials.CredentialsHandler()

AGENT = consul_credentials.Ids(
    accessor_id="33333333-cccc-4ccc-8ccc-333333333331",
    secret_id="33333333-cccc-4ccc-8ccc-333333333332",  # noqa: S106 -- of a token that opens nothing
)


def without_token(endpoint: Endpoint) -> Endpoint:
    return endpoint.model_copy(update={"token": ""})


def with_token(endpoint: Endpoint, secret: str) -> Endpoint:
    return endpoint.model_copy(update={"token": secret})


def consul_spec(world: World, number: int) -> consul_credentials.CredentialsSpec:
    return consul_credentials.CredentialsSpec(
        endpoint=without_token(world.consul_endpoint),
        number=number,
        first_management=world.consul_endpoint.token,
        tokens={"s1-agent": AGENT},
    )


def nomad_spec(world: World, number: int) -> nomad_credentials.CredentialsSpec:
    return nomad_credentials.CredentialsSpec(
        endpoint=without_token(world.nomad_endpoint),
        number=number,
        first_management=world.nomad_endpoint.token,
        tokens=("mooring deploy",) if number == 1 else (f"mooring deploy {number}",),
    )


def agents_token(world: World, ids: consul_credentials.Ids) -> consul_acl.TokenSpec:
    return consul_acl.TokenSpec(
        endpoint=world.consul_endpoint,
        accessor_id=ids.accessor_id,
        secret_id=ids.secret_id,
        description="consul-s1-agent",
        policies=("status", "dns"),
        node_identities=("s1:dc1",),
    )


def exchanged(handler: Handler[Any], spec: Any, world: World, number: int = 2) -> Props:
    """The outputs after `number` was raised from 1."""
    made = handler.create(spec(world, 1), world.work())
    return handler.update(made.id, spec(world, 1), spec(world, number), made.outputs, world.work())


@pytest.mark.parametrize(("handler", "spec"), [(CONSUL, consul_spec), (NOMAD, nomad_spec)])
class TestEach:
    def test_before_there_is_a_cluster_nobody_is_asked(self, handler: Handler[Any], spec: Any, world: World) -> None:
        """Whatever the number: what the program has just made up is as new as can be."""
        world.network.servers.clear()

        assert handler.create(spec(world, 7), world.work()).outputs["management"] == spec(world, 1).first_management

    def test_everything_that_opens_something_is_secret(self, handler: Handler[Any], spec: Any, world: World) -> None:
        assert handler.create(spec(world, 1), world.work()).outputs.keys() == {*handler.secret_outputs, "retiring"}
        assert "first_management" in handler.secret_inputs
        assert spec(world, 1).first_management not in repr(spec(world, 1))

    def test_a_number_is_only_raised(self, handler: Handler[Any], spec: Any, world: World) -> None:
        assert [problem.reason for problem in handler.check_step(spec(world, 3), spec(world, 2))] == [
            "was 3 already and can only be raised, got 2"
        ]
        assert not [*handler.check_step(spec(world, 1), spec(world, 3))]

    def test_a_cluster_that_cannot_be_asked_keeps_what_it_has(
        self, handler: Handler[Any], spec: Any, world: World
    ) -> None:
        world.network.servers.clear()

        with pytest.raises(Unreachable):
            exchanged(handler, spec, world)

    def test_a_run_that_was_killed_goes_on_with_what_it_had_made(
        self, handler: Handler[Any], spec: Any, world: World
    ) -> None:
        assert exchanged(handler, spec, world) == exchanged(handler, spec, world)

    def test_a_preview_says_that_the_tokens_will_be_others(
        self, handler: Handler[Any], spec: Any, world: World
    ) -> None:
        del spec, world
        assert set(handler.renewed(frozenset({"number"}))) == handler.secret_outputs
        assert not [*handler.renewed(frozenset({"tokens"}))]


def test_consuls_old_and_new_management_tokens_both_rule(world: World) -> None:
    outputs = exchanged(CONSUL, consul_spec, world)

    assert outputs["management"] != world.consul_endpoint.token
    for secret in (outputs["management"], world.consul_endpoint.token):
        own = consul.cluster(with_token(world.consul_endpoint, secret)).own_token()
        assert [link["Name"] for link in own["Policies"]] == ["global-management"]


def test_a_token_and_its_successor_are_both_there_with_the_same_rights(world: World) -> None:
    """What declares the token finds it exactly as it would have made it."""
    handler = consul_acl.TokenHandler()
    handler.create(agents_token(world, AGENT), world.work())

    new = exchanged(CONSUL, consul_spec, world)["successors"]["s1-agent"]
    theirs = agents_token(world, consul_credentials.Ids(**new))

    assert handler.read(AGENT.accessor_id, agents_token(world, AGENT), {}, world.work()) is not None
    assert handler.create(theirs, world.work()).id == new["accessor_id"] != AGENT.accessor_id


def test_a_successor_has_a_successor(world: World) -> None:
    consul_acl.TokenHandler().create(agents_token(world, AGENT), world.work())
    second = exchanged(CONSUL, consul_spec, world)
    third = CONSUL.update("consul", consul_spec(world, 2), consul_spec(world, 3), second, world.work())

    assert len({AGENT.secret_id, *(o["successors"]["s1-agent"]["secret_id"] for o in (second, third))}) == 3
    assert len({world.consul_endpoint.token, second["management"], third["management"]}) == 3


def test_a_host_that_comes_in_the_same_run_begins_with_its_first_token(world: World) -> None:
    assert exchanged(CONSUL, consul_spec, world)["successors"] == {}


def test_a_host_that_leaves_takes_its_ids_along_and_nothing_is_exchanged(world: World) -> None:
    consul_acl.TokenHandler().create(agents_token(world, AGENT), world.work())
    outputs = exchanged(CONSUL, consul_spec, world)
    alone = consul_spec(world, 2).model_copy(update={"tokens": {}})

    kept = CONSUL.update("consul", consul_spec(world, 2), alone, outputs, world.work())

    assert kept == {**outputs, "successors": {}}


def test_consuls_old_management_token_goes_with_the_run_after_the_last_old_token(world: World) -> None:
    handler = consul_acl.TokenHandler()
    handler.create(agents_token(world, AGENT), world.work())
    outputs = exchanged(CONSUL, consul_spec, world)
    same = consul_spec(world, 2)

    # A run that did not come to its end: by its rights the old tokens are still to be deleted.
    outputs = CONSUL.update("consul", same, same, outputs, world.work())
    assert not CONSUL.read("consul", same, outputs, world.work()).spec.settled
    handler.delete(AGENT.accessor_id, agents_token(world, AGENT), {}, world.work())
    outputs = CONSUL.update("consul", same, same, outputs, world.work())

    assert CONSUL.read("consul", same, outputs, world.work()).spec.settled
    with pytest.raises(Forbidden):
        consul.cluster(world.consul_endpoint).own_token()
    assert consul.cluster(with_token(world.consul_endpoint, outputs["management"])).own_token()


def test_nomads_old_management_token_goes_with_the_run_after_the_last_old_token(world: World) -> None:
    handler = nomad_acl.TokenHandler()
    deploy = nomad_acl.TokenSpec(endpoint=world.nomad_endpoint, name="mooring deploy", policies=("deploy",))
    id_ = handler.create(deploy, world.work()).id
    outputs = exchanged(NOMAD, nomad_spec, world)
    same = nomad_spec(world, 2)

    outputs = NOMAD.update("nomad", same, same, outputs, world.work())
    assert not NOMAD.read("nomad", same, outputs, world.work()).spec.settled
    handler.delete(id_, deploy, {}, world.work())
    outputs = NOMAD.update("nomad", same, same, outputs, world.work())

    assert NOMAD.read("nomad", same, outputs, world.work()).spec.settled
    assert not nomad.region(world.nomad_endpoint).knows_us()
    assert nomad.region(with_token(world.nomad_endpoint, outputs["management"])).knows_us()


def test_a_run_that_was_killed_while_it_deleted_the_old_one_goes_on(world: World) -> None:
    both: list[tuple[Handler[Any], Any]] = [(CONSUL, consul_spec), (NOMAD, nomad_spec)]
    for handler, spec in both:
        before, same = exchanged(handler, spec, world), spec(world, 2)
        settled = handler.update("x", same, same, before, world.work())

        assert handler.update("x", same, same, before, world.work()) == settled


def test_what_others_log_in_with_is_made_before_the_old_one_goes() -> None:
    """Also the values that it goes by: what is deleted first takes along whatever is made from it."""
    for handler in (consul_acl.TokenHandler, nomad_acl.TokenHandler, AccountHandler, PasswordHandler, UuidHandler):
        assert handler.made_beside, handler.token


def test_nomads_successor_may_do_everything_and_bears_its_number(world: World) -> None:
    outputs = exchanged(NOMAD, nomad_spec, world, 2)

    own = nomad.region(with_token(world.nomad_endpoint, outputs["management"])).own_token()

    assert (own["Name"], own["Type"]) == ("mooring management 2", "management")
