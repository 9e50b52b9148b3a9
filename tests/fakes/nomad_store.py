"""What a pretended Nomad keeps beside jobs: namespaces, node pools, variables and the scheduler's configuration."""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from fakes.network import Question, Reply, refusal

Json = dict[str, Any]


class FakeStore:
    def __init__(self, index: Iterator[int]) -> None:
        self.namespaces: dict[str, Json] = {}
        self.node_pools: dict[str, Json] = {}
        self.variables: dict[tuple[str, str], Json] = {}
        """By namespace and path."""

        self.scheduler: Json = {
            "SchedulerAlgorithm": "binpack",
            "PreemptionConfig": {
                "SystemSchedulerEnabled": True,
                "SysBatchSchedulerEnabled": False,
                "BatchSchedulerEnabled": False,
                "ServiceSchedulerEnabled": False,
            },
            "MemoryOversubscriptionEnabled": False,
            "RejectJobRegistration": False,
            "PauseEvalBroker": False,
            "CreateIndex": 5,
            "ModifyIndex": 5,
        }
        self._index = index
        self._put_namespace({"Name": "default", "Description": "Default shared namespace"})
        for name, description in (
            ("all", "Node pool with all nodes in the cluster."),
            ("default", "Default node pool."),
        ):
            self._put_node_pool({"Name": name, "Description": description})

    def reply(self, question: Question) -> Reply:
        match question.path:
            case ["namespace", name]:
                return self._namespace(question, name)
            case ["node", "pool", name]:
                return self._node_pool(question, name)
            case ["var", *path]:
                return self._variable(question, (question.query["namespace"], "/".join(path)))
            case ["operator", "scheduler", "configuration"]:
                return self._scheduler(question)
            case _:
                raise question.not_taught()

    def _namespace(self, question: Question, name: str) -> Reply:
        match question.method:
            case "GET":
                found = self.namespaces.get(name)
                return Reply(body=found) if found else refusal(HTTPStatus.NOT_FOUND, "Namespace not found")
            case "POST":
                self._put_namespace(question.body)
                return Reply()
            case "DELETE":
                self.namespaces.pop(name, None)
                return Reply()
            case _:
                raise question.not_taught()

    def _put_namespace(self, body: Json) -> None:
        # Null where nobody said anything, and within what somebody said null where there is nothing.
        drivers: Json | None = body.get("Capabilities")
        index = next(self._index)
        self.namespaces[body["Name"]] = {
            "Name": body["Name"],
            "Description": body["Description"],
            "Quota": "",
            "Capabilities": drivers and {key: value or None for key, value in drivers.items()},
            "NodePoolConfiguration": None,
            "Meta": body.get("Meta") or None,
            "Hash": "…",
            "CreateIndex": index,
            "ModifyIndex": index,
        }

    def _node_pool(self, question: Question, name: str) -> Reply:
        match question.method:
            case "GET":
                found = self.node_pools.get(name)
                return Reply(body=found) if found else refusal(HTTPStatus.NOT_FOUND, "node pool not found")
            case "POST":
                self._put_node_pool(question.body)
                return Reply()
            case "DELETE":
                if self.node_pools.pop(name, None) is None:
                    return refusal(HTTPStatus.INTERNAL_SERVER_ERROR, f"node pool {name} not found")
                return Reply()
            case _:
                raise question.not_taught()

    def _put_node_pool(self, body: Json) -> None:
        index = next(self._index)
        self.node_pools[body["Name"]] = {
            "Name": body["Name"],
            "Description": body["Description"],
            "Meta": body.get("Meta") or None,
            "SchedulerConfiguration": None,
            "Hash": "…",
            "CreateIndex": index,
            "ModifyIndex": index,
        }

    def _variable(self, question: Question, place: tuple[str, str]) -> Reply:
        found = self.variables.get(place)
        match question.method:
            case "GET":
                return Reply(body=found) if found else refusal(HTTPStatus.NOT_FOUND, "variable not found")
            case "PUT":
                return self._put_variable(place, question)
            case "DELETE":
                self.variables.pop(place, None)
                return Reply(status=HTTPStatus.NO_CONTENT)
            case _:
                raise question.not_taught()

    def _put_variable(self, place: tuple[str, str], question: Question) -> Reply:
        index = next(self._index)
        none = {"Namespace": place[0], "Path": place[1], "CreateIndex": index, "ModifyIndex": 0, "Items": None}
        before = self.variables.get(place, none)
        if int(question.query["cas"]) != before["ModifyIndex"]:
            # With everything that is there.
            return Reply(status=HTTPStatus.CONFLICT, body=before)
        self.variables[place] = {**before, "Items": question.body["Items"], "ModifyIndex": index}
        return Reply(body=self.variables[place])

    def _scheduler(self, question: Question) -> Reply:
        match question.method:
            case "GET":
                index = self.scheduler["ModifyIndex"]
                return Reply(body={"SchedulerConfig": self.scheduler, "Index": index, "KnownLeader": True})
            case "PUT":
                index = next(self._index)
                if int(question.query["cas"]) != self.scheduler["ModifyIndex"]:
                    return Reply(body={"Updated": False, "Index": index})
                self.scheduler = {**question.body, "CreateIndex": 5, "ModifyIndex": index}
                return Reply(body={"Updated": True, "Index": index})
            case _:
                raise question.not_taught()
