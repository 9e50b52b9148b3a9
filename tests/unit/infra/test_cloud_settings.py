"""What a stack file may say of cloud hosts, and what a person reads when it says something else."""

import json
from typing import Any

import pulumi
import pytest

from components.hosts import CloudGroup, Front
from infra.settings import Settings

SSH = {"from": ["203.0.113.0/24"]}
HETZNER: dict[str, Any] = {"kind": "hetzner", "size": "cx33", "locations": ["fsn1", "nbg1"], "ssh": SSH}
AWS: dict[str, Any] = {
    "kind": "aws",
    "size": "t3.small",
    "image": "ami-0123456789abcdef0",
    "zones": ["eu-central-1a", "eu-central-1b"],
    "ssh": SSH,
}
DIGITALOCEAN: dict[str, Any] = {"kind": "digitalocean", "size": "s-2vcpu-4gb", "region": "fra1", "ssh": SSH}
EACH = pytest.mark.parametrize("kind", [HETZNER, AWS, DIGITALOCEAN], ids=lambda kind: kind["kind"])


def hosts(kind: dict[str, Any], **edge: Any) -> list[dict[str, Any]]:
    return [
        {"name": "server", "count": 3, "roles": ["server", "client", "registry"], **kind},
        {"name": "edge", "count": 2, "roles": ["edge"], **kind, **edge},
    ]


def settings(said: list[dict[str, Any]], network: str = "10.40.0.0/16") -> Settings:
    values = {"network": network, "hosts": json.dumps(said)}
    return Settings.from_values(values, "stacks/Pulumi.dev.yaml", "mooring")


def refusal(said: list[dict[str, Any]], network: str = "10.40.0.0/16") -> list[str]:
    with pytest.raises(pulumi.RunError, match=r"stacks/Pulumi\.dev\.yaml cannot be used") as caught:
        settings(said, network)
    return [line.strip() for line in str(caught.value).splitlines()[1:]]


def edge(settings_: Settings) -> CloudGroup:
    _, group = settings_.groups
    assert isinstance(group, CloudGroup)
    return group


@EACH
def test_what_must_be_said_is_enough(kind: dict[str, Any]) -> None:
    group = edge(settings(hosts(kind)))

    assert group.front is Front.NONE
    assert [str(each) for each in group.ssh_from] == ["203.0.113.0/24"]
    assert [str(each) for each in group.open_to] == ["0.0.0.0/0"]


@EACH
def test_who_may_come_is_what_was_said(kind: dict[str, Any]) -> None:
    said = hosts(kind, open=["198.51.100.0/24"], front="floating", ssh={"from": "everybody"})
    group = edge(settings(said))

    assert group.front is Front.FLOATING
    assert [str(each) for each in group.ssh_from] == ["0.0.0.0/0"]
    assert [str(each) for each in group.open_to] == ["198.51.100.0/24"]


@EACH
def test_nothing_is_left_open_for_want_of_a_word(kind: dict[str, Any]) -> None:
    said = hosts(kind)
    del said[0]["ssh"]

    assert "mooring:hosts.0.ssh: field required" in refusal(said)


@EACH
@pytest.mark.parametrize("wide", ["0.0.0.0/0", "128.0.0.0/1"])
def test_everybody_must_be_said_in_that_word(kind: dict[str, Any], wide: str) -> None:
    said = hosts(kind, ssh={"from": ["203.0.113.0/24", wide]}, open=[wide])
    would_do = f"{wide} is as good as everybody; the word everybody in the place of the list would do"

    assert refusal(said) == [f"mooring:hosts.1.ssh.from: {would_do}", f"mooring:hosts.1.open: {would_do}"]


@EACH
@pytest.mark.parametrize(
    ("sources", "problem"),
    [
        ("203.0.113.0/24", "must be a list of ranges such as 203.0.113.0/24, or everybody"),
        ([], "tuple should have at least 1 item after validation, not 0"),
    ],
)
def test_what_is_no_list_of_ranges_is_refused(kind: dict[str, Any], sources: Any, problem: str) -> None:
    (line,) = refusal(hosts(kind, ssh={"from": sources}))

    assert line.startswith(f"mooring:hosts.1.ssh.from: {problem}")


def test_what_is_no_range_is_named() -> None:
    (line,) = refusal(hosts(HETZNER, ssh={"from": ["home"]}))

    assert line.startswith("mooring:hosts.1.ssh.from.0: ")
    assert "'home'" in line


