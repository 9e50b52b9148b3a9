"""An app's life on a real cluster: its secrets, what runs before it, and what a person reads when it fails."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from live.stack import Stack, no_change

from mooring import jobs
from mooring.clients import nomad
from mooring.clients.nomad import Nomad
from mooring.waiting import wait_for

pytestmark = pytest.mark.live

UNTAMED = "<every> &kind; of \"quote\" 'and' $sign, ümläut \\ and\nsecond line"
APP = 'web = App("hello", image=hello.reference, on=nomad.access, port=8080, health="/healthz")\n'


class Program:
    """The stack's own program, with other arguments for its app."""

    def __init__(self, stack: Stack) -> None:
        self.stack, self.file = stack, Path(stack.root, "infra", "__main__.py")
        self.written = self.file.read_text()
        assert APP in self.written

    def up(self, *arguments: str) -> str:
        """Bring it up with these arguments added; returns what was printed, with the exit status before it."""
        plain = APP.strip().removesuffix(")").replace(', health="/healthz"', "")
        said = arguments if any("health=" in each for each in arguments) else ('health="/healthz"', *arguments)
        self.file.write_text(self.written.replace(APP, f"{plain}, {', '.join(said)})\n"))
        done = self.stack.mooring("up")
        return f"{done.returncode}\n{done.stdout}{done.stderr}"


@pytest.fixture(scope="module")
def program(stack: Stack) -> Iterator[Program]:
    found = Program(stack)
    try:
        yield found
    finally:
        found.file.write_text(found.written)
        done = stack.mooring("up")
        assert done.returncode == 0, done.stdout + done.stderr


def version(stack: Stack) -> int:
    found = nomad.region(stack.overview().deploy).job("hello")
    assert found is not None
    number: int = found["Version"]
    return number


def test_a_secret_reaches_the_app_as_it_is_and_stands_in_no_job(program: Program) -> None:
    secrets = f"secrets={{'PASSWORD': pulumi.Output.secret({UNTAMED!r})}}"
    printed = program.up(secrets, """before=["node", "-e", "console.log('migrated')"]""")
    assert printed.startswith("0\n"), printed

    command = ["exec", "--stack", program.stack.name, "hello", "node", "-p", "JSON.stringify(process.env.PASSWORD)"]
    seen = program.stack.mooring(*command, named=False).stdout

    assert UNTAMED.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") in seen
    api = nomad.region(program.stack.overview().deploy)
    assert "second line" not in str(api.job("hello")) + str(api.job("hello-before"))
    assert "migrated" in program.stack.mooring("logs", "hello-before").stdout
    assert no_change(program.stack.mooring("preview", "--expect-no-changes"))


def test_another_secret_rolls_through_the_instances(program: Program) -> None:
    before = version(program.stack)

    printed = program.up("secrets={'PASSWORD': pulumi.Output.secret('another-one')}")

    assert printed.startswith("0\n"), printed
    assert version(program.stack) == before + 1
    assert "canaries" in printed


def test_work_that_fails_before_leaves_the_app_and_tells_its_last_words(program: Program) -> None:
    before = version(program.stack)

    printed = program.up("""before=["node", "-e", "console.error('column exists twice'); process.exit(3)"]""")

    assert not printed.startswith("0\n")
    assert "job hello-before, group hello-before: 0 of 1 ran to their end" in printed
    assert "column exists twice" in printed
    assert version(program.stack) == before


def test_an_app_whose_check_fails_is_taken_back_and_the_check_is_quoted(program: Program) -> None:
    printed = program.up('health="/nowhere"', "healthy_within=30")

    assert not printed.startswith("0\n")
    assert "rolling back to job version" in printed
    assert "check 'hello answers': HTTP GET http" in printed
    assert "404" in printed


def test_a_task_without_an_image_sees_no_key_of_its_host(stack: Stack) -> None:
    look = "ls /etc; cat /etc/nomad.d/nomad.json /etc/consul.d/consul.json /etc/shadow; grep -c . /etc/passwd"
    task = jobs.Task("look", jobs.Exec("/bin/sh", args=["-c", look]), user="nobody")
    once = {"restart": jobs.Restart(attempts=0), "reschedule": jobs.Reschedule(attempts=0, unlimited=False)}
    job = jobs.Job("looks", type="batch", datacenters=["dc1"], groups=[jobs.Group("looks", tasks=[task], **once)])
    api = nomad.region(stack.overview().deploy)
    api.register(job.checked().to_api(), unless_changed_since=0)
    try:
        (ended,) = wait_for(lambda: _ended(api, "looks"), "the look around", within=120)
        seen = api.log_tail(ended["ID"], "look", stream="stdout").split()
        complaints = api.log_tail(ended["ID"], "look", stream="stderr")
    finally:
        api.deregister("looks", purge=True)

    assert {"passwd", "ssl", "hosts"} <= set(seen)
    assert not {"nomad.d", "consul.d", "nomad", "mooring", "shadow", "ssh"} & set(seen)
    assert complaints.count("No such file or directory") == 3


def _ended(api: Nomad, job: str) -> list[dict[str, Any]] | None:
    found = [each for each in api.allocations(job) if each["ClientStatus"] in ("complete", "failed")]
    return found or None
