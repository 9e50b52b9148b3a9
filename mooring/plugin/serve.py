"""The process side of a plugin: its port, its life and its death. What it answers is the servicer's."""

import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import NoReturn

import grpc
from pulumi.runtime.proto import engine_pb2_grpc, provider_pb2_grpc

# As Pulumi's own: messages up to 400 MB, and half an hour in the queue.
_OPTIONS = [
    ("grpc.max_receive_message_length", 400 * 1024 * 1024),
    ("grpc.server_max_unrequested_time_in_server", 30 * 60),
]

# Handlers wait far more than they compute, and a step must not wait for a thread: PULUMI_PARALLEL is at most 128.
_THREADS = 256


def engine_at(address: str) -> engine_pb2_grpc.EngineStub:
    """The engine that started us, for progress lines and warnings."""
    return engine_pb2_grpc.EngineStub(grpc.insecure_channel(address, options=_OPTIONS))


def serve(servicer: provider_pb2_grpc.ResourceProviderServicer) -> NoReturn:
    """Announce a port on stdout and answer until the engine ends us or dies."""
    server = grpc.server(  # pyright: ignore[reportUnknownMemberType] - a gap in grpc's stubs
        ThreadPoolExecutor(_THREADS), options=_OPTIONS
    )
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    # The engine ends plugins with SIGINT, after a good run too. A Python handler would not do: the signal may land on
    # a thread of gRPC's and leave this one asleep, and the CLI then waits 5 s before it kills (3 runs of 40).
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    # End of file means that the CLI was killed: nothing else tells us.
    sys.stdin.buffer.read()
    os._exit(0)
