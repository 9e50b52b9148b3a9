import gzip
import json
import os
import platform
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import docker
import pytest

from mooring.cli import recover as module
from mooring.cli.recover import (
    DropLock,
    Engine,
    Forget,
    Kind,
    Lock,
    Remove,
    Stop,
    Unanswered,
    backend_directory,
    engine_of,
    latest,
    locks,
    mend,
    plan,
    recover,
    remove,
    runs_pulumi,
    ssh_command,
    torn,
)

HERE = "laptop"
DEAD = Lock(file=Path("dead.json"), pid=1, host=HERE)
REMOTE = "urn:pulumi:dev::shop::pulumi:providers:docker::engine"


def begun(type_: str, logical: str, provider: str = "", **inputs: Any) -> dict[str, Any]:
    resource = {
        "urn": f"urn:pulumi:dev::shop::{type_}::{logical}",
        "type": type_,
        "provider": provider,
        "inputs": inputs,
    }
    return {"type": "creating", "resource": resource}


def state(*operations: dict[str, Any]) -> dict[str, Any]:
    provider = {
        "urn": REMOTE,
        "id": "1234",
        "inputs": {"host": "ssh://root@198.18.0.11", "sshOpts": '["-i", "/key"]', "version": "5.2.0"},
    }
    return {"resources": [provider], "pending_operations": list(operations)}


def actions(found: dict[str, Any], *held: Lock, alive: bool = False) -> list[Any]:
    return plan(found, held, lambda _: alive, HERE)


def test_where_all_is_well_there_is_nothing_to_do() -> None:
    assert actions({}) == []
    assert actions(state()) == []


def test_the_lock_of_a_dead_run_is_dropped() -> None:
    assert actions({}, DEAD) == [DropLock(lock=DEAD)]


def test_nothing_is_touched_while_a_run_is_alive() -> None:
    found = state(begun("docker:index/volume:Volume", "v", name="v"))

    assert actions(found, DEAD, alive=True) == [
        Stop(reason="the stack is in use: process 1 is still running; wait for it, or end it first")
    ]


def test_nothing_is_touched_while_another_machine_may_be_at_work() -> None:
    elsewhere = Lock(file=Path("other.json"), pid=2, host="desktop")

    assert actions(state(begun("a:b:C", "c")), DEAD, elsewhere) == [
        Stop(
            reason="the stack is in use on desktop (process 2); if nobody is at work there, run `pulumi cancel`",
        )
    ]


def test_what_our_own_kinds_have_begun_is_only_forgotten() -> None:
    found = state(begun("mooring:host:Agent", "agent"), begun("mooring:nomad:Job", "job"))

    assert actions(found, DEAD) == [DropLock(lock=DEAD), Forget(names=("agent", "job"))]


def test_an_update_that_was_begun_needs_nothing() -> None:
    assert actions(state({**begun("a:b:C", "c"), "type": "updating"})) == []


def test_what_docker_has_begun_is_removed_where_its_provider_works_and_containers_first() -> None:
    local, remote = Engine(), Engine(host="ssh://root@198.18.0.11", ssh_options=("-i", "/key"))
    found = state(
        begun("docker:index/volume:Volume", "data", f"{REMOTE}::1234", name="registry-data"),
        begun("docker:index/network:Network", "net", "urn:default::5678", name="shop-net"),
        begun("docker:index/container:Container", "node", name="shop-node"),
        begun("docker:index/image:Image", "image"),
    )

    assert actions(found) == [
        Remove(kind="container", name="shop-node", engine=local),
        Remove(kind="network", name="shop-net", engine=local),
        Remove(kind="volume", name="registry-data", engine=remote),
        Forget(names=("data", "net", "node", "image")),
    ]


def test_ssh_options_may_be_a_list_as_well() -> None:
    found = state(begun("docker:index/volume:Volume", "v", f"{REMOTE}::1234", name="v"))
    found["resources"][0]["inputs"]["sshOpts"] = ["-F", "none"]

    assert actions(found)[0].engine.ssh_options == ("-F", "none")


@pytest.mark.parametrize(
    ("url", "directory"),
    [
        ("file:///var/state", Path("/var/state")),
        ("file://~/state", Path.home() / "state"),
        ("file://state?metadata=skip", Path("/shop/state")),
        ("s3://bucket", None),
        ("https://api.pulumi.com", None),
        ("", None),
    ],
)
def test_only_a_local_backend_has_a_folder(url: str, directory: Path | None) -> None:
    assert backend_directory(url, Path("/shop")) == directory


