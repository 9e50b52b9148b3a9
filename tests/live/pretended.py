"""A kind whose cloud is a folder: what stands there is there, and files beside it make it slow, unhealthy or silent."""

import json
import os
from pathlib import Path
from typing import Any

import pulumi
from pydantic import Field
from typing_extensions import override

from mooring.kinds.kind import Handler, Made, NotHealthy, Props, Resource, Seen, Spec, Unreachable, Work, register
from mooring.waiting import Cancelled, SystemClock, TimedOut, wait_for

CLOUD = Path(os.environ["PRETENDED_CLOUD"])


class BoxSpec(Spec):
    zone: str = "a"
    size: int = Field(default=1, ge=1)
    password: str = Field(default="", repr=False)
    settings: dict[str, str] = Field(default_factory=dict[str, str])


@register
class BoxHandler(Handler[BoxSpec]):
    token = "test:index:Box"  # noqa: S105 -- a type token, not a secret
    spec = BoxSpec
    identity = frozenset({"zone"})
    secret_inputs = frozenset({"password"})

    @override
    def create(self, spec: BoxSpec, work: Work) -> Made:
        self._put("create", work.name, spec, work)
        return Made(id=work.name, outputs={"address": f"{work.name}.example"})

    @override
    def read(self, id_: str, spec: BoxSpec, outputs: Props, work: Work) -> Seen[BoxSpec] | None:
        if (CLOUD / "silent").exists():
            raise Unreachable("the cloud does not answer")
        place = CLOUD / f"{id_}.json"
        return Seen(spec=BoxSpec(**json.loads(place.read_text())), outputs=outputs) if place.exists() else None

    @override
    def update(self, id_: str, old: BoxSpec, new: BoxSpec, outputs: Props, work: Work) -> Props:
        self._put("update", id_, new, work)
        return {"address": f"{id_}.example"}

    @override
    def delete(self, id_: str, spec: BoxSpec, outputs: Props, work: Work) -> None:
        _note("delete", id_)
        (CLOUD / f"{id_}.json").unlink(missing_ok=True)

    def _put(self, verb: str, name: str, spec: BoxSpec, work: Work) -> None:
        _note(verb, name)
        (CLOUD / f"{name}.json").write_text(spec.model_dump_json())
        work.say(f"login with {spec.password}")
        try:
            wait_for(
                lambda: None if (CLOUD / "slow").exists() else True,
                "a fast cloud",
                within=work.timeout or 60,
                every=0.1,
                clock=SystemClock(work.cancelled),
            )
        except (Cancelled, TimedOut) as error:
            raise NotHealthy(name, {}, [str(error)]) from error
        if (CLOUD / "unhealthy").exists():
            raise NotHealthy(name, {}, [f"1 of 3 answers, with {spec.password}", "2 of 3 are silent"])


def _note(verb: str, name: str) -> None:
    with (CLOUD / "calls").open("a") as calls:
        calls.write(f"{verb} {name}\n")


class Box(Resource):
    address: pulumi.Output[str]

    def __init__(self, resource_name: str, *, opts: pulumi.ResourceOptions | None = None, **inputs: Any) -> None:
        super().__init__(BoxHandler, resource_name, inputs, outputs=("address",), opts=opts)
