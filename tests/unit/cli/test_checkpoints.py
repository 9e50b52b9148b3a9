"""When a run may write its state once: only where a run that is killed loses nothing, and only where it matters."""

import json
import subprocess
from collections.abc import Sequence
from typing import Any

import pytest

from mooring.cli import checkpoints, pulumi
from mooring.cli.checkpoints import MANY, SETTING, found_again, type_of, written_once
from mooring.kinds.every import every

IN = "urn:pulumi:dev::mooring::"
JOB = f"{IN}platform:app:App$mooring:nomad:Job::hello"
CONTAINER = f"{IN}platform:hosts:LocalHost$docker:index/container:Container::dev-server-1"
KEY = f"{IN}platform:hosts:Hosts$mooring:ssh:KeyPair::hosts"


def step(op: str, urn: str) -> dict[str, Any]:
    return {"op": op, "urn": urn}


@pytest.mark.parametrize(
    ("steps", "found"),
    [
        ([], True),
        ([step("same", KEY), step("refresh", CONTAINER), step("update", JOB)], True),
        ([step("create", JOB), step("create", f"{IN}platform:app:App::hello")], True),
        ([step("update", JOB), step("create", KEY)], False),
        ([step("delete-replaced", CONTAINER)], False),
        ([step("create", f"{IN}mooring:nomad:NoSuchKind::x")], False),
    ],
    ids=["nothing", "a job", "a new app", "a secret", "a container", "an unknown kind"],
)
def test_only_what_the_next_run_finds_again_may_go_unwritten(steps: list[dict[str, Any]], found: bool) -> None:  # noqa: FBT001
    assert found_again(steps, every()) is found


def test_no_kind_that_makes_up_a_secret_goes_unwritten() -> None:
    secret = {token for token, handler in every().items() if handler.secret_outputs}

    assert {type_of(KEY)} < secret
    assert not [token for token in secret if found_again([step("create", f"{IN}{token}::x")], every())]


class Pulumi:
    """Answers as the real one does, and remembers what it was asked."""

    def __init__(self, count: int, steps: Sequence[dict[str, Any]], status: int = 0) -> None:
        self.asked: list[list[str]] = []
        self._count, self._steps, self._status = count, steps, status

    def ask(self, arguments: Sequence[str]) -> "subprocess.CompletedProcess[str]":
        self.asked.append(list(arguments))
        if arguments[0] == "stack":
            listed = [{"name": "other", "resourceCount": 9999}, {"name": "dev", "resourceCount": self._count}]
            return subprocess.CompletedProcess(arguments, 0, json.dumps(listed), "")
        return subprocess.CompletedProcess(arguments, self._status, json.dumps({"steps": self._steps}), "")


def answered(patch: pytest.MonkeyPatch, made: Pulumi) -> tuple[bool, list[str]]:
    patch.delenv(SETTING, raising=False)
    patch.setattr(pulumi, "ask", made.ask)
    said: list[str] = []
    return written_once("dev", ["--target", "x"], said.append), said


def test_a_large_stack_with_a_changed_job_is_written_once_and_the_person_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = Pulumi(MANY, [step("update", JOB)])

    once, said = answered(monkeypatch, made)

    assert once
    assert made.asked[1][-2:] == ["--target", "x"]
    assert said[0].startswith(f"stack 'dev' has {MANY} resources: looking at what would change")
    assert said[1] == "the state is written once, at the end"


def test_a_large_stack_that_gets_a_host_is_written_with_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    once, said = answered(monkeypatch, Pulumi(MANY, [step("create", CONTAINER)]))

    assert (once, said[1]) == (False, "the state is written with every step, which takes long")


def test_a_small_stack_is_not_looked_at_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Pulumi(MANY - 1, [step("update", JOB)])

    assert answered(monkeypatch, made) == (False, [])
    assert len(made.asked) == 1


def test_a_preview_that_fails_decides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not answered(monkeypatch, Pulumi(MANY, [step("update", JOB)], status=255))[0]


def test_what_the_person_has_set_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Pulumi(MANY, [step("update", JOB)])
    monkeypatch.setattr(pulumi, "ask", made.ask)
    monkeypatch.setenv(SETTING, "false")

    assert not checkpoints.written_once("dev", [], print)
    assert made.asked == []
