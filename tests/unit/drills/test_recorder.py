"""What Consul, Nomad and HAProxy say, in their own words."""

from typing import Any

from mooring.drills.recorder import agreed, in_use, members, passing

STATE = """1
# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight srv_time_since_last_change
3 hello 1 hello1 198.18.0.13 2 0 1 1 35
3 hello 2 hello2 198.18.0.11 2 0 1 1 35
3 hello 3 hello3 198.18.0.11 2 0 1 1 12
3 hello 4 hello4 198.18.0.12 0 0 1 1 3
3 hello 5 hello5 - 0 32 1 1 40
4 shop 1 shop1 198.18.0.12 2 0 1 1 35

"""


def instance(node: str, *statuses: str) -> dict[str, Any]:
    return {"Node": {"Node": node}, "Checks": [{"Status": status} for status in statuses]}


def test_an_instance_passes_when_all_of_its_checks_do() -> None:
    found = [
        instance("n1", "passing", "passing"),
        instance("n1", "passing"),
        instance("n2", "passing", "critical"),
        instance("n3", "warning"),
    ]

    assert passing(found) == {"n1": 2}


def test_gossips_verdict_is_told_from_the_services_checks() -> None:
    checks = [
        {"Node": "n1", "CheckID": "serfHealth", "Status": "passing"},
        {"Node": "n2", "CheckID": "serfHealth", "Status": "critical"},
        {"Node": "n1", "CheckID": "service:hello", "Status": "critical"},
    ]

    assert members(checks) == {"n1": "passing", "n2": "critical"}


def test_the_balancer_uses_the_servers_of_the_apps_backend_that_are_up() -> None:
    assert in_use(STATE, "hello") == {"198.18.0.13": 1, "198.18.0.11": 2}


def test_a_balancer_that_says_nothing_uses_nobody() -> None:
    assert in_use("", "hello") == {}


def test_a_leader_is_whom_a_majority_names() -> None:
    assert agreed(["a", "a", ""], 3) == "a"
    assert agreed(["a", "", ""], 3) == ""
    assert agreed(["a", "b", "b"], 3) == "b"
    assert agreed(["a"], 3) == ""
