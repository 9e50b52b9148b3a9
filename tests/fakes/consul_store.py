"""What a pretended Consul keeps for others: keys, config entries and prepared queries."""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from fakes.network import Question, Reply, refusal

Json = dict[str, Any]


class FakeStore:
    def __init__(self, index: Iterator[int]) -> None:
        self.keys: dict[str, Json] = {}
        self._index = index

    def reply(self, question: Question) -> Reply:
        match question.method, question.path:
            case "GET", ["kv", key]:
                found = self.keys.get(key)
                return Reply(body=[found]) if found else refusal(HTTPStatus.NOT_FOUND, "")
            case "DELETE", ["kv", key]:
                self.keys.pop(key, None)
                return Reply(body=True)
            case "PUT", ["txn"]:
                return self._transaction(question.body)
            case _:
                raise question.not_taught()

    def _transaction(self, body: list[Json]) -> Reply:
        [operation] = (each["KV"] for each in body)
        key, index = operation["Key"], next(self._index)
        assert operation["Verb"] == "cas"
        before = self.keys.get(key, {"ModifyIndex": 0, "CreateIndex": index})
        if before["ModifyIndex"] != operation["Index"]:
            stale = {"OpIndex": 0, "What": f'failed to set key "{key}", index is stale'}
            return Reply(status=HTTPStatus.CONFLICT, body={"Results": None, "Errors": [stale]})
        self.keys[key] = {
            "LockIndex": 0,
            "Key": key,
            "Flags": operation["Flags"],
            "Value": operation["Value"] or None,
            "CreateIndex": before["CreateIndex"],
            "ModifyIndex": index,
        }
        return Reply(body={"Results": [{"KV": {**self.keys[key], "Value": None}}], "Errors": None})
