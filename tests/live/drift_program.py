"""The program whose live objects are changed by hand: one or two of every kind that both clusters have."""

from base64 import b64encode
from typing import Any, Final

from lifecycle.cases import SECOND, Reach
from live.declared import Said, output

from mooring.clients import nomad
from mooring.kinds import consul_acl, nomad_acl
from mooring.kinds.consul_config_entry import ConfigEntry
from mooring.kinds.consul_kv import Key
from mooring.kinds.consul_query import PreparedQuery
from mooring.kinds.nomad_job import Job
from mooring.kinds.nomad_namespace import Namespace
from mooring.kinds.nomad_node_pool import NodePool
from mooring.kinds.nomad_scheduler import Scheduler, SchedulerSpec
from mooring.kinds.nomad_variable import Variable

Json = dict[str, Any]

ACCESSOR: Final = "44444444-cccc-4ccc-8ccc-444444444441"
TOKEN: Final = "44444444-cccc-4ccc-8ccc-444444444442"  # noqa: S105 -- of a token that opens nothing

QUICK: Final[Json] = {
    "MaxParallel": 2,
    "HealthCheck": "task_states",
    "MinHealthyTime": SECOND // 10,
    "HealthyDeadline": 30 * SECOND,
    "ProgressDeadline": 0,
    "Stagger": SECOND,
}


def web(image: str) -> Json:
    """Runs, so that every repair is a deployment."""
    task = {
        "Name": "app",
        "Driver": "docker",
        "User": "65534",
        "Config": {"image": image, "ports": ["http"], "readonly_rootfs": True},
        "Env": {"PORT": "8080", "MODE": "fast"},
        "Resources": {"CPU": 50, "MemoryMB": 64},
        "KillTimeout": SECOND,
    }
    check = {"Name": "alive", "Type": "http", "Path": "/healthz", "Interval": 10 * SECOND, "Timeout": 2 * SECOND}
    service = {"Name": "drift-web", "PortLabel": "http", "Tags": ["web", "app"], "Checks": [check]}
    group = {
        "Name": "web",
        "Count": 1,
        "Networks": [{"DynamicPorts": [{"Label": "http", "To": 8080}]}],
        "Services": [service],
        "Update": QUICK,
        "Tasks": [task],
    }
    return {"ID": "drift-web", "Name": "drift-web", "Type": "service", "Datacenters": ["dc1"], "TaskGroups": [group]}


def still(image: str, name: str = "drift-still") -> Json:
    """Says much and runs nothing."""
    task = {
        "Name": "app",
        "Driver": "docker",
        "User": "65534",
        "Config": {"image": image, "args": ["--verbose"], "labels": [{"team": "shop"}]},
        "Env": {"MODE": "fast", "LEVEL": "1"},
        "Meta": {"tier": "gold"},
        "Resources": {"CPU": 50, "MemoryMB": 64},
        "Constraints": [{"LTarget": "${attr.cpu.arch}", "RTarget": "amd64", "Operand": "="}],
        "Templates": [{"EmbeddedTmpl": "greeting = hello\n", "DestPath": "local/app.conf", "ChangeMode": "restart"}],
        "KillTimeout": 2 * SECOND,
        "Services": [{"Name": "drift-still-task", "Tags": ["one"]}],
    }
    side = {"Name": "side", "Driver": "docker", "Config": {"image": image}, "Resources": {"CPU": 20, "MemoryMB": 32}}
    group = {
        "Name": "main",
        "Count": 0,
        "Meta": {"colour": "blue"},
        "Networks": [{"DynamicPorts": [{"Label": "http", "To": 8080}]}],
        "Services": [
            {
                "Name": "drift-still",
                "PortLabel": "http",
                "Checks": [{"Name": "alive", "Type": "tcp", "Interval": 10 * SECOND, "Timeout": 2 * SECOND}],
            }
        ],
        "RestartPolicy": {"Attempts": 2, "Interval": 60 * SECOND, "Delay": SECOND, "Mode": "fail"},
        "Tasks": [task, {**side, "Lifecycle": {"Hook": "prestart", "Sidecar": True}}],
    }
    second = {"Name": "second", "Count": 0, "Tasks": [{**side, "Name": "other"}]}
    return {
        "ID": name,
        "Name": name,
        "Type": "service",
        "Datacenters": ["dc1"],
        "Meta": {"owner": "shop", "contact": "shop@example.org"},
        "Constraints": [{"LTarget": "${attr.kernel.name}", "RTarget": "linux", "Operand": "="}],
        "TaskGroups": [group, second],
    }