@pytest.mark.parametrize("zipped", [False, True])
def test_the_state_is_read_plain_or_zipped(tmp_path: Path, *, zipped: bool) -> None:
    content = json.dumps({"checkpoint": {"latest": {"resources": []}}}).encode()
    file = tmp_path / ".pulumi/stacks/shop" / ("dev.json.gz" if zipped else "dev.json")
    file.parent.mkdir(parents=True)
    file.write_bytes(gzip.compress(content) if zipped else content)

    assert latest(tmp_path, "shop/dev") == {"resources": []}


def test_a_stack_that_never_was_up_has_no_state(tmp_path: Path) -> None:
    assert latest(tmp_path, "shop/dev") == {}
    assert locks(tmp_path, "shop/dev") == []


def test_a_process_of_another_program_is_not_pulumi() -> None:
    assert not runs_pulumi(os.getpid())


def test_a_process_of_pulumi_is_seen(tmp_path: Path) -> None:
    program = tmp_path / "pulumi"
    program.symlink_to(sys.executable)
    pipe = subprocess.PIPE
    with subprocess.Popen([program, "-c", "input('.')"], stdin=pipe, stdout=pipe) as process:
        assert process.stdout is not None
        process.stdout.read(1)
        assert runs_pulumi(process.pid)
        process.communicate(b"\n")
    assert not runs_pulumi(process.pid)


