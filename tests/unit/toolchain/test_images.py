"""An image's name says what is in it, whoever asks and wherever."""

import shutil
from pathlib import Path

import pytest

from mooring.toolchain import images, places
from mooring.toolchain.errors import CannotPrepare

HOST_SOURCES = """\
http://mirror.example/debian/|bookworm|main|Debian
http://mirror.example/debian/|bookworm-updates|main|Debian
http://mirror.example/debian/|bookworm|contrib|Debian
http://mirror.example/security/|bookworm-security|main|Debian
https://packages.example/apt/|stable|main|Somebody
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    return shutil.copytree(places.RECIPES / "machine", tmp_path / "recipe")


@pytest.mark.parametrize("name", images.IMAGES)
def test_a_reference_is_a_tag_of_twelve_digits_and_stays_so(name: str) -> None:
    found = images.reference(name)

    assert found == images.reference(name)
    repository, _, tag = found.partition(":")
    assert repository == f"mooring/{name}"
    assert len(tag) == 12
    assert int(tag, 16) >= 0


def test_a_recipe_elsewhere_has_the_same_name(recipe: Path) -> None:
    assert images.reference("machine") == f"mooring/machine:{images.key(images.MACHINE, recipe)}"


def test_any_changed_byte_gives_another_name(recipe: Path) -> None:
    before = images.key(images.MACHINE, recipe)
    (recipe / "packages").write_text("systemd\n")

    assert images.key(images.MACHINE, recipe) != before


def test_a_file_that_moved_gives_another_name(recipe: Path) -> None:
    before = images.key(images.MACHINE, recipe)
    (recipe / "files/etc/sysctl.d/60-mooring.conf").rename(recipe / "files/etc/sysctl.d/61-mooring.conf")

    assert images.key(images.MACHINE, recipe) != before


def test_the_umask_of_a_clone_does_not_matter(recipe: Path) -> None:
    before = images.key(images.MACHINE, recipe)
    (recipe / "packages").chmod(0o600)

    assert images.key(images.MACHINE, recipe) == before


def test_an_image_that_is_not_made_here_is_refused() -> None:
    with pytest.raises(
        CannotPrepare, match="no image 'alpine' is made here; one of machine, nodejs, registry would do"
    ):
        images.reference("alpine")


def test_comments_in_a_package_list_are_no_packages(recipe: Path) -> None:
    command = images.debian_command([recipe], "minbase", Path("/root.tar"), acquire=[])

    (included,) = (word for word in command if word.startswith("--include="))
    assert "#" not in included
    assert included.startswith("--include=systemd,systemd-sysv,")


def test_a_root_that_is_only_extracted_is_finished_at_that_stage(recipe: Path) -> None:
    command = images.debian_command([recipe], "extract", Path("/root.tar"), acquire=[])

    assert f"--extract-hook={recipe}/customize" in command
    assert not any(word.startswith("--customize-hook") for word in command)


def test_a_mirror_that_this_machine_uses_is_used_for_images_too() -> None:
    signed = "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]"

    assert images.own_sources(HOST_SOURCES) == [
        f"{signed} http://mirror.example/debian/ bookworm main",
        f"{signed} http://mirror.example/debian/ bookworm-updates main",
        f"{signed} http://mirror.example/security/ bookworm-security main",
    ]


def test_the_sources_of_another_distribution_are_not_used() -> None:
    assert images.own_sources("http://archive.ubuntu.com/ubuntu/|noble|main|Ubuntu\n") == []


def test_sources_without_the_suite_itself_are_not_used() -> None:
    assert images.own_sources("http://mirror.example/debian/|bookworm-backports|main|Debian\n") == []


def test_a_proxy_of_this_machines_apt_is_handed_on_and_nothing_else() -> None:
    dump = (
        'Acquire::http::Proxy "http://127.0.0.1:3142";\nAcquire::https::CaInfo "/ca.pem";\n'
        'Acquire::Languages "none";\nAcquire::Check-Date "false";\nDPkg::Post-Invoke "";\n'
    )

    assert images.acquire_settings(dump) == [
        'Acquire::http::Proxy "http://127.0.0.1:3142";',
        'Acquire::https::CaInfo "/ca.pem";',
        'Acquire::Check-Date "false";',
    ]


def test_no_image_carries_an_identity() -> None:
    script = (places.RECIPES / "machine" / "customize").read_text()

    assert 'rm -f "$root"/etc/ssh/ssh_host_*' in script
    assert ': > "$root/etc/machine-id"' in script