@pytest.mark.parametrize(
    ("kind", "key", "value"),
    [
        (HETZNER, "size", "huge"),
        (HETZNER, "locations", ["fsn2"]),
        (HETZNER, "locations", []),
        (HETZNER, "front", "dns"),
        (AWS, "size", "small"),
        (AWS, "image", "debian-12"),
        (AWS, "zones", ["eu-central-1"]),
        (AWS, "zones", []),
        (AWS, "disk", 4),
        (DIGITALOCEAN, "size", "small"),
        (DIGITALOCEAN, "region", "frankfurt"),
    ],
)
def test_what_no_provider_would_know_is_refused(kind: dict[str, Any], key: str, value: Any) -> None:
    (line,) = refusal(hosts(kind, **{key: value}))

    assert line.startswith(f"mooring:hosts.1.{key}")


@EACH
def test_hosts_that_serve_nobody_have_no_front_and_are_open_to_nobody(kind: dict[str, Any]) -> None:
    said = hosts(kind)
    said[0] |= {"open": ["198.51.100.0/24"], "front": "loadBalancer"}

    assert refusal(said) == [
        "mooring:hosts.0.open: only hosts with the role edge serve anybody",
        "mooring:hosts.0.front: loadBalancer stands before balancers, and no host of the group has the role edge",
    ]


def test_ranges_that_hetzners_load_balancer_would_not_keep_to_are_refused() -> None:
    (line,) = refusal(hosts(HETZNER, open=["198.51.100.0/24"], front="loadBalancer"))

    assert line.startswith("mooring:hosts.1.open: Hetzner's load balancer serves everybody")


@pytest.mark.parametrize(("kind", "size"), [(HETZNER, "cax21"), (AWS, "t4g.small")])
def test_a_processor_for_which_nothing_is_built_is_refused(
    kind: dict[str, Any], size: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform.machine", lambda: "x86_64")

    (line,) = refusal(hosts(kind, size=size))
    assert (
        line
        == f"mooring:hosts.1.size: {size} has another processor than this machine, whose programs the hosts are given"
    )


@EACH
def test_kinds_without_a_network_in_common_are_refused(kind: dict[str, Any]) -> None:
    said = [*hosts(kind), {"name": "near", "kind": "local", "count": 1, "roles": ["client"]}]

    kinds = " and ".join(sorted([kind["kind"], "local"]))
    assert refusal(said) == [
        f"mooring:hosts: hosts of {kinds} have no network in common; groups of one of these kinds would do"
    ]


@pytest.mark.parametrize(
    ("kind", "changes", "said"),
    [
        (HETZNER, {"locations": ["ash"]}, "fsn1 (eu-central), nbg1 (eu-central), ash (us-east)"),
        (
            AWS,
            {"zones": ["eu-west-1a"]},
            "eu-central-1a (eu-central-1), eu-central-1b (eu-central-1), eu-west-1a (eu-west-1)",
        ),
        (DIGITALOCEAN, {"region": "ams3"}, "fra1 (fra1), ams3 (ams3)"),
    ],
)
def test_a_network_does_not_go_round_the_world(kind: dict[str, Any], changes: dict[str, Any], said: str) -> None:
    (line,) = refusal(hosts(kind, **changes))

    assert line.startswith("mooring:hosts: a network of ")
    assert line.endswith(said)


@EACH
def test_a_network_that_is_nobodys_to_have_is_refused(kind: dict[str, Any]) -> None:
    (line, *_) = refusal(hosts(kind), network="198.18.0.0/16")

    assert line.startswith("mooring:network: 198.18.0.0/16 is no range that ")


@pytest.mark.parametrize(
    ("kind", "network", "problem"),
    [
        (HETZNER, "172.16.0.0/15", "overlaps 172.17.0.0/16, which hosts use for their containers"),
        (AWS, "172.26.0.0/16", "overlaps 172.26.64.0/20, which hosts use for their containers"),
        (HETZNER, "10.40.0.0/25", "hetzner makes networks from a /8 to a /24"),
        (AWS, "10.0.0.0/8", "aws makes networks from a /16 to a /28"),
        (AWS, "10.40.0.0/24", "is cut into 8, one for each zone that there may be, and these groups need 64 addresses"),
        (DIGITALOCEAN, "10.0.0.0/12", "digitalocean makes networks from a /16 to a /24"),
        (DIGITALOCEAN, "10.244.0.0/20", "overlaps 10.244.0.0/16, which DigitalOcean keeps for itself"),
    ],
)
def test_a_network_that_the_provider_would_not_make_is_refused(
    kind: dict[str, Any], network: str, problem: str
) -> None:
    assert any(problem in line for line in refusal(hosts(kind), network=network))


def test_every_problem_of_every_group_is_reported_at_once() -> None:
    said = hosts(HETZNER, size="huge", ssh={"from": ["0.0.0.0/0"]})
    said[0] |= {"front": "floating", "locations": ["fsn1", "moon"]}

    lines = refusal(said, network="8.8.8.0/24")
    assert [line.split(": ")[0] for line in lines] == [
        "mooring:hosts.0.locations.1",
        "mooring:hosts.1.size",
        "mooring:hosts.1.ssh.from",
    ]