def batch(image: str, name: str, **more: Any) -> Json:
    task = {
        "Name": "work",
        "Driver": "docker",
        "Config": {"image": image, "command": "node", "args": ["-e", "0"]},
        "Resources": {"CPU": 50, "MemoryMB": 64},
    }
    group = {"Name": "work", "Tasks": [task]}
    return {"ID": name, "Name": name, "Type": "batch", "Datacenters": ["dc1"], "TaskGroups": [group], **more}


ON_ORDER: Final[Json] = {"ParameterizedJob": {"Payload": "optional", "MetaRequired": ["customer"]}}
NIGHTLY: Final[Json] = {"Periodic": {"Enabled": True, "Spec": "0 3 1 1 *", "SpecType": "cron"}}


def jobs(image: str) -> list[Json]:
    return [
        web(image),
        still(image),
        still(image, "drift-gone"),
        batch(image, "drift-on-order", **ON_ORDER),
        batch(image, "drift-nightly", **NIGHTLY),
    ]


def program(reach: Reach) -> list[Said]:
    scheduler = SchedulerSpec.from_api(nomad.region(reach.nomad).scheduler(), reach.nomad)
    named = [
        *(Said(kind=Job, name=job["ID"], inputs={"job": job}, reach="nomad") for job in jobs(reach.image)),
        Said(
            kind=Scheduler,
            name="scheduler",
            # Whatever the stack has: it is the region's only one, and stays.
            inputs=scheduler.model_dump(mode="json", exclude={"endpoint"}),
            reach="nomad",
        ),
        *_consul(),
        *_nomad(),
        Said(
            kind=Job,
            name="drift-apart",
            inputs={"job": still(reach.image, "drift-apart") | {"Namespace": output("namespace", "name")}},
            reach="nomad",
        ),
    ]
    return list(named)


def _consul() -> list[Said]:
    def said(kind: Any, name: str, /, **inputs: Any) -> Said:
        return Said(kind=kind, name=name, inputs=inputs, reach="consul")

    return [
        said(Key, "key", key="drift/level", value="3", flags=1),
        said(Key, "key-gone", key="drift/gone", value="here"),
        said(
            consul_acl.AclPolicy,
            "consul-policy",
            name="drift",
            rules='key_prefix "drift/" { policy = "read" }',
            description="by the program",
        ),
        said(
            consul_acl.AclRole,
            "consul-role",
            name="drift",
            policies=[output("consul-policy", "name")],
            service_identities=["web:dc1"],
        ),
        said(
            consul_acl.AclToken,
            "consul-token",
            accessor_id=ACCESSOR,
            secret_id=TOKEN,
            description="by the program",
            policies=[output("consul-policy", "name")],
        ),
        said(
            ConfigEntry,
            "entry",
            kind="service-defaults",
            name="drift",
            entry={"Protocol": "http", "Meta": {"owner": "shop"}},
        ),
        said(
            ConfigEntry,
            "resolver",
            kind="service-resolver",
            name="drift-far",
            entry={
                "ConnectTimeout": "60s",
                "Failover": {"*": {"Datacenters": ["dc2", "dc3"]}},
                "LoadBalancer": {
                    "Policy": "ring_hash",
                    "HashPolicies": [{"Field": "header", "FieldValue": "x-user"}, {"SourceIP": True, "Terminal": True}],
                },
            },
        ),
        said(PreparedQuery, "query", name="drift", service="web", tags=["a", "b"], only_passing=True, ttl="10s"),
    ]


def _nomad() -> list[Said]:
    def said(kind: Any, name: str, /, **inputs: Any) -> Said:
        return Said(kind=kind, name=name, inputs=inputs, reach="nomad")

    return [
        said(
            nomad_acl.AclPolicy,
            "nomad-policy",
            name="drift",
            rules='node { policy = "read" }',
            description="by the program",
        ),
        said(
            nomad_acl.AclRole,
            "nomad-role",
            name="drift",
            policies=[output("nomad-policy", "name")],
            description="by the program",
        ),
        said(nomad_acl.AclToken, "nomad-token", name="drift", policies=[output("nomad-policy", "name")]),
        said(Namespace, "namespace", name="drift", description="by the program", meta={"owner": "shop"}),
        said(NodePool, "node-pool", name="drift", description="by the program", meta={"disk": "ssd"}),
        said(Variable, "variable", path="drift/db", items={"user": "app", "password": "one"}),
    ]


def encoded(text: str) -> str:
    """As Consul tells the value of a key."""
    return b64encode(text.encode()).decode()
