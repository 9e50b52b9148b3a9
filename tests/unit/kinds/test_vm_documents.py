"""What libvirt and cloud-init are told, as values."""

import json
import xml.etree.ElementTree as ET
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from fakes.virsh import as_kept, parsed
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from mooring.kinds.vm_domain import Accelerator, Domain, mac
from mooring.kinds.vm_network import NetworkSpec
from mooring.kinds.vm_seed import Seed

DIRECT = Domain(
    name="mooring-vm-server-1",
    accelerator=Accelerator.TCG,
    cores=2,
    memory_mib=1536,
    disk="/pool/mooring-vm-server-1.qcow2",
    seed="/pool/mooring-vm-server-1.seed",
    seed_digest="ab12",
    console="/pool/mooring-vm-server-1.console",
    network="mooring-vm",
    kernel="/pool/kernel-1",
    initrd="/pool/initrd-1",
    command_line="root=LABEL=root",
)
ALONE = replace(DIRECT, kernel=None, initrd=None, command_line=None)
KEY = Ed25519PrivateKey.generate()
HOST_KEY = KEY.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()
PATHS = st.from_regex(r"/[a-z0-9./-]{1,40}", fullmatch=True)


def seed(**changes: Any) -> Seed:
    values: dict[str, Any] = {
        "hostname": "vm-server-1",
        "address": "198.18.3.11/24",
        "authorized_keys": ("ssh-ed25519 AAAA us",),
        "host_key": HOST_KEY,
    }
    return Seed(**(values | changes))


def user_data(of: Seed) -> dict[str, Any]:
    first, _, rest = of.documents("52:54:00:01:02:03")["user-data"].partition("\n")
    assert first == "#cloud-config"
    found: dict[str, Any] = json.loads(rest)
    return found


def interface(of: Seed) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(of.documents("52:54:00:01:02:03")["network-config"])["ethernets"]["nic0"]
    return found


@given(
    accelerator=st.sampled_from(Accelerator),
    cores=st.integers(1, 64),
    memory=st.integers(256, 1 << 20),
    disk=PATHS,
    direct=st.booleans(),
)
def test_what_libvirt_keeps_says_what_it_was_told(
    *, accelerator: Accelerator, cores: int, memory: int, disk: str, direct: bool
) -> None:
    told = replace(DIRECT if direct else ALONE, accelerator=accelerator, cores=cores, memory_mib=memory, disk=disk)

    assert Domain.from_xml(as_kept(parsed(told.to_xml()))) == told


def test_a_machine_with_kvm_sees_this_machines_processor_and_one_without_sees_a_plain_one() -> None:
    kvm, tcg = (parsed(replace(DIRECT, accelerator=how).to_xml()) for how in Accelerator)

    assert (kvm.get("type"), attribute(kvm, "cpu", "mode")) == ("kvm", "host-passthrough")
    assert (tcg.get("type"), tcg.findtext("cpu/model")) == ("qemu", "Nehalem")


def test_a_disk_that_boots_by_itself_is_booted_from() -> None:
    alone, direct = parsed(ALONE.to_xml()), parsed(DIRECT.to_xml())

    assert attribute(alone, "os/boot", "dev") == "hd"
    assert alone.find("os/kernel") is None
    assert direct.findtext("os/kernel") == "/pool/kernel-1"
    assert direct.find("os/boot") is None


def test_off_stays_off_so_that_it_is_seen() -> None:
    domain = parsed(DIRECT.to_xml())

    assert (domain.findtext("on_poweroff"), domain.findtext("on_crash")) == ("destroy", "destroy")


def test_the_seed_is_read_only_and_the_console_is_kept() -> None:
    domain = parsed(DIRECT.to_xml())
    _, second = domain.findall("devices/disk")

    assert second.find("readonly") is not None
    assert attribute(domain, "devices/serial/log", "append") == "on"


def test_a_machine_has_the_same_card_every_time_and_another_one_than_its_neighbour() -> None:
    assert mac("a") == mac("a") != mac("b")
    assert mac("a").startswith("52:54:00:")


def test_root_is_let_in_by_key_alone_and_proves_itself_from_the_first_connection_on() -> None:
    found = user_data(seed())

    assert found["users"] == [{"name": "root", "lock_passwd": True, "ssh_authorized_keys": ["ssh-ed25519 AAAA us"]}]
    assert found["ssh_pwauth"] is False
    assert found["ssh_deletekeys"] is True
    assert found["ssh_keys"]["ed25519_private"] == HOST_KEY
    public = KEY.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    assert found["ssh_keys"]["ed25519_public"] == f"{public} vm-server-1"


def test_the_address_is_static_and_bound_to_the_card() -> None:
    found = interface(seed(gateway="198.18.3.1", nameserver="198.18.3.1"))

    assert found["match"] == {"macaddress": "52:54:00:01:02:03"}
    assert (found["dhcp4"], found["addresses"]) == (False, ["198.18.3.11/24"])
    assert found["routes"] == [{"to": "default", "via": "198.18.3.1"}]
    assert found["nameservers"] == {"addresses": ["198.18.3.1"]}


def test_where_there_is_no_way_out_none_is_configured() -> None:
    assert not {"routes", "nameservers"} & interface(seed()).keys()
    assert "runcmd" not in user_data(seed())


def test_packages_are_installed_from_fresh_lists() -> None:
    found = user_data(seed(packages=("docker.io", "zstd")))

    assert (found["package_update"], found["packages"]) == (True, ["docker.io", "zstd"])
    assert "packages" not in user_data(seed())


def test_another_seed_is_another_first_boot() -> None:
    def identity(of: Seed) -> str:
        found: str = json.loads(of.documents("52:54:00:01:02:03")["meta-data"])["instance-id"]
        return found

    assert identity(seed()) == identity(seed())
    assert identity(seed()) != identity(seed(packages=("zstd",)))


def test_a_seed_shows_no_key() -> None:
    assert "OPENSSH" not in repr(seed())


def test_an_address_without_its_network_is_refused() -> None:
    with pytest.raises(ValidationError, match="address"):
        seed(address="198.18.3.11")


@pytest.mark.parametrize("mode", ["nat", "isolated"])
def test_a_network_reads_back_as_it_was_written(mode: str) -> None:
    spec = NetworkSpec.model_validate({"name": "n", "cidr": "198.18.3.0/24", "mode": mode})

    assert NetworkSpec.from_xml(parsed(spec.to_xml()), spec.uri) == spec


def test_nobody_answers_for_names_where_there_is_nobody_to_ask() -> None:
    isolated = NetworkSpec.model_validate({"name": "n", "cidr": "198.18.3.0/24", "mode": "isolated"})

    assert attribute(parsed(isolated.to_xml()), "dns", "enable") == "no"


def attribute(parent: ET.Element, path: str, name: str) -> str | None:
    found = parent.find(path)
    return None if found is None else found.get(name)
