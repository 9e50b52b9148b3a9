"""`mooring:local:ControlGroup`: what a local node leaves in this machine's own tree of control groups.

Local nodes share that tree. Nomad makes a group in it and relies on the machine's end to take it away, which for a
node that is a container never comes.
"""

from pathlib import Path

import pulumi
from pydantic import Field
from typing_extensions import override

from mooring.kinds.kind import Handler, Made, Props, Resource, Seen, Spec, Work, register

ROOT = Path("/sys/fs/cgroup")


class ControlGroupSpec(Spec):
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")


@register
class ControlGroupHandler(Handler[ControlGroupSpec]):
    """Made by the node itself, so there is nothing to create; only the removal is ours."""

    token = "mooring:local:ControlGroup"  # noqa: S105 -- a type token, not a secret
    spec = ControlGroupSpec
    identity = frozenset({"name"})

    @override
    def create(self, spec: ControlGroupSpec, work: Work) -> Made:
        return Made(id=spec.name)

    @override
    def read(self, id_: str, spec: ControlGroupSpec, outputs: Props, work: Work) -> Seen[ControlGroupSpec]:
        return Seen(spec=spec)

    @override
    def update(self, id_: str, old: ControlGroupSpec, new: ControlGroupSpec, outputs: Props, work: Work) -> Props:
        return {}

    @override
    def delete(self, id_: str, spec: ControlGroupSpec, outputs: Props, work: Work) -> None:
        for group in groups(ROOT, spec.name):
            group.rmdir()


def groups(root: Path, name: str) -> list[Path]:
    """Every directory of the group, the innermost first: one in each hierarchy, or one in the unified tree."""
    tops = [place for place in (root / name, *root.glob(f"*/{name}")) if place.is_dir() and not place.is_symlink()]
    # The kernel's files in them are no obstacle: a group without processes and without groups goes as a whole.
    return [inner for top in tops for inner in (*sorted(_folders(top), reverse=True), top)]


def _folders(top: Path) -> list[Path]:
    return [place for place in top.rglob("*") if place.is_dir()]


class ControlGroup(Resource):
    def __init__(self, resource_name: str, *, name: str, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(ControlGroupHandler, resource_name, {"name": name}, opts=opts)
