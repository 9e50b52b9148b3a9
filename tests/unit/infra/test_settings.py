"""What a stack file may say, and what a person reads when it says something else."""

import json
from typing import Any

import pulumi
import pytest

from components.authority import Issue
from components.hosts import AdoptedGroup
from infra.settings import Settings

HOSTS: list[dict[str, Any]] = [
    {"name": "server", "kind": "local", "count": 3, "roles": ["server", "client", "registry"]},
    {"name": "edge", "kind": "local", "count": 1, "roles": ["edge"]},
]


def settings(hosts: list[dict[str, Any]] | None = None, **changes: str) -> Settings:
    values = {"network": "198.18.0.0/24", "hosts": json.dumps(hosts or HOSTS)}
    return Settings.from_values(values | changes, "stacks/Pulumi.dev.yaml", "mooring")


def refusal(hosts: list[dict[str, Any]] | None = None, **changes: str) -> str:
    with pytest.raises(pulumi.RunError, match=r"stacks/Pulumi\.dev\.yaml cannot be used") as caught:
        settings(hosts, **changes)
    return str(caught.value)


def servers(count: int) -> list[dict[str, Any]]:
    return [{**HOSTS[0], "count": count}, HOSTS[1]]


def test_a_complete_stack_is_accepted() -> None:
    assert settings(port="18080").port == 18080


@pytest.mark.parametrize("count", [2, 4, 6, 7])
def test_a_number_of_servers_without_a_clear_majority_is_refused(count: int) -> None:
    text = refusal(servers(count))

    assert f"mooring:hosts: {count} have the role server; 1, 3 or 5 would do" in text


def test_an_unknown_key_is_named_with_those_that_exist() -> None:
    text = refusal(netz="10.0.0.0/8")

    assert "mooring:netz is no setting; these are: " in text
    assert "network" in text.split("these are: ")[1]


def test_an_unknown_key_inside_a_group_is_named_by_its_path() -> None:
    assert "mooring:hosts.0.cuont is no setting" in refusal([{**HOSTS[0], "cuont": 3}, HOSTS[1]])


def test_a_kind_that_there_is_not_is_named_with_those_that_there_are() -> None:
    text = refusal([{**HOSTS[0], "kind": "nearby"}, HOSTS[1]])

    assert "mooring:hosts.0.kind: must be one of " in text
    assert "local" in text.split("one of ")[1]
    assert "got 'nearby'" in text


def test_what_one_kind_asks_for_is_no_setting_of_another() -> None:
    text = refusal([HOSTS[0], {**HOSTS[1], "kind": "local", "size": "cx22"}])

    assert "mooring:hosts.1.size is no setting" in text
    assert "cx22" not in text


def test_labels_reach_the_hosts() -> None:
    said = settings([HOSTS[0], {**HOSTS[1], "labels": {"rack": "a1"}}])

    assert [dict(group.labels) for group in said.groups] == [{}, {"rack": "a1"}]


def test_every_problem_is_reported_at_once() -> None:
    text = refusal(port="99999", datacenter="DC 1")

    assert "mooring:port: input should be less than or equal to 65535, got '99999'" in text
    assert "mooring:datacenter" in text


def test_a_network_that_is_too_small_says_what_would_do() -> None:
    assert "198.18.0.0/27 has 32 addresses; these groups need 63, a /24 would do" in refusal(network="198.18.0.0/27")


def test_a_public_network_is_refused() -> None:
    assert "is public; a part of 198.18.0.0/15 would do" in refusal(network="8.8.8.0/24")


def test_a_password_without_its_registry_is_refused_and_never_repeated() -> None:
    text = refusal(registryPassword="correct-horse")

    assert "registryPassword: must be given together with registry" in text
    assert "correct-horse" not in text


def test_a_stack_without_a_load_balancer_is_refused() -> None:
    assert "none has the role edge" in refusal([HOSTS[0]])


def test_what_is_wrong_together_is_found_beside_what_is_wrong_by_itself() -> None:
    text = refusal(servers(2), prot="8080")

    assert "mooring:prot is no setting" in text
    assert "2 have the role server" in text


def test_what_is_exchanged_is_a_number_each() -> None:
    numbers = '"certificates": 3, "gossipKeys": 2, "tokens": 4, "registryPassword": 5'
    said = settings(rotation=f'{{{numbers}, "authority": {{"signs": 1, "trusts": [1, 2]}}}}')

    assert (said.gossip_keys, said.tokens, said.password_number) == (2, 4, 5)
    assert said.issue == Issue(certificates=3, signs=1, trusts=(1, 2))
    assert (settings().issue, settings().gossip_keys, settings().tokens) == (Issue(), 1, 1)
    assert settings().password_number == 1


def test_the_password_of_somebody_elses_registry_is_not_exchanged_here() -> None:
    external = {"registry": '{"address": "ghcr.io/team", "username": "us"}', "registryPassword": "correct-horse"}
    text = refusal(rotation='{"registryPassword": 2}', **external)

    assert "mooring:rotation.registryPassword: is for the stack's own registries" in text


def test_an_authority_that_signs_untrusted_is_refused() -> None:
    text = refusal(rotation='{"authority": {"signs": 2}}')

    assert "mooring:rotation.authority.trusts: must name 2, which signs" in text


@pytest.mark.parametrize("only_ssh", [True, False])
def test_machines_behind_ssh_are_hosts_behind_ssh(only_ssh: bool) -> None:  # noqa: FBT001 -- one of two cases
    machines = {"n1": {"address": "198.18.0.21", "hostKey": "ssh-ed25519 AAAA"}}
    key = "-----BEGIN OPENSSH PRIVATE KEY-----"
    mine = {"name": "own", "kind": "adopted", "roles": [*HOSTS[0]["roles"], "edge"], "key": key, "machines": machines}
    (group,) = settings([{**mine, "onlySsh": only_ssh}]).groups

    assert isinstance(group, AdoptedGroup)
    assert group.only_ssh is only_ssh
