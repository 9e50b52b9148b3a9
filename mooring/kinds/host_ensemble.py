"""`mooring:host:Ensemble`: agents on several hosts that end together.

Where the machines stay when a stack goes, its agents are taken away one by one, and each asks first whether the rest
of its cluster can spare it. From the second server on the answer would be no. An ensemble stands between a cluster and
its agents: it goes after the one and before the others, and by then nothing is left to be spared.
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pulumi
from pydantic import Field
from typing_extensions import override

from mooring.clients import ssh
from mooring.clients.ssh import Connection
from mooring.kinds.kind import Handler, Made, Props, Resource, Seen, Spec, Work, register


class EnsembleSpec(Spec):
    service: str = Field(pattern=r"^[a-z][a-z0-9-]*$")
    """The unit's name, the same on each host."""

    connections: dict[str, Connection]
    """By host."""


@register
class EnsembleHandler(Handler[EnsembleSpec]):
    """The agents are made one by one; only their common end is ours."""

    token = "mooring:host:Ensemble"  # noqa: S105 -- a type token, not a secret
    spec = EnsembleSpec
    identity = frozenset({"service"})
    access = frozenset({"connections"})
    secret_inputs = frozenset({"connections.*.private_key"})

    @override
    def create(self, spec: EnsembleSpec, work: Work) -> Made:
        return Made(id=spec.service)

    @override
    def read(self, id_: str, spec: EnsembleSpec, outputs: Props, work: Work) -> Seen[EnsembleSpec]:
        return Seen(spec=spec)

    @override
    def update(self, id_: str, old: EnsembleSpec, new: EnsembleSpec, outputs: Props, work: Work) -> Props:
        return {}

    @override
    def delete(self, id_: str, spec: EnsembleSpec, outputs: Props, work: Work) -> None:
        unit = f"{spec.service}.service"
        stop = f"if [ -e /etc/systemd/system/{unit} ]; then systemctl stop {unit}; fi"
        work.say(f"stopping {spec.service} on {len(spec.connections)} hosts")
        with ThreadPoolExecutor(max(len(spec.connections), 1)) as pool:
            list(pool.map(partial(ssh.run, command=stop, within=90), spec.connections.values()))


class Ensemble(Resource):
    def __init__(
        self,
        resource_name: str,
        *,
        service: str,
        connections: pulumi.Input[Mapping[str, Any]],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        inputs = {"service": service, "connections": connections}
        super().__init__(EnsembleHandler, resource_name, inputs, opts=opts)