class Killed:
    """A stack of the file backend whose run was killed, and a pretended `pulumi` that notes what it was asked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lines: list[str] = []
        bin_ = folder / "bin"
        bin_.mkdir()
        self.asked = folder / "asked"
        pulumi = bin_ / "pulumi"
        pulumi.write_text(
            f'#!/bin/sh\necho "$@" >>{self.asked}\n[ ! -e {folder}/broken ] || {{ echo no >&2; exit 1; }}\n'
        )
        pulumi.chmod(0o755)
        self.env = {"PULUMI_BACKEND_URL": f"file://{folder}", "PATH": f"{bin_}:{os.environ['PATH']}"}
        self.lock = folder / ".pulumi/locks/organization/shop/dev/1.json"
        self.lock.parent.mkdir(parents=True)
        host = os.uname().nodename
        self.lock.write_text(json.dumps({"pid": 2**22 + 1, "username": "me", "hostname": host, "timestamp": ""}))
        self.lock.with_name("1.json.attrs").touch()

    def has(self, *operations: dict[str, Any]) -> None:
        file = self.folder / ".pulumi/stacks/shop/dev.json"
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps({"checkpoint": {"latest": state(*operations)}}))

    def recover(self) -> None:
        recover("dev", project="shop", env=self.env, cwd=self.folder, say=self.lines.append)


@pytest.fixture
def killed(tmp_path: Path) -> Killed:
    return Killed(tmp_path)


def test_a_killed_run_leaves_no_lock_and_nothing_begun(killed: Killed) -> None:
    killed.has(begun("mooring:host:Agent", "agent"))

    killed.recover()

    assert list(killed.lock.parent.iterdir()) == []
    assert killed.lines == [
        f"freed the stack from a run that was killed (process {2**22 + 1})",
        "forgot what was begun and never ended: agent",
    ]
    assert killed.asked.read_text() == (
        "refresh --stack dev --yes --skip-preview --non-interactive --suppress-progress --clear-pending-creates "
        "--run-program=false --target urn:pulumi:dev::shop::pulumi:pulumi:Stack::shop-dev\n"
    )


def test_what_pulumi_says_against_it_is_told(killed: Killed) -> None:
    killed.has(begun("mooring:host:Agent", "agent"))
    (killed.folder / "broken").touch()

    killed.recover()

    assert killed.lines[1:] == ["could not forget what was begun and never ended: no"]


def test_what_could_not_be_looked_for_is_not_forgotten(killed: Killed) -> None:
    killed.has(begun("docker:index/volume:Volume", "v", f"{REMOTE}::1234", name="v"))
    ssh = killed.folder / "bin" / "ssh"
    ssh.write_text("#!/bin/sh\necho no route >&2; exit 255\n")
    ssh.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", killed.env["PATH"])
        killed.recover()

    assert killed.lines[1:] == [
        "could not look for the volume v: no route",
        "the state still has what was begun and never ended: the next run looks again for what it left",
    ]
    assert not killed.asked.exists()


def test_another_backend_is_left_to_pulumi(tmp_path: Path) -> None:
    lines: list[str] = []

    recover("dev", project="shop", env={"PULUMI_BACKEND_URL": "s3://bucket"}, cwd=tmp_path, say=lines.append)

    assert lines == [
        "this backend keeps its own locks: if the stack is locked and nobody is at work, run `pulumi cancel`"
    ]


def test_a_host_is_asked_as_its_provider_asks_it() -> None:
    engine = Engine(host="ssh://root@198.18.0.11:2222", ssh_options=("-i", "/a key"))

    assert ssh_command(engine, ["docker", "volume", "rm", "a b"]) == [
        *("ssh", "-T", "-i", "/a key", "-p", "2222", "--", "root@198.18.0.11", "docker volume rm 'a b'")
    ]


def test_a_host_that_says_nothing_is_not_waited_for_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ssh = tmp_path / "ssh"
    ssh.write_text("#!/bin/sh\nexec sleep 60\n")
    ssh.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(module, "REMOTE_WITHIN", 0.2)

    with pytest.raises(Unanswered, match=r"ssh://root@host does not answer"):
        engine_of(Engine(host="ssh://root@host")).names("volume", "a=b")


@pytest.fixture
def client() -> Iterator[docker.DockerClient]:
    try:
        found = docker.from_env()
        found.ping()
    except docker.errors.DockerException:
        if os.environ.get("REQUIRE_LIVE") == "1":
            pytest.fail("no Docker engine answers, and REQUIRE_LIVE=1")
        pytest.skip("no Docker engine answers")
    yield found
    found.close()


@pytest.mark.engine
@pytest.mark.parametrize("host", ["", "ssh://root@host"])
def test_only_what_carries_the_label_of_the_stack_is_removed(
    client: docker.DockerClient, host: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ssh = tmp_path / "ssh"
    ssh.write_text('#!/bin/sh\nwhile [ "$1" != -- ]; do shift; done\nexec sh -c "$3"\n')
    ssh.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    lines: list[str] = []
    # Names of this test alone, and each taken away by its name: other stacks live on the same engine.
    ours, theirs = (f"recover-{uuid.uuid4()}" for _ in range(2))
    client.volumes.create(ours, labels={"org.mooring.stack": "shop/dev"})
    client.volumes.create(theirs, labels={"org.mooring.stack": "shop/production"})
    client.networks.create(ours, labels={"org.mooring.stack": "shop/dev"})
    begun_things: list[tuple[Kind, str]] = [
        ("volume", ours),
        ("volume", theirs),
        ("network", ours),
        ("container", ours),
    ]
    try:
        for kind, name in begun_things:
            assert remove(Remove(kind=kind, name=name, engine=Engine(host=host)), "shop/dev", lines.append)

        assert lines == [
            f"removed the volume {ours}, which a killed run had begun",
            f"removed the network {ours}, which a killed run had begun",
        ]
        assert {ours, theirs} & {volume.name for volume in client.volumes.list()} == {theirs}
        assert ours not in {network.name for network in client.networks.list()}
    finally:
        for name in (ours, theirs):
            with suppress(docker.errors.NotFound):
                client.volumes.get(name).remove()
        with suppress(docker.errors.NotFound):
            client.networks.get(ours).remove()


class TestTorn:
    """`kill -9` in a write left `dev.json.attrs` empty in 2 of 9 runs: "failed to load checkpoint: EOF"."""

    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        folder = tmp_path / ".pulumi/stacks/shop"
        folder.mkdir(parents=True)
        for name, content in (("dev.json", "{}"), ("dev.json.attrs", ""), ("dev.json.bak.attrs", "{}")):
            (folder / name).write_text(content)
        (folder / "other.json.attrs").touch()
        return tmp_path

    def test_only_the_empty_attributes_of_this_stack_are_torn(self, root: Path) -> None:
        assert [file.name for file in torn(root, "shop/dev")] == ["dev.json.attrs"]

    @pytest.mark.parametrize("host", ["elsewhere", ""])
    def test_nothing_is_torn_while_somebody_may_be_at_work(
        self, root: Path, host: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = root / ".pulumi/locks/organization/shop/dev"
        folder.mkdir(parents=True)
        (folder / "1.json").write_text(json.dumps({"pid": 1, "hostname": host or platform.node(), "username": "u"}))
        monkeypatch.setattr("mooring.cli.recover.runs_pulumi", lambda _: True)

        assert torn(root, "shop/dev") == []

    def test_what_is_torn_is_removed_and_told(self, root: Path) -> None:
        told: list[str] = []

        mend("dev", project="shop", env={"PULUMI_BACKEND_URL": f"file://{root}"}, cwd=root, say=told.append)

        assert not (root / ".pulumi/stacks/shop/dev.json.attrs").exists()
        assert told == ["removed dev.json.attrs, which a killed run left empty"]
