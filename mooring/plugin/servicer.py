"""What the engine asks, put to the handler of the kind it is about. Knows no kind by name."""

import contextlib
import os
import sys
import threading
import traceback
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.metadata import version
from typing import Any, Final, Protocol

import grpc
from google.protobuf import any_pb2, empty_pb2
from google.rpc import status_pb2
from pulumi.runtime.proto import engine_pb2_grpc, plugin_pb2, provider_pb2_grpc
from pulumi.runtime.proto import provider_pb2 as pb
from typing_extensions import override

from mooring.kinds.kind import CannotImport, Handler, NotHealthy, Props, Unreachable, Work
from mooring.plugin.difference import Change, diff_response, differences, differences_in_meaning, patched
from mooring.plugin.inputs import Refused, meaning, problems, recovered, understood
from mooring.plugin.masking import mask_of, repeats_of
from mooring.plugin.progress import Progress
from mooring.plugin.reach import Recorded, access, recorded_in
from mooring.plugin.wire import (
    UNKNOWN,
    Marked,
    Path,
    has_unknown,
    marked,
    open_texts,
    plain,
    rewrap,
    said_again,
    secret,
    struct,
    with_secrets,
)
from mooring.waiting import Cancelled

UNFINISHED: Final = "__unfinished"
"""An output that Pulumi does not show: why a create or an update did not end well. Only an update that does takes it
away. A read must repeat it, even of a thing that has healed, as its outputs may be incomplete: the engine would forget
the failure with the first read that does not mention it, and never call the update."""

NO_CHECKPOINTS: Final = "PULUMI_SKIP_CHECKPOINTS"
"""Pulumi's setting, in the environment of the engine and so in ours."""

PLUGIN_SETTINGS: Final = frozenset({"version", "pluginDownloadURL"})
"""What Pulumi itself puts into a provider's configuration; ours has nothing more."""


class NeedsCheckpoints(Exception):
    """What is to be made up would stand nowhere but in this run's memory until its end: run with checkpoints."""


def keep_checkpoints() -> None:
    """Refuse to make up a secret in a run that writes its state only at its end, as one that is killed loses it."""
    if os.environ.get(NO_CHECKPOINTS, "").lower() in ("1", "true"):
        raise NeedsCheckpoints(
            f"with {NO_CHECKPOINTS} a run that is killed loses what it has made up, and this is a secret that others "
            "are given: run `up` once without that setting"
        )


class Request(Protocol):
    """What every question about one resource says."""

    @property
    def urn(self) -> str: ...
    @property
    def type(self) -> str: ...


class InitFailed(Exception):
    """The resource exists and does not work: the engine records it, with the reasons, and tries again."""

    def __init__(self, detail: pb.ErrorResourceInitFailed) -> None:
        super().__init__("; ".join(detail.reasons))
        packed = any_pb2.Any()
        packed.Pack(detail)
        self.status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=str(self), details=[packed])


@dataclass(frozen=True, kw_only=True)
class Call:
    """What is needed to answer one question about one resource."""

    handler: Handler[Any]
    work: Work
    mask: Callable[[str], str]
    repeats: Callable[[str], bool]
    """Whether a text holds a secret of the request."""

    def outputs(self, recorded: dict[str, Marked]) -> dict[str, Marked]:
        """What the handler added, out of what the state says."""
        inputs = {field.alias or name for name, field in self.handler.spec.model_fields.items()}
        return {key: value for key, value in recorded.items() if key not in inputs and key != UNFINISHED}

    def recorded(self, inputs: dict[str, Marked], outputs: Props, before: Marked = None) -> dict[str, Marked]:
        """What the state will say: the inputs, and what the handler added.

        An output is secret when its kind says so, when it was one before, or when it repeats a secret it was given.
        """
        wrapped = with_secrets(rewrap(outputs, before), self.handler.secret_outputs)
        return {**inputs, **{key: secret(value) if self._tells(value) else value for key, value in wrapped.items()}}

    def _tells(self, value: Marked) -> bool:
        return any(self.repeats(text) for text in open_texts(value))

    def unfinished(self, inputs: dict[str, Marked], failure: NotHealthy, before: Marked = None) -> InitFailed:
        """A create or an update that did not end well."""
        reasons = [self.mask(reason) for reason in failure.reasons]
        properties = {**self.recorded(inputs, failure.outputs, before), UNFINISHED: reasons}
        return init_failed(failure.id, inputs, properties, reasons)


