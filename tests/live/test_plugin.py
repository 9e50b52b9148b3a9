"""The plugin under the real Pulumi: what a person sees of up, preview, drift, failures, ^C and kill -9."""

import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mooring.cli.recover import recover
from mooring.waiting import wait_for

pytestmark = pytest.mark.live

HERE = Path(__file__).parent
CHECKOUT = HERE.parent.parent
PASSWORD = "correct-horse-battery"  # noqa: S105 -- made up, so that it can be searched for

PROGRAM = """
    import pulumi
    from mooring.kinds import pki, random, ssh
    from pretended import Box

    authority = pki.Authority("authority", common_name="test")
    leaf = pki.Certificate("leaf", authority=authority, common_name="a", dns_names=["a.test"], usages=["server"])
    key = ssh.KeyPair("key", comment="test")
    ssh.Identity("identity", directory={identity!r}, private_key=key.private_key, known_hosts={{"a": key.public_key}})
    gossip = random.Bytes("gossip", length=32)
    token = random.Uuid("token")
    box = Box("box", **{box!r})
    Box("behind", settings={{"box": box.address}})
    pulumi.export("secrets", [
        authority.private_key_pem, leaf.private_key_pem, key.private_key, gossip.value, token.value,
    ])
"""


class Project:
    """A project of its own, with a state and a pretended cloud of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cloud = folder / "cloud"
        self.identity = folder / "ssh"
        self.box = {"size": 3, "password": PASSWORD, "settings": {"a.b": "x", "mode": "fast"}}
        for name in ("infra", "plugin", "cloud", "state"):
            (folder / name).mkdir()
        shutil.copy(HERE / "pretended.py", folder / "infra")
        self._executable(
            "plugin/pulumi-resource-mooring",
            f"import sys; sys.path.insert(0, {str(folder / 'infra')!r}); import pretended; "
            "from mooring.plugin.__main__ import main; main()",
        )
        plugins = f"providers: [{{name: mooring, path: {folder}/plugin}}, {{name: test, path: {folder}/test}}]"
        (folder / "test").mkdir()
        shutil.copy(folder / "plugin/pulumi-resource-mooring", folder / "test/pulumi-resource-test")
        if not _has_language_host():
            self._executable(
                "plugin/pulumi-language-python",
                "import runpy; runpy.run_module('mooring.toolchain.standins.language_host', run_name='__main__')",
            )
            plugins += f", languages: [{{name: python, path: {folder}/plugin}}]"
        (folder / "Pulumi.yaml").write_text(
            f"name: shop\nmain: infra/\nruntime: python\noptions: {{refresh: always}}\nplugins: {{{plugins}}}\n"
        )
        self.env = {
            **{name: value for name, value in os.environ.items() if not name.startswith("PULUMI_")},
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PRETENDED_CLOUD": str(self.cloud),
            "PULUMI_BACKEND_URL": f"file://{folder}/state",
            "PULUMI_CONFIG_PASSPHRASE": "test",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "PULUMI_HOME": str(folder / "home"),
            "PULUMI_RUN_PROGRAM": "true",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
        }
        self.says()
        self.pulumi("stack", "init", "dev")

    def _executable(self, name: str, python: str) -> None:
        place = self.folder / name
        place.write_text(f'#!/bin/sh\nexec "{sys.executable}" -u -c "{python}" "$@"\n')
        place.chmod(0o755)

    def says(self, **box: object) -> None:
        """Let the program say this of the box."""
        self.box |= box
        program = textwrap.dedent(PROGRAM).format(identity=str(self.identity), box=self.box)
        (self.folder / "infra" / "__main__.py").write_text(program)

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            ["pulumi", *arguments, "--non-interactive"],
            cwd=self.folder,
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def pulumi(self, *arguments: str, fails: bool = False) -> str:
        process = self.start(*arguments)
        said, _ = process.communicate(timeout=120)
        assert (process.returncode != 0) == fails, said
        return said

    def up(self, *arguments: str, fails: bool = False) -> str:
        return self.pulumi("up", "--yes", "--skip-preview", *arguments, fails=fails)

    def preview(self) -> str:
        return self.pulumi("preview", "--diff", "--suppress-progress")

    def unchanged(self) -> None:
        self.pulumi("preview", "--expect-no-changes")

    def state(self) -> dict[str, object]:
        said: dict[str, object] = json.loads((self.folder / "state/.pulumi/stacks/shop/dev.json").read_text())
        return said

    def calls(self) -> list[str]:
        return (self.cloud / "calls").read_text().splitlines()

    def fault(self, name: str) -> Path:
        """Make the cloud slow, unhealthy or silent until the file is removed."""
        place = self.cloud / name
        place.touch()
        return place

    def change(self, **fields: object) -> None:
        """Change the box behind our back."""
        place = self.cloud / "box.json"
        place.write_text(json.dumps({**json.loads(place.read_text()), **fields}))


def _has_language_host() -> bool:
    pulumi = Path(shutil.which("pulumi") or "").resolve()
    return bool(shutil.which("pulumi-language-python") or pulumi.with_name("pulumi-language-python").exists())


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    if shutil.which("pulumi") is None:
        if os.environ.get("REQUIRE_LIVE") == "1":
            pytest.fail("pulumi is not on PATH, and REQUIRE_LIVE=1")
        pytest.skip("pulumi is not on PATH: `make prepare` provides it")
    yield Project(tmp_path)
    assert not _left_running(tmp_path)


def _left_running(folder: Path) -> list[str]:
    """The command lines of processes that were started from `folder`."""

    def command(process: Path) -> str:
        try:
            return (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            return ""

    deadline = time.monotonic() + 5
    while left := [line for p in Path("/proc").glob("[0-9]*") if str(folder) in (line := command(p))]:
        if time.monotonic() > deadline:
            break
    return left


def eventually(what: str, probe: Callable[[], bool]) -> None:
    wait_for(lambda: probe() or None, what, within=30, every=0.05)


def test_after_an_up_there_is_nothing_to_do(project: Project) -> None:
    project.up()

    project.unchanged()
    assert project.calls() == ["create box", "create behind"]


def test_a_missing_identity_is_put_back_by_a_preview(project: Project) -> None:
    project.up()
    shutil.rmtree(project.identity)

    project.unchanged()
    assert (project.identity / "id").stat().st_mode & 0o777 == 0o600


def test_drift_is_shown_field_by_field_and_repaired(project: Project) -> None:
    project.up()
    project.change(size=5, password="changed-behind-us", settings={"a.b": "y", "extra": "z", "mode": "fast"})  # noqa: S106

    shown = project.preview()

    update = shown[shown.index("test:index:Box: (update)") :]
    assert "~ size    : 5 => 3" in update
    assert '~ a.b  : "y" => "x"' in update
    assert '- extra: "z"' in update
    assert "password: [secret] => [secret]" in update.replace("~ password", "password")
    assert "mode" not in update
    assert "changed-behind-us" not in shown
    project.up()
    project.unchanged()
    assert project.calls()[2:] == ["update box"]


def test_a_default_that_the_program_writes_down_is_no_change(project: Project) -> None:
    project.up()
    project.says(zone="a")

    project.unchanged()


def test_what_was_deleted_behind_us_is_created_again(project: Project) -> None:
    project.up()
    (project.cloud / "box.json").unlink()

    assert "+ test:index:Box: (create)" in project.preview()
    project.up()
    project.unchanged()


def test_another_identity_is_deleted_first(project: Project) -> None:
    project.up()
    project.says(zone="b")

    project.up()

    assert project.calls()[2:] == ["delete box", "create box"]
    project.unchanged()


def test_bad_input_is_refused_in_words_and_without_the_secret(project: Project) -> None:
    project.says(size=0, password={"deep": PASSWORD}, colour=1)

    said = project.pulumi("preview", fails=True)

    assert "size: must be at least 1, got 0" in said
    assert "password: must be text" in said
    assert "colour: is not known; known are zone, size, password, settings" in said
    assert PASSWORD not in said


def test_what_does_not_work_fails_the_up_and_is_retried_by_an_update(project: Project) -> None:
    fault = project.fault("unhealthy")
    said = project.up(fails=True)
    assert "1 of 3 answers, with [secret]" in said
    assert "2 of 3 are silent" in said
    assert project.calls() == ["create box"]

    project.up(fails=True)
    fault.unlink()
    project.up()

    assert project.calls() == ["create box", "update box", "update box", "create behind"]
    project.unchanged()


def test_a_silent_cloud_does_not_stop_a_preview_and_says_so(project: Project) -> None:
    project.up()
    project.fault("silent")

    said = project.pulumi("preview", "--expect-no-changes").partition("Diagnostics:")[2]

    assert said.count("warning: could not be read, shown as last seen: the cloud does not answer") == 1


def test_what_does_not_work_is_retried_even_if_it_could_not_be_read_meanwhile(project: Project) -> None:
    unhealthy = project.fault("unhealthy")
    project.up(fails=True)
    silent = project.fault("silent")
    project.pulumi("refresh", "--yes", "--skip-preview")
    unhealthy.unlink()
    silent.unlink()

    project.up()

    assert project.calls() == ["create box", "update box", "create behind"]


def test_the_programs_timeout_reaches_the_kind(project: Project) -> None:
    project.fault("slow")
    main = project.folder / "infra" / "__main__.py"
    main.write_text(
        main.read_text().replace(
            'Box("box", ',
            'Box("box", opts=pulumi.ResourceOptions(custom_timeouts=pulumi.CustomTimeouts(create="1s")), ',
        )
    )

    assert "a fast cloud: not within 1 s" in project.up(fails=True)


def test_no_secret_is_in_plain_in_the_state_or_the_log(project: Project) -> None:
    log = project.up("-v=3", "--logtostderr")
    log += project.pulumi("preview", "-v=3", "--logtostderr", "--diff")
    exported = project.pulumi("stack", "export")
    shown = json.loads(project.pulumi("stack", "output", "--json", "--show-secrets"))["secrets"]

    lines = [line for secret in shown for line in secret.splitlines() if not line.startswith("-----")]
    assert len(lines) > 5
    leaked = [line for line in [*lines, PASSWORD] if line in log or line in exported]
    assert leaked == []


def test_stop_returns_at_once_and_the_next_up_goes_on(project: Project) -> None:
    slow = project.fault("slow")
    process = project.start("up", "--yes", "--skip-preview")
    eventually("the create", (project.cloud / "calls").exists)

    process.send_signal(signal.SIGINT)
    began = time.monotonic()
    said, _ = process.communicate(timeout=60)

    assert time.monotonic() - began < 3
    assert process.returncode != 0
    assert "cancelled while waiting" in said
    assert "login with [secret]" in said  # the line of progress
    slow.unlink()
    project.up()
    project.unchanged()
    assert project.calls() == ["create box", "update box", "create behind"]


def test_a_killed_run_is_recovered_without_a_manual_step(project: Project) -> None:
    slow = project.fault("slow")
    process = project.start("up", "--yes", "--skip-preview")
    eventually("the create", lambda: '"pending_operations":[' in json.dumps(project.state(), separators=(",", ":")))
    eventually("the call", (project.cloud / "calls").exists)
    lines: list[str] = []

    def recovered() -> None:
        lines.clear()
        recover("dev", project="shop", env=project.env, cwd=project.folder, say=lines.append)

    recovered()
    assert lines == [f"the stack is in use: process {process.pid} is still running; wait for it, or end it first"]
    process.kill()
    process.communicate(timeout=30)
    eventually("the end of all plugins", lambda: not _left_running(project.folder))
    slow.unlink()
    assert "locked by 1 lock" in project.up(fails=True)

    recovered()
    assert lines == [
        f"freed the stack from a run that was killed (process {process.pid})",
        "forgot what was begun and never ended: box",
    ]
    project.up()
    project.unchanged()
    assert "pending_operations" not in json.dumps(project.state())
    recovered()
    assert lines == []
