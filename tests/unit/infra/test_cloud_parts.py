"""What of Pulumi's own must be here for a provider's hosts, and what a person reads when it is not."""

import importlib.metadata
import tomllib
from pathlib import Path

import pytest

from components.hosts import Group, HetznerGroup, LocalGroup, Role
from infra import cloud_parts
from infra.cloud_parts import PACKAGES, missing_parts, plugin_is_here
from mooring.toolchain import launchers, places

ROLES = frozenset({Role.CLIENT})
LOCAL = LocalGroup(name="near", count=1, roles=ROLES, memory_mib=512)
HETZNER = HetznerGroup(
    name="web", count=1, roles=ROLES, size="cx23", image="debian-12", ssh_from=(), locations=("fsn1",)
)


def missing(*groups: Group) -> list[str]:
    return list(missing_parts(groups))


def test_a_stack_without_cloud_hosts_needs_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "version", lambda _: pytest.fail("it was asked for"))

    assert missing(LOCAL) == []


def test_a_missing_sdk_is_named_with_the_extra_that_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", none)

    (line,) = missing(HETZNER, HETZNER)
    assert "mooring:hosts: hosts of kind 'hetzner' need the package pulumi-hcloud, which is not installed" in line
    assert line.endswith("; `.venv/bin/pip install -e '.[hetzner]'` would do")


def test_a_missing_plugin_is_named_with_the_command_that_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cloud_parts, "plugin_is_here", lambda *_: False)
    version = importlib.metadata.version("pulumi-hcloud")

    (line,) = missing(HETZNER)
    assert f"mooring:hosts: hosts of kind 'hetzner' need Pulumi's plugin hcloud {version}, which is not here" in line
    assert line.endswith(f"; `pulumi plugin install resource hcloud {version}` would do")


def test_nothing_is_missing_where_both_are_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cloud_parts, "plugin_is_here", lambda *_: True)

    assert missing(HETZNER) == []


def test_a_plugin_is_looked_for_where_pulumi_looks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(launchers, "pulumi_home", lambda: tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert not plugin_is_here("hcloud", "1.43.3")

    (tmp_path / "plugins" / "resource-hcloud-v1.43.3").mkdir(parents=True)
    assert plugin_is_here("hcloud", "1.43.3")
    assert not plugin_is_here("hcloud", "1.43.4")

    program = tmp_path / "bin" / "pulumi-resource-aws"
    program.parent.mkdir()
    program.touch(0o755)
    assert plugin_is_here("aws", "7.51.1")


def test_every_kind_has_its_extra() -> None:
    extras = tomllib.loads((places.CHECKOUT / "pyproject.toml").read_text())["project"]["optional-dependencies"]

    for kind, package in PACKAGES.items():
        (wanted,) = extras[kind]
        assert wanted.startswith(f"pulumi-{package}==")
        assert wanted in extras["dev"]
