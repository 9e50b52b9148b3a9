"""Pulumi's language host for Python, for machines where the official one cannot be had.

    python -m mooring.toolchain.standins.language_host ADDRESS  serves the engine; its port is the first line
    python -P language_host.py --program                        runs one program; the request is on stdin

It answers what this project's commands ask (`up`, `preview`, `refresh`, `destroy`, `about`, `install`, ^C), as the
official host was seen to. Generating SDKs, converting programs and policy packs given as a folder are left to it.

Every program runs in a process of its own, so that the preview and the update of one `up` start from fresh modules.
The request travels on stdin: what it holds (configuration, secrets too) is then in no argument list or environment.
stdout and stderr are inherited all the way, so what a program prints is shown as it appears.
"""

import asyncio
import importlib.metadata
import inspect
import json
import logging
import os
import runpy
import select
import signal
import subprocess
import sys
import traceback
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Final, NoReturn

import grpc
import pulumi
from google.protobuf import empty_pb2
from pulumi.runtime import resource as sdk
from pulumi.runtime.proto import language_pb2 as pb
from pulumi.runtime.proto import language_pb2_grpc, plugin_pb2, source_pb2
from typing_extensions import override

RESOURCE_CLASSES: Final = 3
"""Whose `__init__` lie between the SDK and a program that declares a resource."""

SHOWN: Final = 32
"""The exit code of a program that failed and has told the person why: Pulumi then adds nothing."""

_LAST_MOMENT: Final = 1
"""Seconds: the CLI waits five for us."""

_EXECUTABLE: Final = "[sys.executable, sys.version.split()[0]]"
_DISTRIBUTIONS: Final = "sorted({d.name: d.version for d in importlib.metadata.distributions()}.items())"


def interpreter(info: pb.ProgramInfo) -> Path:
    """The Python of `runtime.options.virtualenv`, relative to the project; without that option our own."""
    virtualenv = info.options.fields["virtualenv"].string_value if "virtualenv" in info.options.fields else ""
    return Path(info.root_directory, virtualenv, "bin", "python") if virtualenv else Path(sys.executable)


def install_commands(python: Path, requirements: Path, *, made: bool, wanted: bool) -> Iterator[list[str]]:
    """What `pulumi install` runs: make the virtualenv unless it is `made`, then the requirements if `wanted`."""
    if not made:
        yield [sys.executable, "-m", "venv", str(python.parents[1])]
    if wanted:
        yield [str(python), "-m", "pip", "install", "-r", str(requirements)]


def answer(process: "subprocess.Popen[bytes]") -> pb.RunResponse:
    """What Pulumi is told of a program that has ended."""
    match process.returncode:
        case 0:
            return pb.RunResponse()
        case code if code == SHOWN:
            return pb.RunResponse(bail=True)
        case code:
            return pb.RunResponse(error=f"Program exited with code {code}")


def _asked(info: pb.ProgramInfo, expression: str) -> Any:
    """The value of `expression` in the program's own interpreter."""
    code = f"import importlib.metadata, json, sys; print(json.dumps({expression}))"
    return json.loads(subprocess.check_output([interpreter(info), "-c", code]))  # noqa: S603 -- code of ours


