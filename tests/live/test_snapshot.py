"""A restore that is drilled: what was kept comes back, what came later goes, and the stack is as the program says."""

from pathlib import Path

import pytest
from live.stack import Stack, no_change

from mooring.cli import snapshot as snapshots
from mooring.clients import consul, nomad
from mooring.clients.http import Endpoint
from mooring.kinds.consul_kv import KeyHandler, KeySpec
from mooring.kinds.kind import Work
from mooring.kinds.nomad_variable import VariableHandler, VariableSpec
from mooring.waiting import wait_for

pytestmark = pytest.mark.live


@pytest.fixture
def clusters(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> dict[str, Endpoint]:
    for name, value in stack.environment.items():
        monkeypatch.setenv(name, value)
    wait_for(lambda: stack.status()["healthy"] or None, "the stack is well", within=90, every=1)
    return snapshots.management(stack.name)


def test_a_restore_brings_back_what_was_kept_and_forgets_what_came_later(
    stack: Stack, clusters: dict[str, Endpoint], tmp_path: Path
) -> None:
    work = Work(urn="urn:pulumi:test::mooring::x::kept", name="kept", project="mooring", stack="test")
    key = KeySpec(endpoint=clusters["consul"], key="kept/early", value="early")
    later = KeySpec(endpoint=clusters["consul"], key="kept/late", value="late")
    variable = VariableSpec(endpoint=clusters["nomad"], path="kept/early", items={"password": "early"})
    made = KeyHandler().create(key, work)
    kept = VariableHandler().create(variable, work)

    taken = stack.mooring("snapshot", "--to", str(tmp_path / "kept"), "--keep", "1")
    again = stack.mooring("snapshot", "--to", str(tmp_path / "kept"), "--keep", "1")
    KeyHandler().delete(made.id, key, {}, work)
    VariableHandler().delete(kept.id, variable, {}, work)
    late = KeyHandler().create(later, work)
    asked = stack.mooring("restore", again.stdout.strip())
    restored = stack.mooring("restore", again.stdout.strip(), "--yes")
    wait_for(lambda: stack.status()["healthy"] or None, "the stack is well", within=90, every=1)

    assert (taken.returncode, again.returncode) == (0, 0), taken.stderr + again.stderr
    assert [folder.name for folder in (tmp_path / "kept").iterdir()] == [Path(again.stdout.strip()).name]
    assert asked.returncode != 0
    assert restored.returncode == 0, restored.stderr
    assert "lost is whatever Consul and Nomad were told since" in restored.stderr
    seen = KeyHandler().read(made.id, key, {}, work)
    assert seen is not None
    assert seen.spec == key
    secret = VariableHandler().read(kept.id, variable, kept.outputs, work)
    assert secret is not None
    assert secret.spec == variable
    assert KeyHandler().read(late.id, later, {}, work) is None
    assert no_change(stack.pulumi("preview", "--expect-no-changes"))
    KeyHandler().delete(made.id, key, {}, work)
    VariableHandler().delete(kept.id, variable, {}, work)
    assert consul.cluster(clusters["consul"]).leader()
    assert nomad.region(clusters["nomad"]).leader()
