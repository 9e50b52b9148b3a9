"""`mooring:host:Release`: which version of Consul or Nomad a cluster runs, and whether it may go to another one.

It stands before every agent, so that a step which the maker does not support is refused before one is touched.
"""

from collections.abc import Iterable
from typing import Literal

import pulumi
from typing_extensions import override

from mooring.kinds.kind import Handler, Made, Problem, Props, Resource, Seen, Spec, Work, register
from mooring.toolchain import pins
from mooring.toolchain.errors import CannotPrepare


class ReleaseSpec(Spec):
    tool: Literal["consul", "nomad"]
    version: str


@register
class ReleaseHandler(Handler[ReleaseSpec]):
    token = "mooring:host:Release"  # noqa: S105 -- a type token, not a secret
    spec = ReleaseSpec
    identity = frozenset({"tool"})
    not_imported = "it is a number of the program, and on no server"

    @override
    def check(self, spec: ReleaseSpec) -> Iterable[Problem]:
        try:
            pins.ordered(spec.version)
        except CannotPrepare as problem:
            yield Problem(path="version", reason=str(problem))

    @override
    def check_step(self, old: ReleaseSpec, new: ReleaseSpec) -> Iterable[Problem]:
        if old.tool == new.tool and (reason := pins.TOOLS[new.tool].refused_step(old.version, new.version)):
            yield Problem(path="version", reason=f"{new.tool}: {reason}")

    @override
    def create(self, spec: ReleaseSpec, work: Work) -> Made:
        return Made(id=spec.tool)

    @override
    def read(self, id_: str, spec: ReleaseSpec, outputs: Props, work: Work) -> Seen[ReleaseSpec]:
        return Seen(spec=spec)

    @override
    def update(self, id_: str, old: ReleaseSpec, new: ReleaseSpec, outputs: Props, work: Work) -> Props:
        return {}

    @override
    def delete(self, id_: str, spec: ReleaseSpec, outputs: Props, work: Work) -> None:
        """It is nothing but what the agents that depend on it are."""


class Release(Resource):
    """Agents of `tool` depend on it: none is touched when the step to `version` is refused."""

    def __init__(
        self,
        resource_name: str,
        *,
        tool: Literal["consul", "nomad"],
        version: str,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(ReleaseHandler, resource_name, {"tool": tool, "version": version}, opts=opts)
