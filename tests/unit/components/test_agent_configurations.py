"""What the agents are told, as values."""

from ipaddress import IPv4Network
from typing import Any

from components.access import IMAGE_CREDENTIALS
from components.consul import agent as consul
from components.hosts import USUAL_DRIVERS, Role
from components.nomad import agent as nomad
from components.timings import Profile, timings

SERVERS = ["198.18.0.11", "198.18.0.12", "198.18.0.13"]
SECRETS = {"gossip_key": "g", "agent": "a", "dns": "d", "management": "m", "consul_token": "c"}


def consul_agent(**changes: Any) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "name": "n1",
        "address": SERVERS[0],
        "servers": SERVERS,
        "datacenter": "dc1",
        "version": "1.13.9",
        "is_server": True,
        "answers_dns": False,
        "timings": timings([], clients=3),
        "secrets": SECRETS,
    }
    return consul.agent_configuration(**(arguments | changes))


def nomad_agent(**changes: Any) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "name": "n1",
        "address": SERVERS[0],
        "servers": SERVERS,
        "datacenter": "dc1",
        "network": IPv4Network("198.18.0.0/24"),
        "roles": frozenset({Role.SERVER, Role.CLIENT}),
        "timings": timings([], clients=3),
        "memory_mib": None,
        "labels": {},
        "control_group": None,
        "drivers": USUAL_DRIVERS,
        "secrets": SECRETS,
    }
    return nomad.agent_configuration(**(arguments | changes))


def test_a_server_waits_for_all_the_others_and_not_for_itself() -> None:
    configuration = consul_agent()

    assert configuration["bootstrap_expect"] == 3
    assert configuration["retry_join"] == SERVERS[1:]


def test_a_server_is_told_nothing_that_its_version_does_not_know() -> None:
    """1.12 says: invalid config key peering.enabled."""
    assert consul_agent(version="1.13.0")["peering"] == {"enabled": False}
    assert "peering" not in consul_agent(version="1.12.9")


def test_a_consul_client_holds_no_management_token_and_joins_every_server() -> None:
    configuration = consul_agent(address="198.18.0.61", is_server=False)

    assert "initial_management" not in configuration["acl"]["tokens"]
    assert configuration["retry_join"] == SERVERS
    assert "bootstrap_expect" not in configuration


def test_a_call_without_a_token_has_rights_only_where_a_balancer_asks_for_names() -> None:
    assert "default" not in consul_agent()["acl"]["tokens"]
    assert consul_agent(answers_dns=True)["acl"]["tokens"]["default"] == "d"


def test_consul_offers_no_plain_port_and_refuses_callers_without_a_certificate() -> None:
    configuration = consul_agent()

    assert (configuration["ports"]["http"], configuration["ports"]["grpc"]) == (-1, -1)
    assert configuration["tls"]["https"]["verify_incoming"] is True
    assert configuration["acl"]["default_policy"] == "deny"


def test_nomad_always_speaks_tls_and_always_asks_for_a_token() -> None:
    configuration = nomad_agent()

    assert configuration["tls"]["http"]
    assert configuration["tls"]["rpc"]
    assert configuration["tls"]["verify_server_hostname"]
    assert configuration["acl"] == {"enabled": True}


def test_an_edge_host_would_get_neither_half_of_nomad() -> None:
    configuration = nomad_agent(roles=frozenset({Role.EDGE}))

    assert "server" not in configuration
    assert "client" not in configuration


def test_passwords_for_images_lie_outside_the_folder_that_nomad_reads_as_its_configuration() -> None:
    """Every JSON file there is agent configuration: one with `auths` was a crash loop."""
    driver = nomad_agent()["plugin"][0]["docker"][0]["config"][0]

    assert driver["auth"] == [{"config": IMAGE_CREDENTIALS}]
    assert not IMAGE_CREDENTIALS.startswith(f"{nomad.CONFIGURATION}/")


def test_every_server_is_told_how_long_its_silence_may_last() -> None:
    careful = timings([], clients=3, profile=Profile.CAREFUL)
    told = nomad_agent(timings=careful)

    assert (told["server"]["raft_multiplier"], told["server"]["failover_heartbeat_ttl"]) == (5, "60s")
    assert told["autopilot"]["last_contact_threshold"] == "5s"
    assert consul_agent(timings=careful)["performance"]["raft_multiplier"] == 5
    gossip = {"probe_interval": "2s", "probe_timeout": "1500ms", "suspicion_mult": 6}
    assert consul_agent(timings=careful)["gossip_lan"] == gossip


def test_a_client_is_woken_after_every_start_of_its_agent_and_nobody_waits_for_that() -> None:
    (line,) = (line for line in nomad.unit("1.6.3").splitlines() if line.startswith("ExecStartPost="))

    assert "https://localhost:4646/v1/client/stats" in line
    assert "$$(seq 60)" in line  # or systemd would look for a variable of that name
    assert line.endswith("&'")


def test_only_a_server_may_speak_as_one() -> None:
    assert "server.global.nomad" not in nomad.certificate_names(frozenset({Role.CLIENT}))
    assert "server.global.nomad" in nomad.certificate_names(frozenset({Role.SERVER}))


def test_a_node_offers_no_more_memory_than_it_may_use() -> None:
    assert nomad_agent(memory_mib=2048)["client"]["memory_total_mb"] == 2048
    assert "memory_total_mb" not in nomad_agent()["client"]


def test_a_node_that_shares_its_tree_of_control_groups_keeps_to_its_own() -> None:
    assert nomad_agent(control_group="/nomad-n1")["client"]["cgroup_parent"] == "/nomad-n1"
    assert "cgroup_parent" not in nomad_agent()["client"]


def test_a_hosts_labels_are_what_apps_may_choose_it_by() -> None:
    assert nomad_agent(labels={"rack": "a1"})["client"]["meta"] == {"rack": "a1"}
    # Without any the agent need not restart for a setting that says nothing.
    assert "meta" not in nomad_agent()["client"]


def test_a_slow_client_is_woken_for_as_long_and_less_often() -> None:
    """Each call cost an emulated processor half a second, and a client was asked twice in a second."""
    (line,) = (text for text in nomad.unit("1.6.3", woken_every=1.25).splitlines() if "ExecStartPost=" in text)

    assert "$$(seq 24)" in line
    assert "sleep 1.25;" in line
