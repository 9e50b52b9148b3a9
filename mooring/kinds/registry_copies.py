"""`mooring:registry:Copies`: one image in every registry of the stack, so that none of them is the only one."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pulumi
from pydantic import Field
from typing_extensions import override

from mooring.clients.errors import ApiError, Untrusted
from mooring.clients.registry import Manifest, Place, Registry
from mooring.clients.way import KEYS, Way
from mooring.kinds.kind import (
    Handler,
    Made,
    Names,
    NotHealthy,
    Problem,
    Props,
    Resource,
    Seen,
    Spec,
    Unreachable,
    Work,
    register,
)


class CopiesSpec(Spec):
    reference: str = Field(pattern=r"^[^/@]+/[^@]+@sha256:[0-9a-f]{64}$")
    """`address/name@sha256:…`, as jobs name it; of the address nothing is asked."""

    registries: Names
    """`host:port` of each that is to hold it."""

    username: str
    password: str = Field(repr=False)
    authority: str
    """PEM of the authority that vouches for all of them."""

    through: tuple[Way, ...] = ()
    """How they are reached where nothing but SSH is open. Empty: by their addresses."""

    patience: float = Field(default=1.0, ge=1)
    """How many times as long as usual everything at the registries may take."""

    @property
    def repository(self) -> str:
        return self.reference.partition("/")[2].partition("@")[0]

    @property
    def digest(self) -> str:
        return self.reference.partition("@")[2]

    def each(self) -> list[Registry]:
        said = {"username": self.username, "password": self.password, "authority": self.authority}
        return [
            Registry(Place(address=address, **said, through=self.through, patience=self.patience))
            for address in self.registries
        ]


@register
class CopiesHandler(Handler[CopiesSpec]):
    token = "mooring:registry:Copies"  # noqa: S105 -- a type token, not a secret
    spec = CopiesSpec
    access = frozenset({"username", "password", "authority", "through", "patience"})
    secret_inputs = frozenset({"password", KEYS})

    @override
    def check(self, spec: CopiesSpec) -> Iterable[Problem]:
        if not spec.registries:
            yield Problem(path="registries", reason="must name at least one")

    @override
    def create(self, spec: CopiesSpec, work: Work) -> Made:
        _copy(spec, work)
        return Made(id=spec.repository)

    @override
    def read(self, id_: str, spec: CopiesSpec, outputs: Props, work: Work) -> Seen[CopiesSpec] | None:
        holding: list[str] = []
        silent: list[str] = []
        for registry in spec.each():
            try:
                if not missing(registry, spec.repository, spec.digest):
                    holding.append(registry.address)
            except Unreachable as error:
                silent.append(registry.address)
                work.warn(f"could not be read, shown as last seen: {error}")
        if not holding and not silent:
            return None
        return Seen(spec=spec.model_copy(update={"registries": tuple(sorted([*holding, *silent]))}))

    @override
    def update(self, id_: str, old: CopiesSpec, new: CopiesSpec, outputs: Props, work: Work) -> Props:
        _copy(new, work)
        return {}

    @override
    def delete(self, id_: str, spec: CopiesSpec, outputs: Props, work: Work) -> None:
        """Left to the registries: an older version of a job may still be run again."""


def missing(registry: Registry, repository: str, digest: str) -> list[str]:
    """The digests that a registry lacks of an image: of the manifest alone when that is not there."""
    manifest = registry.manifest(repository, digest)
    if manifest is None:
        return [digest]
    lacking = [blob for blob in manifest.blobs if not registry.has_blob(repository, blob)]
    return lacking + [part for listed in manifest.manifests for part in missing(registry, repository, listed)]


def _copy(spec: CopiesSpec, work: Work) -> None:
    """Let every registry hold the image; whichever could not be is told, when the others have it."""
    problems: list[str] = []
    whole: list[Registry] = []
    lacking: list[Registry] = []
    for registry in spec.each():
        try:
            (lacking if missing(registry, spec.repository, spec.digest) else whole).append(registry)
        except (Unreachable, Untrusted, ApiError) as error:
            problems.append(str(error))
    if not whole:
        held = "no registry holds it whole any more: change something in its folder, and it is built again"
        raise NotHealthy(spec.repository, {}, [f"{spec.reference}: {held}", *problems])
    for registry in lacking:
        work.say(f"copying {spec.repository} from {whole[0].address} to {registry.address}")
        try:
            _transfer(whole[0], registry, spec.repository, spec.digest)
        except (Unreachable, Untrusted, ApiError) as error:
            problems.append(str(error))
    if problems:
        raise NotHealthy(spec.repository, {}, problems)


def _transfer(source: Registry, target: Registry, repository: str, digest: str) -> None:
    """What a manifest names goes first: a registry takes none whose parts it lacks."""
    manifest = _manifest(source, repository, digest)
    for listed in manifest.manifests:
        _transfer(source, target, repository, listed)
    for blob in _lacking(target, repository, manifest.blobs):
        target.put_blob(repository, blob, source.blob(repository, blob))
    target.put_manifest(repository, digest, manifest)


def _manifest(source: Registry, repository: str, digest: str) -> Manifest:
    if (found := source.manifest(repository, digest)) is None:
        raise Unreachable(f"{source.address} had {repository}@{digest} a moment ago, and has it no more")
    return found


def _lacking(target: Registry, repository: str, blobs: Sequence[str]) -> list[str]:
    return [blob for blob in dict.fromkeys(blobs) if not target.has_blob(repository, blob)]


class Copies(Resource):
    """`reference` is the image's, known once every registry holds it."""

    reference: pulumi.Output[str]

    def __init__(
        self,
        resource_name: str,
        *,
        reference: pulumi.Input[str],
        registries: pulumi.Input[list[str]],
        username: pulumi.Input[str],
        password: pulumi.Input[str],
        authority: pulumi.Input[str],
        through: Sequence[Mapping[str, pulumi.Input[Any]]] = (),
        patience: float = 1,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        inputs = {
            "reference": reference,
            "registries": registries,
            "username": username,
            "password": password,
            "authority": authority,
            # What is not needed stands in no state.
            **({"through": through} if through else {}),
            **({} if patience == 1 else {"patience": patience}),
        }
        super().__init__(CopiesHandler, resource_name, inputs, opts=opts)