def init_failed(
    id_: str, inputs: dict[str, Marked], properties: dict[str, Marked], reasons: Sequence[str]
) -> InitFailed:
    return InitFailed(
        pb.ErrorResourceInitFailed(id=id_, properties=struct(properties), inputs=struct(inputs), reasons=reasons)
    )


def changes(handler: Handler[Any], old: Marked, new: Marked) -> dict[Path, Change]:
    """What makes the thing another one or changes it; how it is reached does neither."""
    if old == new:
        return {}  # as for nearly every resource of nearly every run: its model need not be asked
    try:
        was, will_be = (understood(handler, inputs) for inputs in (old, new))
        if handler.same(was, will_be):
            return {}
        found = differences_in_meaning(old, new, meaning(was), meaning(will_be))
    except Refused:
        # Something is not known yet, or was recorded by another version: then the words themselves are compared.
        found = differences(old, new)
    return {path: change for path, change in found.items() if path[0] not in handler.access}


def foresee(call: Call, inputs: Marked) -> None:
    """Let the kind say what the step would lead to, if everything that it would need is known."""
    needed = {name: value for name, value in inputs.items() if name not in call.handler.foreseen_in_part}
    if has_unknown(needed):
        return
    with contextlib.suppress(Unreachable):
        call.handler.foresee(understood(call.handler, inputs), call.work)


