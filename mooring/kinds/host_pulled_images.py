"""`mooring:host:PulledImages`: what a host's engine holds of one registry.

Nothing is made: engines pull by themselves. But a machine that stays when the stack goes must not keep the stack's
images, and only here is it known which ones these are.
"""

import shlex
from collections.abc import Mapping
from typing import Any

import pulumi
from typing_extensions import override

from mooring.clients import ssh
from mooring.clients.ssh import Connection
from mooring.kinds.kind import Handler, Made, Props, Resource, Seen, Spec, Work, register


class PulledImagesSpec(Spec):
    connection: Connection
    registry: str
    """The first part of every image's name."""


@register
class PulledImagesHandler(Handler[PulledImagesSpec]):
    token = "mooring:host:PulledImages"  # noqa: S105 -- a type token, not a secret
    spec = PulledImagesSpec
    identity = frozenset({"registry"})
    access = frozenset({"connection"})
    secret_inputs = frozenset({"connection.private_key"})

    @override
    def create(self, spec: PulledImagesSpec, work: Work) -> Made:
        return Made(id=f"{spec.connection.address}:{spec.registry}")

    @override
    def read(self, id_: str, spec: PulledImagesSpec, outputs: Props, work: Work) -> Seen[PulledImagesSpec]:
        return Seen(spec=spec)

    @override
    def update(self, id_: str, old: PulledImagesSpec, new: PulledImagesSpec, outputs: Props, work: Work) -> Props:
        return {}

    @override
    def delete(self, id_: str, spec: PulledImagesSpec, outputs: Props, work: Work) -> None:
        ssh.run(spec.connection, removing(spec.registry))


def removing(registry: str) -> str:
    """The script that removes every image whose name begins with the registry's; an engine that is gone has none."""
    return f"""
command -v docker >/dev/null || exit 0
images=$(docker image ls --no-trunc --format '{{{{.Repository}}}} {{{{.ID}}}}') || exit 1
echo "$images" | awk -v prefix={shlex.quote(f"{registry}/")} 'index($1, prefix) == 1 {{print $2}}' | sort -u |
  xargs -r docker image rm -f >/dev/null
"""


class PulledImages(Resource):
    def __init__(
        self,
        resource_name: str,
        *,
        connection: pulumi.Input[Mapping[str, Any]],
        registry: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(
            PulledImagesHandler, resource_name, {"connection": connection, "registry": registry}, opts=opts
        )
