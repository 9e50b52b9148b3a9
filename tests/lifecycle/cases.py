"""The kinds that the promises are tested on, each with one thing that may be made anywhere."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from mooring.clients.http import Endpoint
from mooring.clients.ssh import Connection
from mooring.kinds import agent, consul_acl, host_files, nomad_acl, nomad_job
from mooring.kinds.agent import AgentSpec
from mooring.kinds.consul_config_entry import EntryHandler, EntrySpec
from mooring.kinds.consul_kv import KeyHandler, KeySpec
from mooring.kinds.consul_query import QueryHandler, QuerySpec
from mooring.kinds.host_files import FilesSpec
from mooring.kinds.host_program import ProgramHandler, ProgramSpec, weigh
from mooring.kinds.kind import Handler, Spec, Work
from mooring.kinds.nomad_job import JobSpec
from mooring.kinds.nomad_namespace import NamespaceHandler, NamespaceSpec
from mooring.kinds.nomad_node_pool import NodePoolHandler, NodePoolSpec
from mooring.kinds.nomad_variable import VariableHandler, VariableSpec
from mooring.kinds.placement import Directory, File
from mooring.kinds.ssh import KeyPairHandler, KeyPairSpec

SECOND: Final = 1_000_000_000
NOBODY: Final = 1
"""A port on which nothing listens."""

UNKNOWN_TOKEN: Final = "99999999-dddd-4ddd-8ddd-999999999999"  # noqa: S105 -- of nobody
SECRET_CONTENT: Final = "a-line-that-nobody-else-may-read"  # noqa: S105 -- guards nothing


@dataclass(frozen=True, kw_only=True)
class Reach:
    """A stack, with every right that there is."""

    consul: Endpoint
    nomad: Endpoint
    host: Connection
    image: str
    """That the nodes can run without asking anybody new."""

    work: Callable[[str], Work]
    """For a handler, on behalf of the named stack."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One thing of a kind."""

    handler: Handler[Any]
    spec: Spec
    edited: Spec
    """The same thing, changed by somebody else."""

    unreachable: Spec
    """The same thing, where nobody answers."""

    refused: Spec
    """The same thing, for somebody who may do nothing."""

    secrets: tuple[str, ...]


def consul_policy(reach: Reach) -> Case:
    spec = consul_acl.PolicySpec(
        endpoint=reach.consul, name="lifecycle", description="tests", rules='key_prefix "a/" {\n  policy = "read"\n}\n'
    )
    edited = changed(spec, rules='key_prefix "a/" { policy = "write" }')
    return by_endpoint(consul_acl.PolicyHandler(), spec, edited)


def consul_token(reach: Reach) -> Case:
    spec = consul_acl.TokenSpec(
        endpoint=reach.consul,
        accessor_id="33333333-cccc-4ccc-8ccc-333333333331",
        secret_id="33333333-cccc-4ccc-8ccc-333333333332",  # noqa: S106 -- of a token that opens nothing
        description="tests",
        policies=("status", "dns"),
        node_identities=("some-node:dc1",),
    )
    # Without any of what Consul then leaves out.
    edited = changed(spec, policies=(), node_identities=(), description="")
    return by_endpoint(consul_acl.TokenHandler(), spec, edited, spec.secret_id)


def consul_role(reach: Reach) -> Case:
    spec = consul_acl.RoleSpec(
        endpoint=reach.consul,
        name="lifecycle",
        policies=("status", "dns"),
        service_identities=("web:dc1,dc2", "api"),
        node_identities=("some-node:dc1",),
    )
    edited = changed(spec, policies=(), service_identities=(), node_identities=(), description="by hand")
    return by_endpoint(consul_acl.RoleHandler(), spec, edited)


def consul_key(reach: Reach) -> Case:
    spec = KeySpec(endpoint=reach.consul, key="lifecycle/a b/ü", value=SECRET_CONTENT, flags=3)
    # Without any of what Consul then answers null.
    edited = changed(spec, value="", flags=0)
    return by_endpoint(KeyHandler(), spec, edited, SECRET_CONTENT)


