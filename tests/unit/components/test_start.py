"""What an agent is restarted for, apart from what it only reads when it starts."""

from components.consul.agent import AT_START as CONSUL
from components.consul.agent import BY_RELOAD
from components.nomad.agent import AT_START as NOMAD
from components.start import parted


def test_the_files_hold_all_of_it_between_them_and_nothing_twice() -> None:
    """A server installs the management token that it started with, so for another one it is restarted."""
    tokens = {"agent": "a", "initial_management": "m"}
    whole = {"server": True, "bootstrap_expect": 3, "acl": {"enabled": True, "tokens": tokens}}

    assert parted(whole, CONSUL, BY_RELOAD) == [
        {"server": True, "acl": {"enabled": True, "tokens": {"initial_management": "m"}}},
        {"bootstrap_expect": 3},
        {"acl": {"tokens": {"agent": "a"}}},
    ]
    assert whole["acl"] == {"enabled": True, "tokens": tokens}


def test_what_an_agent_is_not_told_is_in_none() -> None:
    assert parted({"client": {"enabled": True}}, NOMAD) == [{"client": {"enabled": True}}, {}]


def test_another_server_in_the_cluster_is_no_reason_to_restart_those_that_are_there() -> None:
    def told(servers: list[str]) -> dict[str, object]:
        return {
            "name": "s1",
            "server": {"enabled": True, "bootstrap_expect": len(servers), "server_join": {"retry_join": servers}},
            "client": {"enabled": True, "server_join": {"retry_join": servers}},
            "autopilot": {"min_quorum": len(servers)},
        }

    assert parted(told(["a"]), NOMAD)[0] == parted(told(["a", "b", "c"]), NOMAD)[0]
