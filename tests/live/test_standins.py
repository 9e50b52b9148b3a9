"""The stand-ins with the real CLI, a real Docker engine, registry and sshd; each test takes away what it made."""

import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import textwrap
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any, NoReturn, cast

import bcrypt
import docker
import pytest
from docker.errors import APIError, DockerException, NotFound

from mooring.toolchain import binaries
from mooring.toolchain.errors import CannotPrepare
from mooring.toolchain.standins.docker_plugin.api import Body, DockerApi
from mooring.waiting import wait_for

pytestmark = pytest.mark.engine

IMAGE = "mooring-test/standins:1"
LABEL = "org.mooring.test"
PASSWORD = "registry-pa55word"  # noqa: S105 - a test's own
SECRET = "hunter2-hunter2"  # noqa: S105 - a test's own


def without(what: str) -> NoReturn:
    """Skip, but not where everything has to be there."""
    if os.environ.get("REQUIRE_LIVE") == "1":
        pytest.fail(f"REQUIRE_LIVE is set and there is no {what}")
    pytest.skip(f"no {what}")


def tool(name: str) -> Path:
    try:
        return binaries.locate(name)
    except CannotPrepare as problem:
        without(str(problem))


@pytest.fixture(scope="module")
def engine() -> Iterator[docker.APIClient]:
    try:
        client = docker.APIClient(version="auto")
    except DockerException as problem:
        without(f"Docker engine: {problem}")
    with closing(client):
        yield client


@pytest.fixture(scope="module")
def image(engine: docker.APIClient) -> Iterator[str]:
    """A small image of this machine's own shell: none can be pulled everywhere."""
    name, tag = IMAGE.split(":")
    engine.import_image_from_data(shell_archive(), repository=name, tag=tag)
    yield IMAGE
    engine.remove_image(IMAGE, force=True)


def shell_archive() -> bytes:
    with tempfile.TemporaryFile() as file:
        programs = ["/bin/sh", "/bin/sleep", "/bin/cat"]
        needed = re.findall(r"(/\S+) \(0x", subprocess.check_output(["ldd", *programs], text=True))
        with tarfile.open(fileobj=file, mode="w", dereference=True) as tar:
            for path in sorted({*programs, *needed}):  # the engine takes no file twice
                tar.add(path)
        file.seek(0)
        return file.read()


@dataclass
class Stack:
    """One project with one stack, its own backend and its own Pulumi home."""

    folder: Path
    name: str = field(default_factory=lambda: f"standins-{secrets.token_hex(4)}")
    port: int = 0

    def write(self, program: str) -> None:
        """The program; `name` names its things, `labels` marks them."""
        (self.folder / "infra").mkdir(exist_ok=True)
        (self.folder / "infra" / "__main__.py").write_text(
            f"import pulumi\nimport pulumi_docker as docker\n\nname = {self.name!r}\n"
            f"labels = [{{'label': {LABEL!r}, 'value': name}}]\n{textwrap.dedent(program)}"
        )

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "PULUMI_HOME": str(self.folder / "home"),
            "PULUMI_BACKEND_URL": f"file://{self.folder / 'state'}",
            "PULUMI_CONFIG_PASSPHRASE": "test",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_RUN_PROGRAM": "true",
            "TMPDIR": str(self.folder / "tmp"),
        }

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [tool("pulumi"), *arguments],
            cwd=self.folder,
            env=self.environment,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def pulumi(self, *arguments: str, code: int = 0) -> str:
        with self.start(*arguments) as process:
            said, _ = process.communicate()
        assert process.returncode == code, said
        return said

    def up(self, code: int = 0) -> str:
        return self.pulumi("up", "--yes", "--skip-preview", code=code)

    def preview(self, code: int = 0) -> str:
        return self.pulumi("preview", "--diff", code=code)

    def unchanged(self) -> None:
        self.pulumi("preview", "--expect-no-changes")

    def outputs(self) -> dict[str, Any]:
        said: dict[str, Any] = json.loads(self.pulumi("stack", "output", "--json", "--show-secrets"))
        return said


