"""What the stand-in tells the engine, with a Docker engine that is a small one with memory."""

from typing import Any, NoReturn

import grpc
import pytest
from docker.errors import APIError, NotFound
from google.rpc import status_pb2
from pulumi.runtime.proto import provider_pb2 as pb
from requests import Response

from mooring.plugin.wire import UNKNOWN, marked, secret, struct
from mooring.toolchain.standins.docker_plugin import servicer as module
from mooring.toolchain.standins.docker_plugin.kind import Kind
from mooring.toolchain.standins.docker_plugin.reach import Address, Unreachable
from mooring.toolchain.standins.docker_plugin.remote_image import repo_digest
from mooring.toolchain.standins.docker_plugin.servicer import KINDS, Servicer, address, config_problems, named

CONTAINER = "docker:index/container:Container"
IMAGE = "docker:index/image:Image"
VOLUME = "docker:index/volume:Volume"
SECRET = "hunter2-hunter2"  # noqa: S105 - a test's own


class Aborted(Exception):
    pass


class Context:
    """A call's context that raises as gRPC's does and remembers what it was told."""

    def abort(self, code: grpc.StatusCode, details: str) -> NoReturn:
        del code
        raise Aborted(details)

    def set_trailing_metadata(self, metadata: Any) -> None:
        self.metadata = metadata


class DockerEngine:
    """A Docker engine of volumes and containers."""

    def __init__(self) -> None:
        self.volumes: dict[str, dict[str, Any]] = {}
        self.containers: dict[str, dict[str, Any]] = {}
        self.refuses_start: str | None = None
        self.health: str | None = None

    def create_volume(self, *, name: str, driver: str | None, driver_opts: Any, labels: Any) -> dict[str, Any]:
        # Docker answers null, not {}, for what is empty.
        return self.volumes.setdefault(
            name,
            {"Name": name, "Driver": driver or "local", "Options": driver_opts or None, "Labels": labels or None,
             "Mountpoint": f"/var/lib/docker/volumes/{name}"},
        )  # fmt: skip

    def inspect_volume(self, name: str) -> dict[str, Any]:
        return found(self.volumes, name)

    def remove_volume(self, name: str) -> None:
        found(self.volumes, name)
        del self.volumes[name]

    def create_container_from_config(self, config: dict[str, Any], name: str) -> dict[str, Any]:
        if any(container["Name"] == f"/{name}" for container in self.containers.values()):
            raise refusal(409, f'Conflict. The container name "/{name}" is already in use')
        id_ = f"id-{len(self.containers)}"
        self.containers[id_] = {
            "Name": f"/{name}",
            "State": {"Running": False, "ExitCode": 0},
            "Config": {"Cmd": config.get("Cmd"), "Entrypoint": None, "Hostname": "h"},
            "HostConfig": {
                "RestartPolicy": config["HostConfig"]["RestartPolicy"], "Memory": 0, "MemoryReservation": 0,
                "MemorySwap": 0, "CpuShares": 0, "CpusetCpus": "", "IpcMode": "private", "Runtime": "runc",
                "LogConfig": {"Type": "json-file"}, "ShmSize": 0,
            },
            "NetworkSettings": {"Bridge": "", "Ports": {}, "Networks": {}},
        }  # fmt: skip
        return {"Id": id_}

    def put_archive(self, container: str, path: str, data: bytes) -> bool:
        del container, path, data
        return True

    def start(self, container: str) -> None:
        if self.refuses_start:
            raise refusal(500, self.refuses_start)
        found(self.containers, container)["State"]["Running"] = True

    def update_container(self, container: str, **limits: Any) -> dict[str, Any]:
        host = found(self.containers, container)["HostConfig"]
        host |= {"Memory": limits["mem_limit"], "RestartPolicy": limits["restart_policy"]}
        return {"Warnings": None}

    def inspect_container(self, container: str) -> dict[str, Any]:
        container_found = found(self.containers, container)
        if self.health:
            container_found["State"]["Health"] = {"Status": self.health}
        return container_found

    def remove_container(self, container: str, *, v: bool, force: bool) -> None:
        del v, force
        found(self.containers, container)
        del self.containers[container]