class Host(language_pb2_grpc.LanguageRuntimeServicer):
    """Answers the engine, and keeps the programs it has started so that ^C reaches them."""

    def __init__(self, engine: str) -> None:
        self._engine = engine
        self._running: set[subprocess.Popen[bytes]] = set()
        self._interrupted: set[subprocess.Popen[bytes]] = set()

    @override
    def Handshake(
        self, request: pb.LanguageHandshakeRequest, context: grpc.ServicerContext
    ) -> pb.LanguageHandshakeResponse:
        return pb.LanguageHandshakeResponse()

    @override
    def GetPluginInfo(self, request: empty_pb2.Empty, context: grpc.ServicerContext) -> plugin_pb2.PluginInfo:
        return plugin_pb2.PluginInfo(version=importlib.metadata.version("pulumi"))

    @override
    def GetRequiredPackages(
        self, request: pb.GetRequiredPackagesRequest, context: grpc.ServicerContext
    ) -> pb.GetRequiredPackagesResponse:
        # Naming plugins makes `pulumi install` download them, even those that are found on this machine; each SDK
        # asks for its own plugin anyway.
        return pb.GetRequiredPackagesResponse()

    @override
    def About(self, request: pb.AboutRequest, context: grpc.ServicerContext) -> pb.AboutResponse:
        executable, version = _asked(request.info, _EXECUTABLE)
        return pb.AboutResponse(executable=executable, version=version)

    @override
    def GetProgramDependencies(
        self, request: pb.GetProgramDependenciesRequest, context: grpc.ServicerContext
    ) -> pb.GetProgramDependenciesResponse:
        return pb.GetProgramDependenciesResponse(
            dependencies=[
                pb.DependencyInfo(name=name, version=version) for name, version in _asked(request.info, _DISTRIBUTIONS)
            ]
        )

    @override
    def InstallDependencies(
        self, request: pb.InstallDependenciesRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.InstallDependenciesResponse]:
        root, python = Path(request.info.root_directory), interpreter(request.info)
        requirements = root / "requirements.txt"
        for command in install_commands(python, requirements, made=python.exists(), wanted=requirements.exists()):
            yield from self._lines(command, root, context)

    def _lines(
        self, command: list[str], root: Path, context: grpc.ServicerContext
    ) -> Iterator[pb.InstallDependenciesResponse]:
        with subprocess.Popen(  # noqa: S603 -- install_commands decides
            command, cwd=root, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        ) as process:
            for line in process.stdout or ():
                yield pb.InstallDependenciesResponse(stdout=line)
        if process.returncode:
            context.abort(grpc.StatusCode.UNKNOWN, f"{' '.join(command)} exited with {process.returncode}")

    @override
    def Run(self, request: pb.RunRequest, context: grpc.ServicerContext) -> pb.RunResponse:
        request.args.append(self._engine)
        process = subprocess.Popen(  # noqa: S603 -- the program the person asked to run
            # -P: without it the program would find this file's folder on its own sys.path.
            [interpreter(request.info), "-P", "-u", __file__, "--program"],
            cwd=request.pwd,
            stdin=subprocess.PIPE,
            start_new_session=True,  # ^C then reaches it through Cancel alone, once
        )
        self._running.add(process)
        process.communicate(request.SerializeToString())
        self._running.discard(process)
        return answer(process)

    @override
    def Cancel(self, request: empty_pb2.Empty, context: grpc.ServicerContext) -> empty_pb2.Empty:
        """Called twice by the CLI: at ^C and when it closes the host."""
        self._interrupt()
        return empty_pb2.Empty()

    def _interrupt(self) -> None:
        # Once each: a second one would fall into what the program does about the first.
        for process in self._running - self._interrupted:
            self._interrupted.add(process)
            process.send_signal(signal.SIGINT)

    def end(self) -> None:
        """End the programs: interrupted, they have a moment to clean up after themselves."""
        self._interrupt()
        for process in list(self._running):
            try:
                process.wait(_LAST_MOMENT)
            except subprocess.TimeoutExpired:
                process.kill()


def _noticed(number: int, frame: FrameType | None) -> None:
    """The signal has done its work by waking us."""
    del number, frame


def serve(engine: str) -> NoReturn:
    """Announce a port on stdout and answer until the engine ends us or dies."""
    host = Host(engine)
    server = grpc.server(ThreadPoolExecutor(8))  # pyright: ignore[reportUnknownMemberType] - a gap in grpc's stubs
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(host, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    # The engine ends us with SIGINT; end of file on stdin means that it has died. A handler in Python alone is not
    # enough: the signal may land on a thread of gRPC's and leave this one asleep, and the CLI then waits 5 s before
    # it kills (3 runs of 40, none of 120 with the pipe).
    awake, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGINT, _noticed)
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    select.select([awake, sys.stdin], [], [])
    host.end()
    os._exit(0)


def quicken() -> None:
    """Break three habits of the SDK: 1,000 resources take 4.6 s instead of 6.1 (interleaved runs, the first two).

    Breaking only the first makes it slower (7.8 s), so they go together.
    """
    debug, wait = pulumi.log.debug, asyncio.wait

    def program_debug(msg: str, *args: Any, **kwargs: Any) -> None:
        # Each is a blocking call to the CLI, and the SDK makes four for every resource. What the program itself
        # says still goes through.
        frame = inspect.currentframe()
        caller = str(frame.f_back.f_globals.get("__name__")) if frame and frame.f_back else ""
        if caller.partition(".")[0] != "pulumi":
            debug(msg, *args, **kwargs)

    async def patient_wait(fs: Collection[Any], **kwargs: Any) -> tuple[set[Any], set[Any]]:
        # The SDK waits for the first of N outputs, N times, and each time asks every one of them to tell it: at 1,000
        # resources that was a quarter of what the program did. Looking at those that gathered asks nobody.
        while len(fs) > 100 and kwargs.get("return_when") == asyncio.FIRST_COMPLETED:  # noqa: PLR2004 - few cost nothing
            await asyncio.sleep(0.1)
            if done := {one for one in fs if one.done()}:
                return done, set(fs) - done
        return await wait(fs, **kwargs)

    pulumi.log.debug = program_debug
    asyncio.wait = patient_wait  # type: ignore[assignment] # the overloads of the original
    # There is no other way in.
    sdk._get_stack_trace = declared_at  # pyright: ignore[reportPrivateUsage]  # noqa: SLF001


