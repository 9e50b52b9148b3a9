"""The plain script is a fair measure only while it puts on the hosts what the components put there."""

import json
import re
import shlex
import subprocess
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from bench.bench import STACK_FILE
from bench.stack_files import settings

from components import app, load_balancer, network, registry
from components.consul import agent as consul
from components.consul import tokens
from components.hosts import USUAL_DRIVERS, Role, addresses
from components.hosts.local import CAPABILITIES
from components.nomad import agent as nomad
from components.nomad import cluster
from components.start import parted
from components.timings import timings
from mooring.toolchain import images, pins, places

HERE = Path(__file__).parent
SERVERS = ["198.18.250.11", "198.18.250.12", "198.18.250.13"]
EDGES = ["198.18.250.61", "198.18.250.62"]
FLOATING = "198.18.250.10"
NETWORK = "198.18.250.0/24"
PACE = timings([], clients=3)
BOTH = frozenset({Role.SERVER, Role.CLIENT})
VARIABLES = {
    "datacenter": "dc1",
    "network": NETWORK,
    "floating": FLOATING,
    "nearby": registry.NEARBY,
    "registry_image": images.reference("registry"),
    "consul_version": pins.CONSUL.version,
    "nomad_version": pins.NOMAD.version,
}


def written(function: str, *arguments: str) -> str:
    """What a function of configurations.sh prints."""
    script = "\n".join(
        [
            f"servers=({' '.join(SERVERS)})",
            f"edges=({' '.join(EDGES)})",
            f"registries=({' '.join(SERVERS[: registry.COPIES])})",
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

    running = document("consul_configuration", "host", SERVERS[1], "server", "M")
    starting = document("consul_start", SERVERS[1], "server", "G")
    taken = document("consul_tokens", "A", "-")
    assert [running, starting, taken] == parted(wanted, consul.AT_START, consul.BY_RELOAD)


def test_the_consul_client_of_an_edge_host_is_configured_alike() -> None:
    wanted = consul_configuration(EDGES[0], is_server=False, answers_dns=True)

    running = document("consul_configuration", "host", EDGES[0], "client", "-")
    starting = document("consul_start", EDGES[0], "client", "G")
    taken = document("consul_tokens", "A", "D")
    assert [running, starting, taken] == parted(wanted, consul.AT_START, consul.BY_RELOAD)


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

    running = document("nomad_configuration", "host", SERVERS[1], "T")
    starting = document("nomad_start", SERVERS[1], "G")
    assert [running, starting] == parted(wanted, nomad.AT_START)


def test_the_registries_are_configured_alike() -> None:
    assert document("registry_configuration", "S") == json.loads(registry.registry_configuration("S"))


def test_every_host_finds_the_registries_alike() -> None:
    assert written("proxy_configuration") == registry.proxy_configuration(SERVERS[: registry.COPIES])


def test_the_engines_log_in_to_the_registry_alike() -> None:
    wanted = json.loads(registry.credentials(registry.NEARBY, registry.USER, "P"))

    assert document("registry_credentials", "P") == wanted


def test_the_job_is_the_same_but_for_its_owner() -> None:
    found = document("hello_job", "IMAGE")

    del found["Meta"]
    assert found == app.job("hello", "IMAGE", "dc1", app.AppArgs(port=8080, health="/healthz")).to_api()


def test_the_load_balancer_is_configured_alike() -> None:
    wanted = load_balancer.configuration({"/": ("hello", "/healthz")}, PACE)

    assert written("haproxy_configuration") == wanted
    assert written("haproxy_wait") == load_balancer.WAIT


def test_the_floating_address_is_held_alike() -> None:
    wanted = load_balancer.vrrp_configuration(
        name="host", address=EDGES[1], others=EDGES[:1], floating=f"{FLOATING}/24", priority=149, timings=PACE
    )

    assert written("vrrp_configuration", "host", EDGES[1], "149") == wanted


def test_the_door_leads_to_the_floating_address_alike() -> None:
    assert written("door_configuration") == network.door_configuration(FLOATING)


def test_the_hosts_have_the_same_places() -> None:
    cidr = IPv4Network(NETWORK)
    said = set(script().splitlines())

    groups = settings(STACK_FILE).groups
    assert addresses.addresses(groups, cidr) == {"server": SERVERS, "edge": EDGES}
    assert {
        f"servers=({' '.join(SERVERS)})",
        f"edges=({' '.join(EDGES)})",
        f"floating={cidr[addresses.FLOATING]}",
        f"door={cidr[addresses.DOOR]}",
        f"nearby={registry.NEARBY}",
        f'registries=("${{servers[@]:0:{registry.COPIES}}}")',
    } <= said


def test_the_measured_stack_is_the_shipped_one_in_a_network_of_its_own() -> None:
    shipped = settings((places.CHECKOUT / "stacks/Pulumi.dev.yaml").read_text())
    measured = settings(STACK_FILE)

    assert (measured.network, measured.port) != (shipped.network, shipped.port)
    assert measured == shipped.model_copy(update={"network": measured.network, "port": measured.port})


def test_the_units_are_the_same() -> None:
    assert written("consul_unit") == consul.unit(pins.CONSUL.version)
    assert written("nomad_unit") == nomad.unit(pins.NOMAD.version)
    assert written("haproxy_unit") == load_balancer.UNIT
    assert written("vrrp_unit") == load_balancer.VRRP_UNIT
    assert written("registry_unit") == registry.unit(images.reference("registry"))
    assert written("proxy_unit") == registry.PROXY_UNIT


def test_the_policies_give_the_same_rights() -> None:
    # In the script's single quotes a backslash is itself, so the rules stand there as JSON has them.
    quoted = re.findall(r" (?:put_consul_policy|put_nomad_token) (\w+) '(.*)'$", script(), re.MULTILINE)

    found = [(name, json.loads(f'"{rules}"')) for name, rules in quoted]
    assert sorted(found) == sorted([*tokens.POLICIES.items(), *cluster.POLICIES.items()])


def test_the_nodes_have_the_same_capabilities() -> None:
    (listed,) = re.findall(r"CAPABILITIES=\(([^)]*)\)", script())

    assert {f"CAP_{name}" for name in listed.split()} == {f"CAP_{name.removeprefix('CAP_')}" for name in CAPABILITIES}


def script() -> str:
    return (HERE / "bring_up.sh").read_text()
