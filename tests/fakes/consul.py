"""A Consul cluster with a memory, as awkward as version 1.13: who asks it needs a token, and it needs a leader."""

import itertools
import uuid
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from fakes.consul_store import FakeStore
from fakes.network import Question, Reply, refusal

Json = dict[str, Any]

GLOBAL_MANAGEMENT: Final = "00000000-0000-0000-0000-000000000001"

POLICY_FIELDS: Final = {"ID", "Name", "Description", "Rules", "Datacenters"}
ROLE_FIELDS: Final = {"ID", "Name", "Description", "Policies", "ServiceIdentities", "NodeIdentities"}
TOKEN_FIELDS: Final = {
    *("AccessorID", "SecretID", "Description", "Policies", "Roles", "ServiceIdentities", "NodeIdentities", "Local"),
}

ALIVE: Final = 1
FAILED: Final = 4


def server(name: str, **changes: Any) -> Json:
    """What autopilot says of one server."""
    return {
        "ID": str(uuid.uuid5(uuid.NAMESPACE_DNS, name)),
        "Name": name,
        "Address": f"{name}:8300",
        "SerfStatus": "alive",
        "Version": "1.13.9",
        "Leader": False,
        "LastContact": "12ms",
        "LastTerm": 2,
        "LastIndex": 40,
        "Healthy": True,
        "Voter": True,
        "StableSince": "2030-01-01T12:00:00Z",
        **changes,
    }


def member(name: str, status: int = ALIVE) -> Json:
    return {"Name": name, "Addr": "198.18.0.11", "Port": 8301, "Status": status, "Tags": {"role": "consul"}}


def turn_key(keys: list[str], verb: str | None, key: str) -> str | None:
    """What gossip does with a key, and why it does not."""
    if verb == "install":
        if key not in keys:
            keys.append(key)
        return None
    if key not in keys:
        return "requested key is not in the keyring" if verb == "use" else None
    if verb == "use":
        keys.remove(key)
        keys.insert(0, key)
        return None
    if keys[0] == key:
        return "removing the primary key is not allowed"
    keys.remove(key)
    return None


def peer(found: Json) -> Json:
    """The same server, as the log has it."""
    return {
        key: found[name] for key, name in (("ID", "ID"), ("Node", "Name"), ("Voter", "Voter"), ("Leader", "Leader"))
    }