class Servicer(provider_pb2_grpc.ResourceProviderServicer):
    """Serves `kinds` by their tokens."""

    def __init__(
        self,
        kinds: Mapping[str, Handler[Any]],
        engine: engine_pb2_grpc.EngineStub,
        recorded: Recorded = recorded_in,
    ) -> None:
        self._kinds = kinds
        self._recorded = recorded
        self._progress = Progress(engine)
        self._cancelled = threading.Event()

    @override
    def Handshake(
        self, request: pb.ProviderHandshakeRequest, context: grpc.ServicerContext
    ) -> pb.ProviderHandshakeResponse:
        return pb.ProviderHandshakeResponse(accept_secrets=True, accept_resources=True, accept_outputs=True)

    @override
    def GetPluginInfo(self, request: empty_pb2.Empty, context: grpc.ServicerContext) -> plugin_pb2.PluginInfo:
        return plugin_pb2.PluginInfo(version=version("mooring"))

    @override
    def GetSchema(self, request: pb.GetSchemaRequest, context: grpc.ServicerContext) -> pb.GetSchemaResponse:
        # Asked after an import, for code that would be of a package that nobody has.
        words = "kinds here have no schema, so `pulumi` writes no code for them: give it --generate-code=false"
        context.abort(grpc.StatusCode.UNIMPLEMENTED, f"{words}; `mooring import JOB` writes a job's typed Python")

    @override
    def CheckConfig(self, request: pb.CheckRequest, context: grpc.ServicerContext) -> pb.CheckResponse:
        # The engine hands a provider whatever the stack says under the package's name, and that is the project's name
        # too: the program's own settings. The provider has none, so it keeps none.
        own = {name: value for name, value in marked(request.news).items() if name in PLUGIN_SETTINGS}
        return pb.CheckResponse(inputs=struct(own))

    @override
    def DiffConfig(self, request: pb.DiffRequest, context: grpc.ServicerContext) -> pb.DiffResponse:
        return diff_response({})

    @override
    def Configure(self, request: pb.ConfigureRequest, context: grpc.ServicerContext) -> pb.ConfigureResponse:
        return pb.ConfigureResponse(acceptSecrets=True, acceptResources=True, acceptOutputs=True, supportsPreview=True)

    @override
    def Check(self, request: pb.CheckRequest, context: grpc.ServicerContext) -> pb.CheckResponse:
        news = marked(request.news)
        with self._call(request, context, news) as call:
            inputs, olds = with_secrets(news, call.handler.secret_inputs), marked(request.olds)
            # What is as it was recorded was found right then, and nothing is about to be done with it.
            found = [] if inputs == olds else problems(call.handler, inputs, olds)
            return pb.CheckResponse(
                inputs=said_again(inputs, news, request.news),
                # With `property` set the engine would print the value itself, of a secret too.
                failures=[pb.CheckFailure(reason=call.mask(problem)) for problem in found],
            )

    @override
    def Diff(self, request: pb.DiffRequest, context: grpc.ServicerContext) -> pb.DiffResponse:
        if request.old_inputs == request.news:
            return diff_response({})  # as for nearly every resource of nearly every run: nobody need be asked
        old, new = marked(request.old_inputs), marked(request.news)
        with self._call(request, context, old, new) as call:
            handler = call.handler
            return diff_response(
                changes(handler, old, new), identity=handler.identity, delete_first=not handler.made_beside
            )

    @override
    def Create(self, request: pb.CreateRequest, context: grpc.ServicerContext) -> pb.CreateResponse:
        inputs = marked(request.properties)
        if request.preview:
            with self._call(request, context, inputs) as call:
                foresee(call, inputs)
            # An output that is left out is one that is not known yet.
            return pb.CreateResponse(properties=struct(inputs))
        with self._call(request, context, inputs, within=request.timeout) as call:
            if call.handler.secret_outputs:
                keep_checkpoints()
            try:
                made = call.handler.create(understood(call.handler, inputs), call.work)
            except NotHealthy as failure:
                raise call.unfinished(inputs, failure) from failure
            return pb.CreateResponse(id=made.id, properties=struct(call.recorded(inputs, made.outputs)))

    @override
    def Update(self, request: pb.UpdateRequest, context: grpc.ServicerContext) -> pb.UpdateResponse:
        old, new, recorded = marked(request.old_inputs), marked(request.news), marked(request.olds)
        with self._call(request, context, old, new, recorded, within=request.timeout) as call:
            outputs = call.outputs(recorded)
            if request.preview:
                changed = frozenset(str(path[0]) for path in changes(call.handler, old, new))
                foresee(call, new)
                renewed = dict.fromkeys(call.handler.renewed(changed), UNKNOWN)
                return pb.UpdateResponse(properties=struct({**new, **outputs, **renewed}))
            changed = frozenset(str(path[0]) for path in changes(call.handler, old, new))
            if call.handler.secret_outputs.intersection(call.handler.renewed(changed)):
                keep_checkpoints()
            try:
                updated = call.handler.update(
                    request.id,
                    recovered(call.handler, old, new),
                    understood(call.handler, new),
                    plain(outputs),
                    call.work,
                )
            except NotHealthy as failure:
                raise call.unfinished(new, failure, outputs) from failure
            return pb.UpdateResponse(properties=struct(call.recorded(new, updated, outputs)))

    @override
    def Read(self, request: pb.ReadRequest, context: grpc.ServicerContext) -> pb.ReadResponse:
        inputs, recorded = marked(request.inputs), marked(request.properties)
        if not inputs and not recorded:
            return self._import(request, context)
        with self._call(request, context, inputs, recorded, within=request.timeout) as call:
            outputs, failure = call.outputs(recorded), recorded.get(UNFINISHED)
            try:
                spec = recovered(call.handler, inputs, None)
                seen = call.handler.read(request.id, spec, plain(outputs), call.work)
            except (Unreachable, Refused) as error:
                call.work.warn(f"could not be read, shown as last seen: {error}")
                if failure:
                    raise init_failed(request.id, inputs, recorded, plain(failure)) from error
                return pb.ReadResponse(id=request.id, properties=request.properties, inputs=request.inputs)
            if seen is None:
                return pb.ReadResponse()
            found = inputs if seen.spec == spec else patched(inputs, meaning(spec), meaning(seen.spec))
            found = with_secrets(rewrap(found, inputs), call.handler.secret_inputs)
            properties = call.recorded(found, seen.outputs, outputs)
            if failure:
                properties[UNFINISHED] = failure
            if reasons := [call.mask(reason) for reason in seen.reasons] or plain(failure):
                raise init_failed(request.id, found, properties, reasons)
            return pb.ReadResponse(
                id=request.id,
                properties=said_again(properties, recorded, request.properties),
                inputs=said_again(found, inputs, request.inputs),
            )

    def _import(self, request: pb.ReadRequest, context: grpc.ServicerContext) -> pb.ReadResponse:
        """What stands under an id, all that an import knows; the engine then compares it with the program."""
        with self._call(request, context) as call:
            handler = call.handler
            if not handler.reached_as:
                raise CannotImport(f"{request.type} is not imported: {handler.not_imported}")
            call.work.say("asking what the stack has recorded of the cluster")
            reached = access(handler, call.work.stack, self._recorded, os.environ)
        with self._call(request, context, with_secrets(reached, handler.secret_inputs), within=request.timeout) as call:
            seen = handler.imported(request.id, reached, call.work)
            if seen is None:
                return pb.ReadResponse()
            call.work.say("found")
            inputs = with_secrets(meaning(seen.spec), handler.secret_inputs | handler.perhaps_secret)
            properties = call.recorded(inputs, seen.outputs)
            id_ = handler.id_of(request.id, seen.spec)
            if reasons := [call.mask(reason) for reason in seen.reasons]:
                raise init_failed(id_, inputs, properties, reasons)
            return pb.ReadResponse(id=id_, properties=struct(properties), inputs=struct(inputs))

    @override
    def Delete(self, request: pb.DeleteRequest, context: grpc.ServicerContext) -> empty_pb2.Empty:
        inputs, recorded = marked(request.old_inputs), marked(request.properties)
        with self._call(request, context, inputs, recorded, within=request.timeout) as call:
            spec = recovered(call.handler, inputs, None)
            call.handler.delete(request.id, spec, plain(call.outputs(recorded)), call.work)
            return empty_pb2.Empty()

    @override
    def Cancel(self, request: empty_pb2.Empty, context: grpc.ServicerContext) -> empty_pb2.Empty:
        self._cancelled.set()
        return empty_pb2.Empty()

    @contextmanager
    def _call(
        self, request: Request, context: grpc.ServicerContext, *values: Marked, within: float = 0
    ) -> Generator[Call]:
        """What answers a question about one resource; a failure inside becomes an error in words, without secrets."""
        paths = kind.secret_inputs if (kind := self._kinds.get(request.type)) else ()
        known = [with_secrets(value, paths) for value in values]
        mask = mask_of(*known)
        try:
            work = self._work(request.urn, mask, within)
            yield Call(handler=self._handler(request.type), work=work, mask=mask, repeats=repeats_of(*known))
        except InitFailed as failure:
            context.set_trailing_metadata((("grpc-status-details-bin", failure.status.SerializeToString()),))
            context.abort(grpc.StatusCode.UNKNOWN, str(failure))
        except Cancelled as error:
            context.abort(grpc.StatusCode.CANCELLED, mask(f"{error}: the next `pulumi up` goes on from here"))
        except Exception as error:  # noqa: BLE001 -- whatever a handler trips over must reach the person in words
            if os.environ.get("MOORING_DEBUG") == "1":
                sys.stderr.write(mask("".join(traceback.format_exception(error))))
            context.abort(grpc.StatusCode.UNKNOWN, mask(sentence(error)))
        finally:
            self._progress.done(request.urn)

    def _handler(self, token: str) -> Handler[Any]:
        if (handler := self._kinds.get(token)) is None:
            close = get_close_matches(token, self._kinds, n=1)
            raise Refused(f"there is no kind {token}" + (f"; did you mean {close[0]}?" if close else ""))
        return handler

    def _work(self, urn: str, mask: Callable[[str], str], within: float) -> Work:
        origin, project, _, name = urn.split("::", 3)
        return Work(
            urn=urn,
            name=name,
            project=project,
            stack=origin.removeprefix("urn:pulumi:"),
            say=lambda line: self._progress.say(urn, mask(line)),
            warn=lambda message: self._progress.warn(urn, mask(message)),
            tell=lambda message: self._progress.tell(urn, mask(message)),
            cancelled=self._cancelled,
            timeout=within or None,
        )


def sentence(error: Exception) -> str:
    """What a person reads. Our own exceptions are sentences already; of the others the type says half."""
    words = str(error)
    if type(error).__module__.partition(".")[0] == "mooring":
        return words
    return f"{type(error).__name__}: {words}" if words else type(error).__name__
