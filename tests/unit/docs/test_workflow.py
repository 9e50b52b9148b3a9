"""The workflow that users copy: what it trusts, and that its first step checks the right commit out."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from unit.docs.pages import ROOT

FILE = ROOT / "docs/pipelines/github-actions.yml"


@pytest.fixture
def workflow() -> dict[Any, Any]:
    found: dict[Any, Any] = yaml.safe_load(FILE.read_text())
    return found


def steps(workflow: dict[Any, Any]) -> dict[str, dict[str, Any]]:
    return {step["name"]: step for job in workflow["jobs"].values() for step in job["steps"]}


def test_it_may_read_and_nothing_else(workflow: dict[Any, Any]) -> None:
    assert workflow["permissions"] == {}
    assert [job["permissions"] for job in workflow["jobs"].values()] == [{"contents": "read"}]


def test_it_runs_nobody_elses_action(workflow: dict[Any, Any]) -> None:
    assert not [step for step in steps(workflow).values() if "uses" in step]


def test_a_run_under_way_is_never_cancelled(workflow: dict[Any, Any]) -> None:
    assert workflow["concurrency"]["cancel-in-progress"] is False


def test_a_secret_is_seen_by_the_one_step_that_needs_it(workflow: dict[Any, Any]) -> None:
    having = [name for name, step in steps(workflow).items() if "secrets." in str(step)]

    assert having == ["Preview, apply or drift"]
    assert "secrets." not in str(workflow["env"])


def git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    return subprocess.check_output(["git", *who, *arguments], cwd=folder, text=True).strip()


def test_its_first_step_leaves_the_asked_commit_and_nothing_of_an_earlier_run(
    workflow: dict[Any, Any], tmp_path: Path
) -> None:
    origin, work = tmp_path / "server" / "team" / "platform", tmp_path / "work"
    origin.mkdir(parents=True)
    work.mkdir()
    git(origin, "init", "--quiet")
    for text in ("one", "two"):
        (origin / "file").write_text(text)
        git(origin, "add", "file")
        git(origin, "commit", "--quiet", "-m", text)
    for wanted, text in ((git(origin, "rev-parse", "HEAD"), "two"), (git(origin, "rev-parse", "HEAD~1"), "one")):
        (work / "left").write_text("from an earlier run")
        surroundings = {
            "GITHUB_SERVER_URL": f"file://{tmp_path}/server",
            "GITHUB_REPOSITORY": "team/platform",
            "GITHUB_SHA": wanted,
            "TOKEN": "secret",
        }
        subprocess.run(
            ["bash", "-e", "-c", steps(workflow)["Check out"]["run"]],
            cwd=work, env={**os.environ, **surroundings}, check=True,
        )  # fmt: skip

        assert (work / "file").read_text() == text
        assert not (work / "left").exists()
