"""Which stacks need a libvirt, seen without parsing their files."""

from pathlib import Path

import pytest

from mooring.toolchain import hypervisor, places


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(places, "CHECKOUT", tmp_path)
    (tmp_path / "stacks").mkdir()
    return tmp_path / "stacks" / "Pulumi.some.yaml"


@pytest.mark.parametrize(
    "line",
    [
        "    - {name: server, kind: libvirt, count: 3}",
        "      kind: libvirt",
        '    - {"name": "server", "kind": "libvirt"}',
        "    - {name: a, kind: local}\n    - {name: b, kind: libvirt}",
    ],
)
def test_a_stack_with_virtual_machines_needs_it(stack: Path, line: str) -> None:
    stack.write_text(f"config:\n  mooring:hosts:\n{line}\n")

    assert hypervisor.wanted("some")


@pytest.mark.parametrize("line", ["    - {name: libvirt, kind: local}", "    # kind: libvirt", "kind: libvirtual"])
def test_a_stack_without_does_not(stack: Path, line: str) -> None:
    stack.write_text(f"{line}\n")

    assert not hypervisor.wanted("some")


def test_no_stack_and_a_stack_without_a_file_need_nothing(stack: Path) -> None:
    assert not stack.exists()
    assert not hypervisor.wanted(None)
    assert not hypervisor.wanted("some")
