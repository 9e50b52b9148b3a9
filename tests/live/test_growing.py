"""One server becomes three, five, and three again, while people use what runs there and somebody writes."""

import re
from collections.abc import Iterator

import pytest
from live.stack import Stack, copy_of_checkout, docker, no_change

from mooring.drills.traffic import Traffic
from mooring.drills.writes import ConsulKeys, Ledger, NomadVariables

pytestmark = [pytest.mark.live, pytest.mark.long]


@pytest.fixture(scope="module")
def single(prepared: None, alone: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The `test` stack with a single server. Not the one that others share."""
    del prepared, alone
    folder = tmp_path_factory.mktemp("growing")
    stack = Stack("test", folder / "state", copy_of_checkout(folder / "checkout"))
    say(stack, 1)
    try:
        up = stack.mooring("up", within=600)
        print(up.stdout[-3000:], up.stderr[-2000:])
        assert up.returncode == 0
        yield stack
    finally:
        down = stack.mooring("down", within=300)
        print(down.stdout[-3000:], down.stderr[-2000:])
        assert down.returncode == 0


def say(stack: Stack, servers: int) -> None:
    file = stack.root / "stacks" / f"Pulumi.{stack.name}.yaml"
    file.write_text(re.sub(r"(name: server, kind: local, count: )\d+", rf"\g<1>{servers}", file.read_text()))


def grown(stack: Stack, servers: int) -> None:
    """Make it so under load and under writes; nothing that was acknowledged may be lost, and no request fail."""
    before = stack.overview()
    say(stack, servers)
    assert before.drill is not None

    with (
        Ledger.on(before.drill.consul, before.drill.nomad) as ledger,
        Traffic(before.url, rate=50, most=40_000) as load,
    ):
        up = stack.mooring("up", within=800)

    print(up.stdout[-4000:], up.stderr[-2000:])
    assert up.returncode == 0
    after = stack.overview()
    assert after.drill is not None
    print(f"{servers} servers: {len(load.failed)} of {len(load.requests)} requests failed")
    for audit in ledger.audit([ConsulKeys(after.drill.consul), NomadVariables(after.drill.nomad)]):
        print(
            f"{audit.store}: {audit.acknowledged} writes acknowledged, {len(audit.lost)} lost, "
            f"longest pause {audit.longest_pause:.1f} s"
        )
        assert audit.acknowledged > 50
        assert audit.lost == ()
    assert load.failed == []
    status = stack.status()
    assert status["healthy"]
    assert (status["consul_voters"], status["nomad_voters"]) == (servers, servers)
    assert no_change(stack.pulumi("preview", "--expect-no-changes"))


def test_a_cluster_grows_and_shrinks_and_loses_nothing(single: Stack) -> None:
    for servers in (3, 5, 3):
        grown(single, servers)


def test_a_host_that_has_died_can_be_given_up(single: Stack) -> None:
    """Of three servers the dead one must be taken off first, or the next one to go would take the quorum along."""
    docker("kill", "mooring-test-server-3")

    grown(single, 1)