@pytest.fixture
def stack(tmp_path: Path, engine: docker.APIClient) -> Iterator[Stack]:
    stack = Stack(tmp_path)
    for place in ("state", "tmp"):
        (tmp_path / place).mkdir()
    for program, module in (("pulumi-language-python", "language_host"), ("pulumi-resource-docker", "docker_plugin")):
        launcher = tmp_path / "plugins" / program
        launcher.parent.mkdir(exist_ok=True)
        launcher.write_text(f'#!/bin/sh\nexec {sys.executable} -P -m mooring.toolchain.standins.{module} "$@"\n')
        launcher.chmod(0o755)
    (tmp_path / "Pulumi.yaml").write_text(f"""
name: {stack.name}
main: infra/
runtime: {{name: python, options: {{virtualenv: {sys.prefix}}}}}
options: {{refresh: always}}
plugins:
  languages: [{{name: python, path: plugins}}]
  providers: [{{name: docker, path: plugins}}]
""")
    stack.write("")
    stack.pulumi("stack", "init", "test")
    try:
        yield stack
    finally:
        remove_everything(engine, stack.name)


def _removed(engine: docker.APIClient, container: str) -> bool | None:
    """Remove it; a build that was interrupted is at it already, and its engine then refuses."""
    try:
        engine.remove_container(container, force=True, v=True)
    except NotFound:
        return True
    except APIError as error:
        if error.status_code != HTTPStatus.CONFLICT:
            raise
        return None
    return True


def remove_everything(engine: docker.APIClient, name: str) -> None:
    ours = {"label": f"{LABEL}={name}"}
    for container in engine.containers(all=True, filters=ours):
        gone = partial(_removed, engine, container["Id"])
        wait_for(gone, f"container {container['Id'][:12]} is gone", within=30, every=0.5)
    for network in engine.networks(filters=ours):
        engine.remove_network(network["Id"])
    for volume in engine.volumes(filters=ours)["Volumes"] or []:
        engine.remove_volume(volume["Name"])
    for built in engine.images(filters=ours):
        engine.remove_image(built["Id"], force=True)
    for tagged in engine.images(filters={"reference": f"*/{name}"}):
        for reference in tagged["RepoTags"]:
            if name in reference:
                engine.remove_image(reference)


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def only_container(engine: docker.APIClient, stack: Stack) -> Any:
    [found] = engine.containers(all=True, filters={"label": f"{LABEL}={stack.name}"})
    return engine.inspect_container(found["Id"])


def inspected_image(engine: docker.APIClient, name: str) -> Body:
    return cast(DockerApi, engine).inspect_image(name)  # docker's own stub has no types


def machine(**changes: Any) -> str:
    """A network, a volume and a container that says nearly all that a local node says."""
    said = {"port": free_port(), "env": "A=1", "image": IMAGE, **changes}
    return f"""
        network = docker.Network(name, name=name, labels=labels, ipam_configs=[{{"subnet": "198.19.254.0/28"}}])
        volume = docker.Volume(name, labels=labels)
        container = docker.Container(
            name, image={said["image"]!r}, hostname="node-1", command=["/bin/sleep", "1000"], labels=labels,
            envs=["container=docker", {said["env"]!r}], restart="unless-stopped",
            capabilities={{"drops": ["ALL"], "adds": ["CAP_NET_ADMIN", "CAP_KILL", "CAP_CHOWN"]}},
            security_opts=["seccomp=unconfined", "apparmor=unconfined", "systempaths=unconfined"],
            cgroupns_mode="host", stop_signal="SIGKILL", memory=64, memory_swap=64, privileged=False,
            volumes=[
                {{"host_path": "/sys/fs/cgroup", "container_path": "/sys/fs/cgroup"}},
                {{"volume_name": volume.name, "container_path": "/var/lib/docker"}},
            ],
            tmpfs={{"/run": "", "/run/lock": "", "/tmp": ""}},
            networks_advanced=[{{"name": network.name, "ipv4_address": "198.19.254.11"}}],
            ports=[{{"internal": 80, "external": {said["port"]}, "ip": "127.0.0.1"}}],
            uploads=[{{
                "file": "/etc/mooring/key", "content": pulumi.Output.secret({SECRET!r}), "permissions": "0600",
            }}],
        )
        pulumi.export("address", container.network_datas.apply(lambda networks: networks[0].ip_address))
        """


def test_a_machine_comes_up_as_it_was_written_and_stays_unchanged(
    stack: Stack, engine: docker.APIClient, image: str
) -> None:
    stack.write(machine(image=image))

    stack.up()

    stack.unchanged()
    assert "unchanged" in stack.up()
    assert stack.outputs()["address"] == "198.19.254.11"
    host = only_container(engine, stack)["HostConfig"]
    assert (host["MaskedPaths"], host["Memory"], host["CgroupnsMode"]) == ([], 64 * 1024 * 1024, "host")


