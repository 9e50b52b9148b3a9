"""The calls to Consul that this project makes: py-consul where it has them right, plain requests where it has not."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import quote

import consul
import requests

from mooring.clients.answers import Json
from mooring.clients.errors import ApiError, Conflict
from mooring.clients.http import Endpoint, session


def _library(http: requests.Session) -> Any:
    """py-consul on our own session, which carries the token on every call and trusts our authority alone."""
    made: Any = consul.Consul(host="consul", port=443, scheme="https", verify=True)
    made.http.session = http
    made.token = None  # it prefers CONSUL_HTTP_TOKEN of the environment to any argument
    return made


class Consul:
    """One cluster, as one token sees it. Every method raises `Unreachable`, `Forbidden` or `ApiError`."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._http = session(endpoint, {"X-Consul-Token": endpoint.token} if endpoint.token else {})
        self._library = _library(self._http)

    def leader(self) -> str | None:
        """The leader's address, `ip:8300`; None while there is none."""
        found: str = self._library.status.leader()
        return found or None

    def members(self) -> list[Json]:
        """Every agent that gossip knows of; `Status` 1 is alive."""
        found: list[Json] = self._library.agent.members()
        return found

    def servers(self) -> Json:
        """Autopilot's view: `Healthy`, and `Servers` with `Name`, `Voter`, `Healthy` and `Leader` each."""
        found: Json = self._library.operator.autopilot_health()
        return found

    def raft(self) -> Json:
        """What the server that answers says of its own copy: `state`, `applied_index` and more, each as a text."""
        found: Json = self._http.get("https://consul/v1/agent/self").json()["Stats"]["raft"]
        return found

    def snapshot(self) -> bytes:
        """All that the cluster keeps, as of one moment; asks for the right to do everything."""
        return self._http.get("https://consul/v1/snapshot").content

    def restore(self, snapshot: bytes) -> None:
        """Let the cluster keep what was kept then, and nothing else."""
        self._http.put("https://consul/v1/snapshot", data=snapshot)

    def peers(self) -> list[Json]:
        """Who decides, by the log itself: `ID`, `Node` and `Voter` each."""
        found: list[Json] = self._http.get("https://consul/v1/operator/raft/configuration").json()["Servers"]
        return found

    def remove_peer(self, id_: str) -> None:
        self._http.delete("https://consul/v1/operator/raft/peer", params={"id": id_})

    def forget_member(self, name: str) -> None:
        """Take one that is gone off the list of members; one that lives comes back by itself."""
        self._http.put(f"https://consul/v1/agent/force-leave/{quote(name, safe='')}", params={"prune": ""})

    def autopilot(self) -> Json:
        """By which rules the servers are looked after."""
        found: Json = self._http.get("https://consul/v1/operator/autopilot/configuration").json()
        return found

    def put_autopilot(self, body: Mapping[str, Any]) -> None:
        """Replace the rules that `body` was read as; nothing is written if somebody was faster."""
        params = {"cas": str(body["ModifyIndex"])}
        self._http.put("https://consul/v1/operator/autopilot/configuration", params=params, json=dict(body))

    def gossip_keys(self) -> set[str]:
        """Those that any agent takes. Every agent is asked."""
        rings: list[Json] = self._http.get("https://consul/v1/operator/keyring").json()
        return {key for ring in rings for key in ring["Keys"]}

    def install_gossip_key(self, key: str) -> None:
        self._http.post("https://consul/v1/operator/keyring", json={"Key": key})

    def use_gossip_key(self, key: str) -> None:
        self._http.put("https://consul/v1/operator/keyring", json={"Key": key})

    def remove_gossip_key(self, key: str) -> None:
        self._http.delete("https://consul/v1/operator/keyring", json={"Key": key})

    def nodes(self) -> list[Json]:
        found: list[Json] = self._library.catalog.nodes()[1]
        return found

    def service(self, name: str) -> list[Json]:
        """Every registered instance with its checks, passing or not."""
        found: list[Json] = self._library.health.service(name)[1]
        return found

    def services(self) -> list[str]:
        """The names of everything that is registered."""
        return list(self._http.get("https://consul/v1/catalog/services").json())

    def service_after(self, name: str, index: int, *, wait: str = "10s") -> tuple[list[Json], int]:
        """The instances when they have changed since `index`, or after `wait`; with the index to ask for next.

        As the server that is asked knows them (`stale`), so that one that cannot reach a leader answers too.
        """
        return self._after(f"/v1/health/service/{quote(name, safe='')}", index, wait)

    def checks_after(self, index: int, *, wait: str = "10s") -> tuple[list[Json], int]:
        """Every check of every node, in the same way."""
        return self._after("/v1/health/state/any", index, wait)

    def _after(self, path: str, index: int, wait: str) -> tuple[list[Json], int]:
        response = self._http.get(f"https://consul{path}", params={"stale": "", "index": str(index), "wait": wait})
        found: list[Json] = response.json()
        return found, int(response.headers["X-Consul-Index"])

    def policy(self, name: str) -> Json | None:
        # By name, a missing policy is 403 in some versions and 404 in others; the list is the same in all.
        for summary in self._library.acl.policy.list():
            if summary["Name"] == name:
                found: Json = self._library.acl.policy.read(summary["ID"])
                return found
        return None

    def put_policy(self, body: Mapping[str, Any]) -> Json:
        """Create it, or replace the one whose `ID` the body names. (py-consul would send the rules quoted.)"""
        suffix = f"/{body['ID']}" if "ID" in body else ""
        return self._put(f"/v1/acl/policy{suffix}", body)

    def delete_policy(self, id_: str) -> None:
        self._library.acl.policy.delete(id_)

    def tokens(self) -> list[Json]:
        """What is public of every token."""
        found: list[Json] = self._library.acl.token.list()
        return found

    def token(self, accessor: str) -> Json | None:
        for summary in self._library.acl.token.list():
            if summary["AccessorID"] == accessor:
                found: Json = self._library.acl.token.read(accessor)
                return found
        return None

    def put_token(self, body: Mapping[str, Any], *, new: bool) -> Json:
        """Create it under its own secret, or replace it whole."""
        return self._put("/v1/acl/token" if new else f"/v1/acl/token/{quote(body['AccessorID'], safe='')}", body)

    def delete_token(self, accessor: str) -> None:
        self._library.acl.token.delete(accessor)

    def own_token(self) -> Json:
        """The token that we call with; `Forbidden` while the cluster does not know it yet."""
        response = self._http.get("https://consul/v1/acl/token/self")
        found: Json = response.json()
        return found

    def role(self, name: str) -> Json | None:
        found: Json | None = self._found(f"/v1/acl/role/name/{quote(name, safe='')}")
        return found

    def put_role(self, body: Mapping[str, Any]) -> Json:
        """Create it (Consul chooses the id), or replace the one whose `ID` the body names."""
        suffix = f"/{quote(body['ID'], safe='')}" if "ID" in body else ""
        return self._put(f"/v1/acl/role{suffix}", body)

    def delete_role(self, id_: str) -> None:
        self._http.delete(f"https://consul/v1/acl/role/{quote(id_, safe='')}")

    def key(self, key: str) -> Json | None:
        """One key of the store; its `Value` is base64, or null for an empty one."""
        found: list[Json] | None = self._found(f"/v1/kv/{quote(key, safe='')}")
        return found[0] if found else None

    def put_key(self, body: Mapping[str, Any], *, unless_changed_since: int) -> int | None:
        """Its new ModifyIndex; None, and nothing written, if it is not at `unless_changed_since` (0: not there).

        By a transaction: alone it answers with the index, and says by its status that somebody was faster.
        """
        cas = {"Verb": "cas", "Index": unless_changed_since, **body}
        try:
            kept = self._put("/v1/txn", [{"KV": cas}])
        except Conflict:
            return None
        return int(kept["Results"][0]["KV"]["ModifyIndex"])

    def keys(self, prefix: str) -> set[str]:
        """Every key below `prefix`, as a majority of the servers holds them at this moment."""
        response = self._http.get(
            f"https://consul/v1/kv/{quote(prefix)}", params={"recurse": "", "keys": "", "consistent": ""}
        )
        return set(response.json()) if response.ok else set()

    def delete_keys(self, prefix: str) -> None:
        """Everything below `prefix`, which must end in a slash."""
        self._http.delete(f"https://consul/v1/kv/{quote(prefix)}", params={"recurse": ""})

    def delete_key(self, key: str) -> None:
        self._http.delete(f"https://consul/v1/kv/{quote(key, safe='')}")

    def config_entry(self, kind: str, name: str) -> Json | None:
        found: Json | None = self._found(f"/v1/config/{quote(kind, safe='')}/{quote(name, safe='')}")
        return found

    def put_config_entry(self, body: Mapping[str, Any], *, unless_changed_since: int) -> bool:
        """False, and nothing written, if it is not at `unless_changed_since` (0: not there)."""
        params = {"cas": str(unless_changed_since)}
        written: bool = self._http.put("https://consul/v1/config", params=params, json=dict(body)).json()
        return written

    def delete_config_entry(self, kind: str, name: str) -> None:
        self._http.delete(f"https://consul/v1/config/{quote(kind, safe='')}/{quote(name, safe='')}")

    def query(self, name: str) -> Json | None:
        """By name: the address of a single one is its id."""
        found: list[Json] = self._http.get("https://consul/v1/query").json()
        return next((query for query in found if query["Name"] == name), None)

    def create_query(self, body: Mapping[str, Any]) -> str:
        """The id that Consul chose."""
        made: Json = self._http.post("https://consul/v1/query", json=dict(body)).json()
        return str(made["ID"])

    def replace_query(self, id_: str, body: Mapping[str, Any]) -> None:
        self._http.put(f"https://consul/v1/query/{quote(id_, safe='')}", json=dict(body))

    def delete_query(self, id_: str) -> None:
        self._http.delete(f"https://consul/v1/query/{quote(id_, safe='')}")

    def _found(self, path: str) -> Any:
        response = self._http.get(f"https://consul{path}")
        return response.json() if response.ok else None

    def _put(self, path: str, body: Mapping[str, Any] | Sequence[Any]) -> Json:
        response = self._http.put(f"https://consul{path}", json=body)
        if not response.ok:
            raise ApiError("PUT", path, response.status_code, response.text)
        found: Json = response.json()
        return found


@lru_cache(maxsize=64)
def cluster(endpoint: Endpoint) -> Consul:
    """The client for `endpoint`, shared by every caller: the session keeps its connections."""
    return Consul(endpoint)


def alive(members: Sequence[Mapping[str, Any]]) -> set[str]:
    """The names of the members that gossip holds to be alive."""
    return {member["Name"] for member in members if member["Status"] == 1}
