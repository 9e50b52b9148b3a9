import io
import tarfile
from typing import Any

import pytest

from mooring.toolchain.standins.docker_plugin.container_body import (
    archive,
    container_body,
    endpoint,
    nanoseconds,
    observed,
    outputs,
    problems,
)


def node(**changes: Any) -> dict[str, Any]:
    """A local node as this project writes it."""
    return {
        "name": "node-1",
        "image": "mooring/machine:1",
        "hostname": "node-1",
        "envs": ["container=docker"],
        "capabilities": {"drops": ["ALL"], "adds": ["CAP_NET_ADMIN"]},
        "securityOpts": ["seccomp=unconfined", "systempaths=unconfined"],
        "cgroupnsMode": "host",
        "volumes": [
            {"hostPath": "/sys/fs/cgroup", "containerPath": "/sys/fs/cgroup"},
            {"volumeName": "node-1-engine", "containerPath": "/var/lib/docker", "readOnly": True},
        ],
        "tmpfs": {"/run": ""},
        "ports": [{"internal": 80, "external": 8080, "ip": "127.0.0.1"}],
        "memory": 512,
        "memorySwap": 512,
        "stopSignal": "SIGRTMIN+3",
        "mustRun": True,
        "restart": "no",
        **changes,
    }


def inspected(**state: Any) -> dict[str, Any]:
    """What the engine says of the running `node()`."""
    return {
        "Name": "/node-1",
        "State": {"Running": True, "ExitCode": 0, **state},
        "Config": {"Cmd": None, "Entrypoint": ["/lib/systemd/systemd"], "Hostname": "node-1", "Env": ["TOKEN=x"]},
        "HostConfig": {
            "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0},
            "Memory": 512 * 1024 * 1024,
            "MemoryReservation": 0,
            "MemorySwap": 512 * 1024 * 1024,
            "CpuShares": 0,
            "CpusetCpus": "",
            "IpcMode": "private",
            "LogConfig": {"Type": "json-file", "Config": {}},
            "Runtime": "runc",
            "ShmSize": 64 * 1024 * 1024,
        },
        "NetworkSettings": {
            "Bridge": "",
            "Ports": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "49153"}]},
            "Networks": {},
        },
    }


