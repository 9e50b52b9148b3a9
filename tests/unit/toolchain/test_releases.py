"""An official release is used only when it is what its publisher wrote down."""

import io
import socket
from pathlib import Path
from typing import Any

import pytest

from mooring.toolchain import binaries, pins, releases
from mooring.toolchain.errors import ChecksumMismatch, NotPublished
from mooring.toolchain.pins import Publisher


def test_a_release_with_the_published_sum_is_unpacked_and_can_be_run(mirror: Any) -> None:
    mirror.publish_nomad("1.6.3")

    binaries.fetch(pins.NOMAD, "1.6.3")

    program = binaries.locate("nomad")
    assert program.read_text() == "#!/bin/sh\necho nomad\n"
    assert program.stat().st_mode & 0o777 == 0o755
    assert binaries.source(pins.NOMAD) == binaries.OFFICIAL


def test_a_release_with_another_sum_is_refused_and_leaves_nothing(mirror: Any, machine: Path) -> None:
    mirror.publish_nomad("1.6.3", sha256="f" * 64)

    with pytest.raises(ChecksumMismatch, match=r"nomad 1\.6\.3: .* its publisher says f{64}; .*MOORING_NOMAD"):
        binaries.fetch(pins.NOMAD, "1.6.3")

    assert list((machine / "cache" / "bin").iterdir()) == []


def test_a_sum_of_our_own_is_believed_before_the_publishers(mirror: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    mirror.publish_nomad("1.6.3")
    pinned = pins.Release(
        publisher=pins.NOMAD.release.publisher,
        archive=pins.NOMAD.release.archive,
        sums=pins.NOMAD.release.sums,
        sha256={"amd64": "a" * 64},
    )
    monkeypatch.setitem(pins.NOMAD.__dict__, "release", pinned)

    with pytest.raises(ChecksumMismatch, match=r"a{64}"):
        binaries.fetch(pins.NOMAD, "1.6.3")


def test_a_version_that_was_never_published_is_no_checksum_error(mirror: Any) -> None:
    mirror.publish_nomad("1.6.3")

    with pytest.raises(NotPublished, match=r"nomad_1\.6\.2_SHA256SUMS: HTTP Error 404"):
        binaries.fetch(pins.NOMAD, "1.6.2")


def test_the_docker_plugins_sum_comes_from_the_record_of_its_release(mirror: Any) -> None:
    mirror.publish_docker_plugin("5.2.0")

    binaries.fetch(pins.DOCKER_PLUGIN, "5.2.0")

    assert binaries.locate("docker-plugin").name == "pulumi-resource-docker"


@pytest.mark.parametrize("digest", [None, "sha512:abc"])
def test_a_release_whose_record_has_no_sha256_is_not_used(mirror: Any, digest: str | None) -> None:
    mirror.publish_docker_plugin("5.2.0", digest=digest)

    with pytest.raises(NotPublished, match="names no SHA-256"):
        binaries.fetch(pins.DOCKER_PLUGIN, "5.2.0")


@pytest.mark.parametrize(
    "text",
    [
        f"{'b' * 64}  other.tar.gz\n{'a' * 64}  wanted.tar.gz\n",
        f"{'b' * 64}  not-wanted.tar.gz\n{'a' * 64} *./wanted.tar.gz\n",
        f"{'a' * 64}\n",
        f"{'a' * 64}  wanted.tar.gz\0",
    ],
)
def test_a_sum_is_found_in_every_form_that_publishers_write(text: str) -> None:
    assert releases.sha256_in_list(text, "wanted.tar.gz") == "a" * 64


def test_a_list_of_sha1_sums_names_no_sha256() -> None:
    assert releases.sha256_in_list(f"{'a' * 40}  wanted.tar.gz\n", "wanted.tar.gz") is None


def test_a_name_that_climbs_out_of_the_archive_stays_inside(tmp_path: Path) -> None:
    (tmp_path / "into").mkdir()

    releases.unpacked(tmp_path / "into", "../../escaped", io.BytesIO(b"content").read)

    assert (tmp_path / "into" / "escaped").read_bytes() == b"content"


def test_a_publisher_that_listens_is_reachable(mirror: Any) -> None:
    del mirror

    assert releases.reachable(Publisher.GITHUB, within=5)


def test_a_publisher_that_nobody_serves_is_not_reachable(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        # Bound and not listening: nobody else can be given the port, and connections to it are refused.
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("MOORING_GITHUB_URL", f"http://127.0.0.1:{taken.getsockname()[1]}")

        assert not releases.reachable(Publisher.GITHUB, within=5)


def test_a_publisher_behind_a_proxy_is_as_reachable_as_the_proxy(mirror: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOORING_GITHUB_URL", "https://releases.invalid")
    monkeypatch.setenv("https_proxy", mirror.url)

    assert releases.reachable(Publisher.GITHUB, within=5)
