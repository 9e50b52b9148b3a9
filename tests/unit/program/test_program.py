"""The whole program, run once for every file in stacks/: what must hold for any stack."""

import json
import re
from collections.abc import Callable
from itertools import combinations
from typing import Any

import pulumi
import pytest
from fakes.engine import DOCKER, STACK, Declared, Engine

from mooring.plugin.wire import is_secret
from mooring.toolchain import places

COMPLETE = ("dev", "test", "vm", "staging", "production")

NETWORKS = ("docker:index/network:Network", "mooring:vm:Network", "hcloud:index/network:Network")
MACHINES = ("docker:index/container:Container", "mooring:vm:Machine", "hcloud:index/server:Server")
CLUSTERS = ("mooring:consul:Cluster", "mooring:nomad:Cluster")
EXCHANGED = ("mooring:consul:Credentials", "mooring:nomad:Credentials")
"""Before the first cluster these are but made up; they call one only when something is exchanged."""


Run = Callable[..., Engine]


@pytest.fixture(scope="module", params=COMPLETE)
def engine(request: pytest.FixtureRequest, run: Run) -> Engine:
    return run(request.param)


def test_every_stack_of_the_repository_is_run_here() -> None:
    files = {file.name.split(".")[1] for file in (places.CHECKOUT / "stacks").glob("Pulumi.*.yaml")}

    assert files == {*COMPLETE}


def test_nothing_is_declared_twice(engine: Engine) -> None:
    assert engine.twice == []
    assert len(engine.declared) > 100


def test_everything_stands_under_a_component(engine: Engine) -> None:
    (stack,) = engine.of(STACK)
    for found in engine.declared.values():
        if found is stack:
            continue
        assert found.parent in engine.declared, found.urn
        assert engine.declared[found.parent].type.startswith("platform:") or not found.custom, found.urn


def test_names_are_lower_case_and_one_word(engine: Engine) -> None:
    for found in engine.declared.values():
        assert found.name == found.name.lower(), found.urn
        assert " " not in found.name, found.urn


def test_no_secret_is_told_in_the_open(engine: Engine) -> None:
    assert list(engine.told()) == []


def test_there_were_secrets_to_be_told(engine: Engine) -> None:
    """Every one that the program makes is used somewhere, but for a hash that nobody needs.

    The keys that an authority has had are its own, to go on from when it is given another.
    """
    own = {f"the secret {found.name}.keys" for found in engine.of("mooring:pki:Authority")}
    assert engine.secrets - engine.kept() - own == {"the secret registry-http-secret.bcrypt"}
    assert len(engine.secrets) > 30


def test_what_the_stack_hands_out_is_a_url_and_a_secret(engine: Engine) -> None:
    (stack,) = engine.of(STACK)
    handed_out = engine.outputs[stack.urn]

    assert re.fullmatch(r"http://(127\.0\.0\.1:\d+|198\.18\.\d+\.\d+|production-edge-front\.ipv4)/", handed_out["url"])
    assert is_secret(handed_out["overview"])
    assert set(handed_out) == {"url", "overview"}


def test_only_a_stack_that_is_marked_for_it_has_rights_to_be_drilled(run: Run) -> None:
    def drill_tokens(engine: Engine) -> list[str]:
        kinds = ("mooring:consul:AclToken", "mooring:nomad:AclToken")
        return [found.name for kind in kinds for found in engine.of(kind) if "drill" in found.name]

    assert drill_tokens(run("test")) == ["consul-drill-token", "nomad-drill-token"]
    assert drill_tokens(run("test", drillable="false")) == []


def vendor(found: Declared) -> str:
    return found.type.split(":")[1]


def test_nothing_uses_a_cluster_that_need_not_be_there_yet(engine: Engine) -> None:
    users = [f for f in engine.declared.values() if "endpoint" in f.inputs and f.type not in (*CLUSTERS, *EXCHANGED)]

    assert {vendor(found) for found in users} == {"consul", "nomad"}
    for found in users:
        before = {(each.type, each.name) for each in engine.before(found.urn)}
        assert (f"mooring:{vendor(found)}:Cluster", vendor(found)) in before, found.urn


def test_the_platform_comes_up_in_order(engine: Engine) -> None:
    """Consul with all tokens before Nomad, Nomad and the image before the app, all of it before the page."""
    types = {found.urn: {each.type for each in engine.before(found.urn)} for found in engine.declared.values()}
    (job,) = engine.of("mooring:nomad:Job")
    (page,) = engine.of("mooring:http:Page")

    for agent in engine.of("mooring:host:Agent"):
        if agent.inputs["service"] == "nomad":
            behind = {each.name for each in engine.before(agent.urn)}
            assert behind >= {
                t.name
                for t in engine.of("mooring:consul:AclToken")
                if not t.name.endswith(("status-token", "drill-token"))
            }
    assert types[job.urn] >= {"mooring:nomad:Cluster", "docker:index/image:Image", "mooring:nomad:AclToken"}
    assert types[page.urn] >= {"mooring:nomad:Job", "mooring:host:Agent", "mooring:consul:Cluster"}


def test_an_image_is_built_only_where_it_can_be_pushed(engine: Engine) -> None:
    (image,) = engine.of("docker:index/image:Image")
    before = {(each.type, each.name) for each in engine.before(image.urn)}

    assert ("mooring:host:Agent", f"registry-{engine.stack}-server-1") in before
    assert ("mooring:host:Agent", f"registry-proxy-{engine.stack}-server-1") in before
    assert {name for type_, name in before if type_ == "mooring:host:Files"} == set(engine.names("mooring:host:Files"))


