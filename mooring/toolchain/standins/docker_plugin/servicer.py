"""The gRPC side of the Docker stand-in: what the engine asks, put to the kind it is about, and failures in words."""

import json
import threading
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from typing import Final, NoReturn, Protocol

import grpc
from docker.errors import APIError
from google.protobuf import any_pb2, empty_pb2
from google.rpc import status_pb2
from pulumi.runtime.proto import engine_pb2_grpc, plugin_pb2, provider_pb2_grpc
from pulumi.runtime.proto import provider_pb2 as pb
from typing_extensions import override

from mooring.plugin.masking import mask_of
from mooring.plugin.progress import Progress
from mooring.plugin.wire import Marked, has_unknown, marked, plain, rewrap, struct, with_secrets
from mooring.toolchain.standins.docker_plugin.container import Container
from mooring.toolchain.standins.docker_plugin.image import Image
from mooring.toolchain.standins.docker_plugin.kind import Failed, Kind, NotHealthy, Props, Work
from mooring.toolchain.standins.docker_plugin.known import leaves, refusal, unknown
from mooring.toolchain.standins.docker_plugin.network import Network
from mooring.toolchain.standins.docker_plugin.reach import LOST, Address, Engine, Unreachable, default_host, words
from mooring.toolchain.standins.docker_plugin.remote_image import RemoteImage
from mooring.toolchain.standins.docker_plugin.volume import Volume
from mooring.waiting import Cancelled, TimedOut

VERSION: Final = "5.2.0"
"""Of the plugin it stands in for: the SDK asks for this one."""

KINDS: Final[Mapping[str, Kind]] = {
    kind.token: kind for kind in (Network(), Volume(), Container(), Image(), RemoteImage())
}

_CONFIG: Final = leaves("host", "sshOpts", "version", "pluginDownloadURL", "disableDockerDaemonCheck")

_NAME_BYTES: Final = 4
_LONGEST_NAME: Final = 255


class Request(Protocol):
    """What every question about one resource says."""

    @property
    def urn(self) -> str: ...
    @property
    def type(self) -> str: ...


def address(config: Props) -> Address:
    """Where the program says the engine is; nested settings arrive as JSON text."""
    said = config.get("sshOpts") or "[]"
    options: list[str] = json.loads(said) if isinstance(said, str) else said
    return Address(host=config.get("host") or default_host(), ssh_options=options)


def config_problems(config: Props) -> Iterator[str]:
    for name in unknown(config, _CONFIG):
        yield refusal("Provider", name)
    if (problem := address(config).problem()) is not None:
        yield problem


def named(
    kind: Kind, inputs: dict[str, Marked], olds: Mapping[str, Marked], name: str, seed: bytes
) -> dict[str, Marked]:
    """`inputs` with a name: the program's, else the one from the run before, else a new one."""
    if not kind.automatic_name or inputs.get("name") is not None:
        return inputs
    suffix = f"-{seed[:_NAME_BYTES].hex()[:7]}"
    return {**inputs, "name": olds.get("name") or f"{name[: _LONGEST_NAME - len(suffix)]}{suffix}"}


def problems(kind: Kind, inputs: Mapping[str, Marked]) -> list[str]:
    """Everything wrong with `inputs`, at once; what is not known yet is not judged yet."""
    said = plain(inputs)
    # Saying what the official plugin fills in asks for nothing, so it is no reason to refuse.
    asked = {name: value for name, value in said.items() if kind.defaults.get(name, _UNSAID) != value}
    return [*(refusal(kind.word, name) for name in unknown(asked, kind.shape)), *kind.problems(said)]


_UNSAID: Final = object()


