"""Machines of somebody else's: refused all at once, adopted, and given back as they were found."""

import json
from collections.abc import Iterator
from difflib import unified_diff

import pytest
import requests
from live.machines import CIDR, Lent, lent
from live.stack import Stack, copy_of_checkout, no_change

from mooring.clients import tcp

pytestmark = pytest.mark.live

NAME = "adopted"


@pytest.fixture(scope="module")
def machines(prepared: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lent]:
    del prepared
    folder = tmp_path_factory.mktemp("lent") / "machines"
    with lent(folder, with_engine=("n1", "n2"), without=("n3",)) as made:
        for name in made.names:
            made.shut(name)
        yield made


@pytest.fixture(scope="module")
def found(machines: Lent) -> dict[str, list[str]]:
    """What is on each machine before anything of ours is."""
    return {name: machines.listing(name) for name in machines.names}


@pytest.fixture(scope="module")
def borrowing(machines: Lent, found: dict[str, list[str]], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack of these machines, not up yet; taken away again if a test did not."""
    del found
    folder = tmp_path_factory.mktemp("borrowing")
    made = Stack(NAME, folder / "state", copy_of_checkout(folder / "checkout"))
    lines = ["config:", f"  mooring:network: {CIDR}", "  mooring:hosts:", *machines.group()]
    (made.root / "stacks" / f"Pulumi.{NAME}.yaml").write_text("\n".join(lines) + "\n")
    try:
        yield made
    finally:
        made.mooring("down", within=300)


def test_everything_that_is_wrong_is_told_before_anything_is_touched(machines: Lent, borrowing: Stack) -> None:
    machines.run("n2", "socat TCP-LISTEN:8501,fork /dev/null >/dev/null 2>&1 & echo $! > /run/squatter")
    machines.run("n3", "mkdir /etc/consul.d")

    refused = borrowing.mooring("up", within=120)

    machines.run("n2", "kill $(cat /run/squatter); rm /run/squatter")
    machines.run("n3", "rmdir /etc/consul.d")
    print(refused.stdout[-3000:])
    assert refused.returncode != 0
    assert "adopted-own-n2 (198.18.25.22): port tcp/8501 is in use; Consul needs it" in refused.stdout
    assert "adopted-own-n3 (198.18.25.23): something stands at /etc/consul.d" in refused.stdout
    assert machines.run("n1", "ls /var/lib/mooring 2>/dev/null || true") == ""


def test_they_carry_an_app_as_any_other_hosts_do(machines: Lent, borrowing: Stack) -> None:
    """Of their ports none is open here but those of SSH and of the balancer."""
    up = borrowing.mooring("up", within=600)

    print(up.stdout[-3000:], up.stderr[-2000:])
    assert up.returncode == 0
    assert {requests.get(borrowing.overview().url, timeout=5).status_code for _ in range(20)} == {200}
    assert borrowing.status()["healthy"]
    assert no_change(borrowing.pulumi("preview", "--expect-no-changes"))
    doors = {(name, port): tcp.accepts(machines.address(name), port) for name in machines.names for port in PORTS}
    assert doors == {(name, port): port in (22, 80) for name, port in doors}


PORTS = (22, 80, 4646, 5000, 8501)


def test_commands_reach_them_by_the_same_way(borrowing: Stack) -> None:
    ran = borrowing.mooring("exec", "--stack", NAME, "hello", "node", "-p", "40 + 2", named=False)
    written = borrowing.mooring("logs", "--stack", NAME, "hello", named=False)

    assert (ran.returncode, ran.stdout.strip()) == (0, "42"), ran.stderr
    assert written.returncode == 0, written.stderr


def test_how_they_are_reached_is_no_difference(borrowing: Stack) -> None:
    file = borrowing.root / "stacks" / f"Pulumi.{NAME}.yaml"
    before = file.read_text()
    file.write_text(before.replace("onlySsh: true", "onlySsh: false"))
    try:
        assert no_change(borrowing.pulumi("preview", "--expect-no-changes"))
    finally:
        file.write_text(before)


DRIFTS = {
    "echo >> /etc/consul.d/consul.json": ("consul-{}", "files", "/etc/consul.d/consul.json"),
    "chmod 0666 /etc/consul.d/tls/ca.pem": ("consul-{}", "files", "/etc/consul.d/tls/ca.pem"),
    "echo '# by hand' >> /etc/systemd/system/nomad.service": ("nomad-{}", "unit"),
    "rm /etc/nomad.d/tls/consul-ca.pem": ("nomad-{}", "files", "/etc/nomad.d/tls/consul-ca.pem"),
    "systemctl stop mooring-haproxy": ("edge-{}", "running"),
    "systemctl disable --quiet mooring-haproxy": ("edge-{}", "enabled"),
    "sysctl -q net.ipv4.tcp_retries2=9": ("{}-sysctls", "values", "net.ipv4.tcp_retries2"),
    "sed -i 's/tcp_syn_retries = 2/tcp_syn_retries = 3/' /etc/sysctl.d/60-mooring.conf": (
        *("{}-sysctls", "values"),
        "net.ipv4.tcp_syn_retries",
    ),
    "dpkg --purge zstd >/dev/null": ("{}-packages", "packages", "zstd"),
    "chmod 0644 /etc/nomad/docker-auth.json": ("registry-trust-{}", "files", "/etc/nomad/docker-auth.json"),
}
"""What somebody does on a machine, and where a preview must name it: the resource, then the way to the value."""


def test_what_somebody_changed_is_named_and_repaired_and_nothing_else_is_touched(
    machines: Lent, borrowing: Stack
) -> None:
    """Thirty changes at once: ten on each of three machines."""
    for name in machines.names:
        machines.run(name, "\n".join(["set -e", *DRIFTS]))

    shown = _differences(borrowing)
    up = borrowing.mooring("up", within=600)

    print(up.stdout[-3000:], up.stderr[-2000:])
    assert up.returncode == 0
    hosts = [f"{NAME}-own-{name}" for name in machines.names]
    expected = {(where.format(host), *(path)) for host in hosts for where, *path in DRIFTS.values()}
    assert len(expected) == 30
    missed = {each for each in expected if not any(_names(each, found) for found in shown)}
    assert missed == set()
    # With every balancer stopped the page does not answer, which is told as well.
    assert {resource for resource, _ in shown} - {"edge-page"} == {resource for resource, *_ in expected}
    assert no_change(borrowing.pulumi("preview", "--expect-no-changes"))
    assert borrowing.status()["healthy"]


def _differences(stack: Stack) -> set[tuple[str, str]]:
    """What `up` would change, as a preview has it: the resource and the way to the value."""
    told = json.loads(stack.pulumi("preview", "--json").stdout)
    return {
        (step["urn"].rpartition("::")[2], path)
        for step in told["steps"]
        if step["op"] not in ("same", "refresh")
        for path in step.get("detailedDiff") or {"": None}
    }


def _names(expected: tuple[str, ...], found: tuple[str, str]) -> bool:
    resource, *path = expected
    return resource == found[0] and all(step in found[1] for step in path)


def test_they_are_given_back_as_they_were_found(machines: Lent, found: dict[str, list[str]], borrowing: Stack) -> None:
    down = borrowing.mooring("down", within=300)

    print(down.stdout[-3000:], down.stderr[-2000:])
    assert down.returncode == 0
    for name in machines.names:
        left = list(unified_diff(found[name], machines.listing(name), "found", "given back", lineterm="", n=0))
        assert left == [], name
