"""The calls to Nomad that this project makes: python-nomad where it has them, plain requests where it has not."""

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlsplit

import nomad
import requests
from nomad.api.exceptions import URLNotFoundNomadException

from mooring.clients.answers import Json, rows
from mooring.clients.errors import ApiError, Conflict, Forbidden, Unreachable
from mooring.clients.http import ANSWER_WITHIN, Endpoint, session
from mooring.clients.listing import Listing

NEVER = 365 * 86400.0
"""Seconds: as long as somebody watches."""


class Nomad:
    """One region, as one token sees it. Every method raises `Unreachable`, `Forbidden` or `ApiError`."""

    def __init__(self, endpoint: Endpoint, *, namespace: str = "default", region: str = "global") -> None:
        self._http = session(endpoint, {"X-Nomad-Token": endpoint.token} if endpoint.token else {})
        # Everything that it would otherwise take from NOMAD_* of the environment is said here.
        self._library: Any = nomad.Nomad(
            address="https://nomad",
            secure=True,
            namespace=namespace,
            region=region,
            token=endpoint.token or "none",
            timeout=int(ANSWER_WITHIN),
            verify=True,
            session=self._http,
        )
        self._where: dict[str, str] = {"namespace": namespace, "region": region}
        self._listing = Listing(self._jobs_index, self._jobs_by_id)

    def leader(self) -> str | None:
        """The leader's address, `ip:4647`; None while there is none."""
        found: str = self._get("/v1/status/leader")
        return found or None

    def bootstrap_acl(self, secret: str) -> bool:
        """Make `secret` the first management token; False when the region has been bootstrapped before."""
        try:
            self._send("POST", "/v1/acl/bootstrap", json={"BootstrapSecret": secret})
        except ApiError as error:
            if error.status == HTTPStatus.BAD_REQUEST:
                return False
            raise
        return True

    def own_token(self) -> Json:
        """The token that we call with."""
        found: Json = self._get("/v1/acl/token/self")
        return found

    def knows_us(self) -> bool:
        """Whether the token that we call with is one of the region's."""
        try:
            return self._found("/v1/acl/token/self") is not None
        except Forbidden:
            return False

    def nodes(self) -> list[Json]:
        found: list[Json] = self._library.nodes.get_nodes()
        return found

    def client_stats(self) -> None:
        """Ask the agent that answers how busy its host is: nothing that it says matters, only that it was asked.

        A client counts as ready at its first heartbeat, which it sends at once when a call to a server succeeds and
        otherwise after a random time of up to 10 s. To check our token it has to make such a call.
        """
        self._send("GET", "/v1/client/stats", fine=(404,))

    def servers(self) -> Json:
        """Autopilot's view: `Healthy`, and `Servers` with `Name`, `Voter`, `Healthy` and `Leader` each."""
        found: Json = self._send("GET", "/v1/operator/autopilot/health", fine=(429,)).json()
        return found

    def raft(self) -> Json:
        """What the server that answers says of its own copy: `state`, `applied_index` and more, each as a text."""
        found: Json = self._get("/v1/agent/self")["stats"]["raft"]
        return found

    def alive(self) -> set[str]:
        """The names of the servers that gossip holds to be alive, with their region."""
        members = rows(self._get("/v1/agent/members")["Members"])
        return {member["Name"] for member in members if member["Status"] == "alive"}

    def snapshot(self) -> bytes:
        """All that the servers keep, as of one moment, but the keys of variables; asks for every right."""
        return self._http.get("https://nomad/v1/operator/snapshot", params=self._where).content

    def restore(self, snapshot: bytes) -> None:
        """Let the servers keep what was kept then, and nothing else."""
        self._http.put("https://nomad/v1/operator/snapshot", params=self._where, data=snapshot)

    def peers(self) -> list[Json]:
        """Who decides, by the log itself: `ID`, `Node` and `Voter` each."""
        found: list[Json] = self._get("/v1/operator/raft/configuration")["Servers"]
        return found

    def remove_peer(self, id_: str) -> None:
        self._send("DELETE", "/v1/operator/raft/peer", params={"id": id_})

    def forget_member(self, name: str) -> None:
        """Take a server that is gone off the list of members; one that lives comes back by itself."""
        self._send("PUT", "/v1/agent/force-leave", params={"node": name, "prune": "true"})

    def purge(self, node: str) -> None:
        """Forget a client; one that lives registers again."""
        self._send("PUT", f"/v1/node/{node}/purge")

    def autopilot(self) -> Json:
        """By which rules the servers are looked after."""
        found: Json = self._get("/v1/operator/autopilot/configuration")
        return found

    def put_autopilot(self, body: Mapping[str, Any]) -> None:
        """Replace the rules that `body` was read as; nothing is written if somebody was faster."""
        params = {"cas": str(body["ModifyIndex"])}
        self._send("PUT", "/v1/operator/autopilot/configuration", params=params, json=dict(body))

    def gossip_keys(self) -> set[str]:
        """Those that any server takes. Every server is asked."""
        return set(self._get("/v1/agent/keyring/list")["Keys"])

    def install_gossip_key(self, key: str) -> None:
        self._send("PUT", "/v1/agent/keyring/install", json={"Key": key})

    def use_gossip_key(self, key: str) -> None:
        self._send("PUT", "/v1/agent/keyring/use", json={"Key": key})

    def remove_gossip_key(self, key: str) -> None:
        self._send("PUT", "/v1/agent/keyring/remove", json={"Key": key})

    def move_off(self, node: str, *, words: Mapping[str, str]) -> None:
        """Have a node's instances move elsewhere, those of system jobs excepted, for as long as that takes.

        Nomad keeps `words` with the node, also when the drain is over.
        """
        body = {"DrainSpec": {"Deadline": 0, "IgnoreSystemJobs": True}, "MarkEligible": False, "Meta": dict(words)}
        self._send("PUT", f"/v1/node/{node}/drain", json=body)

    def undrain(self, node: str) -> None:
        """Let the node have allocations again, whatever became of its drain."""
        self._send("PUT", f"/v1/node/{node}/drain", json={"DrainSpec": None, "MarkEligible": True})

    def allocations_on(self, node: str) -> list[Json]:
        """A summary of every allocation, of any namespace, that is still known on the node."""
        params = {"namespace": "*", "filter": f'NodeID == "{node}"'}
        return rows(self._send("GET", "/v1/allocations", params=params).json())

    def jobs(self) -> list[Json]:
        found: list[Json] = self._library.jobs.get_jobs()
        return found

    def listed(self) -> Mapping[str, Json]:
        """Every job's summary by id, fetched only when something in it has changed."""
        return self._listing.now()

    def _jobs_index(self) -> int:
        # That of the whole table, whatever is listed.
        return int(self._send("GET", "/v1/jobs", params={"per_page": "1"}).headers["X-Nomad-Index"])

    def _jobs_by_id(self) -> tuple[Mapping[str, Json], int]:
        response = self._send("GET", "/v1/jobs")
        return {job["ID"]: job for job in response.json()}, int(response.headers["X-Nomad-Index"])

    def job(self, id_: str) -> Json | None:
        try:
            found: Json = self._library.job.get_job(quote(id_, safe=""))
        except URLNotFoundNomadException:
            return None
        return found

    def register(self, job: Mapping[str, Any], *, unless_changed_since: int) -> Json:
        """Register `job` if its JobModifyIndex is still `unless_changed_since` (0: there must be none)."""
        body = {"Job": dict(job), "EnforceIndex": True, "JobModifyIndex": unless_changed_since}
        found: Json = self._send("POST", "/v1/jobs", json=body).json()
        return found

    def plan(self, job: Mapping[str, Any]) -> Json:
        """What the scheduler would do with `job`; nothing is written."""
        found: Json = self._library.job.plan_job(quote(str(job["ID"]), safe=""), {"Job": dict(job), "Diff": True})
        return found

    def parse_job(self, text: str, variables: str = "") -> Json:
        """The job that a job file says, without any default; `variables` is the text of a file with their values."""
        body = {"JobHCL": text, "Variables": variables, "Canonicalize": False}
        found: Json = self._send("POST", "/v1/jobs/parse", json=body).json()
        return found

    def deregister(self, id_: str, *, purge: bool) -> None:
        self._library.job.deregister_job(quote(id_, safe=""), purge=purge)

    def evaluation_after(self, id_: str, index: int, *, wait: str = "2s") -> tuple[Json, int]:
        """The evaluation as soon as it has changed since `index`, or after `wait`; with the index to ask for next."""
        return self._after(f"/v1/evaluation/{quote(id_, safe='')}", index, wait)

    def deployment(self, id_: str) -> Json:
        found: Json = self._library.deployment.get_deployment(id_)
        return found

    def deployment_after(self, id_: str, index: int, *, wait: str = "2s") -> tuple[Json, int]:
        """The deployment as soon as it has changed since `index`, or after `wait`; with the index to ask for next."""
        return self._after(f"/v1/deployment/{quote(id_, safe='')}", index, wait)

    def _after(self, path: str, index: int, wait: str) -> tuple[Json, int]:
        response = self._send("GET", path, params={"index": str(index), "wait": wait})
        found: Json = response.json()
        return found, int(response.headers["X-Nomad-Index"])

    def latest_deployment(self, job: str) -> Json | None:
        found: Json | None = self._library.job.get_deployment(quote(job, safe=""))
        return found

    def allocations(self, job: str) -> list[Json]:
        """Every allocation of the job that is still known, of any version."""
        found: list[Json] = self._library.job.get_allocations(quote(job, safe=""))
        return found

    def deployment_allocations(self, deployment: str) -> list[Json]:
        """Those that the deployment placed: a job's own list does not say of which deployment each is."""
        found: list[Json] = self._library.deployment.get_deployment_allocations(deployment)
        return found

    def log_tail(self, allocation: str, task: str, *, stream: str, size: int = 4096) -> str:
        """The last `size` bytes that a task wrote to `stdout` or `stderr`; empty when there is no such log."""
        params = {"task": task, "type": stream, "plain": "true", "origin": "end", "offset": str(size)}
        try:
            return self._send("GET", f"/v1/client/fs/logs/{allocation}", params=params).text
        except ApiError as error:
            # 500 is how an agent says that the task has never written, or that its node is gone.
            if error.status in (HTTPStatus.NOT_FOUND, HTTPStatus.INTERNAL_SERVER_ERROR):
                return ""
            raise

    def follow_log(self, allocation: str, task: str, *, stream: str, size: int = 4096) -> Iterator[str]:
        """The last `size` bytes of a log and then every line as it is written, until the caller has enough."""
        params = {"task": task, "type": stream, "plain": "true", "origin": "end", "offset": str(size), "follow": "true"}
        # No read timeout: a quiet task is no broken connection.
        with self._http.get(
            f"https://nomad/v1/client/fs/logs/{allocation}",
            params=self._where | params,
            stream=True,
            timeout=(ANSWER_WITHIN, NEVER),
        ) as response:
            for line in response.iter_lines(chunk_size=1):
                yield line.decode(errors="replace")

    def stop_allocation(self, allocation: str) -> None:
        """Stop it in order; the scheduler puts another one where it thinks best now."""
        self._send("PUT", f"/v1/allocation/{allocation}/stop", json={})

    def restart_allocation(self, allocation: str) -> None:
        """Stop its tasks in order and start them again, in the same place."""
        self._send("PUT", f"/v1/client/allocation/{allocation}/restart", json={})

    def drain(self, node: str, *, within: float) -> None:
        """Move every allocation off the node in order; what has not gone after `within` seconds is stopped."""
        spec = {"Deadline": int(within * 1e9), "IgnoreSystemJobs": False}
        self._send("PUT", f"/v1/node/{node}/drain", json={"DrainSpec": spec, "MarkEligible": False})

    def index(self) -> int:
        """Of the last change that the server knows of which is asked."""
        return int(self._send("GET", "/v1/nodes", params={"stale": ""}).headers["X-Nomad-Index"])

    def events(self, topics: Sequence[str], index: int, *, quiet: float = 15.0) -> Iterator[Json]:
        """What happens from `index` on, as the server that is asked hears of it, until it hangs up.

        A line comes every 10 s even when nothing happens: `Unreachable` after `quiet` seconds without one.
        """
        params = {"topic": list(topics), "index": str(index), **self._where}
        with self._http.get(
            "https://nomad/v1/event/stream", params=params, stream=True, timeout=(ANSWER_WITHIN, quiet)
        ) as response:
            try:
                for line in response.iter_lines(chunk_size=1):
                    if line.strip(b" {}"):
                        yield from rows(json.loads(line).get("Events"))
            except (requests.RequestException, ValueError) as error:
                # An agent that ends writes its last words into the stream, and they are no JSON.
                raise Unreachable(f"{urlsplit(response.url).hostname}: the stream of events broke: {error}") from error

    def promote(self, deployment: str) -> Json:
        """Let every group's canaries take over."""
        body = {"DeploymentID": deployment, "All": True}
        found: Json = self._send("PUT", f"/v1/deployment/promote/{deployment}", json=body).json()
        return found

    def versions(self, job: str) -> list[Json]:
        """Every version of the job that Nomad still knows, the newest first."""
        response = self._send("GET", f"/v1/job/{quote(job, safe='')}/versions", fine=(404,))
        found: list[Json] = rows(response.json()["Versions"]) if response.ok else []
        return found

    def revert(self, job: str, *, to: int, unless_changed_since: int) -> Json:
        """Register the version `to` again, if `unless_changed_since` is still the newest."""
        body = {"JobID": job, "JobVersion": to, "EnforcePriorVersion": unless_changed_since}
        found: Json = self._send("PUT", f"/v1/job/{quote(job, safe='')}/revert", json=body).json()
        return found

    def acl_policy(self, name: str) -> Json | None:
        return self._found(f"/v1/acl/policy/{quote(name, safe='')}")

    def put_acl_policy(self, body: Mapping[str, Any]) -> None:
        self._send("POST", f"/v1/acl/policy/{quote(body['Name'], safe='')}", json=dict(body))

    def delete_acl_policy(self, name: str) -> None:
        self._send("DELETE", f"/v1/acl/policy/{quote(name, safe='')}", fine=(404,))

    def acl_token(self, accessor: str) -> Json | None:
        return self._found(f"/v1/acl/token/{quote(accessor, safe='')}")

    def acl_tokens(self) -> list[Json]:
        """Every token, without its secret."""
        found: list[Json] = self._get("/v1/acl/tokens")
        return found

    def put_acl_token(self, body: Mapping[str, Any]) -> Json:
        """Create it (Nomad chooses both ids), or replace the one whose `AccessorID` the body names."""
        suffix = f"/{quote(body['AccessorID'], safe='')}" if "AccessorID" in body else ""
        found: Json = self._send("POST", f"/v1/acl/token{suffix}", json=dict(body)).json()
        return found

    def delete_acl_token(self, accessor: str) -> None:
        self._send("DELETE", f"/v1/acl/token/{quote(accessor, safe='')}")

    def acl_role(self, name: str) -> Json | None:
        return self._found(f"/v1/acl/role/name/{quote(name, safe='')}")

    def put_acl_role(self, body: Mapping[str, Any]) -> Json:
        """Create it (Nomad chooses the id), or replace the one whose `ID` the body names."""
        suffix = f"/{quote(body['ID'], safe='')}" if "ID" in body else ""
        found: Json = self._send("POST", f"/v1/acl/role{suffix}", json=dict(body)).json()
        return found

    def delete_acl_role(self, id_: str) -> None:
        self._send("DELETE", f"/v1/acl/role/{quote(id_, safe='')}")

    def namespace(self, name: str) -> Json | None:
        return self._found(f"/v1/namespace/{quote(name, safe='')}")

    def put_namespace(self, body: Mapping[str, Any]) -> None:
        self._send("POST", f"/v1/namespace/{quote(body['Name'], safe='')}", json=dict(body))

    def delete_namespace(self, name: str) -> None:
        self._send("DELETE", f"/v1/namespace/{quote(name, safe='')}", fine=(404,))

    def node_pool(self, name: str) -> Json | None:
        return self._found(f"/v1/node/pool/{quote(name, safe='')}")

    def put_node_pool(self, body: Mapping[str, Any]) -> None:
        self._send("POST", f"/v1/node/pool/{quote(body['Name'], safe='')}", json=dict(body))

    def delete_node_pool(self, name: str) -> None:
        self._send("DELETE", f"/v1/node/pool/{quote(name, safe='')}")

    def variable(self, path: str, *, namespace: str) -> Json | None:
        response = self._send("GET", f"/v1/var/{quote(path)}", params={"namespace": namespace}, fine=(404,))
        found: Json | None = response.json() if response.ok else None
        return found

    def put_variable(self, body: Mapping[str, Any], *, unless_changed_since: int) -> int | None:
        """Its new ModifyIndex; None, and nothing written, if it is not at `unless_changed_since` (0: not there)."""
        params = {"namespace": body["Namespace"], "cas": str(unless_changed_since)}
        try:
            kept = self._send("PUT", f"/v1/var/{quote(body['Path'])}", params=params, json=dict(body)).json()
        except Conflict:
            return None  # and not the error, which quotes the items that are there
        return int(kept["ModifyIndex"])

    def variables(self, prefix: str, *, namespace: str) -> set[str]:
        """The path of every variable below `prefix`, as the leader knows them."""
        params = {"prefix": prefix, "namespace": namespace}
        return {found["Path"] for found in rows(self._send("GET", "/v1/vars", params=params).json())}

    def delete_variable(self, path: str, *, namespace: str) -> None:
        self._send("DELETE", f"/v1/var/{quote(path)}", params={"namespace": namespace}, fine=(404,))

    def scheduler(self) -> Json:
        """How the region's schedulers decide."""
        found: Json = self._get("/v1/operator/scheduler/configuration")["SchedulerConfig"]
        return found

    def put_scheduler(self, body: Mapping[str, Any], *, unless_changed_since: int) -> int | None:
        """Its new ModifyIndex; None, and nothing written, if it is not at `unless_changed_since`."""
        params = {"cas": str(unless_changed_since)}
        kept = self._send("PUT", "/v1/operator/scheduler/configuration", params=params, json=dict(body)).json()
        return int(kept["Index"]) if kept["Updated"] else None

    def _found(self, path: str) -> Json | None:
        response = self._send("GET", path, fine=(404,))
        found: Json | None = response.json() if response.ok else None
        return found

    def _get(self, path: str) -> Any:
        return self._send("GET", path).json()

    def _send(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        params: Mapping[str, str] | None = None,
        fine: tuple[int, ...] = (),
    ) -> requests.Response:
        response = self._http.request(
            method, f"https://nomad{path}", json=json, params=self._where | dict(params or {})
        )
        if response.ok or response.status_code in fine:
            return response
        raise ApiError(method, path, response.status_code, response.text)


@lru_cache(maxsize=64)
def region(endpoint: Endpoint, namespace: str = "default") -> Nomad:
    """The client for `endpoint` and one namespace's jobs, shared by every caller: the session keeps its connections."""
    return Nomad(endpoint, namespace=namespace)
