"""The plain script is a fair measure only while it puts on the hosts what the components put there."""

import json
import re
import shlex
import subprocess
from collections.abc import Mapping
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from components import app, load_balancer, registry
from components.consul import agent as consul
from components.consul import tokens
from components.hosts import USUAL_DRIVERS, Role
from components.hosts.local import CAPABILITIES
from components.nomad import agent as nomad
from components.nomad import cluster
from components.timings import timings
from mooring.toolchain import pins

HERE = Path(__file__).parent
SERVERS = ["198.18.250.11", "198.18.250.12", "198.18.250.13"]
NETWORK = "198.18.250.0/24"
PACE = timings([], clients=3)
BOTH = frozenset({Role.SERVER, Role.CLIENT})
VARIABLES = {
    "datacenter": "dc1",
    "network": NETWORK,
    "registry": f"{SERVERS[0]}:5000",
    "consul_version": pins.CONSUL.version,
    "nomad_version": pins.NOMAD.version,
}


def written(function: str, *arguments: str) -> str:
    """What a function of configurations.sh prints."""
    script = "\n".join(
        [
            f"servers=({' '.join(SERVERS)})",
            *(f"{name}={shlex.quote(value)}" for name, value in VARIABLES.items()),
            f"source {shlex.quote(str(HERE / 'configurations.sh'))}",
            shlex.join([function, *arguments]),
        ]
    )
    return subprocess.run(["bash", "-euc", script], check=True, capture_output=True, text=True).stdout


def document(function: str, *arguments: str) -> Any:
    return json.loads(written(function, *arguments))


def consul_configuration(address: str, *, is_server: bool, answers_dns: bool) -> dict[str, Any]:
    return consul.agent_configuration(
        name="host",
        address=address,
        servers=SERVERS,
        datacenter="dc1",
        version=pins.CONSUL.version,
        is_server=is_server,
        answers_dns=answers_dns,
        timings=PACE,
        secrets={"gossip_key": "G", "agent": "A", "management": "M", "dns": "D"},
    )


def test_a_consul_server_is_configured_alike() -> None:
    wanted = consul_configuration(SERVERS[1], is_server=True, answers_dns=False)

    assert document("consul_configuration", "host", SERVERS[1], "server", "G", "A", "M", "-") == wanted


def test_the_consul_client_of_an_edge_host_is_configured_alike() -> None:
    wanted = consul_configuration("198.18.250.61", is_server=False, answers_dns=True)

    assert document("consul_configuration", "host", "198.18.250.61", "client", "G", "A", "-", "D") == wanted


def test_a_nomad_agent_is_configured_alike() -> None:
    wanted = nomad.agent_configuration(
        name="host",
        address=SERVERS[1],
        servers=SERVERS,
        datacenter="dc1",
        network=IPv4Network(NETWORK),
        roles=BOTH,
        timings=PACE,
        memory_mib=2048,
        control_group="/nomad-host",
        labels={},
        drivers=USUAL_DRIVERS,
        secrets={"gossip_key": "G", "consul_token": "T"},
    )

    assert document("nomad_configuration", "host", SERVERS[1], "G", "T") == wanted


def test_the_registry_is_configured_alike() -> None:
    assert document("registry_configuration", "S") == json.loads(registry.registry_configuration("S"))


def test_the_engines_log_in_to_the_registry_alike() -> None:
    wanted = json.loads(registry.credentials(VARIABLES["registry"], registry.USER, "P"))

    assert document("registry_credentials", "P") == wanted


def test_the_job_is_the_same_but_for_its_owner() -> None:
    found = document("hello_job", "IMAGE")

    del found["Meta"]
    assert found == app.job("hello", "IMAGE", "dc1", app.AppArgs(port=8080, health="/healthz")).to_api()


def test_the_load_balancer_is_configured_alike() -> None:
    wanted = load_balancer.configuration({"/": ("hello", "/healthz")}, PACE)

    assert written("haproxy_configuration") == wanted
    assert written("haproxy_wait") == load_balancer.WAIT


def test_the_units_are_the_same() -> None:
    assert written("consul_unit") == consul.unit(pins.CONSUL.version)
    assert written("nomad_unit") == nomad.unit(pins.NOMAD.version)
    assert written("haproxy_unit") == load_balancer.UNIT


def test_the_policies_give_the_same_rights() -> None:
    # In the script's single quotes a backslash is itself, so the rules stand there as JSON has them.
    quoted = re.findall(r" (?:put_consul_policy|put_nomad_token) (\w+) '(.*)'$", script(), re.MULTILINE)

    found = [(name, json.loads(f'"{rules}"')) for name, rules in quoted]
    assert sorted(found) == sorted([*usual(tokens.POLICIES), *usual(cluster.POLICIES)])


def usual(policies: Mapping[str, str]) -> list[tuple[str, str]]:
    """Those of a stack that may not be drilled."""
    return [(use, rules) for use, rules in policies.items() if use != "drill"]


def test_the_nodes_have_the_same_capabilities() -> None:
    (listed,) = re.findall(r"CAPABILITIES=\(([^)]*)\)", script())

    assert {f"CAP_{name}" for name in listed.split()} == {f"CAP_{name.removeprefix('CAP_')}" for name in CAPABILITIES}


def script() -> str:
    return (HERE / "bring_up.sh").read_text()
