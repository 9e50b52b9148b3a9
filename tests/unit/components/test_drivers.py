"""What a client is told of its drivers, and what each needs on its host."""

import pytest

from components.hosts import Driver
from components.nomad.agent import unit
from components.nomad.drivers import CHROOT, NEEDS, client_part, plugin_blocks, programs, units
from mooring.toolchain import pins


def test_a_client_runs_what_its_group_says_and_nothing_else() -> None:
    assert client_part({Driver.PODMAN, Driver.DOCKER})["options"] == {"driver.allowlist": "docker,podman"}


def test_a_task_without_an_image_sees_no_key_of_its_host() -> None:
    part = client_part({Driver.EXEC})

    assert part["chroot_env"].keys() == set(CHROOT)
    assert not {path for path in CHROOT if "/etc".startswith(path) or path.startswith(("/etc/nomad", "/etc/consul"))}
    assert "/etc/ssl/private" not in CHROOT
    assert "/etc/shadow" not in CHROOT


def test_only_tasks_without_an_image_need_one_made_of_the_host() -> None:
    assert "chroot_env" not in client_part({Driver.DOCKER, Driver.PODMAN, Driver.LXC})


@pytest.mark.parametrize("driver", Driver)
def test_no_driver_lets_a_task_reach_the_hosts_own_folders(driver: Driver) -> None:
    ((block,),) = [block.values() for block in plugin_blocks([driver])]
    told = block[0]["config"][0]

    assert told.get("volumes", [{"enabled": False}]) == [{"enabled": False}]
    assert not told.get("volumes_enabled", False)
    assert not told.get("allow_privileged", False)


def test_a_plugin_is_called_as_its_program_is() -> None:
    """Nomad takes a block's name for a file below its folder of plugins."""
    (block,) = plugin_blocks([Driver.PODMAN])

    assert list(block) == ["nomad-driver-podman"]
    assert [tool.program for tool in programs([Driver.PODMAN, Driver.DOCKER])] == ["nomad-driver-podman"]


def test_every_plugin_has_a_pin_that_the_command_line_finds_by_the_drivers_name() -> None:
    needed = {driver.value: needs.plugin for driver, needs in NEEDS.items() if needs.plugin is not None}

    assert needed == dict(pins.PLUGINS)


def test_the_agent_starts_after_what_its_drivers_talk_to() -> None:
    assert units([Driver.PODMAN, Driver.DOCKER]) == ["docker.service", "podman.socket"]
    assert "After=network-online.target consul.service podman.socket\n" in unit("1.6.3", frozenset({Driver.PODMAN}))


def test_the_usual_unit_is_as_it_was() -> None:
    assert "Wants=network-online.target consul.service docker.service\n" in unit("1.6.3")
