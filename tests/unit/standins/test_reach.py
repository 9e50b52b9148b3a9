from pathlib import Path

import pytest

from mooring.toolchain.standins.docker_plugin.reach import Address, Engine, Unreachable, ssh_command


def test_the_socket_of_a_host_is_forwarded_with_the_programs_options_first() -> None:
    address = Address(host="ssh://root@198.18.0.11:2222", ssh_options=["-i", "key", "-o", "ConnectTimeout=1"])

    command = ssh_command(address, Path("/run/d/docker.sock"))

    assert command[:5] == ["ssh", "-T", "-L", "/run/d/docker.sock:/var/run/docker.sock", "-i"]
    assert command.index("ConnectTimeout=1") < command.index("ConnectTimeout=10")
    assert command[-4:] == ["-p", "2222", "root@198.18.0.11", "cat"]


def test_a_user_and_a_port_that_nobody_said_are_sshs_to_choose() -> None:
    command = ssh_command(Address(host="ssh://host"), Path("/s"))

    assert "-p" not in command
    assert command[-2:] == ["host", "cat"]


@pytest.mark.parametrize("host", ["unix:///var/run/docker.sock", "ssh://root@host", "ssh://root@host:22"])
def test_sockets_and_ssh_are_known(host: str) -> None:
    assert Address(host=host).problem() is None


@pytest.mark.parametrize("host", ["tcp://1.2.3.4:2375", "ssh://", "ssh://host/some/path", "npipe:////./pipe/x"])
def test_any_other_way_is_refused_with_its_address(host: str) -> None:
    assert repr(host) in str(Address(host=host).problem())


def test_an_engine_that_is_not_there_is_named_with_the_systems_words(tmp_path: Path) -> None:
    host = f"unix://{tmp_path}/nosuch.sock"

    with pytest.raises(Unreachable, match=f"cannot reach the Docker engine at {host}: no such file or directory"):
        Engine(Address(host=host)).clients()
