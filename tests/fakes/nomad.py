"""A Nomad region with a memory, as awkward as version 1.6: access rights here, jobs in `fakes.nomad_jobs`."""

import itertools
import uuid
from http import HTTPStatus
from typing import Any

from fakes.clock import FakeClock
from fakes.consul import peer, server, turn_key
from fakes.network import Question, Reply, refusal
from fakes.nomad_jobs import FakeJobs
from fakes.nomad_store import FakeStore

Json = dict[str, Any]


def node(name: str, **changes: Any) -> Json:
    return {
        "ID": str(uuid.uuid5(uuid.NAMESPACE_DNS, name)),
        "Name": name,
        "Address": "198.18.0.11",
        "Datacenter": "dc1",
        "NodePool": "default",
        "Status": "ready",
        "SchedulingEligibility": "eligible",
        "Drain": False,
        "LastDrain": None,
        "Drivers": None,
        **changes,
    }


class FakeNomad:
    """Formed, bootstrapped and healthy until a test says otherwise. `management` is the secret of its first token."""

    def __init__(self, management: str, clock: FakeClock) -> None:
        self.leader: str = "198.18.0.11:4647"
        names = ("s1", "s2", "s3")
        self.servers: list[Json] | None = [server(f"{name}.global", Leader=name == "s1") for name in names]
        """None is what autopilot says when it has not looked since the election: not an empty list, but null."""

        self.members: dict[str, str] = {f"{name}.global": "alive" for name in names}
        self.keys = ["the first gossip key"]
        """The one that is used stands first."""

        self.rules: Json = {"MinQuorum": 3, "CleanupDeadServers": True, "CreateIndex": 3, "ModifyIndex": 3}
        self.raft: Json = {"state": "Follower", "applied_index": "40", "last_log_index": "40"}
        """What each server says of itself."""

        self.nodes: list[Json] = [node(name) for name in names]
        self.allocations: list[Json] = []
        """What runs on the nodes, for whoever drains one: service instances move to the next node after a second."""

        self.moves_after: float | None = 1.0
        """Seconds; None: there is no place for them."""

        self._clock = clock
        self.policies: dict[str, Json] = {}
        self.tokens: dict[str, Json] = {}
        """By accessor."""

        self.roles: dict[str, Json] = {}
        """By id."""

        self.jobs = FakeJobs(clock, [found["Name"] for found in self.nodes])
        self._index = itertools.count(10)
        self.store = FakeStore(self._index)
        for name in ("deploy", "status"):
            self._put_policy({"Name": name, "Description": "", "Rules": ""})
        self._bootstrap(management)

    def forget_tokens(self) -> None:
        """Before anybody bootstrapped it."""
        self.tokens.clear()

    def reply(self, question: Question) -> Reply:  # noqa: C901, PLR0911, PLR0912 -- a server's routes are one table
        own = self._own(question.token)
        match question.method, question.path:
            case _ if not self.leader:
                # The question for the leader as well, after 5 s of hoping.
                return refusal(HTTPStatus.INTERNAL_SERVER_ERROR, "No cluster leader")
            case "GET", ["status", "leader"]:
                return Reply(body=self.leader)
            case "POST", ["acl", "bootstrap"]:
                if self.tokens:
                    return refusal(HTTPStatus.BAD_REQUEST, "ACL bootstrap already done (reset index: 11)")
                return Reply(body=self._bootstrap(question.body["BootstrapSecret"]))
            case "GET", ["acl", "token", "self"]:
                return Reply(body=own) if own else refusal(HTTPStatus.NOT_FOUND, "ACL token not found")
            case _ if own is None:
                return refusal(HTTPStatus.FORBIDDEN, "Permission denied")
            case "GET", ["nodes"]:
                return Reply(body=self.nodes)
            case "GET", ["client", "stats"]:
                return self._heartbeat(question.address)
            case "GET", ["operator", "autopilot", "health"]:
                return self._health()
            case "GET", ["operator", "autopilot", "configuration"]:
                return Reply(body=self.rules)
            case "PUT", ["operator", "autopilot", "configuration"]:
                if fresh := question.query["cas"] == str(self.rules["ModifyIndex"]):
                    self.rules = {**question.body, "ModifyIndex": next(self._index)}
                return Reply(body=fresh)
            case "GET", ["operator", "raft", "configuration"]:
                return Reply(body={"Servers": [peer(s) for s in self.servers or []], "Index": 40})
            case "DELETE", ["operator", "raft", "peer"]:
                self.servers = [s for s in self.servers or [] if s["ID"] != question.query["id"]]
                return Reply()
            case "GET", ["agent", "members"]:
                return Reply(body={"Members": [{"Name": name, "Status": word} for name, word in self.members.items()]})
            case "PUT", ["agent", "force-leave"]:
                self.members.pop(question.query["node"], None)
                return Reply()
            case "PUT", ["node", id_, "purge"]:
                self.nodes = [found for found in self.nodes if found["ID"] != id_]
                return Reply(body={})
            case "GET", ["agent", "keyring", "list"]:
                return Reply(body={"Messages": {}, "Keys": dict.fromkeys(self.keys, 3), "NumNodes": 3})
            case "PUT", ["agent", "keyring", verb]:
                if complaint := turn_key(self.keys, verb, question.body["Key"]):
                    return refusal(HTTPStatus.INTERNAL_SERVER_ERROR, complaint)
                return Reply(body={"Messages": {}, "Keys": {}, "NumNodes": 3})
            case "GET", ["agent", "self"]:
                return Reply(body={"stats": {"raft": self.raft}})
            case "PUT", ["node", id_, "drain"]:
                return self._drain(id_, question.body)
            case "GET", ["allocations"]:
                node_id = question.query["filter"].removeprefix('NodeID == "').removesuffix('"')
                return Reply(body=[each for each in self.allocations if each["NodeID"] == node_id] or None)
            case _, ["acl", *_]:
                return self._acl(question)
            case _, ["namespace" | "var", *_] | ["node", "pool", _] | ["operator", "scheduler", _]:
                return self.store.reply(question)
            case _:
                return self.jobs.reply(question, str(own["AccessorID"]))

    def _drain(self, id_: str, body: Json) -> Reply:
        """As Nomad: a drain that is over keeps its words, and a node stays ineligible until somebody says otherwise."""
        found = next(each for each in self.nodes if each["ID"] == id_)
        if body["DrainSpec"] is not None:
            found |= {"Drain": True, "SchedulingEligibility": "ineligible", "LastDrain": {"Meta": body.get("Meta")}}
            if self.moves_after is not None:
                self._clock.after(self.moves_after, lambda: self._move_from(id_))
        else:
            found["Drain"] = False
            if body["MarkEligible"]:
                found["SchedulingEligibility"] = "eligible"
        return Reply(body={})

    def _move_from(self, id_: str) -> None:
        refuge = next(each["ID"] for each in self.nodes if each["SchedulingEligibility"] == "eligible")
        for each in self.allocations:
            if each["NodeID"] == id_ and each["JobType"] == "service":
                each["NodeID"] = refuge

    def _own(self, secret: str) -> Json | None:
        return next((token for token in self.tokens.values() if token["SecretID"] == secret), None)

    def _bootstrap(self, secret: str) -> Json:
        return self._keep_token(str(uuid.uuid4()), secret, {"Name": "Bootstrap Token", "Type": "management"})

    def _heartbeat(self, address: str) -> Reply:
        """To know the caller's token a client calls a server, and a call that succeeds brings its first heartbeat."""
        for found in self.nodes:
            if found["Address"] == address and found["Status"] == "initializing":
                found["Status"] = "ready"
        return Reply(body={"Uptime": 7})

    def _health(self) -> Reply:
        healthy = all(found["Healthy"] for found in self.servers or ())
        body = {"Healthy": healthy, "FailureTolerance": 1 if healthy else 0, "Servers": self.servers}
        return Reply(status=HTTPStatus.OK if healthy else HTTPStatus.TOO_MANY_REQUESTS, body=body)

    def _acl(self, question: Question) -> Reply:
        match question.path[1:]:
            case ["policy", _]:
                return self._policy(question)
            case ["tokens" | "token", *_]:
                return self._token(question)
            case ["role", *_]:
                return self._role(question)
            case _:
                raise question.not_taught()

    def _policy(self, question: Question) -> Reply:
        name = question.path[2]
        match question.method:
            case "GET":
                found = self.policies.get(name)
                return Reply(body=found) if found else refusal(HTTPStatus.NOT_FOUND, "ACL policy not found")
            case "POST":
                if question.body["Rules"].count("{") != question.body["Rules"].count("}"):
                    return refusal(HTTPStatus.BAD_REQUEST, f"failed to parse rules: {question.body['Rules']}")
                self._put_policy(question.body)
                return Reply()
            case "DELETE":
                self.policies.pop(name, None)
                return Reply()
            case _:
                raise question.not_taught()

    def _put_policy(self, body: Json) -> None:
        index = next(self._index)
        given = {key: body[key] for key in ("Name", "Description", "Rules")}
        given["RulesJSON"] = {"Node": {"Policy": "read"}}  # what it makes of the rules, once more
        self.policies[body["Name"]] = {**given, "JobACL": None, "Hash": "…", "CreateIndex": index, "ModifyIndex": index}

    def _token(self, question: Question) -> Reply:  # noqa: PLR0911 -- a server's routes are one table
        match question.method, question.path[1:]:
            case "GET", ["tokens"]:
                return Reply(body=[{k: v for k, v in t.items() if k != "SecretID"} for t in self.tokens.values()])
            case "GET", ["token", accessor]:
                found = self.tokens.get(accessor)
                return Reply(body=found) if found else refusal(HTTPStatus.NOT_FOUND, "ACL token not found")
            case "POST", ["token"]:
                return Reply(body=self._keep_token(str(uuid.uuid4()), str(uuid.uuid4()), question.body))
            case "POST", ["token", accessor]:
                if accessor not in self.tokens:
                    return refusal(HTTPStatus.BAD_REQUEST, f"cannot find token {accessor}")
                return Reply(body=self._keep_token(accessor, self.tokens[accessor]["SecretID"], question.body))
            case "DELETE", ["token", accessor]:
                if self.tokens.pop(accessor, None) is None:
                    return refusal(HTTPStatus.BAD_REQUEST, f"Cannot delete nonexistent tokens: {accessor}")
                return Reply()
            case _:
                raise question.not_taught()

    def _keep_token(self, accessor: str, secret: str, body: Json) -> Json:
        index = next(self._index)
        self.tokens[accessor] = {
            "AccessorID": accessor,
            "SecretID": secret,
            "Name": body["Name"],
            "Type": body["Type"],
            # Null where there is none, in an order of its own where there are some.
            "Policies": sorted(body.get("Policies", []), reverse=True) or None,
            "Roles": None,
            "Global": body["Type"] == "management",
            "Hash": "…",
            "CreateTime": "2030-01-01T12:00:00Z",
            "ExpirationTime": None,
            "CreateIndex": index,
            "ModifyIndex": index,
        }
        return self.tokens[accessor]

    def _role(self, question: Question) -> Reply:
        match question.method, question.path[2:]:
            case "GET", ["name", name]:
                found = next((role for role in self.roles.values() if role["Name"] == name), None)
                return Reply(body=found) if found else refusal(HTTPStatus.NOT_FOUND, "ACL role not found")
            case "POST", [*id_]:
                return self._put_role(question.body, id_)
            case "DELETE", [id_]:
                if self.roles.pop(id_, None) is None:
                    return refusal(HTTPStatus.INTERNAL_SERVER_ERROR, "ACL role not found")
                return Reply()
            case _:
                raise question.not_taught()

    def _put_role(self, body: Json, id_: list[str]) -> Reply:
        if id_ != [body[key] for key in ("ID",) if key in body]:
            return refusal(HTTPStatus.BAD_REQUEST, "ACL role ID does not match request path")
        if id_ and id_[0] not in self.roles:
            return refusal(HTTPStatus.BAD_REQUEST, f"cannot find role {id_[0]}")
        if not id_ and any(role["Name"] == body["Name"] for role in self.roles.values()):
            return refusal(HTTPStatus.BAD_REQUEST, f"role with name {body['Name']} already exists")
        if unknown := [link["Name"] for link in body["Policies"] if link["Name"] not in self.policies]:
            return refusal(HTTPStatus.BAD_REQUEST, f"cannot find policy {unknown[0]}")
        index, kept = next(self._index), id_[0] if id_ else str(uuid.uuid4())
        given = {key: body[key] for key in ("Name", "Description", "Policies")}
        self.roles[kept] = {"ID": kept, **given, "Hash": "…", "CreateIndex": index, "ModifyIndex": index}
        return Reply(body=self.roles[kept])
