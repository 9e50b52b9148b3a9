"""`mooring:host:Image`: a container image of this machine's engine, on a host's engine too.

For images that no registry serves: the registry's own, and base images that were made here. Everything else is
pulled by digest.
"""

import json
import shlex
from typing import Any

import docker
import docker.errors
import pulumi
from typing_extensions import override

from mooring.clients import ssh
from mooring.clients.ssh import Connection
from mooring.kinds.kind import Handler, Made, Props, Resource, Seen, Spec, Work, register

COPY_WITHIN = 600.0
"""Seconds; 200 MB over a slow line of 3 Mbit/s take about that."""


class ImageSpec(Spec):
    connection: Connection
    reference: str
    """`name:tag` on both engines. The tag is made from the content, so the same tag is the same image."""


class NoSuchImage(Exception):
    """The engine of this machine does not have the image: prepare the machine, then run again."""


@register
class ImageHandler(Handler[ImageSpec]):
    token = "mooring:host:Image"  # noqa: S105 -- a type token, not a secret
    spec = ImageSpec
    identity = frozenset({"reference"})
    access = frozenset({"connection"})
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
        """Left to the engine: a container may still need it, and the engine's own clean-up knows."""


def _id_there(spec: ImageSpec) -> str | None:
    got = ssh.answer(spec.connection, f"docker image inspect {shlex.quote(spec.reference)}")
    return json.loads(got.stdout)[0]["Id"] if got.status == 0 else None


def _copied(spec: ImageSpec) -> str:
    ssh.run(spec.connection, "docker load --quiet", stdin=_saved(spec.reference), within=COPY_WITHIN)
    found = _id_there(spec)
    if found is None:
        raise NoSuchImage(f"{spec.connection.address}: {spec.reference} was loaded, yet its engine does not list it")
    return found


def _saved(reference: str) -> bytes:
    engine = docker.from_env(timeout=60)
    try:
        return b"".join(engine.images.get(reference).save(named=True))
    except docker.errors.ImageNotFound as error:
        raise NoSuchImage(f"this machine's engine has no image {reference}: `make prepare` builds it") from error
    finally:
        engine.close()


class Image(Resource):
    """An image that a host's engine has. `image_id` is its content's digest."""

    image_id: pulumi.Output[str]
    reference: pulumi.Output[str]

    def __init__(
        self,
        resource_name: str,
        *,
        connection: pulumi.Input[dict[str, Any]],
        reference: str,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        inputs = {"connection": connection, "reference": reference}
        super().__init__(ImageHandler, resource_name, inputs, outputs=("image_id",), opts=opts)
