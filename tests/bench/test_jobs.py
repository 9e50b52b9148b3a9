"""The pure parts of the bench of jobs: ratios, verdicts, what is said without a peer, and that the server is ours."""

import io
from pathlib import Path
from typing import Any

import pytest
from bench import peer
from bench.many_jobs.web_service import web_service
from bench.nomad_server import configuration
from bench.verdict import FLOOR, JOBS, PEER, STEPS, Limit, Taken, limits, ratio, times, verdicts
from rich.console import Console

from mooring.clients.http import Endpoint


def runs(*seconds: float, plugin: float = 90.0) -> list[Taken]:
    return [Taken(seconds=each, processor=each / 2, plugin=plugin) for each in seconds]


def measured(**changes: Any) -> dict[tuple[str, int, str], list[Taken]]:
    """100 jobs in 2 s and 1,000 in 12, with a floor of 1 and 10: within every goal."""
    by_size = {(JOBS, 100): 1.2, (FLOOR, 100): 1.0, (JOBS, 1000): 12.0, (FLOOR, 1000): 10.0} | changes.get("by", {})
    plugin = changes.get("plugin", 90.0)
    return {(who, size, step): runs(s, plugin=plugin) for (who, size), s in by_size.items() for step in STEPS}


def broken(found: dict[tuple[str, int, str], list[Taken]]) -> list[str]:
    return [limit.name for limit in limits(found, [100, 1000]) if limit.broken]


def test_a_ratio_is_that_of_runs_beside_each_other() -> None:
    """The machine grew slower from pair to pair; the medians of each alone come to 2.7."""
    assert ratio(runs(2.0, 9.0, 8.0), runs(1.0, 3.0, 4.0)) == pytest.approx(2.0)


def test_what_is_within_every_limit_breaks_none() -> None:
    assert broken(measured()) == []


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"by": {(JOBS, 100): 2.1}}, "first up, 100 jobs, to the floor"),
        ({"by": {(JOBS, 100): 1.6}}, "no-op preview, 100 jobs, to the floor"),
        ({"by": {(PEER, 1000): 10.0}}, "no-op preview, 1000 jobs, to OpenTofu"),
        ({"by": {(JOBS, 100): 0.9}}, "one changed, growth for each job"),
        ({"plugin": 200.5}, "plugin's memory, 1000 jobs"),
    ],
    ids=["first", "floor", "peer", "growth", "memory"],
)
def test_what_is_over_a_limit_is_named(changes: dict[str, Any], name: str) -> None:
    assert name in broken(measured(**changes))


def test_between_goal_and_accept_nothing_is_broken_and_nothing_is_green() -> None:
    limit = Limit(name="x", value=1.4, goal=1.3, accept=1.5)

    assert (limit.broken, limit.style) == (False, "yellow")


def test_without_a_peer_nothing_is_compared_with_it() -> None:
    assert not [limit for limit in limits(measured(), [100, 1000]) if "OpenTofu" in limit.name]


def test_one_size_alone_has_no_growth() -> None:
    found = {key: value for key, value in measured().items() if key[1] == 100}

    assert not [limit for limit in limits(found, [100]) if "growth" in limit.name]


def test_the_tables_say_what_was_measured() -> None:
    said = io.StringIO()
    console = Console(width=100, file=said)
    found = measured()

    console.print(times(found))
    console.print(verdicts(list(limits(found, [100, 1000]))))

    text = " ".join(said.getvalue().split())
    assert "12.0 s" in text
    assert "first up, 1000 jobs, to the floor │ 1.20 │ 1.30 │ 2.00" in text
    assert "one changed, 1000 jobs, to the floor │ 1.20 │ 1.30 │ 1.50" in text
    assert "90 MB" in text


def test_a_machine_without_opentofu_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(peer.NoPeer) as told:
        peer.installed(tmp_path / "peer")

    assert peer.skipped(told.value) == "OpenTofu: skipped, there is no `tofu` on PATH"


def test_an_opentofu_that_gets_no_provider_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tofu = tmp_path / "tofu"
    tofu.write_text("#!/bin/sh\necho 'Error: no such host' >&2\nexit 1\n")
    tofu.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")

    with pytest.raises(peer.NoPeer) as told:
        peer.installed(tmp_path / "peer")

    said = "OpenTofu: skipped, `tofu init` could not bring the Nomad provider: Error: no such host"
    assert peer.skipped(told.value) == said


def test_opentofu_takes_a_jobs_text_literally() -> None:
    endpoint = Endpoint(addresses=("127.0.0.1",), port=4646, authority="CA", certificate="C", private_key="K")
    body = {"ID": "web", "Meta": {"node": "${node.unique.id}"}}

    said = peer.configuration(endpoint, [body])["resource"]["nomad_job"]["web"]["jobspec"]

    assert '"$${node.unique.id}"' in said


def test_the_measured_jobs_are_right_and_one_release_differs_from_the_next_in_one_place() -> None:
    one, two = web_service(7, "1"), web_service(7, "2")

    assert not one.problems()
    assert str(one.to_api()).replace("'RELEASE': '1'", "'RELEASE': '2'") == str(two.to_api())


def test_the_server_is_told_what_the_product_tells_its_own(tmp_path: Path) -> None:
    said = configuration(tmp_path, {"http": 1, "rpc": 2, "serf": 3})

    assert said["acl"] == {"enabled": True}
    assert (said["tls"]["http"], said["tls"]["rpc"]) == (True, True)
    assert said["tls"]["key_file"].startswith(str(tmp_path))
    assert said["data_dir"] == str(tmp_path / "data")
    assert said["server"]["bootstrap_expect"] == 1
    assert "client" not in said
