"""What is pinned twice is pinned alike."""

import re
import tomllib

import pytest

from mooring.toolchain import builds, pins, places
from mooring.toolchain.errors import CannotPrepare
from mooring.toolchain.pins import Licence, Module, Tool

BUILT = [tool for tool in pins.TOOLS.values() if tool.module is not None]


def module(tool: Tool) -> Module:
    assert tool.module is not None
    return tool.module


@pytest.mark.parametrize("tool", BUILT, ids=lambda tool: tool.name)
def test_the_modules_build_the_pinned_version(tool: Tool) -> None:
    required = re.findall(r"(\S+) (v\S+)", (places.MODULES / tool.name / "go.mod").read_text())

    assert f"v{tool.version}" in {version for path, version in required if module(tool).package.startswith(path)}


@pytest.mark.parametrize(("tool", "version"), [(tool, older) for tool in BUILT for older in tool.older], ids=str)
def test_the_modules_of_an_older_version_build_that_one(tool: Tool, version: str) -> None:
    required = re.findall(r"(\S+) (v\S+)", (builds.listing(tool, version) / "go.mod").read_text())

    assert f"v{version}" in {found for path, found in required if path == module(tool).package}
    assert tool.licence(version) is Licence.OPEN


@pytest.mark.parametrize(
    ("tool", "old", "new", "reason"),
    [
        (pins.CONSUL, "1.12.9", "1.13.9", None),
        (pins.CONSUL, "1.13.9", "1.13.9", None),
        (pins.CONSUL, "1.11.4", "1.13.9", None),
        (pins.CONSUL, "1.10.0", "1.13.9", "3 minor versions, and its maker supports 2 at once; a 1.12 first would do"),
        (pins.CONSUL, "1.13.9", "1.12.9", "its maker does not support going back to 1.12.9; 1.13.9 or newer would do"),
        (pins.NOMAD, "1.6.2", "1.6.3", None),
        (pins.NOMAD, "1.5.10", "1.6.3", None),
        (pins.NOMAD, "1.4.0", "1.6.3", "2 minor versions, and its maker supports 1 at once; a 1.5 first would do"),
        (pins.NOMAD, "1.6.3", "1.6.2", "does not support going back"),
        (pins.NOMAD, "1.6.3", "2.0.0", "another major version"),
    ],
)
def test_a_cluster_takes_only_the_steps_that_its_maker_supports(
    tool: Tool, old: str, new: str, reason: str | None
) -> None:
    refused = tool.refused_step(old, new)

    assert refused is None if reason is None else reason in str(refused)


def test_the_go_that_is_needed_is_the_highest_that_a_module_asks_for() -> None:
    asked = {
        re.search(r"^go (\S+)$", (places.MODULES / tool.name / "go.mod").read_text(), flags=re.MULTILINE)
        for tool in BUILT
    }

    assert max(pins.ordered(found[1]) for found in asked if found) == pins.ordered(pins.GO_NEEDED)
    assert pins.ordered(pins.GO_WHEEL) >= pins.ordered(pins.GO_NEEDED)


def test_pulumi_and_its_docker_plugin_are_the_ones_that_the_sdks_ask_for() -> None:
    declared = tomllib.loads((places.CHECKOUT / "pyproject.toml").read_text())["project"]["dependencies"]

    assert f"pulumi=={pins.PULUMI.version}" in declared
    assert f"pulumi-docker=={pins.DOCKER_PLUGIN.version}" in declared


def test_versions_are_ordered_as_numbers() -> None:
    assert pins.ordered("1.10.0") > pins.ordered("1.9.9")


def test_another_processor_is_refused() -> None:
    with pytest.raises(CannotPrepare, match="processor 'riscv64' is not supported; x86_64 or aarch64 would do"):
        pins.architecture("riscv64")


@pytest.mark.parametrize(
    ("said", "enough"),
    [
        ("go1.26.8\n", True),
        ("go1.25.11", True),
        ("go1.25.10", False),
        ("go1.19.8", False),
        ("go1.27rc1", True),
        ("", False),
    ],
)
def test_a_go_is_new_enough_or_not_by_what_it_calls_itself(said: str, enough: bool) -> None:  # noqa: FBT001 - a case
    assert builds.new_enough(said) is enough


def test_a_build_takes_no_flags_of_the_users_own_projects() -> None:
    found = builds.build_environment(module(pins.NOMAD))

    assert found["GOFLAGS"] == "-buildvcs=false"
    assert found["GOWORK"] == "off"
    assert found["CGO_ENABLED"] == "1"
