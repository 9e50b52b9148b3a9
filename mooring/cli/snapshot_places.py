"""Where snapshots are kept: a folder, or a bucket of S3 or of something that speaks like it.

What was cut off in the middle is no snapshot afterwards, wherever it was to be: in a folder it gets its name when it is
whole, in a bucket the object that makes it one is written last.
"""

import importlib
import os
import shutil
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from typing_extensions import override

from mooring.toolchain import places

ABOUT: Final = "about.json"
"""The part that says what the others are; without it there is no snapshot."""

SCHEME: Final = "s3"


class CannotSnapshot(Exception):
    """Nothing was kept, or nothing put back: the sentence says what is missing."""


class Place(Protocol):
    """Holds snapshots by name. Every method raises `CannotSnapshot`."""

    def keep(self, name: str, parts: Mapping[str, bytes]) -> None: ...
    def names(self) -> list[str]:
        """Of those that are whole, in their order."""
        ...

    def read(self, name: str, part: str) -> bytes: ...
    def drop(self, name: str) -> None: ...
    def spelled(self, name: str = "") -> str:
        """As a person names it, or one snapshot in it."""
        ...


@dataclass(frozen=True)
class Folder(Place):
    path: Path

    @override
    def keep(self, name: str, parts: Mapping[str, bytes]) -> None:
        unfinished = places.private(self.path) / f".{name}"
        shutil.rmtree(unfinished, ignore_errors=True)
        places.private(unfinished)
        for part, content in parts.items():
            _write(unfinished / part, content)
        unfinished.rename(self.path / name)

    @override
    def names(self) -> list[str]:
        inside = sorted(self.path.iterdir()) if self.path.is_dir() else ()
        return [inner.name for inner in inside if not inner.name.startswith(".") and (inner / ABOUT).is_file()]

    @override
    def read(self, name: str, part: str) -> bytes:
        try:
            return (self.path / name / part).read_bytes()
        except OSError as error:
            raise CannotSnapshot(f"{self.spelled(name)}: {part} cannot be read: {error.strerror}") from error

    @override
    def drop(self, name: str) -> None:
        shutil.rmtree(self.path / name)

    @override
    def spelled(self, name: str = "") -> str:
        return str(self.path / name)


def _write(file: Path, content: bytes) -> None:
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as opened:
        opened.write(content)
        opened.flush()
        os.fsync(opened.fileno())


@dataclass(frozen=True)
class Bucket(Place):
    """A part of a bucket. Who may, and where it is, boto3 finds as AWS's programs do: `AWS_*`, a profile, a role."""

    client: Any
    bucket: str
    prefix: str
    """Ends with a slash, unless it is empty."""

    @override
    def keep(self, name: str, parts: Mapping[str, bytes]) -> None:
        last = {ABOUT: parts[ABOUT]}
        for part, content in {**{key: value for key, value in parts.items() if key != ABOUT}, **last}.items():
            with self._told(name):
                self.client.put_object(Bucket=self.bucket, Key=self._key(name, part), Body=content)

    @override
    def names(self) -> list[str]:
        found = (key.removeprefix(self.prefix).split("/") for key in self._keys(self.prefix))
        return sorted(steps[0] for steps in found if steps[1:] == [ABOUT])

    @override
    def read(self, name: str, part: str) -> bytes:
        with self._told(name):
            content: bytes = self.client.get_object(Bucket=self.bucket, Key=self._key(name, part))["Body"].read()
        return content

    @override
    def drop(self, name: str) -> None:
        keys = self._keys(self._key(name, ""))
        for key in sorted(keys, key=lambda key: not key.endswith(f"/{ABOUT}")):
            with self._told(name):
                self.client.delete_object(Bucket=self.bucket, Key=key)

    @override
    def spelled(self, name: str = "") -> str:
        return f"{SCHEME}://{self.bucket}/{self.prefix}{name}"

    def _keys(self, prefix: str) -> list[str]:
        with self._told():
            pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
            return [str(found["Key"]) for page in pages for found in page.get("Contents", ())]

    def _key(self, name: str, part: str) -> str:
        return f"{self.prefix}{name}/{part}"

    @contextmanager
    def _told(self, name: str = "") -> Generator[None]:
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 -- here only where it is used

        try:
            yield
        except (BotoCoreError, ClientError) as error:
            raise CannotSnapshot(f"{self.spelled(name)}: {error}") from error


def place(named: str) -> Place:
    """The place of that name, a folder or `s3://BUCKET/PREFIX`; contacts nobody."""
    url = urlsplit(named)
    if url.scheme != SCHEME:
        return Folder(Path(named).absolute())
    if not url.netloc:
        raise CannotSnapshot(f"{named} names no bucket; s3://BUCKET/PREFIX would do")
    try:
        boto3: Any = importlib.import_module("boto3")  # a large library that a folder does not need
    except ImportError:
        raise CannotSnapshot(
            f"{named} needs boto3, the extra `s3`: `.venv/bin/pip install -e .[s3]` brings it"
        ) from None
    prefix = url.path.strip("/")
    client = boto3.client("s3")
    return Bucket(client=client, bucket=url.netloc, prefix=f"{prefix}/" if prefix else "")