def declared_at() -> source_pb2.StackTrace:
    """Where the program declares the resource that is being made: one frame, in place of the SDK's whole stack.

    For that stack the SDK reads the time of every file on it anew, which was 18 % of what a program of 600 resources
    did; and it goes into the state with each of them, where nobody but a person who looks for a line reads it.
    """
    frame, seen = inspect.currentframe(), 0
    while frame is not None and frame.f_back is not None:
        # The SDK's own classes, as it counts them: Resource, CustomResource or ComponentResource, and the kind.
        seen += frame.f_code.co_name == "__init__"
        frame = frame.f_back
        if seen == RESOURCE_CLASSES:
            position = _position(frame.f_code.co_filename, frame.f_lineno)
            return source_pb2.StackTrace(frames=[source_pb2.StackFrame(pc=position)])
    return source_pb2.StackTrace()


@cache
def _uri(file: str) -> str | None:
    return Path(file).as_uri() if Path(file).is_absolute() else None


def _position(file: str, line: int) -> source_pb2.SourcePosition | None:
    uri = _uri(file)
    return None if uri is None else source_pb2.SourcePosition(uri=uri, line=line)


def users_own(trace: TracebackType | None, program: Path) -> TracebackType | None:
    """`trace` from the first frame that is the program's own; the whole of it when none is."""
    folder = program if program.is_dir() else program.parent
    own = trace
    while own and not Path(own.tb_frame.f_code.co_filename).is_relative_to(folder):
        own = own.tb_next
    return own or trace


def configure(request: pb.RunRequest, engine: str) -> None:
    """Hook the SDK up to the engine that asked for this run."""
    pulumi.runtime.set_all_config(dict(request.config), list(request.configSecretKeys))
    pulumi.runtime.configure(
        pulumi.runtime.Settings(
            monitor=request.monitor_address,
            engine=engine,
            project=request.project,
            stack=request.stack,
            parallel=request.parallel,
            dry_run=request.dryRun,
            organization=request.organization or "organization",
            root_directory=request.info.root_directory,
        )
    )


def run_program(request: pb.RunRequest) -> int:
    """Run one program as the official host does and return this process's exit code."""
    program = Path(request.info.program_directory, request.info.entry_point).resolve()
    *arguments, engine = request.args
    sys.argv = [str(program), *arguments]
    os.chdir(request.pwd)
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # tasks left over by a failed program are no news
    quicken()
    configure(request, engine)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    loop.set_default_executor(ThreadPoolExecutor(max(request.parallel, 1) * 4))

    def run() -> None:
        try:
            runpy.run_path(str(program), run_name="__main__")
        except KeyboardInterrupt:
            # On its way up it would wait in the SDK for answers that a cancelled engine never gives.
            os._exit(SHOWN)

    try:
        loop.run_until_complete(pulumi.runtime.run_in_stack(run))
    except pulumi.RunError as error:
        pulumi.log.error(str(error))
        return SHOWN
    except KeyboardInterrupt:
        # The CLI says so itself. A plain exit would wait for threads that wait for the CLI.
        os._exit(SHOWN)
    except Exception as error:  # noqa: BLE001 - whatever a program raises is shown, cut to its own frames
        frames = traceback.format_exception(type(error), error, users_own(error.__traceback__, program))
        pulumi.log.error("Program failed with an unhandled exception:\n" + "".join(frames))
        return SHOWN
    return 0


def main(arguments: Iterable[str]) -> int:
    match list(arguments):
        case ["--program"]:
            return run_program(pb.RunRequest.FromString(sys.stdin.buffer.read()))
        case [*_, engine]:
            serve(engine)
        case _:
            sys.stderr.write("the language host is started by pulumi, with the engine's address\n")
            return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