def test_no_secret_is_in_the_state_or_in_what_is_shown(stack: Stack, engine: docker.APIClient, image: str) -> None:
    stack.write(machine(image=image))
    shown = stack.pulumi("up", "--yes", "--skip-preview", "--logtostderr", "-v=3") + stack.preview()

    assert SECRET not in shown
    assert not [file for file in (stack.folder / "state").rglob("*") if file.is_file() and SECRET in file.read_text()]
    made = engine.exec_create(only_container(engine, stack)["Id"], ["/bin/cat", "/etc/mooring/key"])
    assert engine.exec_start(made["Id"]) == SECRET.encode()


def test_a_changed_port_replaces_the_container_delete_first(stack: Stack, engine: docker.APIClient, image: str) -> None:
    port = free_port()
    stack.write(machine(image=image, port=port))
    stack.up()
    before = only_container(engine, stack)["Id"]
    other = free_port()
    stack.write(machine(image=image, port=other))

    assert f"external: {port} => {other}" in stack.preview()
    stack.up()

    after = only_container(engine, stack)
    assert after["Id"] != before
    assert after["HostConfig"]["PortBindings"]["80/tcp"][0]["HostPort"] == str(other)
    stack.unchanged()


def test_a_killed_container_is_started_in_place(stack: Stack, engine: docker.APIClient, image: str) -> None:
    stack.write(machine(image=image))
    stack.up()
    id_ = only_container(engine, stack)["Id"]
    engine.kill(id_)

    assert "mustRun: false => true" in stack.preview()
    stack.up()

    found = only_container(engine, stack)
    assert (found["Id"], found["State"]["Running"]) == (id_, True)
    stack.unchanged()


def test_a_removed_container_is_created_again(stack: Stack, engine: docker.APIClient, image: str) -> None:
    stack.write(machine(image=image))
    stack.up()
    engine.remove_container(only_container(engine, stack)["Id"], force=True)

    assert "+ 1 to create" in stack.preview()
    stack.up()

    assert only_container(engine, stack)["State"]["Running"]
    stack.unchanged()


def test_a_destroyed_machine_leaves_nothing(stack: Stack, engine: docker.APIClient, image: str) -> None:
    stack.write(machine(image=image))
    stack.up()

    stack.pulumi("destroy", "--yes", "--skip-preview", "--run-program=false")

    ours = {"label": f"{LABEL}={stack.name}"}
    assert engine.containers(all=True, filters=ours) == engine.networks(filters=ours) == []
    assert not engine.volumes(filters=ours)["Volumes"]


def test_a_port_in_use_fails_in_the_engines_words_and_the_next_run_goes_on(
    stack: Stack, engine: docker.APIClient, image: str
) -> None:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        stack.write(machine(image=image, port=taken.getsockname()[1]))

        assert "address already in use" in stack.up(code=1)
    assert engine.containers(all=True, filters={"label": f"{LABEL}={stack.name}"}) == []

    stack.up()

    stack.unchanged()


def test_an_image_that_is_not_there_is_named(stack: Stack) -> None:
    stack.write(machine(image="mooring-test/nosuch:1"))

    assert "No such image: mooring-test/nosuch:1" in stack.up(code=1)


def test_a_taken_name_is_left_alone(stack: Stack, engine: docker.APIClient, image: str) -> None:
    made = engine.create_container(image, ["/bin/sleep", "1"], name=stack.name, labels={LABEL: stack.name})
    stack.write(f"docker.Container('c', name=name, image={image!r}, command=['/bin/sleep', '1'], labels=labels)")

    assert f'The container name "/{stack.name}" is already in use' in stack.up(code=1)
    assert only_container(engine, stack)["Id"] == made["Id"]


def test_everything_it_does_not_know_is_refused_before_anything_is_made(
    stack: Stack, engine: docker.APIClient, image: str
) -> None:
    stack.write(f"docker.Container('c', image={image!r}, gpus='all', runtime='x', labels=labels)")

    said = stack.up(code=1)

    for name in ("gpus", "runtime"):
        assert f"docker stand-in: Container property '{name}' is not implemented; use the official plugin" in said
    assert engine.containers(all=True, filters={"label": f"{LABEL}={stack.name}"}) == []


