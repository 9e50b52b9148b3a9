"""`docker:index/image:Image`: built on the engine from a folder, pushed through the engine, known by its digest.

Rebuilt when and only when an input changes, the digest of its context among them. Nothing is read back: what was
pushed is the registry's, and a deleted image resource deletes nothing, as in the official plugin.
"""

import queue
import re
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from docker.utils import parse_repository_tag
from typing_extensions import override

from mooring.plugin.wire import UNKNOWN, Marked, bare, has_unknown, is_mapping
from mooring.toolchain.standins.docker_plugin.build_context import BuildContext, NoSuchContext
from mooring.toolchain.standins.docker_plugin.kind import Failed, Kind, Made, Props, Seen, Work, block, texts
from mooring.toolchain.standins.docker_plugin.known import Shape, leaves
from mooring.waiting import Cancelled

_LAST_LINES: Final = 20
"""How much of a failed build is shown: a compiler's complaint fits, a package manager's chatter does not."""

_STEP: Final = re.compile(r"Step \d+/\d+ : .+")
_NOISE: Final = re.compile(r" ---> |Removing intermediate container ")
"""The builder's own bookkeeping between the lines of the commands."""

_COLOUR: Final = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")

_CANCEL_WITHIN: Final = 0.2
"""Seconds: the CLI waits for this after ^C."""

Event = Mapping[str, Any]
"""One message of a build's or a push's stream."""


@dataclass
class BuildLog:
    """What a build has said so far."""

    image_id: str | None = None
    last_lines: deque[str] = field(default_factory=lambda: deque(maxlen=_LAST_LINES))

    def hear(self, event: Event) -> str | None:
        """Take one message in; return the line of it that is worth showing at once."""
        if is_mapping(event.get("aux")) and "ID" in event["aux"]:
            self.image_id = event["aux"]["ID"]
        lines = [_COLOUR.sub("", line).rstrip() for line in str(event.get("stream", "")).splitlines()]
        self.last_lines.extend(line for line in lines if line and not _NOISE.match(line))
        return next((line for line in lines if _STEP.match(line)), None)

    def failure(self, name: str, reason: str) -> str:
        return "\n".join([f"unable to build {name}: {reason.strip()}", *(f"  {line}" for line in self.last_lines)])


@dataclass
class PushLog:
    """How far a push is, layer by layer."""

    digest: str | None = None
    _layers: dict[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])
    _shown: int = -1

    def hear(self, event: Event) -> str | None:
        """Take one message in; return a line when another whole percent is done."""
        if is_mapping(event.get("aux")) and "Digest" in event["aux"]:
            self.digest = event["aux"]["Digest"]
        progress = block(event, "progressDetail")
        if "id" not in event or not progress.get("total"):
            return None
        self._layers[event["id"]] = (min(progress.get("current", 0), progress["total"]), progress["total"])
        done, total = (sum(column) for column in zip(*self._layers.values(), strict=True))
        percent = 100 * done // total
        if percent == self._shown:
            return None
        self._shown = percent
        return f"pushing {percent} %"


def repository(name: str) -> str:
    """An image's name without its tag, spelled out as registries know it."""
    short, _ = parse_repository_tag(name)
    first, slash, _ = short.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return short
    return f"docker.io/{short}" if slash else f"docker.io/library/{short}"


def credentials(registry: Mapping[str, Any], name: str) -> dict[str, str] | None:
    """What the engine shows the registry; None leaves it to this machine's own Docker configuration."""
    if not (registry.get("username") and registry.get("password")):
        return None
    server = str(registry.get("server") or repository(name).partition("/")[0])
    return {
        "username": registry["username"],
        "password": registry["password"],
        "serveraddress": server.partition("://")[2] or server,
    }


def build_request(props: Props, context: BuildContext) -> dict[str, Any]:
    """The build, as arguments of docker's `build`."""
    build = props["build"]
    return {
        "tag": props["imageName"],
        "dockerfile": context.dockerfile_name,
        "buildargs": build.get("args") or {},
        "target": build.get("target") or "",
        "platform": build.get("platform"),
        "network_mode": build.get("network"),
        "extra_hosts": dict(entry.split(":", 1) for entry in texts(build, "addHosts")) or None,
        "rm": True,
        "forcerm": True,  # a failed step's container would stay behind
    }