def found(things: dict[str, dict[str, Any]], name: str) -> dict[str, Any]:
    if name not in things:
        raise NotFound(f"no such thing: {name}")
    return things[name]


def refusal(status: int, explanation: str) -> APIError:
    response = Response()
    response.status_code = status
    return APIError("refused", response=response, explanation=explanation)


class Door:
    """The way to a `DockerEngine`, open or shut."""

    def __init__(self, docker: DockerEngine) -> None:
        self.docker = docker
        self.shut = False

    def clients(self) -> tuple[DockerEngine, DockerEngine]:
        if self.shut:
            raise Unreachable("cannot reach the Docker engine at unix:///nosuch: no such file or directory")
        return self.docker, self.docker


@pytest.fixture
def docker() -> DockerEngine:
    return DockerEngine()


@pytest.fixture
def door(docker: DockerEngine) -> Door:
    return Door(docker)


@pytest.fixture
def plugin(door: Door, monkeypatch: pytest.MonkeyPatch) -> Servicer:
    class Silent:
        def __init__(self, engine: Any) -> None: ...
        def say(self, urn: str, line: str) -> None: ...
        def done(self, urn: str) -> None: ...

    monkeypatch.setattr(module, "Progress", Silent)
    monkeypatch.setattr(module, "Engine", lambda _: door)
    return Servicer(None)  # type: ignore[arg-type] # the progress above asks nothing of it


def create(plugin: Servicer, token: str, **inputs: Any) -> pb.CreateResponse:
    return plugin.Create(pb.CreateRequest(type=token, urn="u", properties=struct(inputs)), Context())  # type: ignore[arg-type]


def read(plugin: Servicer, token: str, id_: str, **inputs: Any) -> pb.ReadResponse:
    request = pb.ReadRequest(type=token, urn="u", id=id_, inputs=struct(inputs), properties=struct(inputs))
    return plugin.Read(request, Context())  # type: ignore[arg-type]


def check(plugin: Servicer, token: str, **inputs: Any) -> pb.CheckResponse:
    request = pb.CheckRequest(type=token, urn="u", name="web", news=struct(inputs), randomSeed=bytes(range(32)))
    return plugin.Check(request, Context())  # type: ignore[arg-type]


def diff(plugin: Servicer, token: str, old: dict[str, Any], new: dict[str, Any]) -> pb.DiffResponse:
    request = pb.DiffRequest(type=token, urn="u", old_inputs=struct(old), news=struct(new))
    return plugin.Diff(request, Context())  # type: ignore[arg-type]


def test_every_unknown_property_is_refused_by_name_and_at_once(plugin: Servicer) -> None:
    answer = check(plugin, CONTAINER, image="i", gpus="all", ports=[{"internal": 1, "mode": "x"}])

    reasons = [failure.reason for failure in answer.failures]
    assert [reason.split("'")[1] for reason in reasons] == ["gpus", "ports.mode"]
    assert all("use the official plugin" in reason for reason in reasons)


def test_saying_what_the_official_plugin_fills_in_is_no_reason_to_refuse(plugin: Servicer) -> None:
    assert not check(plugin, CONTAINER, image="i", attach=False, rm=False).failures


def test_a_refusal_carries_no_property_because_the_cli_would_print_its_value(plugin: Servicer) -> None:
    [failure] = check(plugin, CONTAINER, image="i", gpus=secret(SECRET)).failures

    assert not failure.property
    assert SECRET not in failure.reason


def test_an_unknown_type_is_refused_by_name(plugin: Servicer) -> None:
    with pytest.raises(Aborted, match="docker:index/service:Service is not implemented"):
        check(plugin, "docker:index/service:Service", name="x")