def test_an_engine_that_does_not_answer_is_never_taken_for_an_empty_one(stack: Stack, engine: docker.APIClient) -> None:
    program = """
        host = docker.Provider("host", host={host!r})
        docker.Volume("v", labels=labels, opts=pulumi.ResourceOptions(provider=host))
        """
    stack.write(program.format(host="unix:///var/run/docker.sock"))
    stack.up()
    stack.write(program.format(host="unix:///nosuch.sock"))

    said = stack.preview(code=1)

    assert "could not tell: cannot reach the Docker engine at unix:///nosuch.sock: no such file or directory" in said
    assert len(engine.volumes(filters={"label": f"{LABEL}={stack.name}"})["Volumes"]) == 1


@contextmanager
def serving(stack: Stack, auth: str) -> Generator[str]:
    """A registry on a loopback port, which is its address."""
    address = f"127.0.0.1:{free_port()}"
    folder = stack.folder / "registry"
    folder.mkdir()
    hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    (folder / "htpasswd").write_text(f"mooring:{hashed}\n")
    (folder / "config.yml").write_text(f"""
version: 0.1
log: {{level: error}}
storage: {{filesystem: {{rootdirectory: {folder / "data"}}}}}
http: {{addr: "{address}"}}
{auth.format(htpasswd=folder / "htpasswd")}
""")
    with subprocess.Popen([tool("registry"), "serve", folder / "config.yml"], stderr=subprocess.DEVNULL) as process:
        try:
            wait_for(lambda: listens(address), "the registry", within=10)
            yield address
        finally:
            process.kill()


@pytest.fixture
def registry(stack: Stack) -> Iterator[str]:
    """The address of a registry that asks for a password."""
    with serving(stack, "auth: {{htpasswd: {{realm: test, path: {htpasswd}}}}}") as address:
        yield address


@pytest.fixture
def open_registry(stack: Stack) -> Iterator[str]:
    """The address of a registry that anybody may read."""
    with serving(stack, "") as address:
        yield address


def test_an_image_of_a_registry_is_pulled_and_taken_away(
    stack: Stack, open_registry: str, engine: docker.APIClient, image: str
) -> None:
    name = f"{open_registry}/{stack.name}"
    engine.tag(image, name, tag="1")
    engine.push(name, tag="1")
    engine.remove_image(f"{name}:1")
    stack.write(f"""
        pulled = docker.RemoteImage("pulled", name="{name}:1")
        pulumi.export("image", [pulled.image_id, pulled.repo_digest])
        """)

    stack.up()

    stack.unchanged()
    found = inspected_image(engine, f"{name}:1")
    assert stack.outputs()["image"] == [found["Id"], found["RepoDigests"][0]]
    stack.pulumi("destroy", "--yes", "--skip-preview", "--run-program=false")
    with pytest.raises(NotFound):
        inspected_image(engine, f"{name}:1")


def listens(address: str) -> bool | None:
    host, _, port = address.partition(":")
    with closing(socket.socket()) as probe:
        return True if probe.connect_ex((host, int(port))) == 0 else None


def app(stack: Stack, registry: str, *, dockerfile: str = "", password: str = PASSWORD) -> Path:
    """Write an image that is built from a folder of its own and pushed, and return that folder."""
    folder = stack.folder / "app"
    folder.mkdir(exist_ok=True)
    (folder / "Dockerfile").write_text(
        dockerfile or f"ARG BASE\nFROM ${{BASE}}\nLABEL {LABEL}={stack.name}\nCOPY hello /\n"
    )
    (folder / ".dockerignore").write_text("*.log\n")
    if not (folder / "hello").exists():
        (folder / "hello").write_text("1")
    stack.write(f"""
        image = docker.Image(
            "app", image_name="{registry}/{stack.name}/app:latest",
            build=docker.DockerBuildArgs(
                context="../app", dockerfile="../app/Dockerfile", args={{"BASE": {IMAGE!r}}}, platform="linux/amd64",
                builder_version=docker.BuilderVersion.BUILDER_V1,
            ),
            registry=docker.RegistryArgs(
                server={registry!r}, username="mooring", password=pulumi.Output.secret({password!r}),
            ),
        )
        pulumi.export("digest", image.repo_digest)
        """)
    return folder