def test_a_node_is_asked_for_in_the_engines_words() -> None:
    body = container_body(node())
    host = body["HostConfig"]

    assert body["Hostname"] == "node-1"
    assert body["StopSignal"] == "SIGRTMIN+3"
    assert body["ExposedPorts"] == {"80/tcp": {}}
    assert host["PortBindings"] == {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8080"}]}
    assert host["Binds"] == ["/sys/fs/cgroup:/sys/fs/cgroup:rw", "node-1-engine:/var/lib/docker:ro"]
    assert host["Memory"] == host["MemorySwap"] == 512 * 1024 * 1024
    assert (host["CapAdd"], host["CapDrop"]) == (["CAP_NET_ADMIN"], ["ALL"])
    assert host["CgroupnsMode"] == "host"
    assert host["NetworkMode"] == "bridge"


def test_unconfined_system_paths_are_no_option_of_the_engines_but_two_empty_lists() -> None:
    host = container_body(node())["HostConfig"]

    assert host["SecurityOpt"] == ["seccomp=unconfined"]
    assert host["MaskedPaths"] == host["ReadonlyPaths"] == []


def test_confined_system_paths_are_left_to_the_engine() -> None:
    host = container_body(node(securityOpts=[]))["HostConfig"]

    assert "MaskedPaths" not in host


def test_no_limit_on_swap_stays_no_limit() -> None:
    assert container_body(node(memorySwap=-1))["HostConfig"]["MemorySwap"] == -1


def test_what_nobody_said_is_left_to_the_engine() -> None:
    body = container_body({"name": "a", "image": "b"})

    assert "Cmd" not in body
    assert "Entrypoint" not in body
    assert "Memory" not in body["HostConfig"]
    assert "Privileged" not in body["HostConfig"]


def test_a_port_without_a_number_outside_is_the_engines_to_pick() -> None:
    host = container_body(node(ports=[{"internal": 53, "protocol": "udp"}]))["HostConfig"]

    assert host["PortBindings"] == {"53/udp": [{"HostIp": "0.0.0.0", "HostPort": ""}]}  # noqa: S104 - the default


@pytest.mark.parametrize(
    ("text", "value"), [("10s", 10_000_000_000), ("1m30s", 90_000_000_000), ("0s", 0), ("1.5ms", 1_500_000)]
)
def test_durations_are_read_as_go_writes_them(text: str, value: int) -> None:
    assert nanoseconds(text) == value


@pytest.mark.parametrize("text", ["", "10", "ten seconds", "10s later"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no duration"):
        nanoseconds(text)


def test_files_are_laid_over_the_root_with_their_permissions_and_owners() -> None:
    packed = archive(
        [
            {"file": "/etc/mooring/key", "content": "k", "permissions": "0600", "owner": "7", "group": "8"},
            {"file": "/run.sh", "contentBase64": "aGk=", "executable": True},
            {"file": "/plain", "content": "ä"},
        ],
        now=1.0,
    )

    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        key, script, plain = tar.getmembers()
        assert (key.name, key.mode, key.uid, key.gid) == ("etc/mooring/key", 0o600, 7, 8)
        assert (script.mode, plain.mode) == (0o744, 0o644)
        contents = [file.read().decode() for member in tar if (file := tar.extractfile(member))]
    assert contents == ["k", "hi", "ä"]


def test_an_attachment_says_only_what_the_program_said() -> None:
    assert endpoint({"name": "net", "ipv4Address": "198.18.0.11"}) == {"net_id": "net", "ipv4_address": "198.18.0.11"}


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"capabilities": {"adds": ["NET_ADMIN", "KILL"]}}, "'CAP_NET_ADMIN'"),
        ({"uploads": [{"file": "/a"}]}, "needs one of content and contentBase64"),
        ({"uploads": [{"file": "/a", "content": "x", "contentBase64": "eA=="}]}, "and not both"),
        ({"uploads": [{"file": "/a", "content": "x", "permissions": "rw"}]}, "no octal number"),
        ({"uploads": [{"file": "/a", "content": "x", "owner": "root"}]}, "must be a number"),
        ({"uploads": [{"file": "/a", "contentBase64": "e"}]}, "is not base64"),
        ({"healthcheck": {"tests": ["CMD", "true"], "interval": "5"}}, "healthcheck.interval"),
        ({"volumes": [{"volumeName": "a"}]}, "needs a containerPath"),
    ],
)
def test_what_the_engine_would_not_say_is_said_before(changes: dict[str, Any], complaint: str) -> None:
    [problem] = problems(node(**changes))

    assert complaint in problem


def test_a_node_has_no_problems() -> None:
    assert list(problems(node())) == []


def test_a_running_container_reads_back_as_it_was_written() -> None:
    assert observed(node(), inspected()) == node()


def test_a_killed_container_reads_as_one_that_need_not_run() -> None:
    """The official plugin's way of saying it: the update back to true starts it."""
    assert observed(node(), inspected(Running=False)) == node(mustRun=False)


@pytest.mark.parametrize("choice", [{"mustRun": False}, {"start": False}])
def test_a_stopped_container_that_need_not_run_is_no_drift(choice: dict[str, Any]) -> None:
    assert observed(node(**choice), inspected(Running=False)) == node(**choice)


def test_a_limit_set_by_hand_is_drift() -> None:
    found = inspected()
    found["HostConfig"] |= {"CpuShares": 512, "RestartPolicy": {"Name": "always", "MaximumRetryCount": 0}}

    assert observed(node(), found) == node(cpuShares=512, restart="always")


def test_the_swap_limit_that_follows_from_memory_alone_shows_as_the_official_plugin_shows_it() -> None:
    alone = node()
    del alone["memorySwap"]

    assert observed(alone, inspected())["memorySwap"] == 512


def test_a_kernel_that_keeps_no_swap_limit_is_no_drift() -> None:
    found = inspected()
    found["HostConfig"]["MemorySwap"] = -1

    assert observed(node(), found) == node()


def test_the_environment_never_leaves_as_an_output() -> None:
    assert "TOKEN" not in str(outputs(node(), inspected()))


def test_outputs_leave_the_programs_own_words_alone_and_name_the_picked_port() -> None:
    seen = outputs(node(ports=[{"internal": 80}]), inspected())

    assert "hostname" not in seen
    assert seen["ports"] == [{"internal": 80, "external": 49153}]
    assert seen["entrypoints"] == ["/lib/systemd/systemd"]