class Image(Kind):
    token: ClassVar[str] = "docker:index/image:Image"  # noqa: S105 -- a type token, not a secret
    word: ClassVar[str] = "Image"
    shape: ClassVar[Shape] = {
        **leaves("imageName", "skipPush", "buildOnPreview"),
        "registry": leaves("server", "username", "password"),
        "build": leaves(
            "context", "dockerfile", "args", "target", "platform", "network", "addHosts", "builderVersion",
            "contextDigest",
        ),
    }  # fmt: skip
    in_place: ClassVar[frozenset[str]] = frozenset(shape)
    defaults: ClassVar[Mapping[str, Any]] = {"skipPush": False, "buildOnPreview": False}
    secret_inputs: ClassVar[frozenset[str]] = frozenset({"registry.password"})
    automatic_name: ClassVar[bool] = False
    inputs_are_outputs: ClassVar[bool] = False
    # As the official plugin: what was built and pushed is not looked for again.
    asks_when_read: ClassVar[bool] = False

    @override
    def completed(self, inputs: dict[str, Marked], plain_inputs: Props) -> dict[str, Marked]:
        """The inputs with the digest of the context, so that a change of it is a change of the image."""
        written, build = bare(inputs.get("build") or {}), block(plain_inputs, "build")
        if not is_mapping(written):
            return inputs
        try:
            context = BuildContext.of(build)
        except NoSuchContext:
            return inputs  # it exists only later, or `problems` says so
        found = {
            "context": str(build.get("context") or "."),
            "dockerfile": str(build.get("dockerfile") or context.dockerfile),
            "contextDigest": context.digest(),
        }
        return {**inputs, "build": {**written, **found}}

    @override
    def problems(self, inputs: Props) -> Iterable[str]:
        if inputs.get("build") == UNKNOWN:
            return
        build = block(inputs, "build")
        if build.get("builderVersion") not in ("BuilderV1", UNKNOWN):
            yield "docker stand-in: build.builderVersion must be 'BuilderV1'; BuildKit needs the official plugin"
        if not build.get("platform"):
            yield "docker stand-in: build.platform must be said, such as 'linux/amd64'"
        if inputs.get("buildOnPreview"):
            yield "docker stand-in: Image property 'buildOnPreview' is not implemented; use the official plugin"
        if not has_unknown([build.get("context"), build.get("dockerfile")]):
            try:
                BuildContext.of(build)
            except NoSuchContext as error:
                yield str(error)

    @override
    def meaning(self, inputs: Props) -> Props:
        """Credentials change often and change no image: of the registry only the server counts."""
        said = super().meaning(inputs)
        registry = block({"registry": said.pop("registry", None)}, "registry")
        return {**said, "registry": {"server": registry.get("server")}} if registry.get("server") else said

    @override
    def create(self, props: Props, work: Work) -> Made:
        return Made(id=props["imageName"], outputs=self._build_and_push(props, work))

    @override
    def read(self, id_: str, props: Props, outputs: Props, work: Work) -> Seen | None:
        return Seen(inputs=props, outputs=outputs)

    @override
    def update(self, id_: str, old: Props, new: Props, outputs: Props, work: Work) -> Props:
        return self._build_and_push(new, work)

    @override
    def delete(self, id_: str, props: Props, work: Work) -> None:
        return

    def _build_and_push(self, props: Props, work: Work) -> Props:
        name, context = props["imageName"], BuildContext.of(props["build"])
        image_id = self._build(props, context, work)
        digest = image_id if props.get("skipPush") else f"{repository(name)}@{self._push(props, work)}"
        return {
            "imageName": name,
            "baseImageName": name,
            "registryServer": block(props, "registry").get("server") or "",
            "context": str(context.folder),
            "dockerfile": context.relative_dockerfile,
            "platform": props["build"]["platform"],
            "repoDigest": digest,
        }

    def _build(self, props: Props, context: BuildContext, work: Work) -> str:
        log = BuildLog()
        work.say("building")
        with tempfile.TemporaryFile() as archive:
            context.write_archive(archive)
            archive.seek(0)
            request = build_request(props, context)
            for event in _until_cancelled(
                lambda: work.streams.build(fileobj=archive, custom_context=True, decode=True, **request), work
            ):
                if line := log.hear(event):
                    work.say(line)
                if "error" in event:
                    raise Failed(log.failure(props["imageName"], str(event["error"])))
        if log.image_id is None:
            raise Failed(log.failure(props["imageName"], "the engine named no image at the end"))
        return log.image_id

    def _push(self, props: Props, work: Work) -> str:
        name, log = props["imageName"], PushLog()
        work.say("pushing")
        short, tag = parse_repository_tag(name)
        login = credentials(block(props, "registry"), name)
        for event in _until_cancelled(
            lambda: work.streams.push(short, tag=tag or "latest", auth_config=login, stream=True, decode=True), work
        ):
            if line := log.hear(event):
                work.say(line)
            if "error" in event:
                raise Failed(f"unable to push {name}: {str(event['error']).strip()}")
        if log.digest is None:
            raise Failed(f"unable to push {name}: the engine named no digest at the end")
        return log.digest


def _until_cancelled(stream: Callable[[], Iterable[Event]], work: Work) -> Iterator[Event]:
    """The messages of `stream`, until they end or somebody asks to stop.

    A step may be silent for minutes, so the listening is done by a thread of its own. A cancelled build ends with
    this process, which the engine notices.
    """
    heard: queue.SimpleQueue[Event | Exception | None] = queue.SimpleQueue()

    def listen() -> None:
        try:
            for event in stream():
                heard.put(event)
            heard.put(None)
        except Exception as error:  # noqa: BLE001 - handed on to the thread that waits, and raised there
            heard.put(error)

    threading.Thread(target=listen, daemon=True).start()
    while True:
        try:
            event = heard.get(timeout=_CANCEL_WITHIN)
        except queue.Empty:
            if work.cancelled.is_set():
                raise Cancelled("cancelled") from None
            continue
        if event is None:
            return
        if isinstance(event, Exception):
            raise event
        yield event