def consul_config_entry(reach: Reach) -> Case:
    spec = EntrySpec(
        endpoint=reach.consul,
        kind="service-resolver",
        name="lifecycle",
        entry={
            "ConnectTimeout": "60s",
            "DefaultSubset": "",
            "Failover": {"*": {"Datacenters": ["dc2", "dc3"]}},
            "Meta": {"owner": "tests"},
        },
    )
    edited = changed(spec, entry={**spec.entry, "ConnectTimeout": "5s", "Failover": {"*": {"Datacenters": ["dc3"]}}})
    return by_endpoint(EntryHandler(), spec, edited)


def consul_query(reach: Reach) -> Case:
    spec = QuerySpec(
        endpoint=reach.consul,
        name="lifecycle",
        service="web",
        tags=("b", "a"),
        only_passing=True,
        nearest=2,
        datacenters=("dc3", "dc2"),
        ttl="60s",
    )
    edited = changed(spec, tags=(), datacenters=(), ttl="", near="_agent")
    return by_endpoint(QueryHandler(), spec, edited)


def nomad_policy(reach: Reach) -> Case:
    spec = nomad_acl.PolicySpec(endpoint=reach.nomad, name="lifecycle", rules='node { policy = "read" }')
    edited = changed(spec, rules='node { policy = "write" }', description="by hand")
    return by_endpoint(nomad_acl.PolicyHandler(), spec, edited)


def nomad_token(reach: Reach) -> Case:
    spec = nomad_acl.TokenSpec(endpoint=reach.nomad, name="lifecycle", policies=("status", "deploy"))
    edited = changed(spec, policies=("status",))
    return by_endpoint(nomad_acl.TokenHandler(), spec, edited)


def nomad_role(reach: Reach) -> Case:
    spec = nomad_acl.RoleSpec(endpoint=reach.nomad, name="lifecycle", policies=("status", "deploy"))
    edited = changed(spec, policies=("status",), description="by hand")
    return by_endpoint(nomad_acl.RoleHandler(), spec, edited)


def nomad_namespace(reach: Reach) -> Case:
    spec = NamespaceSpec(
        endpoint=reach.nomad,
        name="lifecycle",
        description="tests",
        meta={"owner": "tests"},
        enabled_drivers=("exec", "docker"),
    )
    edited = changed(spec, meta={}, enabled_drivers=(), disabled_drivers=("raw_exec",))
    return by_endpoint(NamespaceHandler(), spec, edited)


def nomad_node_pool(reach: Reach) -> Case:
    spec = NodePoolSpec(endpoint=reach.nomad, name="lifecycle", meta={"disk": "ssd"})
    edited = changed(spec, description="by hand", meta={})
    return by_endpoint(NodePoolHandler(), spec, edited)


def nomad_variable(reach: Reach) -> Case:
    by_hand = "a-line-that-somebody-wrote-by-hand"
    spec = VariableSpec(endpoint=reach.nomad, path="lifecycle/db", items={"password": SECRET_CONTENT, "user": "app"})
    edited = changed(spec, items={"password": by_hand})
    return by_endpoint(VariableHandler(), spec, edited, SECRET_CONTENT, by_hand)


def nomad_job_of_one(reach: Reach) -> Case:
    body = job(reach.image)
    spec = JobSpec(endpoint=reach.nomad, job_id=body["ID"], job=body)
    edited = changed(spec, job=job(reach.image, count=2))
    return by_endpoint(nomad_job.JobHandler(), spec, edited)


def job(image: str, *, count: int = 1) -> dict[str, Any]:
    """A small job that is healthy as soon as its task runs."""
    return {
        "ID": "lifecycle",
        "Name": "lifecycle",
        "Type": "service",
        "Datacenters": ["dc1"],
        "Meta": {},
        "TaskGroups": [
            {
                "Name": "web",
                "Count": count,
                "Update": {
                    "MaxParallel": 2,
                    "HealthCheck": "task_states",
                    "MinHealthyTime": SECOND // 10,
                    "HealthyDeadline": 30 * SECOND,
                    "ProgressDeadline": 0,
                    "AutoRevert": True,
                },
                "Tasks": [
                    {
                        "Name": "app",
                        "Driver": "docker",
                        "User": "65534",
                        "Config": {"image": image, "readonly_rootfs": True},
                        "Env": {"PORT": "8080"},
                        "Resources": {"CPU": 50, "MemoryMB": 64},
                        "KillTimeout": SECOND,
                    }
                ],
            }
        ],
    }


