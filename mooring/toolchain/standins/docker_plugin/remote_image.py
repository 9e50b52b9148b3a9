"""`docker:index/remoteImage:RemoteImage`: an image of a registry on the engine; building one is `Image`'s."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from docker.errors import NotFound
from docker.utils import parse_repository_tag
from typing_extensions import override

from mooring.toolchain.standins.docker_plugin.kind import Failed, Kind, Made, Props, Seen, Work
from mooring.toolchain.standins.docker_plugin.known import Shape, leaves


def repo_digest(name: str, digests: Sequence[str] | None) -> str:
    """The one of an image's `digests` that belongs to the repository of `name`; empty when it was never there."""
    repository, _ = parse_repository_tag(name)
    familiar = repository.removeprefix("docker.io/").removeprefix("library/")
    return next((digest for digest in digests or () if digest.partition("@")[0] in (repository, familiar)), "")


def remote_image_outputs(name: str, found: Mapping[str, Any]) -> Props:
    return {"imageId": found["Id"], "repoDigest": repo_digest(name, found["RepoDigests"])}


class RemoteImage(Kind):
    token: ClassVar[str] = "docker:index/remoteImage:RemoteImage"  # noqa: S105 -- a type token, not a secret
    word: ClassVar[str] = "RemoteImage"
    shape: ClassVar[Shape] = leaves("name", "platform", "keepLocally", "forceRemove", "pullTriggers", "triggers")
    in_place: ClassVar[frozenset[str]] = frozenset({"keepLocally", "forceRemove"})
    automatic_name: ClassVar[bool] = False

    @override
    def create(self, props: Props, work: Work) -> Made:
        name = props["name"]
        try:
            found = work.api.inspect_image(name)
        except NotFound:
            self._pull(name, props.get("platform"), work)
            found = work.api.inspect_image(name)
        # The official plugin's id; it lets one image under two names be two resources.
        return Made(id=f"{found['Id']}{name}", outputs=remote_image_outputs(name, found))

    def _pull(self, name: str, platform: str | None, work: Work) -> None:
        # Without the whole name docker's `pull` would take every tag of the repository.
        repository, tag = parse_repository_tag(name)
        for event in work.streams.pull(repository, tag=tag or "latest", platform=platform, stream=True, decode=True):
            if "error" in event:
                raise Failed(f"unable to pull {name}: {event['error']}")
            work.say(f"pulling: {event.get('status', '')}")

    @override
    def read(self, id_: str, props: Props, outputs: Props, work: Work) -> Seen | None:
        try:
            found = work.api.inspect_image(props["name"])
        except NotFound:
            return None
        return Seen(inputs=props, outputs=remote_image_outputs(props["name"], found))

    @override
    def update(self, id_: str, old: Props, new: Props, outputs: Props, work: Work) -> Props:
        # Both inputs that can change in place only matter when it is deleted.
        return remote_image_outputs(new["name"], work.api.inspect_image(new["name"]))

    @override
    def delete(self, id_: str, props: Props, work: Work) -> None:
        if props.get("keepLocally"):
            return
        try:
            work.api.remove_image(props["name"], force=props.get("forceRemove", False))
        except NotFound:
            return
