"""Settings of a kernel: said now and at a boot, and as they were when the resource goes."""

import pytest
from fakes.world import World

from mooring.clients.errors import CommandFailed
from mooring.kinds.host_sysctls import SysctlsHandler, SysctlsSpec
from mooring.kinds.kind import NotOurs
from mooring.plugin.inputs import meaning
from mooring.plugin.servicer import changes

HANDLER = SysctlsHandler()
PATH = "/etc/sysctl.d/60-mooring.conf"
RETRIES, MEMORY = "net.ipv4.tcp_retries2", "net.ipv4.tcp_rmem"


def spec(world: World, **values: str) -> SysctlsSpec:
    said = values or {RETRIES: "4", MEMORY: "4096 8192 16384"}
    return SysctlsSpec(connection=world.host.connection, path=PATH, values=said)


def differences(world: World) -> set[str]:
    seen = HANDLER.read("id", spec(world), {}, world.work())
    assert seen is not None
    return {".".join(map(str, path)) for path in changes(HANDLER, meaning(seen.spec), meaning(spec(world)))}


def test_what_is_said_holds_at_once_and_reads_back_without_a_difference(world: World) -> None:
    HANDLER.create(spec(world), world.work())

    assert world.host.kernel == {RETRIES: "4", MEMORY: "4096 8192 16384"}
    assert differences(world) == set()


def test_a_value_that_somebody_set_is_a_difference_by_name_and_is_repaired(world: World) -> None:
    HANDLER.create(spec(world), world.work())
    world.host.kernel[RETRIES] = "9"

    assert differences(world) == {f"values.{RETRIES}"}
    HANDLER.update("id", spec(world), spec(world), {}, world.work())
    assert world.host.kernel[RETRIES] == "4"


def test_a_line_that_somebody_edited_is_a_difference_though_the_kernel_does_not_know_it_yet(world: World) -> None:
    HANDLER.create(spec(world), world.work())
    world.host.write(PATH, f"{RETRIES} = 8\n{MEMORY} = 4096 8192 16384\nvm.swappiness = 1\n")

    assert differences(world) == {f"values.{RETRIES}", "values.vm.swappiness"}


def test_a_file_that_somebody_removed_reads_as_gone(world: World) -> None:
    HANDLER.create(spec(world), world.work())
    del world.host.entries[PATH]

    assert HANDLER.read("id", spec(world), {}, world.work()) is None


def test_the_kernel_is_as_it_was_when_they_go(world: World) -> None:
    before, entries = dict(world.host.kernel), dict(world.host.entries)
    HANDLER.create(spec(world), world.work())
    # As after a run that was killed: what was there before us is not what we said.
    HANDLER.create(spec(world), world.work())

    HANDLER.delete("id", spec(world), {}, world.work())
    HANDLER.delete("id", spec(world), {}, world.work())

    assert world.host.kernel == before
    assert world.host.entries.keys() - entries.keys() <= {"/etc/sysctl.d"}


def test_somebody_elses_file_is_left_alone(world: World) -> None:
    HANDLER.create(spec(world, **{RETRIES: "7"}), world.work("another"))

    with pytest.raises(NotOurs, match=r"198\.18\.0\.11 has another file at /etc/sysctl\.d/60-mooring\.conf"):
        HANDLER.create(spec(world), world.work())
    assert world.host.kernel[RETRIES] == "7"


def test_a_setting_that_the_kernel_does_not_have_is_told(world: World) -> None:
    with pytest.raises(CommandFailed, match="cannot stat /proc/sys/net/none"):
        HANDLER.create(spec(world, **{"net.none": "1"}), world.work())
