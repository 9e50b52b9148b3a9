"""Nomad's stream of events, with everything that a server writes into it."""

import json

import pytest
from fakes.network import Question, Reply
from fakes.world import NOMAD_PORT, SERVERS, World

from mooring.clients.errors import Unreachable
from mooring.clients.nomad import Nomad


class Stream:
    """A server that has only these lines to say."""

    def __init__(self, *lines: str) -> None:
        self._lines = lines
        self.asked: list[Question] = []

    def reply(self, question: Question) -> Reply:
        self.asked.append(question)
        return Reply(body="\n".join(self._lines), plain=True)


def told(monkeypatch: pytest.MonkeyPatch, stream: Stream) -> list[str]:
    world = World(monkeypatch)
    world.network.servers[SERVERS[0], NOMAD_PORT] = stream
    heard: list[str] = []
    for event in Nomad(world.nomad_endpoint).events(["Node"], 7):
        heard.append(event["Key"])  # noqa: PERF401 -- what came before a failure counts
    return heard


def line(*keys: str) -> str:
    return json.dumps({"Index": 8, "Events": [{"Topic": "Node", "Key": key} for key in keys]})


def test_events_come_one_by_one_and_the_lines_that_keep_the_stream_open_are_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stream = Stream(line("a", "b"), "{}", "", json.dumps({"Index": 9, "Events": None}), line("c"))

    assert told(monkeypatch, stream) == ["a", "b", "c"]
    assert stream.asked[0].query["index"] == "7"


def test_the_last_words_of_an_agent_that_ends_are_a_broken_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seen in the drill `full-disk`: a recorder thread ended with a traceback when its server was stopped."""
    with pytest.raises(Unreachable, match=r"198\.18\.0\.11: the stream of events broke"):
        told(monkeypatch, Stream(line("a"), "rpc error: EOF"))