@pytest.mark.parametrize(
    ("token", "inputs"),
    [
        (CONTAINER, {"image": UNKNOWN, "uploads": [{"file": "/x", "content": "a", "permissions": UNKNOWN}]}),
        (CONTAINER, {"uploads": UNKNOWN, "volumes": [UNKNOWN], "capabilities": {"adds": [UNKNOWN]}}),
        (CONTAINER, {"healthcheck": {"interval": UNKNOWN}}),
        (IMAGE, {"build": UNKNOWN}),
        (IMAGE, {"build": {"context": UNKNOWN, "builderVersion": "BuilderV1", "platform": UNKNOWN}}),
        (IMAGE, {"build": {"context": ".", "dockerfile": UNKNOWN, "builderVersion": UNKNOWN, "platform": "p"}}),
    ],
)
def test_what_is_not_known_yet_is_not_judged_yet(plugin: Servicer, token: str, inputs: dict[str, Any]) -> None:
    answer = check(plugin, token, **inputs)

    assert list(answer.failures) == []
    assert inputs.items() <= marked(answer.inputs).items()


def test_an_unset_property_asks_for_nothing(plugin: Servicer) -> None:
    assert not check(plugin, CONTAINER, image="i", gpus=None).failures


def test_a_build_argument_that_is_not_known_yet_leaves_the_rest_to_be_judged(plugin: Servicer) -> None:
    answer = check(plugin, IMAGE, build={"args": {"BASE": UNKNOWN}, "context": "nosuch"})

    assert len(answer.failures) == 3


def test_a_name_is_made_once_and_kept(plugin: Servicer) -> None:
    made = marked(check(plugin, VOLUME).inputs)["name"]

    assert made == "web-0001020"
    assert named(KINDS[VOLUME], {}, {"name": made}, "web", b"other")["name"] == made
    assert named(KINDS[VOLUME], {"name": "mine"}, {"name": made}, "web", b"other")["name"] == "mine"


def test_a_long_name_is_cut_before_its_ending() -> None:
    name = named(KINDS[VOLUME], {}, {}, "x" * 300, bytes(32))["name"]

    assert len(name) == 255
    assert name.endswith("-0000000")


@pytest.mark.parametrize(
    ("field", "old", "new", "replaced"),
    [
        ("envs", ["A=1"], ["A=2"], True),
        ("tmpfs", {"/run": ""}, {"/run": "size=1m"}, True),
        ("restart", "no", "always", False),
        ("memory", 512, 1024, False),
        ("destroyGraceSeconds", 5, 10, False),
    ],
)
def test_nearly_everything_replaces_a_container_delete_first(
    plugin: Servicer, field: str, old: Any, new: Any, *, replaced: bool
) -> None:
    answer = diff(plugin, CONTAINER, {"image": "i", field: old}, {"image": "i", field: new})

    assert list(answer.diffs) == [field]
    assert list(answer.replaces) == ([field] if replaced else [])
    assert answer.deleteBeforeReplace is replaced


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"envs": ["A=1", "B=2"]}, {"envs": ["B=2", "A=1"]}),
        ({"capabilities": {"adds": ["CAP_A", "CAP_B"]}}, {"capabilities": {"adds": ["CAP_B", "CAP_A"]}}),
        ({"uploads": [{"file": "/a", "content": secret("x")}]}, {"uploads": [{"file": "/a", "content": "x"}]}),
        ({"mustRun": True, "networkMode": "bridge", "rm": False}, {}),
        ({"__defaults": ["rm"], "ports": [{"internal": 1, "__defaults": []}]}, {"ports": [{"internal": 1}]}),
        ({"hostname": None}, {}),
    ],
)
def test_what_means_the_same_is_no_change(plugin: Servicer, old: dict[str, Any], new: dict[str, Any]) -> None:
    assert diff(plugin, CONTAINER, old, new).changes == pb.DiffResponse.DIFF_NONE


def test_the_order_of_a_command_is_a_change(plugin: Servicer) -> None:
    assert list(diff(plugin, CONTAINER, {"command": ["a", "b"]}, {"command": ["b", "a"]}).replaces) == ["command"]


def test_a_preview_touches_nothing_and_leaves_the_outputs_unknown(plugin: Servicer, door: Door) -> None:
    door.shut = True
    request = pb.CreateRequest(type=VOLUME, urn="u", properties=struct({"name": "v"}), preview=True)

    answer = plugin.Create(request, Context())  # type: ignore[arg-type]

    assert (answer.id, marked(answer.properties)) == ("", {"name": "v"})


