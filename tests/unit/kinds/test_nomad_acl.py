"""What only Nomad's tokens have: it chooses their ids, and ours are found by name."""

import pytest
from fakes.world import World

from mooring.clients import nomad
from mooring.kinds.kind import NotOurs
from mooring.kinds.nomad_acl import TokenHandler, TokenSpec

HANDLER = TokenHandler()


def spec(world: World) -> TokenSpec:
    return TokenSpec(endpoint=world.nomad_endpoint, name="mooring deploy", policies=("deploy",))


def test_the_secret_that_nomad_chose_is_an_output(world: World) -> None:
    made = HANDLER.create(spec(world), world.work())

    assert made.outputs == {"secret_id": world.nomad.tokens[made.id]["SecretID"]}
    assert HANDLER.secret_outputs == {"secret_id"}


def test_a_management_token_of_that_name_is_not_taken_for_ours(world: World) -> None:
    """It has no policies, for which Nomad answers null: it may do everything."""
    nomad.region(world.nomad_endpoint).put_acl_token({"Name": "mooring deploy", "Type": "management"})

    with pytest.raises(NotOurs, match="nomad has a token named 'mooring deploy' with other rights"):
        HANDLER.create(spec(world), world.work())


def test_an_update_keeps_the_secret(world: World) -> None:
    made = HANDLER.create(spec(world), world.work())
    wider = spec(world).model_copy(update={"policies": ("deploy", "status")})

    assert HANDLER.update(made.id, spec(world), wider, made.outputs, world.work()) == made.outputs
    assert set(world.nomad.tokens[made.id]["Policies"]) == {"deploy", "status"}
