"""`mooring:host:Image`: a container image that was made on this machine, on a host's engine.

For images that no registry serves: the registry's own, and base images that were made here. Everything else is
pulled by digest.
"""

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pulumi
from typing_extensions import override

from mooring.clients import ssh
from mooring.clients.ssh import Connection
from mooring.kinds import ledger
from mooring.kinds.kind import Handler, Made, Props, Resource, Seen, Spec, Work, register

COPY_WITHIN = 600.0
"""Seconds; 200 MB over a slow line of 3 Mbit/s take about that."""


class ImageSpec(Spec):
    connection: Connection
    reference: str
    """`name:tag`, made from the content: the same tag is the same image."""

    archive: str
    """On the machine that runs this: what `docker save` writes, packed by zstd."""


class NoSuchImage(Exception):
    """The archive is not there, or holds something else: prepare the machine, then run again."""


@register
class ImageHandler(Handler[ImageSpec]):
    token = "mooring:host:Image"  # noqa: S105 -- a type token, not a secret
    spec = ImageSpec
    identity = frozenset({"reference"})
    access = frozenset({"connection", "archive"})
    secret_inputs = frozenset({"connection.private_key"})

    @override
    def create(self, spec: ImageSpec, work: Work) -> Made:
        if (id_ := _id_there(spec)) is None:
            work.say(f"copying {spec.reference}")
            id_ = _copied(spec)
        return Made(id=f"{spec.connection.address}:{spec.reference}", outputs={"image_id": id_})

    @override
    def read(self, id_: str, spec: ImageSpec, outputs: Props, work: Work) -> Seen[ImageSpec] | None:
        found = _id_there(spec)
        return None if found is None else Seen(spec=spec, outputs={"image_id": found})

    @override
    def update(self, id_: str, old: ImageSpec, new: ImageSpec, outputs: Props, work: Work) -> Props:
        return self.create(new, work).outputs

    @override
    def delete(self, id_: str, spec: ImageSpec, outputs: Props, work: Work) -> None:
        """Left to the engine: a container may still need it, and the engine's own clean-up knows.

        From a host that is only lent to the stack it goes with the claim.
        """


def _id_there(spec: ImageSpec) -> str | None:
    got = ssh.answer(spec.connection, f"docker image inspect {shlex.quote(spec.reference)}")
    return json.loads(got.stdout)[0]["Id"] if got.status == 0 else None


def _copied(spec: ImageSpec) -> str:
    try:
        packed = Path(spec.archive).read_bytes()
    except OSError as error:
        raise NoSuchImage(f"{spec.archive} cannot be read ({error.strerror}): `make prepare` makes it") from error
    # Unpacked there and not here: the way is longer than the work.
    load = f"{ledger.noting_image(spec.reference)}\nzstd -dc | docker load --quiet"
    ssh.run(spec.connection, load, stdin=packed, within=COPY_WITHIN)
    found = _id_there(spec)
    if found is None:
        raise NoSuchImage(f"{spec.archive} does not hold the image {spec.reference}")
    return found


class Image(Resource):
    """An image that a host's engine has. `image_id` is its content's digest."""

    image_id: pulumi.Output[str]
    reference: pulumi.Output[str]

    def __init__(
        self,
        resource_name: str,
        *,
        connection: pulumi.Input[Mapping[str, Any]],
        reference: str,
        archive: str,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        inputs = {"connection": connection, "reference": reference, "archive": archive}
        super().__init__(ImageHandler, resource_name, inputs, outputs=("image_id",), opts=opts)
