import threading

import grpc
import pytest
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc

from mooring.plugin.progress import Progress
from mooring.waiting import wait_for


class Engine(engine_pb2_grpc.EngineStub):
    """Remembers what it was told; can be made to hold a call, or to be gone."""

    def __init__(self) -> None:  # no channel, so nothing of the stub's own
        self.told: list[engine_pb2.LogRequest] = []
        self.called = threading.Event()
        self.open = threading.Event()
        self.open.set()
        self.gone = False

    def Log(self, request: engine_pb2.LogRequest) -> None:  # type: ignore[override]  # noqa: N802 -- gRPC has a callable there
        self.called.set()
        self.open.wait()
        if self.gone:
            raise grpc.RpcError
        self.told.append(request)

    def lines(self, count: int) -> list[str]:
        wait_for(lambda: len(self.told) >= count or None, f"{count} lines", within=5, every=0.005)
        return [request.message for request in self.told]


@pytest.fixture
def engine() -> Engine:
    return Engine()


def test_a_line_is_shown_on_the_resources_row_and_is_gone_with_the_step(engine: Engine) -> None:
    Progress(engine).say("urn:a", "waiting")

    assert engine.lines(1) == ["waiting"]
    assert (engine.told[0].urn, engine.told[0].ephemeral, engine.told[0].severity) == (
        "urn:a",
        True,
        engine_pb2.INFO,
    )


def test_the_last_of_many_lines_wins_and_nobody_waits_for_the_screen(engine: Engine) -> None:
    progress = Progress(engine, every=0.01)
    engine.open.clear()
    progress.say("urn:a", "0 of 9")
    engine.called.wait(5)
    for count in range(1, 10):
        progress.say("urn:a", f"{count} of 9")
    engine.open.set()

    assert engine.lines(2) == ["0 of 9", "9 of 9"]


def test_the_same_line_is_shown_once(engine: Engine) -> None:
    progress = Progress(engine, every=0.01)
    progress.say("urn:a", "same")
    engine.lines(1)
    progress.say("urn:a", "same")
    progress.say("urn:b", "another")

    assert engine.lines(2) == ["same", "another"]


def test_what_was_not_shown_when_the_step_ended_is_never_shown(engine: Engine) -> None:
    progress = Progress(engine, every=0.1)
    progress.say("urn:a", "first")
    engine.lines(1)
    progress.say("urn:a", "too late")
    progress.done("urn:a")
    progress.say("urn:b", "another")

    assert engine.lines(2) == ["first", "another"]


def test_a_warning_is_given_once_for_its_words(engine: Engine) -> None:
    progress = Progress(engine)
    for urn in ("urn:a", "urn:b"):
        progress.warn(urn, "host 1 does not answer")
    progress.warn("urn:b", "host 2 does not answer")

    assert engine.lines(2) == ["host 1 does not answer", "host 2 does not answer"]
    assert {(request.severity, request.ephemeral) for request in engine.told} == {(engine_pb2.WARNING, False)}


def test_an_engine_that_is_gone_fails_no_step(engine: Engine) -> None:
    engine.gone = True

    Progress(engine).warn("urn:a", "nobody reads this")