def test_what_was_created_reads_back_without_a_change(plugin: Servicer) -> None:
    inputs = marked(check(plugin, CONTAINER, image="i", envs=[secret(f"TOKEN={SECRET}")]).inputs)
    made = create(plugin, CONTAINER, **inputs)

    seen = read(plugin, CONTAINER, made.id, **inputs)

    assert marked(seen.inputs) == inputs
    assert marked(seen.properties) == marked(made.properties)


def test_a_secret_stays_wrapped_in_everything_that_is_returned(plugin: Servicer) -> None:
    inputs = {"name": "c", "image": "i", "uploads": [{"file": "/k", "content": secret(SECRET)}]}
    made = create(plugin, CONTAINER, **inputs)
    seen = read(plugin, CONTAINER, made.id, **inputs)

    for properties in (made.properties, seen.inputs, seen.properties):
        assert marked(properties)["uploads"] == [{"file": "/k", "content": secret(SECRET)}]


def test_a_killed_container_is_started_in_place(plugin: Servicer, docker: DockerEngine) -> None:
    inputs = marked(check(plugin, CONTAINER, image="i").inputs)
    made = create(plugin, CONTAINER, **inputs)
    docker.containers[made.id]["State"] = {"Running": False, "ExitCode": 137}
    seen = marked(read(plugin, CONTAINER, made.id, **inputs).inputs)
    answer = diff(plugin, CONTAINER, seen, inputs)

    request = pb.UpdateRequest(type=CONTAINER, urn="u", id=made.id, old_inputs=struct(seen), news=struct(inputs))
    plugin.Update(request, Context())  # type: ignore[arg-type]

    assert (list(answer.diffs), list(answer.replaces)) == (["mustRun"], [])
    assert docker.containers[made.id]["State"]["Running"]


def test_a_limit_is_changed_in_place(plugin: Servicer, docker: DockerEngine) -> None:
    old = {"name": "c", "image": "i", "memory": 64}
    new = {**old, "memory": 128, "restart": "always"}
    made = create(plugin, CONTAINER, **old)

    request = pb.UpdateRequest(type=CONTAINER, urn="u", id=made.id, old_inputs=struct(old), news=struct(new))
    plugin.Update(request, Context())  # type: ignore[arg-type]

    host = docker.containers[made.id]["HostConfig"]
    assert host["Memory"] == 128 * 1024 * 1024
    assert host["RestartPolicy"] == {"Name": "always", "MaximumRetryCount": 0}


def test_a_container_that_is_not_healthy_in_time_is_kept_and_tried_again(
    plugin: Servicer, docker: DockerEngine
) -> None:
    docker.health = "starting"
    inputs = {"name": "c", "image": "i", "wait": True, "waitTimeout": 0}
    context = Context()

    with pytest.raises(Aborted, match="'c' was not healthy within 0 s"):
        plugin.Create(pb.CreateRequest(type=CONTAINER, urn="u", properties=struct(inputs)), context)  # type: ignore[arg-type]
    [(_, details)] = context.metadata
    detail = pb.ErrorResourceInitFailed()
    status_pb2.Status.FromString(details).details[0].Unpack(detail)
    assert detail.id in docker.containers

    docker.health = "healthy"
    request = pb.UpdateRequest(type=CONTAINER, urn="u", id=detail.id, old_inputs=struct(inputs), news=struct(inputs))
    plugin.Update(request, Context())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "digests", "digest"),
    [
        ("r.example/app:1", ["r.example/app@sha256:1"], "r.example/app@sha256:1"),
        ("docker.io/library/redis", ["other@sha256:1", "redis@sha256:2"], "redis@sha256:2"),
        ("redis@sha256:2", ["redis@sha256:2"], "redis@sha256:2"),
        ("local:1", None, ""),
    ],
)
def test_an_images_digest_is_that_of_its_own_repository(name: str, digests: list[str] | None, digest: str) -> None:
    assert repo_digest(name, digests) == digest


