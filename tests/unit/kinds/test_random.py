import re
from base64 import b64decode
from typing import Any

import bcrypt
import pytest
from pydantic import ValidationError

from mooring.kinds.kind import Handler, Seen, Work
from mooring.kinds.random import BytesHandler, PasswordHandler, PasswordSpec, UuidHandler

WORK = Work(urn="urn:pulumi:dev::shop::x::secret", name="secret", project="shop", stack="dev")


def value(handler: Handler[Any], **inputs: Any) -> str:
    said: str = handler.create(handler.spec(**inputs), WORK).outputs["value"]
    return said


def test_a_uuid_is_a_random_one() -> None:
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", value(UuidHandler()))


def test_bytes_are_base64_of_as_many_bytes() -> None:
    assert len(b64decode(value(BytesHandler(), length=16), validate=True)) == 16


def test_a_password_needs_no_quoting() -> None:
    assert re.fullmatch(r"[A-Za-z0-9]{72}", value(PasswordHandler(), length=72))


@pytest.mark.parametrize("handler", [UuidHandler(), BytesHandler(), PasswordHandler()])
class TestEach:
    def test_no_two_are_the_same(self, handler: Handler[Any]) -> None:
        assert value(handler) != value(handler)

    def test_the_value_is_secret_from_birth(self, handler: Handler[Any]) -> None:
        assert handler.create(handler.spec(), WORK).outputs.keys() == handler.secret_outputs

    def test_a_change_of_the_keepers_makes_another(self, handler: Handler[Any]) -> None:
        assert "keepers" in handler.identity

    def test_what_was_made_reads_as_it_is_and_stays(self, handler: Handler[Any]) -> None:
        spec = handler.spec.model_validate({"keepers": {"a": "b"}})
        made = handler.create(spec, WORK)

        assert handler.read(made.id, spec, made.outputs, WORK) == Seen(spec=spec, outputs=made.outputs)
        assert handler.update(made.id, spec, spec, made.outputs, WORK) == made.outputs


@pytest.mark.parametrize(
    ("handler", "length"),
    [(BytesHandler(), 0), (BytesHandler(), 1025), (PasswordHandler(), 7), (PasswordHandler(), 73)],
)
def test_a_length_out_of_bounds_is_refused(handler: Handler[Any], length: int) -> None:
    with pytest.raises(ValidationError, match="length"):
        value(handler, length=length)


def test_the_hash_of_a_password_is_one_that_servers_take() -> None:
    outputs = PasswordHandler().create(PasswordSpec(), WORK).outputs

    assert bcrypt.checkpw(outputs["value"].encode(), outputs["bcrypt"].encode())
