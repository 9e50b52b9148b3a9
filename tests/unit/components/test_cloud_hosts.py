"""What is promised of a cloud host, whoever makes it."""

import subprocess
import sys
from functools import partial
from typing import Any

import pytest
from fakes.engine import Engine
from unit.components.clouds import EDGE, OFFICE, SERVER, declared

import components.load_balancer
from components.hosts import AwsGroup, DigitalOceanGroup, Front, HetznerGroup
from components.hosts.cloud import PAGE_PORT, openings, other_processor, short, spread
from components.hosts.cloud_host import METADATA_UNIT, PRIVATE

GROUP = HetznerGroup(
    name="web", count=2, roles=SERVER, size="cx23", image="debian-12", ssh_from=OFFICE, locations=("fsn1",)
)


def group(**changes: Any) -> HetznerGroup:
    said = {name: getattr(GROUP, name) for name in ("name", "count", "roles", "size", "image", "ssh_from", "locations")}
    return HetznerGroup(**(said | changes))


def test_a_host_shows_the_outside_ssh_alone() -> None:
    assert [(opening.port, opening.sources) for opening in openings(group())] == [(22, ("203.0.113.0/24",))]


def test_an_edge_host_shows_its_balancer_unless_a_load_balancer_stands_before_it() -> None:
    assert [opening.port for opening in openings(group(roles=EDGE))] == [22, 80]
    assert [opening.port for opening in openings(group(roles=EDGE, front=Front.FLOATING))] == [22, 80]
    assert [opening.port for opening in openings(group(roles=EDGE, front=Front.LOAD_BALANCER))] == [22]


def test_the_port_that_is_open_is_the_one_that_balancers_use() -> None:
    assert components.load_balancer.HTTP_PORT == PAGE_PORT


def test_hosts_go_round_the_places() -> None:
    assert spread(5, ["a", "b"]) == [("a", 0), ("b", 0), ("a", 1), ("b", 1), ("a", 2)]


def test_a_name_that_is_too_long_stays_one_of_its_own() -> None:
    one, other = (
        short("production-edge-of-the-shop-in-town-1", 32),
        short("production-edge-of-the-shop-in-town-2", 32),
    )

    assert short("dev-edge", 32) == "dev-edge"
    assert one != other
    assert max(len(one), len(other)) <= 32


@pytest.mark.parametrize("size", ["cax21", "t4g.small", "m7gd.large", "im4gn.large"])
@pytest.mark.parametrize(("machine", "other"), [("x86_64", True), ("aarch64", False)])
def test_a_size_with_an_arm_processor_is_known(
    monkeypatch: pytest.MonkeyPatch, *, size: str, machine: str, other: bool
) -> None:
    monkeypatch.setattr("platform.machine", lambda: machine)

    assert other_processor(size) is other


@pytest.mark.parametrize("size", ["cx23", "cpx32", "ccx13", "t3.small", "g4dn.xlarge", "m7i-flex.large", "s-2vcpu-4gb"])
@pytest.mark.parametrize(("machine", "other"), [("x86_64", False), ("aarch64", True)])
def test_a_size_with_an_intel_processor_is_known(
    monkeypatch: pytest.MonkeyPatch, *, size: str, machine: str, other: bool
) -> None:
    monkeypatch.setattr("platform.machine", lambda: machine)

    assert other_processor(size) is other


def test_the_way_in_leads_from_outside_and_hosts_talk_by_their_network(engine: Engine) -> None:
    host, _ = declared(engine, group())

    assert host.behind_ssh
    assert engine.value(host.address) == "10.40.0.11"
    assert engine.value(host.connection["address"]) == "dev-web-1.ipv4Address"
    assert engine.value(host.connection["host_key"]) == "dev-web-1-host-key.public_key"
    assert engine.is_secret(host.connection["private_key"])
    assert not engine.is_secret(host.connection["address"])


def test_a_person_and_the_docker_provider_know_hosts_by_where_they_are_reached(engine: Engine) -> None:
    declared(engine, group())
    (identity,) = engine.of("mooring:ssh:Identity")

    assert identity.inputs["known_hosts"] == {
        f"dev-web-{index}.ipv4Address": f"dev-web-{index}-host-key.public_key" for index in (1, 2)
    }


def test_nothing_is_put_on_a_host_before_what_runs_there_is_kept_from_asking_who_it_is(engine: Engine) -> None:
    """The answer has the host's SSH key in it."""
    host, _ = declared(engine, group())

    assert {"dev-web-1-ready", "dev-web-1-metadata", "dev-web-1-metadata-unit"} <= engine.behind(
        host.connection["address"]
    )
    (file,) = engine.one("mooring:host:Files", "dev-web-1-metadata").inputs["files"].items()
    assert file == (f"/etc/systemd/system/{METADATA_UNIT}", {"content": PRIVATE})
    assert engine.one("mooring:host:Units", "dev-web-1-metadata-unit").inputs["units"] == {METADATA_UNIT: {}}


def test_what_is_on_a_host_goes_with_its_machine(engine: Engine) -> None:
    host, _ = declared(engine, group())
    (machine,) = (found for found in engine.of("hcloud:index/server:Server") if found.name == "dev-web-1")

    for found in (*engine.of("mooring:host:Files"), *engine.of("mooring:host:Units")):
        if found.name.startswith("dev-web-1"):
            assert found.deleted_with == machine.urn
    assert host.machine is not None
    assert engine.value(host.machine.urn) == machine.urn


def test_no_secret_is_told_in_the_open(engine: Engine) -> None:
    declared(engine, group())

    assert list(engine.told()) == []
    assert {"the secret dev-web-1-host-key.private_key", "the secret hosts-key.private_key"} <= engine.kept()


@pytest.mark.parametrize("front", Front)
@pytest.mark.parametrize("kind", ["hetzner", "aws", "digitalocean"])
def test_a_first_preview_gets_by_with_nothing_known(engine: Engine, kind: str, front: Front) -> None:
    """No id, address or key is there yet, and what is made of them must wait for it."""
    engine.preview = True
    said = {
        "name": "edge",
        "count": 2,
        "roles": SERVER | EDGE,
        "size": "any",
        "image": "any",
        "ssh_from": OFFICE,
        "front": front,
    }
    made = {
        "hetzner": partial(HetznerGroup, locations=("fsn1",)),
        "aws": partial(AwsGroup, zones=("eu-central-1a",), disk_gib=20),
        "digitalocean": partial(DigitalOceanGroup, region="fra1"),
    }[kind]

    hosts = declared(engine, made(**said))

    assert [host.name for host in hosts] == ["dev-edge-1", "dev-edge-2"]
    assert len(engine.declared) > 15


def test_no_sdk_is_imported_for_a_stack_without_cloud_hosts() -> None:
    """One of them has 272 MB."""
    program = "import sys; import components.hosts, infra.settings, infra.preflight; print(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout.split()

    assert "pulumi_docker" in loaded
    assert not {"pulumi_hcloud", "pulumi_aws", "pulumi_digitalocean"} & set(loaded)
