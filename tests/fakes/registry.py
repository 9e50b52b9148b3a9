"""Image registries with a memory, in the place of the wire of `mooring.clients.registry`."""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests
from requests.adapters import BaseAdapter
from typing_extensions import override

from mooring.clients.registry import Place

IMAGE = "application/vnd.docker.distribution.manifest.v2+json"
LIST = "application/vnd.docker.distribution.manifest.list.v2+json"


Key = tuple[str, str]
"""A repository and a digest."""

Answer = tuple[int, bytes, dict[str, str]]
"""Status, content, headers."""


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@dataclass
class FakeRegistry:
    """One registry: what it holds by repository and digest."""

    password: str
    manifests: dict[tuple[str, str], tuple[bytes, str]] = field(
        default_factory=dict[tuple[str, str], tuple[bytes, str]]
    )
    blobs: dict[tuple[str, str], bytes] = field(default_factory=dict[tuple[str, str], bytes])
    full: bool = False

    def hold(self, repository: str, *layers: bytes) -> str:
        """An image of these layers; its digest."""
        config = b'{"os": "linux"}'
        for blob in (config, *layers):
            self.blobs[repository, digest_of(blob)] = blob
        said = {
            "schemaVersion": 2,
            "mediaType": IMAGE,
            "config": {"digest": digest_of(config), "size": len(config)},
            "layers": [{"digest": digest_of(layer), "size": len(layer)} for layer in layers],
        }
        return self._keep(repository, said, IMAGE)

    def hold_list(self, repository: str, *digests: str) -> str:
        said = {"schemaVersion": 2, "mediaType": LIST, "manifests": [{"digest": digest} for digest in digests]}
        return self._keep(repository, said, LIST)

    def _keep(self, repository: str, said: Mapping[str, Any], kind: str) -> str:
        content = json.dumps(said).encode()
        self.manifests[repository, digest_of(content)] = content, kind
        return digest_of(content)

    def reply(self, request: requests.PreparedRequest, body: bytes) -> Answer:
        shown = base64.b64decode(request.headers.get("Authorization", "").removeprefix("Basic ")).decode()
        if shown != f"mooring:{self.password}":
            return 401, b'{"errors": [{"code": "UNAUTHORIZED"}]}', {}
        url = urlsplit(str(request.url))
        path = url.path.removeprefix("/v2/")
        match request.method, *path.rsplit("/", 2):
            case "GET", repository, "manifests", digest:
                return self._manifest(repository, digest, request.headers["Accept"])
            case "GET" | "HEAD", repository, "blobs", digest:
                blob = self.blobs.get((repository, digest))
                return (404, b"", {}) if blob is None else (200, b"" if request.method == "HEAD" else blob, {})
            case "POST", _, "uploads", "":
                # A whole address, with a state that must come back: as the real one.
                place = f"https://{url.netloc}/v2/{path}11111111-aaaa?_state=abc%3D"
                return 202, b"", {"Location": place}
            case "PUT", upload, "uploads", _:
                return self._take_blob(upload.removesuffix("/blobs"), parse_qs(url.query), body)
            case "PUT", repository, "manifests", digest:
                return self._take_manifest(repository, digest, body, request.headers["Content-Type"])
            case _:
                raise NotImplementedError(f"{request.method} {path}")

    def _manifest(self, repository: str, digest: str, accepted: str) -> Answer:
        found = self.manifests.get((repository, digest))
        if found is None or found[1] not in accepted:
            return 404, b'{"errors": [{"code": "MANIFEST_UNKNOWN"}]}', {}
        return 200, found[0], {"Content-Type": found[1]}

    def _take_blob(self, repository: str, query: Mapping[str, list[str]], body: bytes) -> Answer:
        assert query["_state"] == ["abc="]
        if self.full:
            return 500, b'{"errors": [{"code": "UNKNOWN", "detail": "no space left on device"}]}', {}
        if query["digest"] != [digest_of(body)]:
            return 400, b'{"errors": [{"code": "DIGEST_INVALID"}]}', {}
        self.blobs[repository, digest_of(body)] = body
        return 201, b"", {}

    def _take_manifest(self, repository: str, digest: str, body: bytes, kind: str) -> Answer:
        said = json.loads(body)
        named = [part["digest"] for part in [*([said["config"]] if "config" in said else []), *said.get("layers", [])]]
        if any((repository, blob) not in self.blobs for blob in named):
            return 400, b'{"errors": [{"code": "MANIFEST_BLOB_UNKNOWN"}]}', {}
        if any((repository, part["digest"]) not in self.manifests for part in said.get("manifests", [])):
            return 400, b'{"errors": [{"code": "MANIFEST_BLOB_UNKNOWN"}]}', {}
        self.manifests[repository, digest] = body, kind
        return 201, b"", {}


class Registries:
    """Where each stands; nobody answers anywhere else."""

    def __init__(self) -> None:
        self.at: dict[str, FakeRegistry] = {}

    def wire(self, place: Place) -> BaseAdapter:
        del place
        return _Wire(self)


class _Wire(BaseAdapter):
    def __init__(self, registries: Registries) -> None:
        super().__init__()
        self._registries = registries

    @override
    def close(self) -> None:
        """There is no connection to close."""

    @override
    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        place = urlsplit(str(request.url)).netloc
        if place not in self._registries.at:
            raise requests.exceptions.ConnectTimeout("nobody is there", request=request)
        status, content, headers = self._registries.at[place].reply(request, _body(request))
        made = requests.Response()
        made.status_code, made.request, made.url = status, request, str(request.url)
        made.headers.update(headers)
        made.raw = BytesIO(content)
        return made


def _body(request: requests.PreparedRequest) -> bytes:
    """All of it, however it comes: in one piece or in many."""
    match request.body:
        case None:
            return b""
        case bytes() as whole:
            return whole
        case str() as text:
            return text.encode()
        case pieces:
            return b"".join(pieces)
