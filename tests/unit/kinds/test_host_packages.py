"""Packages of a host: there, of a version, held; and gone with what they brought, and nothing else."""

from dataclasses import replace
from typing import Any

import pytest
from fakes.world import World

from mooring.clients.errors import CommandFailed
from mooring.kinds.host_packages import Package, PackagesHandler, PackagesSpec
from mooring.kinds.kind import Made
from mooring.plugin.inputs import meaning
from mooring.plugin.servicer import changes

HANDLER = PackagesHandler()
OLD, NEW = "2.6.12-1", "2.6.12-2"


def spec(world: World, **packages: dict[str, Any]) -> PackagesSpec:
    said = packages or {"haproxy": {}, "zstd": {}}
    return PackagesSpec(
        connection=world.host.connection,
        packages={name: Package(**fields) for name, fields in said.items()},
        unstarted=("haproxy.service",),
    )


def differences(world: World, made: Made, wanted: PackagesSpec) -> set[str]:
    seen = HANDLER.read(made.id, wanted, made.outputs, world.work())
    assert seen is not None
    return {".".join(map(str, path)) for path in changes(HANDLER, meaning(seen.spec), meaning(wanted))}


def test_what_is_installed_reads_back_without_a_difference(world: World) -> None:
    made = HANDLER.create(spec(world), world.work())

    assert made.outputs == {"versions": {"haproxy": NEW, "zstd": "1.5"}}
    assert differences(world, made, spec(world)) == set()


def test_creating_again_is_adopting(world: World) -> None:
    first = HANDLER.create(spec(world), world.work())

    assert HANDLER.create(spec(world), world.work()) == first


def test_a_unit_that_is_not_to_start_does_not_although_its_package_came(world: World) -> None:
    HANDLER.create(spec(world), world.work())

    assert world.host.packages.started == {"zstd.service"}


def test_a_removed_package_is_a_difference_by_name_and_comes_back(world: World) -> None:
    made = HANDLER.create(spec(world), world.work())
    del world.host.packages.installed["zstd"]

    assert differences(world, made, spec(world)) == {"packages.zstd"}
    HANDLER.update(made.id, spec(world), spec(world), made.outputs, world.work())
    assert differences(world, made, spec(world)) == set()


def test_a_lowered_version_is_a_difference_by_name_though_none_is_declared(world: World) -> None:
    made = HANDLER.create(spec(world), world.work())
    world.host.packages.installed["haproxy"] = OLD

    assert differences(world, made, spec(world)) == {"packages.haproxy.version"}
    outputs = HANDLER.update(made.id, spec(world), spec(world), made.outputs, world.work())
    assert outputs["versions"]["haproxy"] == NEW


def test_a_version_that_somebody_raised_is_none(world: World) -> None:
    """As a machine's own unattended upgrades do."""
    world.host.packages.installed["haproxy"] = OLD
    made = HANDLER.create(spec(world), world.work())
    world.host.packages.installed["haproxy"] = NEW

    assert differences(world, made, spec(world)) == set()
    seen = HANDLER.read(made.id, spec(world), made.outputs, world.work())
    assert seen is not None
    assert seen.outputs["versions"]["haproxy"] == NEW


def test_a_declared_version_is_kept_both_ways(world: World) -> None:
    wanted = spec(world, haproxy={"version": OLD, "held": True})
    made = HANDLER.create(wanted, world.work())
    assert (made.outputs["versions"]["haproxy"], world.host.packages.held) == (OLD, {"haproxy"})
    world.host.packages.installed["haproxy"] = NEW
    world.host.packages.held.clear()

    assert differences(world, made, wanted) == {"packages.haproxy.version", "packages.haproxy.held"}
    HANDLER.update(made.id, wanted, wanted, made.outputs, world.work())
    assert (world.host.packages.installed["haproxy"], world.host.packages.held) == (OLD, {"haproxy"})


def test_a_version_that_no_archive_has_is_told(world: World) -> None:
    with pytest.raises(CommandFailed, match=r"198\.18\.0\.11: .*Version '9' for 'haproxy' was not found"):
        HANDLER.create(spec(world, haproxy={"version": "9"}), world.work())


def test_what_something_else_provides_is_not_installed_and_no_difference(world: World) -> None:
    world.host.packages.programs.add("dockerd")
    wanted = spec(world, **{"docker.io": {"provided_by": "dockerd"}})

    made = HANDLER.create(wanted, world.work())

    assert world.host.packages.installed == {}
    assert differences(world, made, wanted) == set()


def test_what_came_goes_with_all_it_brought_and_what_was_there_stays(world: World) -> None:
    world.host.packages.installed["zstd"] = "1.5"
    made = HANDLER.create(spec(world), world.work())
    assert set(world.host.packages.installed) == {"haproxy", "liblua", "zstd"}

    HANDLER.delete(made.id, spec(world), made.outputs, world.work())
    HANDLER.delete(made.id, spec(world), made.outputs, world.work())

    assert set(world.host.packages.installed) == {"zstd"}


def test_a_run_that_was_cut_off_in_an_installation_forgets_none_of_it(world: World) -> None:
    world.host.packages.installed["zstd"] = "1.5"
    world.host.packages.dies_after_installing = True
    with pytest.raises(CommandFailed):
        HANDLER.create(spec(world, haproxy={}), world.work())

    made = HANDLER.create(spec(world, haproxy={}, zstd={}), world.work())
    HANDLER.delete(made.id, spec(world), made.outputs, world.work())

    assert set(world.host.packages.installed) == {"zstd"}


def test_what_somebody_elses_package_needs_by_now_stays(world: World) -> None:
    made = HANDLER.create(spec(world), world.work())
    world.host.packages.installed["theirs"] = "1"
    world.host.packages.needs["theirs"] = "haproxy"
    warnings: list[str] = []

    HANDLER.delete(made.id, spec(world), made.outputs, replace(world.work(), warn=warnings.append))

    assert {"haproxy", "theirs"} <= world.host.packages.installed.keys()
    assert warnings == ["198.18.0.11: the packages that were installed stay, as theirs needs them now"]