class FakeConsul:
    """Formed and healthy until a test says otherwise. `management` is the secret of its first token."""

    def __init__(self, management: str) -> None:
        self.leader = "198.18.0.11:8300"
        self.servers: list[Json] | None = [server("s1", Leader=True), server("s2"), server("s3")]
        """None is what autopilot says when it has not looked since the election: not an empty list, but null."""

        self.keys = ["the first gossip key"]
        """The one that is used stands first."""

        self.rules: Json = {"MinQuorum": 3, "CleanupDeadServers": True, "CreateIndex": 3, "ModifyIndex": 3}
        self.raft: Json = {"state": "Follower", "applied_index": "40", "last_log_index": "40"}
        """What each server says of itself."""

        self.members: list[Json] = [member(name) for name in ("s1", "s2", "s3", "e1")]
        self.policies: dict[str, Json] = {}
        """By id."""

        self.tokens: dict[str, Json] = {}
        """By accessor."""

        self.roles: dict[str, Json] = {}
        """By id."""

        self._index = itertools.count(10)
        self.store = FakeStore(self._index)
        self._keep_policy(GLOBAL_MANAGEMENT, {"Name": "global-management", "Rules": 'acl = "write"'})
        for name in ("dns", "status"):
            self._keep_policy(str(uuid.uuid4()), {"Name": name, "Rules": ""})
        first: Json = {"AccessorID": str(uuid.uuid4()), "SecretID": management, "Policies": [{"ID": GLOBAL_MANAGEMENT}]}
        self.tokens[first["AccessorID"]] = self._token(first)

    def policy(self, name: str) -> Json | None:
        return next((found for found in self.policies.values() if found["Name"] == name), None)

    def reply(self, question: Question) -> Reply:  # noqa: C901, PLR0911, PLR0912 -- a server's routes are one table
        match question.method, question.path:
            case "GET", ["status", "leader"]:
                return Reply(body=self.leader)
            case "GET", ["agent", "members"]:
                return Reply(body=self.members if question.token else [])
            case _ if not self.leader:
                return refusal(HTTPStatus.INTERNAL_SERVER_ERROR, "No cluster leader")
            case _ if not question.token:
                return refusal(HTTPStatus.FORBIDDEN, "Permission denied: anonymous token lacks permission")
            case _ if (own := self._own(question.token)) is None:
                return refusal(HTTPStatus.FORBIDDEN, "ACL not found")
            case "GET", ["acl", "token", "self"]:
                return Reply(body=self._shown(own))
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
            case "PUT", ["agent", "force-leave", name]:
                self.members = [found for found in self.members if found["Name"] != name]
                return Reply()
            case method, ["operator", "keyring"]:
                return self._keyring(method, question.body)
            case "GET", ["agent", "self"]:
                return Reply(body={"Stats": {"raft": self.raft}})
            case _, ["acl", "policies" | "policy", *_]:
                return self._policies(question)
            case _, ["acl", "tokens" | "token", *_]:
                return self._tokens(question)
            case _, ["acl", "role", *_]:
                return self._roles(question)
            case _:
                return self.store.reply(question)

    def _own(self, secret: str) -> Json | None:
        return next((token for token in self.tokens.values() if token["SecretID"] == secret), None)

    def _keyring(self, method: str, body: Json) -> Reply:
        if method != "GET" and (
            complaint := turn_key(self.keys, {"POST": "install", "PUT": "use"}.get(method), body["Key"])
        ):
            return refusal(HTTPStatus.INTERNAL_SERVER_ERROR, complaint)
        counted = dict.fromkeys(self.keys, 4)
        ring = {"WAN": False, "Datacenter": "dc1", "Keys": counted, "PrimaryKeys": {self.keys[0]: 4}, "NumNodes": 4}
        return Reply(body=[ring] if method == "GET" else None)

    def _health(self) -> Reply:
        healthy = all(found["Healthy"] for found in self.servers or ())
        body = {"Healthy": healthy, "FailureTolerance": 1 if healthy else 0, "Servers": self.servers}
        return Reply(status=HTTPStatus.OK if healthy else HTTPStatus.TOO_MANY_REQUESTS, body=body)

    def _policies(self, question: Question) -> Reply:
        match question.method, question.path[1:]:
            case "GET", ["policies"]:
                return Reply(body=[{k: v for k, v in p.items() if k != "Rules"} for p in self.policies.values()])
            case "GET", ["policy", id_]:
                # Not 404: that is how this version says that there is none.
                found = self.policies.get(id_)
                return Reply(body=found) if found else refusal(HTTPStatus.FORBIDDEN, "ACL not found")
            case "PUT", ["policy", *id_]:
                return self._put_policy(question.body, id_)
            case "DELETE", ["policy", id_]:
                self.policies.pop(id_, None)
                return Reply(body=True)
            case _:
                raise question.not_taught()

    def _put_policy(self, body: Json, id_: list[str]) -> Reply:
        if unknown := body.keys() - POLICY_FIELDS:
            return refusal(HTTPStatus.BAD_REQUEST, f"Policy decoding failed: unknown field {min(unknown)}")
        if id_ and id_[0] not in self.policies:
            return refusal(HTTPStatus.INTERNAL_SERVER_ERROR, f"cannot find policy {id_[0]}")
        if not id_ and self.policy(body["Name"]):
            return refusal(
                HTTPStatus.INTERNAL_SERVER_ERROR,
                f'Invalid Policy: A Policy with Name "{body["Name"]}" already exists',
            )
        if body["Rules"].count("{") != body["Rules"].count("}"):
            return refusal(HTTPStatus.INTERNAL_SERVER_ERROR, f"Failed to parse ACL rules: {body['Rules']}")
        return Reply(body=self._keep_policy(id_[0] if id_ else str(uuid.uuid4()), body))

    def _keep_policy(self, id_: str, body: Mapping[str, Any]) -> Json:
        index = next(self._index)
        given = {key: body.get(key, "") for key in ("Name", "Description", "Rules")}
        self.policies[id_] = {"ID": id_, **given, "Hash": "…", "CreateIndex": index, "ModifyIndex": index}
        return self.policies[id_]

    def _tokens(self, question: Question) -> Reply:
        match question.method, question.path[1:]:
            case "GET", ["tokens"]:
                return Reply(body=[self._shown(token) for token in self.tokens.values()])
            case "GET", ["token", accessor]:
                found = self.tokens.get(accessor)
                return Reply(body=self._shown(found)) if found else refusal(HTTPStatus.FORBIDDEN, "ACL not found")
            case "PUT", ["token", *accessor]:
                return self._put_token(question.body, accessor)
            case "DELETE", ["token", accessor]:
                if accessor in self.tokens and self.tokens[accessor]["SecretID"] == question.token:
                    words = "Deletion of the request's authorization token is not permitted"
                    return refusal(HTTPStatus.INTERNAL_SERVER_ERROR, words)
                self.tokens.pop(accessor, None)
                return Reply(body=True)
            case _:
                raise question.not_taught()

    def _put_token(self, body: Json, accessor: list[str]) -> Reply:
        if unknown := body.keys() - TOKEN_FIELDS:
            return refusal(HTTPStatus.BAD_REQUEST, f"Token decoding failed: unknown field {min(unknown)}")
        if complaint := self._complaint(body, self.tokens.get(accessor[0]) if accessor else None, new=not accessor):
            return refusal(HTTPStatus.INTERNAL_SERVER_ERROR, complaint)
        body = {"AccessorID": str(uuid.uuid4()), "SecretID": str(uuid.uuid4()), **body} if not accessor else body
        kept = self.tokens[body["AccessorID"]] = self._token(body)
        return Reply(body=self._shown(kept))

    def _complaint(self, body: Json, before: Json | None, *, new: bool) -> str | None:
        # By id, as in what it answered, or by name.
        unknown = [link.get("Name") for link in body["Policies"] if not self._policy_id(link)]
        if unknown:
            return f'No such ACL policy with name "{unknown[0]}"'
        if new and body.get("AccessorID") in self.tokens:
            return "Invalid Token: AccessorID is already in use"
        if new and self._own(body.get("SecretID", "")):
            return "Invalid Token: SecretID is already in use"
        if not new and before is None:
            return f'Cannot find token "{body["AccessorID"]}"'
        if before is not None and before["SecretID"] != body["SecretID"]:
            return "Changing a token's SecretID is not permitted"
        return None

    def _token(self, body: Json) -> Json:
        """As it is kept: links by id, as names may change, and nothing where a list would be empty."""
        index = next(self._index)
        ids = [self._policy_id(link) for link in body["Policies"]]
        kept = {
            "AccessorID": body["AccessorID"],
            "SecretID": body["SecretID"],
            "Description": body.get("Description", ""),
            # In an order of its own.
            "Policies": [{"ID": id_} for id_ in sorted(ids, reverse=True)],
            "NodeIdentities": body.get("NodeIdentities", []),
            "Local": False,
            "CreateTime": "2030-01-01T12:00:00Z",
            "Hash": "…",
            "CreateIndex": index,
            "ModifyIndex": index,
        }
        return {key: value for key, value in kept.items() if value != []}

    def _policy_id(self, link: Json) -> str:
        found = self.policies.get(link.get("ID", "")) or self.policy(link.get("Name", ""))
        assert found is not None, link
        return str(found["ID"])

    def _shown(self, holder: Json) -> Json:
        if "Policies" not in holder:
            return holder
        # A link to a policy that was deleted is not shown.
        ids = [link["ID"] for link in holder["Policies"] if link["ID"] in self.policies]
        return {**holder, "Policies": [{"ID": id_, "Name": self.policies[id_]["Name"]} for id_ in ids]}

    def _roles(self, question: Question) -> Reply:
        match question.method, question.path[2:]:
            case "GET", ["name", name]:
                found = next((role for role in self.roles.values() if role["Name"] == name), None)
                return Reply(body=self._shown(found)) if found else refusal(HTTPStatus.NOT_FOUND, "")
            case "PUT", [*id_]:
                return self._put_role(question.body, id_)
            case "DELETE", [id_]:
                self.roles.pop(id_, None)
                return Reply(body=True)
            case _:
                raise question.not_taught()

    def _put_role(self, body: Json, id_: list[str]) -> Reply:
        if unknown := body.keys() - ROLE_FIELDS:
            return refusal(HTTPStatus.BAD_REQUEST, f"Role decoding failed: unknown field {min(unknown)}")
        if id_ and id_[0] not in self.roles:
            return refusal(HTTPStatus.INTERNAL_SERVER_ERROR, f"cannot find role {id_[0]}")
        if not id_ and any(role["Name"] == body["Name"] for role in self.roles.values()):
            words = f'Invalid Role: A Role with Name "{body["Name"]}" already exists'
            return refusal(HTTPStatus.INTERNAL_SERVER_ERROR, words)
        if unknown := [link["Name"] for link in body["Policies"] if not self.policy(link["Name"])]:
            return refusal(HTTPStatus.INTERNAL_SERVER_ERROR, f'No such ACL policy with name "{unknown[0]}"')
        index = next(self._index)
        kept = {
            "ID": id_[0] if id_ else str(uuid.uuid4()),
            "Name": body["Name"],
            "Description": body["Description"],
            "Policies": [{"ID": self._policy_id(link)} for link in reversed(body["Policies"])],
            "ServiceIdentities": [{k: v for k, v in each.items() if v != []} for each in body["ServiceIdentities"]],
            "NodeIdentities": body["NodeIdentities"],
            "Hash": "…",
            "CreateIndex": index,
            "ModifyIndex": index,
        }
        self.roles[kept["ID"]] = {key: value for key, value in kept.items() if value != []}
        return Reply(body=self._shown(self.roles[kept["ID"]]))
