"""Every place keeps snapshots alike: whole or not there, by name, gone when dropped. The bucket is moto's S3 server."""

import importlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto.server import ThreadedMotoServer

from mooring.cli.snapshot_places import ABOUT, Bucket, CannotSnapshot, Folder, Place, place

PARTS = {"consul.snap": b"consul", ABOUT: b"{}", "nomad.snap": b"nomad"}


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(params=["folder", "bucket"])
def kept(
    request: pytest.FixtureRequest, tmp_path: Path, s3: str, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], Place]:
    """The place of a name, where nothing is yet."""
    if request.param == "folder":
        return lambda name: place(str(tmp_path / name))
    for name, value in {
        "AWS_ENDPOINT_URL": s3,
        "AWS_ACCESS_KEY_ID": "anybody",
        "AWS_SECRET_ACCESS_KEY": "anything",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    bucket = f"kept-{abs(hash(tmp_path))}"
    client: Any = importlib.import_module("boto3").client("s3")
    client.create_bucket(Bucket=bucket)
    return lambda name: place(f"s3://{bucket}/{name}")


def test_what_is_kept_is_read_back(kept: Callable[[str], Place]) -> None:
    at = kept("shop/dev")
    at.keep("2026-11-24", PARTS)

    assert at.names() == ["2026-11-24"]
    assert {part: at.read("2026-11-24", part) for part in PARTS} == PARTS


def test_names_are_in_order_and_of_this_place_alone(kept: Callable[[str], Place]) -> None:
    for where, name in (("shop/dev", "b"), ("shop/dev", "a"), ("shop/production", "c")):
        kept(where).keep(name, PARTS)

    assert kept("shop/dev").names() == ["a", "b"]
    assert kept("shop").names() == []
    assert kept("nowhere").names() == []


def test_what_is_dropped_is_gone_and_the_others_stay(kept: Callable[[str], Place]) -> None:
    at = kept("shop")
    for name in ("a", "ab"):
        at.keep(name, PARTS)

    at.drop("a")

    assert at.names() == ["ab"]
    assert at.read("ab", "nomad.snap") == b"nomad"
    with pytest.raises(CannotSnapshot, match="a"):
        at.read("a", "nomad.snap")


class Full:
    """Takes so many objects, and no more."""

    def __init__(self, client: Any, room: int) -> None:
        self._client = client
        self._room = room

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def put_object(self, **named: Any) -> Any:
        self._room -= 1
        if self._room < 0:
            raise ClientError({"Error": {"Code": "QuotaExceeded", "Message": "it is full"}}, "PutObject")
        return self._client.put_object(**named)


@pytest.mark.parametrize("kept", ["bucket"], indirect=True)
@pytest.mark.parametrize("room", range(len(PARTS)))
def test_one_that_did_not_fit_into_a_bucket_is_none(kept: Callable[[str], Place], room: int) -> None:
    at = kept("shop")
    assert isinstance(at, Bucket)
    full = Bucket(client=Full(at.client, room), bucket=at.bucket, prefix=at.prefix)

    with pytest.raises(CannotSnapshot, match=r"s3://.*/shop/a: .*it is full"):
        full.keep("a", PARTS)

    assert at.names() == []


@pytest.mark.parametrize("kept", ["bucket"], indirect=True)
def test_a_bucket_that_is_not_there_is_named(kept: Callable[[str], Place]) -> None:
    del kept

    with pytest.raises(CannotSnapshot, match=r"s3://nobodys-bucket/: .*NoSuchBucket"):
        place("s3://nobodys-bucket").names()


def test_what_names_no_bucket_is_refused() -> None:
    with pytest.raises(CannotSnapshot, match=r"^s3:///x names no bucket; s3://BUCKET/PREFIX would do"):
        place("s3:///x")


def test_a_folder_is_its_owners_alone(tmp_path: Path) -> None:
    Folder(tmp_path / "to").keep("a", PARTS)

    assert {file.stat().st_mode & 0o077 for file in (tmp_path / "to").rglob("*")} == {0}