@pytest.mark.usefixtures("image")
def test_an_image_is_built_and_pushed_when_and_only_when_its_context_changes(stack: Stack, registry: str) -> None:
    folder = app(stack, registry)
    stack.up()
    first = stack.outputs()["digest"]
    (folder / "noise.log").write_text("ignored")
    stack.unchanged()
    (folder / "hello").write_text("2")

    assert "contextDigest" in stack.preview()
    stack.up()

    second = stack.outputs()["digest"]
    assert first != second
    assert second.startswith(f"{registry}/{stack.name}/app@sha256:")
    stack.unchanged()


@pytest.mark.usefixtures("image")
def test_new_credentials_alone_build_nothing(stack: Stack, registry: str) -> None:
    app(stack, registry)
    stack.up()
    app(stack, registry, password="another-pa55word")  # noqa: S106 - a test's own

    stack.unchanged()


@pytest.mark.usefixtures("image")
def test_a_wrong_password_fails_the_push_and_is_not_shown(stack: Stack, registry: str) -> None:
    app(stack, registry, password="wr0ng-pa55word")  # noqa: S106 - a test's own

    said = stack.up(code=1)

    assert "unable to push" in said
    assert "unauthorized" in said
    assert "wr0ng-pa55word" not in said


@pytest.mark.usefixtures("image")
def test_a_failed_build_shows_its_own_last_lines(stack: Stack, registry: str, engine: docker.APIClient) -> None:
    app(stack, registry, dockerfile=f"FROM {IMAGE}\nLABEL {LABEL}={stack.name}\nRUN echo the reason; exit 3\n")

    said = stack.up(code=1)

    assert "returned a non-zero code: 3" in said
    assert "      the reason\n" in said
    assert engine.containers(all=True, filters={"label": f"{LABEL}={stack.name}"}) == []


@pytest.mark.usefixtures("image")
def test_interrupting_a_silent_build_ends_it_at_once(stack: Stack, registry: str, engine: docker.APIClient) -> None:
    app(stack, registry, dockerfile=f"FROM {IMAGE}\nLABEL {LABEL}={stack.name}\nRUN sleep 60\n")
    ours = {"label": f"{LABEL}={stack.name}"}
    with stack.start("up", "--yes", "--skip-preview") as process:
        wait_for(lambda: engine.containers(filters=ours) or None, "the build to sleep", within=30)
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=5)

    assert "error: cancelled" in said
    wait_for(lambda: None if engine.containers(filters=ours) else True, "the engine to stop building", within=10)


@pytest.fixture
def host(stack: Stack) -> Iterator[dict[str, Any]]:
    """The machine it runs on, as a host behind SSH: an sshd of our own on a loopback port."""
    program = shutil.which("sshd") or "/usr/sbin/sshd"
    if not Path(program).exists() or os.geteuid() != 0:
        without("sshd to start as root")
    folder = stack.folder / "ssh"
    folder.mkdir(mode=0o700)
    for key in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / key], check=True)
    port = free_port()
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {(folder / 'host.pub').read_text()}")
    (folder / "config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder / 'host'}\nPidFile none\nStrictModes no\n"
        f"AuthorizedKeysFile {folder / 'user.pub'}\nPasswordAuthentication no\nUsePAM no\nPermitRootLogin yes\n"
    )
    separation = Path("/run/sshd")
    made = not separation.exists()
    separation.mkdir(exist_ok=True)
    with subprocess.Popen([program, "-D", "-f", folder / "config"]) as process:
        try:
            wait_for(lambda: listens(f"127.0.0.1:{port}"), "sshd", within=10)
            options = ["-i", str(folder / "user"), "-o", f"UserKnownHostsFile={folder / 'known_hosts'}"]
            yield {"host": f"ssh://root@127.0.0.1:{port}", "ssh_opts": options}
        finally:
            process.terminate()
            if made:
                separation.rmdir()


def behind(host: dict[str, Any]) -> str:
    return f"""
        there = pulumi.ResourceOptions(provider=docker.Provider("host", **{host!r}))
        data = docker.Volume("data", labels=labels, opts=there)
        docker.Container(
            "c", image={IMAGE!r}, command=["/bin/sleep", "1000"], labels=labels, network_mode="host",
            volumes=[{{"volume_name": data.name, "container_path": "/data"}}], opts=there,
        )
        """


