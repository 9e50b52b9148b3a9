"""The pipeline that users copy, against the running stack: preview, a difference made by hand, drift, apply."""

import subprocess
from pathlib import Path

import pytest
from live.stack import Stack, on

from mooring.cli.overview import HostOverview

pytestmark = pytest.mark.live

CONFIGURATION = "/etc/mooring/haproxy/haproxy.cfg"


def pipeline(stack: Stack, verb: str, plan: Path, **changed: str) -> "subprocess.CompletedProcess[str]":
    """As a runner calls it: the state and its passphrase by variable."""
    settings = {
        "STACK": stack.name,
        "PULUMI_BACKEND_URL": f"file://{stack.state}",
        "PULUMI_CONFIG_PASSPHRASE_FILE": str(stack.state / "passphrase"),
        "PLAN": str(plan),
    }
    done = subprocess.run(
        ["docs/pipelines/pipeline.sh", verb],
        cwd=stack.root,
        env={**stack.environment, **settings, **changed},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    print(done.stdout[-4000:], done.stderr[-1000:])
    return done


@pytest.fixture
def edge(stack: Stack) -> HostOverview:
    return next(host for host in stack.overview().hosts if "edge" in host.roles)


def test_a_difference_made_by_hand_is_found_at_night_previewed_and_put_back(
    stack: Stack, edge: HostOverview, tmp_path: Path
) -> None:
    plan = tmp_path / "plan.txt"
    assert pipeline(stack, "drift", plan).returncode == 0

    on(edge, f"echo '# by hand' >> {CONFIGURATION}")

    assert pipeline(stack, "drift", plan).returncode == 3
    assert "by hand" in plan.read_text()
    previewed = pipeline(stack, "preview", plan)
    assert previewed.returncode == 0
    assert "by hand" in plan.read_text()
    assert plan.read_text() in previewed.stdout
    assert pipeline(stack, "apply", plan).returncode == 0
    assert "by hand" not in on(edge, f"cat {CONFIGURATION}")
    assert pipeline(stack, "drift", plan).returncode == 0


@pytest.mark.parametrize("verb", ["preview", "apply", "drift"])
def test_a_failure_is_neither_success_nor_drift(stack: Stack, verb: str, tmp_path: Path) -> None:
    wrong = {"PULUMI_CONFIG_PASSPHRASE": "wrong"}

    failed = pipeline(stack, verb, tmp_path / "plan.txt", **wrong)

    assert failed.returncode == 1
    assert "PULUMI_CONFIG_PASSPHRASE" in failed.stderr
