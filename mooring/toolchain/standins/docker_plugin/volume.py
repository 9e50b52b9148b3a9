"""`docker:index/volume:Volume`: known by its name, so another one of the same name must be told apart by a read."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, ClassVar

from docker.errors import NotFound
from typing_extensions import override

from mooring.toolchain.standins.docker_plugin.api import named_items
from mooring.toolchain.standins.docker_plugin.kind import Kind, Made, Props, Seen, Work, labels
from mooring.toolchain.standins.docker_plugin.known import Shape, leaves
from mooring.toolchain.standins.docker_plugin.removal import remove_when_free
from mooring.waiting import SystemClock


def volume_inputs(found: Mapping[str, Any], props: Props) -> Props:
    """`props` with the observed values of what they declare, and with labels and options nobody declared.

    A volume that was removed and made again by somebody else has the same id.
    """
    observed: Props = {"driver": found["Driver"]} if "driver" in props else {}
    if "driverOpts" in props or found["Options"]:
        observed["driverOpts"] = found["Options"] or {}
    if labels(props) != (found["Labels"] or {}):
        observed["labels"] = [{"label": key, "value": value} for key, value in named_items(found["Labels"])]
    return {**props, **observed}


def volume_outputs(found: Mapping[str, Any]) -> Props:
    return {"driver": found["Driver"], "mountpoint": found["Mountpoint"]}


class Volume(Kind):
    token: ClassVar[str] = "docker:index/volume:Volume"  # noqa: S105 -- a type token, not a secret
    word: ClassVar[str] = "Volume"
    shape: ClassVar[Shape] = {**leaves("name", "driver", "driverOpts"), "labels": leaves("label", "value")}
    unordered: ClassVar[frozenset[str]] = frozenset({"labels"})

    @override
    def create(self, props: Props, work: Work) -> Made:
        # One of this name that exists is taken as it is: the engine does so, and so does the official plugin.
        found = work.api.create_volume(
            name=props["name"],
            driver=props.get("driver"),
            driver_opts=props.get("driverOpts"),
            labels=labels(props),
        )
        return Made(id=found["Name"], outputs=volume_outputs(found))

    @override
    def read(self, id_: str, props: Props, outputs: Props, work: Work) -> Seen | None:
        try:
            found = work.api.inspect_volume(id_)
        except NotFound:
            return None
        return Seen(inputs=volume_inputs(found, props), outputs=volume_outputs(found))

    @override
    def delete(self, id_: str, props: Props, work: Work) -> None:
        remove_when_free(
            lambda: work.api.remove_volume(id_),
            busy=HTTPStatus.CONFLICT,
            what=f"volume {id_} to be left by its containers",
            clock=SystemClock(work.cancelled),
        )
