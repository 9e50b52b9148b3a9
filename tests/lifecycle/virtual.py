"""The kinds of virtual machines, for the same promises; what they are made on is no stack, but a libvirt."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any, Final

import pytest
from typing_extensions import override

from lifecycle.cases import Case, changed
from lifecycle.promises import Promises, Thing
from mooring.clients.libvirt import SYSTEM
from mooring.kinds.kind import NotOurs, Unreachable, Work
from mooring.kinds.ssh import KeyPairHandler, KeyPairSpec
from mooring.kinds.vm_domain import Accelerator
from mooring.kinds.vm_machine import Boot, MachineHandler, MachineSpec
from mooring.kinds.vm_network import NetworkHandler, NetworkSpec
from mooring.kinds.vm_pool import PoolHandler, PoolSpec
from mooring.kinds.vm_seed import Seed

NOBODY: Final = "qemu+unix:///system?socket=/nobody/listens/here"
CIDR: Final = "198.18.254.0/28"


@dataclass(frozen=True, kw_only=True)
class VirtualReach:
    pool: str
    """There already, as is the network, for machines."""

    network: str
    base: str
    """Path of a raw disk in it."""

    work: Callable[[str], Work]


def network(_: VirtualReach) -> Case:
    spec = NetworkSpec(name="lifecycle-net", cidr=IPv4Network(CIDR), mode="nat")
    return case(NetworkHandler(), spec, changed(spec, mode="isolated"))


def pool(_: VirtualReach) -> Case:
    spec = PoolSpec(name="lifecycle-pool", path="/var/lib/libvirt/images/lifecycle-pool")
    return case(PoolHandler(), spec, changed(spec, path=f"{spec.path}-2"))


def machine(reach: VirtualReach) -> Case:
    work = Work(urn="", name="key", project="", stack="")
    key = KeyPairHandler().create(KeyPairSpec(comment="lifecycle"), work).outputs
    spec = MachineSpec(
        name="lifecycle-vm",
        pool=reach.pool,
        network=reach.network,
        accelerator=Accelerator.TCG,
        cores=1,
        memory_mib=256,
        disk_gib=1,
        boot=Boot(base=reach.base, base_format="raw"),
        seed=Seed(
            hostname="lifecycle-vm",
            address="198.18.254.19/28",
            authorized_keys=(key["public_key"],),
            host_key=key["private_key"],
        ),
    )
    secrets = [line for line in key["private_key"].splitlines() if not line.startswith("-----")]
    return case(MachineHandler(), spec, changed(spec, cores=2, memory_mib=320), *secrets)


def case(handler: Any, spec: Any, edited: Any, *secrets: str) -> Case:
    assert spec.uri == SYSTEM
    nobody = changed(spec, uri=NOBODY)
    return Case(handler=handler, spec=spec, edited=edited, unreachable=nobody, refused=nobody, secrets=secrets)


VIRTUAL: Final[Mapping[str, Callable[[VirtualReach], Case]]] = {
    made.__name__: made for made in (network, pool, machine)
}


class VirtualLifecycle(Promises):
    @pytest.fixture(params=VIRTUAL)
    @override
    def thing(self, request: pytest.FixtureRequest, virtual: VirtualReach) -> Iterator[Thing]:
        made = Thing(VIRTUAL[request.param](virtual), virtual)  # type: ignore[arg-type]
        yield made
        made.remove()

    @override
    def test_no_error_tells_a_secret(self, thing: Thing) -> None:
        """Who may do what is for libvirt's socket to say: there is nobody whom it lets in and refuses."""
        made = thing.create()

        with pytest.raises(Unreachable, match="answer") as silent:
            thing.read(made, thing.case.unreachable)
        thing.delete(made)
        thing.create(thing.case.edited, stack="another")
        with pytest.raises(NotOurs, match="lifecycle") as theirs:
            thing.create()

        for caught in (silent, theirs):
            told = f"{caught.value} {caught.value!r} {caught.value.args}"
            assert not [secret for secret in thing.case.secrets if secret in told]
        assert not [secret for secret in thing.case.secrets if secret in repr(thing.case.spec)]
