"""What a person sees while a step runs: one line on the resource's row, and warnings."""

import threading
from typing import Final

import grpc
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc

EVERY: Final = 0.5
"""Seconds between two lines of one resource: faster than that nobody reads, and each costs the engine a call."""


class Progress:
    """Hands lines to the engine from a thread of its own, so that no handler waits for the screen."""

    def __init__(self, engine: engine_pb2_grpc.EngineStub, *, every: float = EVERY) -> None:
        self._engine = engine
        self._every = every
        self._lock = threading.Lock()
        self._arrived = threading.Event()
        self._never = threading.Event()
        self._waiting: dict[str, str] = {}
        self._shown: dict[str, str] = {}
        self._warned: set[str] = set()
        threading.Thread(target=self._show, name="progress", daemon=True).start()

    def say(self, urn: str, line: str) -> None:
        """Show `line` on the resource's row, soon; of lines that come faster than they are shown the last one wins."""
        with self._lock:
            if self._waiting.get(urn, self._shown.get(urn)) == line:
                return
            self._waiting[urn] = line
        self._arrived.set()

    def done(self, urn: str) -> None:
        """Forget what was still to be shown: the step has ended."""
        with self._lock:
            self._waiting.pop(urn, None)
            self._shown.pop(urn, None)

    def warn(self, urn: str, message: str) -> None:
        """Add a warning to the run's diagnostics; the same words are not repeated for another resource."""
        with self._lock:
            if message in self._warned:
                return
            self._warned.add(message)
        self._log(urn, message, severity=engine_pb2.WARNING, ephemeral=False)

    def tell(self, urn: str, message: str) -> None:
        """Add a line to what the run says of the resource."""
        self._log(urn, message, severity=engine_pb2.INFO, ephemeral=False)

    def _show(self) -> None:
        while True:
            self._arrived.wait()
            self._arrived.clear()
            with self._lock:
                lines, self._waiting = self._waiting, {}
                self._shown |= lines
            for urn, line in lines.items():
                self._log(urn, line, severity=engine_pb2.INFO, ephemeral=True)
            self._never.wait(self._every)

    def _log(self, urn: str, message: str, *, severity: engine_pb2.LogSeverity.ValueType, ephemeral: bool) -> None:
        request = engine_pb2.LogRequest(severity=severity, message=message, urn=urn, ephemeral=ephemeral)
        try:
            self._engine.Log(request)  # pyright: ignore[reportUnknownMemberType] -- its stubs import what is not there
        except grpc.RpcError:
            # The engine is gone, and the process ends with it; the step must not fail for want of a reader.
            return