@pytest.mark.parametrize("token", [CONTAINER, VOLUME])
def test_what_is_gone_reads_as_gone_and_is_deleted_once(plugin: Servicer, token: str) -> None:
    request = pb.DeleteRequest(type=token, urn="u", id="nosuch", old_inputs=struct({"name": "nosuch"}))

    assert read(plugin, token, "nosuch", name="nosuch", image="i").id == ""
    plugin.Delete(request, Context())  # type: ignore[arg-type]


def test_an_engine_that_cannot_be_reached_is_never_gone(plugin: Servicer, door: Door) -> None:
    door.shut = True

    with pytest.raises(Aborted, match="could not tell: cannot reach the Docker engine at unix:///nosuch"):
        read(plugin, VOLUME, "v", name="v")


def test_a_container_that_cannot_start_leaves_nothing_and_says_why(plugin: Servicer, docker: DockerEngine) -> None:
    """Otherwise the next run would fail on its name: seen with a port in use."""
    docker.refuses_start = "Bind for 127.0.0.1:8080 failed: port is already allocated"

    with pytest.raises(Aborted, match=r"unable to start container 'c': Bind for 127\.0\.0\.1:8080 failed"):
        create(plugin, CONTAINER, name="c", image="i")
    assert docker.containers == {}


def test_a_taken_name_is_the_engines_to_refuse(plugin: Servicer, docker: DockerEngine) -> None:
    create(plugin, CONTAINER, name="c", image="i")

    with pytest.raises(Aborted, match=r"unable to create container 'c': Conflict\. The container name"):
        create(plugin, CONTAINER, name="c", image="i")
    assert len(docker.containers) == 1


def test_no_secret_is_in_an_error(plugin: Servicer, docker: DockerEngine) -> None:
    docker.refuses_start = f"exec: {SECRET}: not found"

    with pytest.raises(Aborted, match=r"exec: \[secret\]: not found"):
        create(plugin, CONTAINER, name="c", image="i", command=[secret(SECRET)])


def test_a_volume_made_again_by_somebody_else_is_drift(plugin: Servicer, docker: DockerEngine) -> None:
    inputs = {"name": "v", "labels": [{"label": "a", "value": "1"}]}
    made = create(plugin, VOLUME, **inputs)
    docker.volumes["v"]["Labels"] = None

    seen = marked(read(plugin, VOLUME, made.id, **inputs).inputs)

    assert list(diff(plugin, VOLUME, seen, inputs).replaces) == ["labels"]


def test_a_volume_without_options_reads_back_as_it_was_written(plugin: Servicer) -> None:
    inputs = {"name": "v", "driver": "local", "driverOpts": {}, "labels": []}
    made = create(plugin, VOLUME, **inputs)

    assert marked(read(plugin, VOLUME, made.id, **inputs).inputs) == inputs


def test_an_import_is_refused_by_name(plugin: Servicer) -> None:
    with pytest.raises(Aborted, match="importing a Volume is not implemented"):
        read(plugin, VOLUME, "v")


def test_nested_settings_arrive_as_json_text() -> None:
    config = {"host": "ssh://root@198.18.0.11:22", "sshOpts": '["-i", "key"]'}

    assert address(config) == Address(host="ssh://root@198.18.0.11:22", ssh_options=["-i", "key"])


def test_every_setting_it_does_not_know_is_refused() -> None:
    found = list(config_problems({"host": "tcp://1.2.3.4:2375", "caMaterial": "x", "registryAuth": "[]"}))

    assert ["'caMaterial'" in found[0], "'registryAuth'" in found[1], "'tcp://1.2.3.4:2375'" in found[2]] == [True] * 3


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.word)
def test_what_a_kind_can_change_or_take_in_any_order_is_something_it_knows(kind: Kind) -> None:
    assert kind.in_place <= kind.shape.keys()
    assert kind.unordered <= kind.shape.keys()
    assert kind.drifting <= kind.shape.keys() & kind.defaults.keys()
