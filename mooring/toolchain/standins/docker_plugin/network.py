"""`docker:index/network:Network`: immutable on the engine, so a read only asks whether it is still there."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, ClassVar

from docker.errors import NotFound
from typing_extensions import override

from mooring.toolchain.standins.docker_plugin.kind import Kind, Made, Props, Seen, Work, items, labels, said, unsaid
from mooring.toolchain.standins.docker_plugin.known import Shape, leaves
from mooring.toolchain.standins.docker_plugin.removal import remove_when_free
from mooring.waiting import SystemClock


def network_request(props: Props) -> dict[str, Any]:
    """What the engine is asked to create, as arguments of docker's `create_network`."""
    return said(
        name=props["name"],
        check_duplicate=True,  # engines before 1.44 make a second one of the same name unless asked
        driver=props.get("driver"),
        internal=props.get("internal"),
        attachable=props.get("attachable"),
        enable_ipv6=props.get("ipv6"),
        options=props.get("options"),
        labels=labels(props),
        ipam=said(
            Driver=props.get("ipamDriver", "default"),
            Options=props.get("ipamOptions"),
            Config=[
                said(
                    Subnet=pool.get("subnet"),
                    IPRange=pool.get("ipRange"),
                    Gateway=pool.get("gateway"),
                    AuxiliaryAddresses=pool.get("auxAddress"),
                )
                for pool in items(props, "ipamConfigs")
            ],
        ),
    )


def network_outputs(props: Props, found: Mapping[str, Any]) -> Props:
    """What the engine decided where the program left it to it."""
    decided: Props = {
        "driver": found["Driver"],
        "internal": found["Internal"],
        "options": found["Options"] or {},
        "scope": found["Scope"],
        "ipamConfigs": [
            said(
                subnet=pool.get("Subnet"),
                ipRange=pool.get("IPRange"),
                gateway=pool.get("Gateway"),
                auxAddress=pool.get("AuxiliaryAddresses"),
            )
            for pool in items(found["IPAM"], "Config")
        ],
    }
    return unsaid(decided, props)


class Network(Kind):
    token: ClassVar[str] = "docker:index/network:Network"  # noqa: S105 -- a type token, not a secret
    word: ClassVar[str] = "Network"
    shape: ClassVar[Shape] = {
        **leaves("name", "driver", "internal", "attachable", "ipv6", "ipamDriver", "ipamOptions", "options"),
        "ipamConfigs": leaves("subnet", "ipRange", "gateway", "auxAddress"),
        "labels": leaves("label", "value"),
    }
    defaults: ClassVar[Mapping[str, Any]] = {"ipamDriver": "default"}
    unordered: ClassVar[frozenset[str]] = frozenset({"ipamConfigs", "labels"})

    @override
    def create(self, props: Props, work: Work) -> Made:
        id_ = work.api.create_network(**network_request(props))["Id"]
        return Made(id=id_, outputs=network_outputs(props, work.api.inspect_network(id_)))

    @override
    def read(self, id_: str, props: Props, outputs: Props, work: Work) -> Seen | None:
        try:
            found = work.api.inspect_network(id_)
        except NotFound:
            return None
        return Seen(inputs=props, outputs=network_outputs(props, found))

    @override
    def delete(self, id_: str, props: Props, work: Work) -> None:
        remove_when_free(
            lambda: work.api.remove_network(id_),
            busy=HTTPStatus.FORBIDDEN,
            what=f"network {props['name']} to be left by its containers",
            clock=SystemClock(work.cancelled),
        )