def host_files_of_two(reach: Reach) -> Case:
    spec = FilesSpec(
        connection=reach.host,
        files={
            "/etc/lifecycle/secret.conf": File(content=SECRET_CONTENT, mode="0600"),
            "/etc/lifecycle/deeper/open.conf": File(content="umlaut: ä\n"),
        },
        directories={"/etc/lifecycle": Directory(mode="0750")},
    )
    edited = changed(spec, files={**spec.files, "/etc/lifecycle/secret.conf": File(content="by hand", mode="0644")})
    return by_connection(host_files.FilesHandler(), spec, edited, SECRET_CONTENT)


def host_agent(reach: Reach) -> Case:
    spec = AgentSpec(
        connection=reach.host,
        service="lifecycle-agent",
        user="lifecycle-agent",
        files={
            "/etc/lifecycle-agent/agent.conf": File(content=SECRET_CONTENT, mode="0640", group="lifecycle-agent"),
            "/etc/lifecycle-agent/tls.pem": File(content="one"),
        },
        directories={"/etc/lifecycle-agent": Directory(mode="0750", group="lifecycle-agent")},
        data=("/var/lib/lifecycle-agent",),
        unit="[Service]\nExecStart=/usr/bin/socat TCP-LISTEN:7399,bind=127.0.0.1,fork,reuseaddr /dev/null\n"
        "[Install]\nWantedBy=multi-user.target\n",
        listens=7399,
    )
    edited = changed(spec, files={**spec.files, "/etc/lifecycle-agent/tls.pem": File(content="another")})
    return by_connection(agent.AgentHandler(), spec, edited, SECRET_CONTENT)


def host_program(reach: Reach) -> Case:
    one, another = Path(__file__), Path(__file__).with_name("promises.py")
    spec = ProgramSpec(connection=reach.host, path="/opt/lifecycle/bin/program", sha256=weigh(one), source=str(one))
    edited = changed(spec, sha256=weigh(another), source=str(another))
    return by_connection(ProgramHandler(), spec, edited)


CASES: Final[Mapping[str, Callable[[Reach], Case]]] = {
    made.__name__: made
    for made in (
        *(consul_policy, consul_token, consul_role, consul_key, consul_config_entry, consul_query),
        *(nomad_policy, nomad_token, nomad_role, nomad_namespace, nomad_node_pool, nomad_variable),
        *(nomad_job_of_one, host_files_of_two, host_agent, host_program),
    )
}


NOT_IMPORTED: Final = frozenset({"host_files_of_two", "host_agent", "host_program"})
"""What exists on a host and is exactly so becomes the stack's own when it is declared: it needs no import."""


def by_endpoint(handler: Handler[Any], spec: Any, edited: Spec, *secrets: str) -> Case:
    endpoint: Endpoint = spec.endpoint
    stranger = endpoint.model_copy(update={"token": UNKNOWN_TOKEN})
    return Case(
        handler=handler,
        spec=spec,
        edited=edited,
        unreachable=changed(spec, endpoint=endpoint.model_copy(update={"port": NOBODY})),
        refused=changed(spec, endpoint=stranger),
        secrets=(*secrets, endpoint.token, UNKNOWN_TOKEN, *lines(endpoint.private_key)),
    )


def by_connection(handler: Handler[Any], spec: Any, edited: Spec, *secrets: str) -> Case:
    connection: Connection = spec.connection
    another = KeyPairHandler().create(KeyPairSpec(), Work(urn="", name="key", project="", stack="")).outputs
    return Case(
        handler=handler,
        spec=spec,
        edited=edited,
        unreachable=changed(spec, connection=connection.model_copy(update={"port": NOBODY})),
        refused=changed(spec, connection=connection.model_copy(update={"host_key": another["public_key"]})),
        secrets=(*secrets, *lines(connection.private_key)),
    )


def changed(spec: Any, **fields: Any) -> Any:
    return spec.model_copy(update=fields)


def lines(key: str) -> list[str]:
    """The lines of a key that only it has."""
    return [line for line in key.splitlines() if not line.startswith("-----")]