def forwarding(host: dict[str, Any]) -> list[int]:
    """The ids of the ssh programs that reach for `host`."""
    port = host["host"].rpartition(":")[2].encode()
    found: list[int] = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            arguments = place.read_bytes().split(b"\0")
            if arguments[0] == b"ssh" and port in arguments:
                found.append(int(place.parent.name))
    return found


@pytest.mark.usefixtures("image")
def test_an_engine_behind_ssh_is_used_and_let_go(stack: Stack, host: dict[str, Any], engine: docker.APIClient) -> None:
    stack.write(behind(host))

    stack.up()

    stack.unchanged()
    assert only_container(engine, stack)["HostConfig"]["NetworkMode"] == "host"
    wait_for(lambda: None if forwarding(host) else True, "ssh to end with the plugin", within=5)
    wait_for(lambda: None if list((stack.folder / "tmp").glob("mooring-docker-*")) else True, "its folder", within=5)


@pytest.mark.usefixtures("image")
def test_the_way_to_an_engine_ends_with_a_cli_that_was_killed(
    stack: Stack, host: dict[str, Any], registry: str, engine: docker.APIClient
) -> None:
    app(stack, registry, dockerfile=f"FROM {IMAGE}\nLABEL {LABEL}={stack.name}\nRUN sleep 60\n")
    program = stack.folder / "infra" / "__main__.py"
    there = f'opts=pulumi.ResourceOptions(provider=docker.Provider("host", **{host!r}))'
    program.write_text(program.read_text().replace('"app", image_name', f'"app", {there}, image_name'))
    ours = {"label": f"{LABEL}={stack.name}"}
    with stack.start("up", "--yes", "--skip-preview") as process:
        wait_for(lambda: engine.containers(filters=ours) or None, "the build to sleep", within=30)
        assert forwarding(host)
        process.kill()

    wait_for(lambda: None if forwarding(host) else True, "ssh to end with the plugin", within=5)
    wait_for(lambda: None if list((stack.folder / "tmp").glob("mooring-docker-*")) else True, "its folder", within=5)


def test_a_host_that_is_not_the_pinned_one_is_refused_in_sshs_words(stack: Stack, host: dict[str, Any]) -> None:
    stack.write(behind({**host, "ssh_opts": [*host["ssh_opts"][:3], "UserKnownHostsFile=/dev/null"]}))

    assert "Host key verification failed" in stack.up(code=1)


def test_a_run_error_is_shown_as_its_text_alone(stack: Stack) -> None:
    stack.write("raise pulumi.RunError('servers must be odd, got 2')")

    said = stack.preview(code=1)

    assert "error: servers must be odd, got 2" in said
    assert "Traceback" not in said


def test_any_other_error_is_shown_from_the_programs_own_first_line(stack: Stack) -> None:
    stack.write("def broken():\n    raise KeyError('x')\n\nbroken()")

    said = stack.preview(code=1)

    assert "KeyError: 'x'" in said
    assert re.findall(r'File "([^"]+)"', said) == [str(stack.folder / "infra" / "__main__.py")] * 2


def test_a_program_sees_its_own_folder_first_and_no_folder_of_ours(stack: Stack) -> None:
    stack.write("import os, sys, sibling\npulumi.export('seen', [os.getcwd(), *sys.path])")
    (stack.folder / "infra" / "sibling.py").write_text("")
    stack.up()

    cwd, first, *rest = stack.outputs()["seen"]

    assert cwd == first == str(stack.folder / "infra")
    assert not [place for place in rest if place.endswith("standins")]


def test_interrupting_a_sleeping_program_ends_it_at_once(stack: Stack) -> None:
    stack.write("""
        import time, pathlib
        pathlib.Path("../started").touch()
        try:
            time.sleep(60)
        except KeyboardInterrupt:
            pathlib.Path("../told").touch()
            raise
        """)
    with stack.start("up", "--yes", "--skip-preview") as process:
        wait_for(lambda: (stack.folder / "started").exists() or None, "the program", within=30)
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=5)

    assert process.returncode == 1
    assert "Traceback" not in said
    assert (stack.folder / "told").exists()


def test_the_host_says_what_it_runs(stack: Stack) -> None:
    said = stack.pulumi("about")

    assert sys.version.split()[0] in said
    assert "NAME" in said
    assert "grpcio" in said