class Servicer(provider_pb2_grpc.ResourceProviderServicer):
    def __init__(self, engine: engine_pb2_grpc.EngineStub) -> None:
        self._progress = Progress(engine)
        self._docker = Engine(Address())
        self._cancelled = threading.Event()

    @override
    def Handshake(
        self, request: pb.ProviderHandshakeRequest, context: grpc.ServicerContext
    ) -> pb.ProviderHandshakeResponse:
        return pb.ProviderHandshakeResponse(accept_secrets=True, accept_resources=True, accept_outputs=True)

    @override
    def GetPluginInfo(self, request: empty_pb2.Empty, context: grpc.ServicerContext) -> plugin_pb2.PluginInfo:
        return plugin_pb2.PluginInfo(version=VERSION)

    @override
    def CheckConfig(self, request: pb.CheckRequest, context: grpc.ServicerContext) -> pb.CheckResponse:
        config = {name: value for name, value in plain(marked(request.news)).items() if not has_unknown(value)}
        return pb.CheckResponse(
            inputs=request.news, failures=[pb.CheckFailure(reason=reason) for reason in config_problems(config)]
        )

    @override
    def DiffConfig(self, request: pb.DiffRequest, context: grpc.ServicerContext) -> pb.DiffResponse:
        # Another address is another way to the engine, never a reason to replace what is on it.
        changed = plain(marked(request.old_inputs)) != plain(marked(request.news))
        return pb.DiffResponse(changes=pb.DiffResponse.DIFF_SOME if changed else pb.DiffResponse.DIFF_NONE)

    @override
    def Configure(self, request: pb.ConfigureRequest, context: grpc.ServicerContext) -> pb.ConfigureResponse:
        self._docker = Engine(address(plain(marked(request.args))))
        return pb.ConfigureResponse(acceptSecrets=True, acceptResources=True, acceptOutputs=True, supportsPreview=True)

    @override
    def Check(self, request: pb.CheckRequest, context: grpc.ServicerContext) -> pb.CheckResponse:
        kind = _kind(request.type, context)
        inputs = named(kind, marked(request.news), marked(request.olds), request.name, request.randomSeed)
        return pb.CheckResponse(
            inputs=struct(kind.completed(inputs, plain(inputs))),
            # Under no property: the CLI would print the property's value beside it, a secret one too.
            failures=[pb.CheckFailure(reason=reason) for reason in problems(kind, inputs)],
        )

    @override
    def Diff(self, request: pb.DiffRequest, context: grpc.ServicerContext) -> pb.DiffResponse:
        kind = _kind(request.type, context)
        changed = sorted(kind.changed(plain(marked(request.old_inputs)), plain(marked(request.news))))
        replaces = [name for name in changed if name not in kind.in_place]
        # Without a detailed diff of ours the engine compares the inputs itself, field by field.
        return pb.DiffResponse(
            changes=pb.DiffResponse.DIFF_SOME if changed else pb.DiffResponse.DIFF_NONE,
            diffs=changed,
            replaces=replaces,
            deleteBeforeReplace=bool(replaces),
        )

    @override
    def Create(self, request: pb.CreateRequest, context: grpc.ServicerContext) -> pb.CreateResponse:
        kind, inputs = _kind(request.type, context), marked(request.properties)
        if request.preview:
            return pb.CreateResponse(properties=request.properties)
        with self._work(request, inputs, context) as work:
            made = kind.create(plain(inputs), work)
            return pb.CreateResponse(id=made.id, properties=struct(_properties(kind, inputs, made.outputs)))

    @override
    def Read(self, request: pb.ReadRequest, context: grpc.ServicerContext) -> pb.ReadResponse:
        kind, inputs, before = _kind(request.type, context), marked(request.inputs), marked(request.properties)
        if not inputs:
            _abort(context, f"docker stand-in: importing a {kind.word} is not implemented; use the official plugin")
        if not kind.asks_when_read:
            return pb.ReadResponse(id=request.id, inputs=request.inputs, properties=request.properties)
        with self._work(request, inputs, context, unsure=True) as work:
            seen = kind.read(request.id, plain(inputs), plain(before), work)
            if seen is None:
                return pb.ReadResponse()
            observed = rewrap(seen.inputs, inputs)
            return pb.ReadResponse(
                id=request.id,
                inputs=struct(observed),
                properties=struct(rewrap(_properties(kind, observed, seen.outputs), before)),
            )

    @override
    def Update(self, request: pb.UpdateRequest, context: grpc.ServicerContext) -> pb.UpdateResponse:
        kind, olds, news = _kind(request.type, context), marked(request.old_inputs), marked(request.news)
        before = marked(request.olds)
        if request.preview:
            # An image is built anew, so nothing of the old one holds; the rest stays the same thing.
            kept = before if kind.inputs_are_outputs else {}
            return pb.UpdateResponse(properties=struct({**kept, **news}))
        with self._work(request, news, context) as work:
            outputs = kind.update(request.id, plain(olds), plain(news), plain(before), work)
            return pb.UpdateResponse(properties=struct(_properties(kind, news, outputs)))

    @override
    def Delete(self, request: pb.DeleteRequest, context: grpc.ServicerContext) -> empty_pb2.Empty:
        kind, inputs = _kind(request.type, context), marked(request.old_inputs)
        with self._work(request, inputs, context) as work:
            kind.delete(request.id, plain(inputs), work)
        return empty_pb2.Empty()

    @override
    def Invoke(self, request: pb.InvokeRequest, context: grpc.ServicerContext) -> pb.InvokeResponse:
        _abort(context, f"docker stand-in: {request.tok} is not implemented; use the official plugin")

    @override
    def Cancel(self, request: empty_pb2.Empty, context: grpc.ServicerContext) -> empty_pb2.Empty:
        """Asked for at ^C, and at the end of every run."""
        self._cancelled.set()
        return empty_pb2.Empty()

    @contextmanager
    def _work(
        self,
        request: Request,
        inputs: Marked,
        context: grpc.ServicerContext,
        *,
        unsure: bool = False,
    ) -> Generator[Work]:
        """One verb: its surroundings, and what Pulumi is told when it fails. Nothing secret gets out."""
        mask = mask_of(with_secrets(inputs, KINDS[request.type].secret_inputs))
        try:
            api, streams = self._docker.clients()
            yield Work(
                api=api,
                streams=streams,
                say=lambda line: self._progress.say(request.urn, mask(line)),
                cancelled=self._cancelled,
            )
        except NotHealthy as error:
            _init_failed(context, error.id, inputs, mask(str(error)))
        except (Failed, Cancelled, TimedOut) as error:
            _abort(context, mask(str(error)))
        except APIError as error:
            _abort(context, mask(words(error)))
        except (Unreachable, *LOST) as error:
            reason = mask(words(error))
            _abort(context, f"could not tell: {reason}" if unsure else reason, code=grpc.StatusCode.UNAVAILABLE)
        finally:
            self._progress.done(request.urn)


def _kind(token: str, context: grpc.ServicerContext) -> Kind:
    if token not in KINDS:
        _abort(context, f"docker stand-in: {token} is not implemented; use the official plugin (5.2.0)")
    return KINDS[token]


def _properties(kind: Kind, inputs: Mapping[str, Marked], outputs: Props) -> dict[str, Marked]:
    """What the state records: secrets of the inputs stay wrapped wherever they turn up again."""
    return {**(inputs if kind.inputs_are_outputs else {}), **rewrap(outputs, inputs)}


def _abort(context: grpc.ServicerContext, reason: str, *, code: grpc.StatusCode = grpc.StatusCode.UNKNOWN) -> NoReturn:
    context.abort(code, reason)
    raise AssertionError("abort returned")


def _init_failed(context: grpc.ServicerContext, id_: str, inputs: Marked, reason: str) -> NoReturn:
    """The thing exists and does not work: the state keeps it, and the next `up` calls `Update`."""
    message = struct(inputs)
    detail = any_pb2.Any()
    detail.Pack(pb.ErrorResourceInitFailed(id=id_, properties=message, inputs=message, reasons=[reason]))
    status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=reason, details=[detail])
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    _abort(context, reason)
