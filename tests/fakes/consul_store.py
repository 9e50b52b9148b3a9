"""What a pretended Consul keeps for others: keys, config entries and prepared queries."""

import uuid
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from fakes.network import Question, Reply, refusal

Json = dict[str, Any]


class FakeStore:
    def __init__(self, index: Iterator[int]) -> None:
        self.keys: dict[str, Json] = {}
        self.entries: dict[tuple[str, str], Json] = {}
        """Config entries by kind and name."""

        self.queries: dict[str, Json] = {}
        """By id."""

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
            case _, ["config", *_]:
                return self._config(question)
            case _, ["query", *_]:
                return self._query(question)
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

    def _config(self, question: Question) -> Reply:
        match question.method, question.path[1:]:
            case "GET", [kind, name]:
                found = self.entries.get((kind, name))
                words = f'Config entry not found for "{kind}" / "{name}"'
                return Reply(body=found) if found else refusal(HTTPStatus.NOT_FOUND, words)
            case "PUT", []:
                return Reply(body=self._put_entry(question.body, int(question.query["cas"])))
            case "DELETE", [kind, name]:
                self.entries.pop((kind, name), None)
                return Reply(body={})
            case _:
                raise question.not_taught()

    def _put_entry(self, body: Json, cas: int) -> bool:
        place, index = (body["Kind"], body["Name"]), next(self._index)
        before = self.entries.get(place, {"CreateIndex": index, "ModifyIndex": 0})
        if before["ModifyIndex"] != cas:
            return False
        # What is empty is left out, durations are told in another way, and parts come up that nobody spoke of.
        given = {key: {"60s": "1m0s"}.get(str(value), value) for key, value in body.items() if value}
        indexes = {"CreateIndex": before["CreateIndex"], "ModifyIndex": index}
        self.entries[place] = {"TransparentProxy": {}, "MeshGateway": {}, **given, **indexes}
        return True

    def _query(self, question: Question) -> Reply:
        match question.method, question.path[1:]:
            case "GET", []:
                return Reply(body=list(self.queries.values()))
            case "POST", []:
                name = question.body["Name"]
                if any(query["Name"] == name for query in self.queries.values()):
                    words = f"raft apply failed: name '{name}' aliases an existing query name"
                    return refusal(HTTPStatus.INTERNAL_SERVER_ERROR, words)
                id_ = str(uuid.uuid4())
                self._keep_query(id_, question.body)
                return Reply(body={"ID": id_})
            case "PUT" | "DELETE", [id_] if id_ not in self.queries:
                words = f"Cannot modify non-existent prepared query: '{id_}'"
                return refusal(HTTPStatus.INTERNAL_SERVER_ERROR, words)
            case "PUT", [id_]:
                self._keep_query(id_, question.body)
                return refusal(HTTPStatus.OK, "")
            case "DELETE", [id_]:
                del self.queries[id_]
                return refusal(HTTPStatus.OK, "")
            case _:
                raise question.not_taught()

    def _keep_query(self, id_: str, body: Json) -> None:
        index, service = next(self._index), body["Service"]
        self.queries[id_] = {
            "ID": id_,
            "Name": body["Name"],
            "Session": "",
            "Token": "",
            "Template": {"Type": "", "Regexp": "", "RemoveEmptyTags": False},
            # Null where nobody said anything, an empty list where somebody said that.
            "Service": {
                **service,
                "Failover": {**service["Failover"], "Targets": None},
                "IgnoreCheckIDs": None,
                "Tags": service["Tags"] or None,
                "NodeMeta": None,
                "ServiceMeta": None,
                "Connect": False,
                "PeerName": "",
            },
            "DNS": body["DNS"],
            "CreateIndex": index,
            "ModifyIndex": index,
        }
