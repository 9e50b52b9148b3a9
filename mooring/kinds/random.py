"""`mooring:random:*`: values that somebody has to make up once, secret from birth, and kept for as long as they serve.

There is nothing to read or to take away: the state is the only place where they are.
"""

import secrets
import string
import uuid
from abc import abstractmethod
from base64 import b64encode
from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar

import bcrypt
import pulumi
from pydantic import Field
from typing_extensions import override

from mooring.kinds.kind import Handler, Made, Props, Resource, Seen, Spec, Work, register

ALPHANUMERIC = string.ascii_letters + string.digits


class RandomSpec(Spec):
    keepers: dict[str, str] = Field(default_factory=dict[str, str])


class SizedSpec(RandomSpec):
    length: int = Field(default=32, ge=1, le=1024)


class PasswordSpec(SizedSpec):
    length: int = Field(default=32, ge=8, le=72)  # bcrypt takes no more; shorter ones are guessed


S = TypeVar("S", bound=RandomSpec)


class RandomHandler(Handler[S]):
    """What all of them have in common: one value, and any change makes another one."""

    identity = frozenset({"keepers", "length"})
    made_beside = True  # or what goes by the old value would be deleted first with it
    secret_outputs = frozenset({"value"})
    not_imported = "no server has its secret: it lives in the state of the stack that made it, and nowhere else"

    @abstractmethod
    def value(self, spec: S) -> str: ...

    @override
    def create(self, spec: S, work: Work) -> Made:
        return Made(id=work.name, outputs={"value": self.value(spec)})

    @override
    def read(self, id_: str, spec: S, outputs: Props, work: Work) -> Seen[S]:
        return Seen(spec=spec, outputs=outputs)

    @override
    def update(self, id_: str, old: S, new: S, outputs: Props, work: Work) -> Props:
        return outputs

    @override
    def delete(self, id_: str, spec: S, outputs: Props, work: Work) -> None:
        """It was nowhere but in the state."""


@register
class UuidHandler(RandomHandler[RandomSpec]):
    token = "mooring:random:Uuid"  # noqa: S105 -- a type token, not a secret
    spec = RandomSpec

    @override
    def value(self, spec: RandomSpec) -> str:
        return str(uuid.uuid4())


@register
class BytesHandler(RandomHandler[SizedSpec]):
    token = "mooring:random:Bytes"  # noqa: S105 -- a type token, not a secret
    spec = SizedSpec

    @override
    def value(self, spec: SizedSpec) -> str:
        return b64encode(secrets.token_bytes(spec.length)).decode()


@register
class PasswordHandler(RandomHandler[PasswordSpec]):
    token = "mooring:random:Password"  # noqa: S105 -- a type token, not a secret
    spec = PasswordSpec
    secret_outputs = frozenset({"value", "bcrypt"})

    @override
    def value(self, spec: PasswordSpec) -> str:
        return "".join(secrets.choice(ALPHANUMERIC) for _ in range(spec.length))

    @override
    def create(self, spec: PasswordSpec, work: Work) -> Made:
        value = self.value(spec)
        # Hashed once and kept, as the salt is random. Few rounds: nobody guesses a random password, while who checks
        # it does so at every request.
        hashed = bcrypt.hashpw(value.encode(), bcrypt.gensalt(rounds=5)).decode()
        return Made(id=work.name, outputs={"value": value, "bcrypt": hashed})


class _Random(Resource):
    handler: ClassVar[type[Handler[Any]]]
    outputs: ClassVar[tuple[str, ...]] = ("value",)

    value: pulumi.Output[str]
    """Secret."""

    def __init__(self, name: str, inputs: Mapping[str, Any], opts: pulumi.ResourceOptions | None) -> None:
        given = {key: value for key, value in inputs.items() if value is not None}
        super().__init__(self.handler, name, given, outputs=self.outputs, opts=opts)


class Uuid(_Random):
    """A random UUID, such as the secret id of a token that is chosen before the cluster exists."""

    handler = UuidHandler

    def __init__(
        self,
        resource_name: str,
        *,
        keepers: pulumi.Input[Mapping[str, pulumi.Input[str]]] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """A change of `keepers` makes another value."""
        super().__init__(resource_name, {"keepers": keepers}, opts)


class _Sized(_Random):
    def __init__(
        self,
        resource_name: str,
        *,
        length: pulumi.Input[int] | None = None,
        keepers: pulumi.Input[Mapping[str, pulumi.Input[str]]] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """A change of `length` (32 unless given) or of `keepers` makes another value."""
        super().__init__(resource_name, {"length": length, "keepers": keepers}, opts)


class Bytes(_Sized):
    """Random bytes as base64, such as a gossip key."""

    handler = BytesHandler


class Password(_Sized):
    """8 to 72 letters and digits, which need no quoting anywhere."""

    handler = PasswordHandler
    outputs = ("value", "bcrypt")

    bcrypt: pulumi.Output[str]
    """Secret; for whoever checks the password, such as a file of `htpasswd`'s form."""