def test_nothing_is_put_on_a_host_before_it_has_booted(engine: Engine) -> None:
    hosts = {str(found.inputs["name"]) for found in engine.of("mooring:host:Host")}
    for kind in ("mooring:host:Agent", "mooring:host:Files", "mooring:host:Image"):
        for found in engine.of(kind):
            ready = {e.inputs["name"] for e in engine.before(found.urn) if e.type == "mooring:host:Host"}
            assert ready & hosts, found.urn


def test_when_the_network_goes_nothing_on_its_hosts_is_taken_away_first(engine: Engine) -> None:
    """Or `down` would unmake two clusters server by server, without a quorum from the second on."""
    (network,) = [found for kind in NETWORKS for found in engine.of(kind)]
    machines = [found for kind in MACHINES for found in engine.of(kind)]
    # What stands on a machine goes with it, also when the machine alone is replaced.
    whole = {network.urn, *(machine.urn for machine in machines if not machine.provider)}
    on_hosts = [
        found
        for found in engine.declared.values()
        if "endpoint" in found.inputs or "connection" in found.inputs or found.provider
        if found.type != "mooring:ssh:Identity" and not found.type.startswith("pulumi:")
    ]

    assert len(on_hosts) > 30
    assert [found.urn for found in on_hosts if found.deleted_with not in whole] == []


def test_the_same_program_declares_the_same(engine: Engine, run: Run) -> None:
    again = run(engine.stack)

    assert again.declared == engine.declared
    assert again.outputs == engine.outputs


def taken(engine: Engine) -> set[str]:
    """What of this machine belongs to a stack: names, addresses, ports, folders."""
    mine: set[str] = set()
    for network in engine.of("docker:index/network:Network"):
        mine |= {network.inputs["name"], network.inputs["ipamConfigs"][0]["subnet"]}
    for network in engine.of("mooring:vm:Network"):
        mine |= {network.inputs["name"], network.inputs["cidr"]}
    mine |= {found.inputs["path"] for found in engine.of("mooring:vm:Pool")}
    for machine in engine.of("mooring:vm:Machine"):
        mine |= {machine.inputs["name"], machine.inputs["seed"]["address"]}
    for container in engine.of("docker:index/container:Container"):
        if container.provider:  # on a host's own engine
            continue
        mine |= {container.inputs["name"], container.inputs["networksAdvanced"][0]["ipv4Address"]}
        mine |= {f"port {port['external']}" for port in container.inputs.get("ports", [])}
    mine |= {found.inputs["name"] for found in engine.of("docker:index/volume:Volume") if not found.provider}
    mine |= {found.inputs["name"] for found in engine.of("mooring:local:ControlGroup")}
    mine |= {found.inputs["directory"] for found in engine.of("mooring:ssh:Identity")}
    return mine


def test_two_stacks_share_nothing_of_this_machine(run: Run) -> None:
    dev, test, *virtual = (taken(run(stack)) for stack in COMPLETE)

    for one, other in combinations([dev, test, *virtual], 2):
        assert one & other == set()
    assert {"mooring-dev", "198.18.0.0/24", "port 8080"} <= dev


@pytest.mark.parametrize(
    ("kind", "asked", "url"),
    [
        (
            "aws",
            {"size": "t3.medium", "image": "ami-0123456789abcdef0", "zones": ["eu-central-1a", "eu-central-1b"]},
            "http://Instance production-edge-1.publicIp/",
        ),
        ("digitalocean", {"size": "s-2vcpu-4gb", "region": "fra1"}, "http://production-edge-1.ipv4Address/"),
    ],
)
def test_the_same_program_runs_at_every_provider(kind: str, asked: dict[str, Any], url: str, run: Run) -> None:
    hosts = [
        {"name": "server", "count": 3, "roles": ["server", "client", "registry"]},
        {"name": "edge", "count": 2, "roles": ["edge"]},
    ]
    common = {"kind": kind, "ssh": {"from": ["203.0.113.0/24"]}, **asked}

    engine = run("production", hosts=json.dumps([{**common, **group} for group in hosts]))

    (stack,) = engine.of(STACK)
    assert engine.outputs[stack.urn]["url"] == url
    assert engine.twice == []
    assert list(engine.told()) == []
    assert {found.type.partition(":")[0] for found in engine.declared.values()} == {
        *("docker", "mooring", "platform", "pulumi", kind)
    }


def test_a_provider_whose_plugin_is_not_here_is_named_before_anything_is_touched(run: Run) -> None:
    with pytest.raises(pulumi.RunError, match=r"`pulumi plugin install resource hcloud \S+` would do"):
        run("production", plugins=False)


def test_the_hosts_engine_is_the_only_provider_that_is_set_up_by_hand(engine: Engine) -> None:
    assert engine.names(DOCKER) == ["registry-engine"]


def test_a_registry_of_somebody_else_takes_the_place_of_ours_and_its_password_is_a_secret(run: Run) -> None:
    password = "correct-horse"  # noqa: S105 -- opens nothing
    registry = '{"address": "registry.example.org/team", "username": "us"}'

    engine = run("dev", (password,), registry=registry, registryPassword=password)

    assert list(engine.told()) == []
    assert password in engine.kept()
    assert engine.names("mooring:registry:Copies") == []
    assert not [name for name in engine.names("mooring:host:Agent") if name.startswith("registry")]
