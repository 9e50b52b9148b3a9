"""Official releases: is their publisher in reach, what should they weigh in at, and bringing one in.

A release is used only when its SHA-256 is the one its publisher wrote down. Anything else that goes wrong is a
reason to try the next source (`NotPublished`), never to use what came.
"""

import hashlib
import json
import os
import re
import socket
import tarfile
import tempfile
import threading
import urllib.request
import zipfile
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from mooring.toolchain.errors import ChecksumMismatch, NotPublished
from mooring.toolchain.pins import Publisher, Tool

PATIENT = 5.0
"""Seconds for a first connection. A missing name or route answers at once; only silence takes this long."""

HASTY = 0.8
"""Seconds when a stand-in already works and the question is only whether the official one could replace it."""

STALLED = 60.0
"""Seconds without a byte, after which a download counts as failed."""


def base_url(publisher: Publisher) -> str:
    return os.environ.get(publisher.setting, publisher.value).rstrip("/")


def reachable(publisher: Publisher, *, within: float) -> bool:
    """Whether a connection to the publisher, or to the proxy that leads there, opens at all."""
    url = base_url(publisher)
    parts = urlsplit(url)
    proxy = urllib.request.getproxies().get(parts.scheme)
    if proxy and parts.hostname and not urllib.request.proxy_bypass(parts.hostname):
        parts = urlsplit(proxy if "//" in proxy else f"//{proxy}")
    host, port = parts.hostname, parts.port or (80 if parts.scheme == "http" else 443)
    opened = threading.Event()

    def connect() -> None:
        try:
            with socket.create_connection((host, port), timeout=within):
                opened.set()
        except OSError:
            return

    # In a thread, because looking a name up has no timeout of its own and a dead resolver takes 10 s or more.
    attempt = threading.Thread(target=connect, daemon=True)
    attempt.start()
    attempt.join(within)
    return opened.is_set()


def archive_url(tool: Tool, version: str, arch: str) -> str:
    release = tool.release
    word = release.arch_words.get(arch, arch)
    return f"{base_url(release.publisher)}/{release.archive.format(version=version, arch=word)}"


def bring(tool: Tool, version: str, arch: str, into: Path) -> None:
    """Unpack an official release into an empty directory; every program in it becomes executable."""
    url = archive_url(tool, version, arch)
    expected = published_sha256(tool, version, arch)
    with tempfile.TemporaryFile() as archive:
        found = _download(url, archive)
        if found != expected:
            raise ChecksumMismatch(
                f"{tool.name} {version}: {url} has SHA-256 {found}, its publisher says {expected}; nothing of it "
                f"is used. Try again later, or set {tool.setting} to a program you trust"
            )
        archive.seek(0)
        if url.endswith(".zip"):
            _unzip(archive, into)
        else:
            _untar(archive, into)
    if not (into / tool.program).is_file():
        raise NotPublished(f"{url} holds no {tool.program}")


def published_sha256(tool: Tool, version: str, arch: str) -> str:
    """What the archive must weigh in at: by our own pin if there is one, else by the publisher's list."""
    release = tool.release
    if version == tool.version and arch in release.sha256:
        return release.sha256[arch]
    word = release.arch_words.get(arch, arch)
    publisher = release.sums_publisher or release.publisher
    url = f"{base_url(publisher)}/{release.sums.format(version=version, arch=word)}"
    name = Path(urlsplit(archive_url(tool, version, arch)).path).name
    with _open(url) as response:
        text = response.read().decode()
    found = sha256_in_record(text, name) if publisher is Publisher.GITHUB_API else sha256_in_list(text, name)
    if found is None:
        raise NotPublished(f"{url} names no SHA-256 for {name}")
    return found


def sha256_in_list(text: str, name: str) -> str | None:
    """The sum of one file in `sha256sum`'s format, or the only sum in a file that holds nothing else."""
    sums = re.findall(r"^([0-9a-f]{64})(?:[ \t]+\*?(\S+))?\s*$", text.replace("\0", "\n"), flags=re.MULTILINE)
    for digest, listed in sums:
        if not listed or Path(listed).name == name:
            return str(digest)
    return None


def sha256_in_record(text: str, name: str) -> str | None:
    """The sum of one asset in GitHub's description of a release."""
    record: dict[str, Any] = json.loads(text)
    for asset in record["assets"]:
        if asset["name"] == name:
            # Null for what was uploaded before GitHub began to keep sums, in June 2025.
            digest = asset["digest"] or ""
            return digest.removeprefix("sha256:") if digest.startswith("sha256:") else None
    return None


def _open(url: str) -> Any:
    request = urllib.request.Request(url, headers={"User-Agent": "mooring"})  # noqa: S310 - our own addresses
    try:
        return urllib.request.urlopen(request, timeout=STALLED)  # noqa: S310 - our own addresses
    except (OSError, HTTPException) as problem:
        raise NotPublished(f"{url}: {problem}") from problem


def _download(url: str, into: IO[bytes]) -> str:
    digest = hashlib.sha256()
    with _open(url) as response:
        try:
            while chunk := response.read(1 << 20):
                digest.update(chunk)
                into.write(chunk)
        except (OSError, HTTPException) as problem:
            raise NotPublished(f"{url}: {problem}") from problem
    return digest.hexdigest()


def _unzip(archive: IO[bytes], into: Path) -> None:
    with zipfile.ZipFile(archive) as files:
        for entry in files.infolist():
            if not entry.is_dir():
                with files.open(entry) as content:
                    unpacked(into, entry.filename, content.read)


def _untar(archive: IO[bytes], into: Path) -> None:
    with tarfile.open(fileobj=archive) as files:
        for entry in files:
            if (content := files.extractfile(entry)) is not None:
                unpacked(into, entry.name, content.read)


def unpacked(into: Path, name: str, read: Callable[[int], bytes]) -> None:
    """Archives hold programs, at the top or in one folder: only the last part of a name is believed."""
    target = into / Path(name).name
    with target.open("wb") as file:
        while chunk := read(1 << 20):
            file.write(chunk)
    target.chmod(0o755)
