"""One image in every registry: what is missing is seen, copied bit by bit, and told when it cannot be."""

from typing import Any

import pytest
from fakes.registry import FakeRegistry, Registries
from fakes.world import World

from mooring.clients import registry
from mooring.clients.errors import Untrusted
from mooring.kinds.kind import NotHealthy
from mooring.kinds.registry_copies import CopiesHandler, CopiesSpec

HANDLER = CopiesHandler()
FIRST, SECOND = "198.18.0.11:5000", "198.18.0.12:5000"
WRONG = "another-password"
LAYERS = (b"a layer" * 1000, b"another" * 2000)


@pytest.fixture
def registries(monkeypatch: pytest.MonkeyPatch) -> Registries:
    made = Registries()
    made.at = {FIRST: FakeRegistry("secret"), SECOND: FakeRegistry("secret")}
    monkeypatch.setattr(registry, "wire", made.wire)
    return made


def spec(digest: str, **changes: Any) -> CopiesSpec:
    said = {
        "reference": f"169.254.20.20:5001/team/hello@{digest}",
        "registries": (FIRST, SECOND),
        "username": "mooring",
        "password": "secret",
        "authority": "PEM",
    }
    return CopiesSpec.model_validate(said | changes)


def test_what_one_holds_the_other_holds_afterwards_to_the_bit(registries: Registries, world: World) -> None:
    digest = registries.at[FIRST].hold("team/hello", *LAYERS)

    HANDLER.create(spec(digest), world.work())

    assert registries.at[SECOND].manifests == registries.at[FIRST].manifests
    assert registries.at[SECOND].blobs == registries.at[FIRST].blobs


def test_it_is_copied_from_whichever_has_it(registries: Registries, world: World) -> None:
    digest = registries.at[SECOND].hold("team/hello", *LAYERS)

    HANDLER.update("team/hello", spec(digest), spec(digest), {}, world.work())

    assert registries.at[FIRST].blobs == registries.at[SECOND].blobs


def test_a_list_of_images_goes_with_each_of_them(registries: Registries, world: World) -> None:
    source = registries.at[FIRST]
    digest = source.hold_list("team/hello", source.hold("team/hello", b"amd64"), source.hold("team/hello", b"arm64"))

    HANDLER.create(spec(digest), world.work())

    assert registries.at[SECOND].manifests == source.manifests


def test_one_that_lost_its_disk_is_a_difference(registries: Registries, world: World) -> None:
    digest = registries.at[FIRST].hold("team/hello", *LAYERS)

    seen = HANDLER.read("team/hello", spec(digest), {}, world.work())

    assert seen is not None
    assert seen.spec.registries == (FIRST,)


def test_one_layer_that_is_gone_is_a_difference_too(registries: Registries, world: World) -> None:
    for each in registries.at.values():
        digest = each.hold("team/hello", *LAYERS)
    del registries.at[SECOND].blobs[next(key for key, blob in registries.at[SECOND].blobs.items() if blob == LAYERS[0])]

    seen = HANDLER.read("team/hello", spec(digest), {}, world.work())
    HANDLER.update("team/hello", spec(digest), spec(digest), {}, world.work())

    assert seen is not None
    assert seen.spec.registries == (FIRST,)
    assert registries.at[SECOND].blobs == registries.at[FIRST].blobs


def test_one_that_is_silent_is_shown_as_last_seen(registries: Registries, world: World) -> None:
    digest = registries.at[FIRST].hold("team/hello", *LAYERS)
    del registries.at[SECOND]

    seen = HANDLER.read("team/hello", spec(digest), {}, world.work())

    assert seen is not None
    assert seen.spec == spec(digest)


def test_when_none_holds_it_any_more_it_is_gone(registries: Registries, world: World) -> None:
    digest = registries.at[FIRST].hold("team/hello", *LAYERS)
    registries.at[FIRST].manifests.clear()

    assert HANDLER.read("team/hello", spec(digest), {}, world.work()) is None
    with pytest.raises(NotHealthy, match="no registry holds it whole"):
        HANDLER.create(spec(digest), world.work())


def test_a_registry_that_is_down_is_named_and_the_others_have_it_all_the_same(
    registries: Registries, world: World
) -> None:
    digest = registries.at[FIRST].hold("team/hello", *LAYERS)
    third = "198.18.0.13:5000"

    with pytest.raises(NotHealthy, match=r"198\.18\.0\.13:5000 does not answer"):
        HANDLER.create(spec(digest, registries=(FIRST, SECOND, third)), world.work())

    assert registries.at[SECOND].blobs == registries.at[FIRST].blobs


def test_a_full_disk_is_told_in_the_registrys_own_words(registries: Registries, world: World) -> None:
    digest = registries.at[FIRST].hold("team/hello", *LAYERS)
    registries.at[SECOND].full = True

    with pytest.raises(NotHealthy, match="no space left on device"):
        HANDLER.create(spec(digest), world.work())


def test_another_manifest_than_the_one_that_was_asked_for_is_believed_by_nobody(
    registries: Registries, world: World
) -> None:
    digest = registries.at[FIRST].hold("team/hello", *LAYERS)
    content, kind = registries.at[FIRST].manifests["team/hello", digest]
    registries.at[FIRST].manifests["team/hello", digest] = content + b" ", kind

    with pytest.raises(Untrusted, match="another manifest"):
        HANDLER.read("team/hello", spec(digest), {}, world.work())


def test_the_password_is_in_no_error(registries: Registries, world: World) -> None:
    digest = registries.at[FIRST].hold("team/hello", *LAYERS)

    with pytest.raises(NotHealthy) as refused:
        HANDLER.create(spec(digest, password=WRONG), world.work())

    assert "401" in str(refused.value)
    assert WRONG not in str(refused.value)
