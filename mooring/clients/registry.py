"""Image registries, as far as holding the same images in two of them takes: the distribution API, over TLS."""

import hashlib
import json
import ssl
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit

import requests
from pydantic import BaseModel, Field
from requests.adapters import BaseAdapter, HTTPAdapter
from typing_extensions import override

from mooring.clients.answers import table
from mooring.clients.errors import ApiError, Conflict, Forbidden, Unreachable, Untrusted
from mooring.clients.way import CONNECT_WITHIN, Pools, Way, Ways, never_sent

ANSWER_WITHIN: Final = 60.0
"""Seconds between two pieces of an answer: a registry writes what it was sent to its disk before it says so."""

PIECE: Final = 1 << 20
"""Bytes that are in memory at a time, however large an image is."""

MANIFESTS: Final = (
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.index.v1+json",
)


class Place(BaseModel, extra="forbid", frozen=True):
    """A registry, and what it is shown."""

    address: str
    """`host:port`."""

    username: str
    password: str = Field(repr=False)
    authority: str
    """PEM of the authority that signed its certificate; no other is trusted."""

    through: tuple[Way, ...] = ()
    """How it is reached where nothing but SSH is open. Empty: by its address."""

    patience: float = Field(default=1.0, ge=1)
    """How many times as long as usual everything there may take."""


class Manifest(BaseModel, frozen=True):
    """What an image consists of. Its digest is of exactly these bytes."""

    content: bytes
    media_type: str

    @property
    def blobs(self) -> list[str]:
        """The digests of its layers and its configuration."""
        said = self._said()
        return [part["digest"] for part in [*([said["config"]] if "config" in said else []), *said.get("layers", [])]]

    @property
    def manifests(self) -> list[str]:
        """The digests of the images that it lists, when it is a list."""
        return [part["digest"] for part in self._said().get("manifests", [])]

    def _said(self) -> dict[str, Any]:
        return table(json.loads(self.content))


class _Tls(HTTPAdapter):
    """Trusts one authority, and nothing of the machine's own."""

    def __init__(self, authority: str, ways: Ways) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._context.load_verify_locations(cadata=authority)
        self._ways = ways
        super().__init__()

    @override
    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **said: Any) -> None:
        self.poolmanager = Pools(self._ways, num_pools=connections, maxsize=maxsize, block=block, **said)

    @override
    def build_connection_pool_key_attributes(
        self, request: requests.PreparedRequest, verify: Any, cert: Any = None
    ) -> Any:
        url = urlsplit(str(request.url))
        return (
            {"scheme": "https", "host": url.hostname, "port": url.port},
            {"ssl_context": self._context, "cert_reqs": "CERT_REQUIRED"},
        )

    @override
    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Verified by our own context, see above."""


def wire(place: Place) -> BaseAdapter:
    """What carries a request. The one place that tests put something else in."""
    return _Tls(place.authority, Ways(place.through))


class Registry:
    """One registry. Raises `Unreachable` and `Untrusted`, and `ApiError` with what it answered."""

    def __init__(self, place: Place) -> None:
        self.address = place.address
        self._patience = place.patience
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.auth = (place.username, place.password)
        self._session.adapters.clear()
        self._session.mount("https://", wire(place))

    def manifest(self, repository: str, digest: str) -> Manifest | None:
        """An image's manifest, which is proven to be the one of this digest; None when the registry has none."""
        got = self._ask("GET", f"{repository}/manifests/{digest}", headers={"Accept": ", ".join(MANIFESTS)})
        if got.status_code == HTTPStatus.NOT_FOUND:
            return None
        content = checked(got).content
        if f"sha256:{hashlib.sha256(content).hexdigest()}" != digest:
            raise Untrusted(f"{self.address} answers another manifest than the one of {digest}")
        return Manifest(content=content, media_type=got.headers["Content-Type"])

    def has_blob(self, repository: str, digest: str) -> bool:
        got = self._ask("HEAD", f"{repository}/blobs/{digest}")
        return got.status_code != HTTPStatus.NOT_FOUND and checked(got).ok

    def blob(self, repository: str, digest: str) -> Iterator[bytes]:
        """In pieces; whoever takes it in checks it against its digest."""
        with checked(self._ask("GET", f"{repository}/blobs/{digest}", stream=True)) as got:
            try:
                yield from got.iter_content(PIECE)
            except requests.RequestException as error:
                raise Unreachable(f"{self.address} broke off in the middle of {digest}") from error

    def put_blob(self, repository: str, digest: str, content: Iterator[bytes]) -> None:
        """Refused by the registry unless the content is of this digest."""
        begun = checked(self._ask("POST", f"{repository}/blobs/uploads/"))
        place = urlsplit(begun.headers["Location"])
        query = f"{place.query}&digest={digest}".lstrip("&")
        # By the time to connect the library bounds each write, and a slow registry takes nothing for a while.
        path = f"{place.path.removeprefix('/v2/')}?{query}"
        checked(self._ask("PUT", path, data=content, connect=ANSWER_WITHIN))

    def put_manifest(self, repository: str, digest: str, manifest: Manifest) -> None:
        headers = {"Content-Type": manifest.media_type}
        checked(self._ask("PUT", f"{repository}/manifests/{digest}", data=manifest.content, headers=headers))

    def _ask(self, method: str, path: str, *, connect: float | None = None, **said: Any) -> requests.Response:
        try:
            return self._session.request(
                method,
                f"https://{self.address}/v2/{path}",
                timeout=((connect or CONNECT_WITHIN) * self._patience, ANSWER_WITHIN * self._patience),
                allow_redirects=False,
                **said,
            )
        except requests.exceptions.SSLError as error:
            raise Untrusted(f"{self.address}: {error}") from error
        except requests.RequestException as error:
            # The library's own words repeat the whole request; a way says which of its ends is closed.
            reason = getattr(never_sent(error), "__cause__", None)
            why = reason if isinstance(reason, Unreachable) else type(error).__name__
            raise Unreachable(f"the registry at {self.address} does not answer: {why}") from error


def checked(response: requests.Response) -> requests.Response:
    """The response, unless it says no."""
    if response.ok:
        return response
    kind = {401: Forbidden, 403: Forbidden, 409: Conflict}.get(response.status_code, ApiError)
    path = urlsplit(str(response.request.url)).path
    raise kind(str(response.request.method), path, response.status_code, response.text)
