"""Somebody's edits of live objects, as data: what is done by the server's API, and what a preview must show for it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from lifecycle.cases import SECOND
from live.by_hand import GONE
from live.drift_program import ACCESSOR, QUICK, encoded

ADD, DELETE, UPDATE = "add", "delete", "update"
"""What `up` would do in a place."""

SECRET: Final = "[secret]"  # noqa: S105 -- what is shown for one


@dataclass(frozen=True, kw_only=True)
class Edit:
    what: str
    of: "Target"
    changes: tuple[tuple[str, Any], ...] = ()
    """Places in the server's form, each with what comes to stand there; none: the whole is deleted."""

    shown: Mapping[str, str]
    """Places in the program's form, each with what `up` would do there."""

    @property
    def deletes(self) -> bool:
        return not self.changes


@dataclass(frozen=True)
class Target:
    resource: str
    """The program's name for it."""

    kind: str
    name: str
    """Which live object: a key of `things`, and its name there."""

    @property
    def secret(self) -> bool:
        return self.kind == "variable"

    def edit(self, what: str, changes: Mapping[str, Any], shown: str | Mapping[str, str] = UPDATE) -> Edit:
        """Only a job has the same places in both forms, for which one word of what is shown is enough."""
        places = {f"job.{place}": shown for place in changes} if isinstance(shown, str) else shown
        return Edit(what=f"{self.resource}: {what}", of=self, changes=tuple(changes.items()), shown=places)

    def deleted(self) -> Edit:
        return Edit(what=f"{self.resource}: deleted", of=self, shown={})


GROUP: Final = "TaskGroups[0]"
TASK: Final = f"{GROUP}.Tasks[0]"

WEB_JOB: Final = Target("drift-web", "job", "drift-web")
STILL_JOB: Final = Target("drift-still", "job", "drift-still")
GONE_JOB: Final = Target("drift-gone", "job", "drift-gone")
ON_ORDER_JOB: Final = Target("drift-on-order", "job", "drift-on-order")
APART_JOB: Final = Target("drift-apart", "job apart", "drift-apart")
NIGHTLY_JOB: Final = Target("drift-nightly", "job", "drift-nightly")
KEY: Final = Target("key", "key", "drift/level")
KEY_GONE: Final = Target("key-gone", "key", "drift/gone")
CONSUL_POLICY: Final = Target("consul-policy", "consul policy", "drift")
CONSUL_TOKEN: Final = Target("consul-token", "consul token", ACCESSOR)
CONSUL_ROLE: Final = Target("consul-role", "consul role", "drift")
ENTRY: Final = Target("entry", "entry", "service-defaults/drift")
RESOLVER: Final = Target("resolver", "entry", "service-resolver/drift-far")
QUERY: Final = Target("query", "query", "drift")
NOMAD_POLICY: Final = Target("nomad-policy", "nomad policy", "drift")
NOMAD_ROLE: Final = Target("nomad-role", "nomad role", "drift")
NOMAD_TOKEN: Final = Target("nomad-token", "nomad token", "drift")
NAMESPACE: Final = Target("namespace", "namespace", "drift")
NODE_POOL: Final = Target("node-pool", "node pool", "drift")
VARIABLE: Final = Target("variable", "variable", "drift/db")
SCHEDULER: Final = Target("scheduler", "scheduler", "")

RUNNING: Final = (
    WEB_JOB.edit("scaled", {f"{GROUP}.Count": 2}),
    WEB_JOB.edit("another variable", {f"{TASK}.Env.MODE": "slow"}),
    WEB_JOB.edit("more memory", {f"{TASK}.Resources.MemoryMB": 80}),
    WEB_JOB.edit("another check", {f"{GROUP}.Services[0].Checks[0].Path": "/"}),
    WEB_JOB.edit(
        "a tag more", {f"{GROUP}.Services[0].Tags[+]": "canary"}, {f"job.{GROUP}.Services[0].Tags[2]": DELETE}
    ),
    WEB_JOB.edit("stopped", {"Stop": True}, DELETE),
)
"""Edits of a job that runs."""

STILL: Final = (
    STILL_JOB.edit("another image", {f"{TASK}.Config.image": "registry.example:5000/app:2"}),
    STILL_JOB.edit("another argument", {f"{TASK}.Config.args[0]": "--quiet"}),
    STILL_JOB.edit("an option of the driver", {f"{TASK}.Config.privileged": True}, DELETE),
    STILL_JOB.edit("another label", {f"{TASK}.Config.labels[0].team": "hand"}),
    STILL_JOB.edit("another driver", {f"{GROUP}.Tasks[1].Driver": "exec"}),
    STILL_JOB.edit("a variable more", {f"{TASK}.Env.EXTRA": "1"}, DELETE),
    STILL_JOB.edit("a variable less", {f"{TASK}.Env.LEVEL": GONE}, ADD),
    STILL_JOB.edit("less memory", {f"{TASK}.Resources.MemoryMB": 48}),
    STILL_JOB.edit("a limit beyond the memory", {f"{TASK}.Resources.MemoryMaxMB": 256}, DELETE),
    STILL_JOB.edit("another user", {f"{TASK}.User": "1000"}),
    STILL_JOB.edit("more time to end", {f"{TASK}.KillTimeout": 20 * SECOND}),
    STILL_JOB.edit("another meta of a task", {f"{TASK}.Meta.tier": "silver"}),
    STILL_JOB.edit("another text of a template", {f"{TASK}.Templates[0].EmbeddedTmpl": "greeting = bye\n"}),
    STILL_JOB.edit("another way to tell of a template", {f"{TASK}.Templates[0].ChangeMode": "noop"}),
    STILL_JOB.edit("a right of a template's file", {f"{TASK}.Templates[0].Perms": "0600"}, DELETE),
    STILL_JOB.edit(
        "a template more",
        {f"{GROUP}.Tasks[1].Templates[+]": {"EmbeddedTmpl": "x", "DestPath": "local/x"}},
        {f"job.{GROUP}.Tasks[1].Templates": DELETE},
    ),
    STILL_JOB.edit(
        "an artifact",
        {f"{TASK}.Artifacts[+]": {"GetterSource": "https://example.org/a.tgz", "RelativeDest": "local/"}},
        {f"job.{TASK}.Artifacts": DELETE},
    ),
    STILL_JOB.edit("another constraint of a task", {f"{TASK}.Constraints[0].RTarget": "arm64"}),
    STILL_JOB.edit(
        "a constraint of the job more",
        {"Constraints[+]": {"LTarget": "${node.class}", "RTarget": "big", "Operand": "!="}},
        {"job.Constraints[1]": DELETE},
    ),
    STILL_JOB.edit(
        "an affinity",
        {"Affinities[+]": {"LTarget": "${node.class}", "RTarget": "big", "Operand": "=", "Weight": 20}},
        {"job.Affinities": DELETE},
    ),
    STILL_JOB.edit(
        "a spread",
        {f"{GROUP}.Spreads[+]": {"Attribute": "${node.unique.id}", "Weight": 50}},
        {f"job.{GROUP}.Spreads": DELETE},
    ),
    STILL_JOB.edit("another check's interval", {f"{GROUP}.Services[0].Checks[0].Interval": 20 * SECOND}),
    STILL_JOB.edit(
        "a check more",
        {
            f"{GROUP}.Services[0].Checks[+]": {
                "Name": "page",
                "Type": "http",
                "Path": "/",
                "Interval": 10 * SECOND,
                "Timeout": SECOND,
            }
        },
        {f"job.{GROUP}.Services[0].Checks[1]": DELETE},
    ),
    STILL_JOB.edit("no tags", {f"{TASK}.Services[0].Tags": None}, {f"job.{TASK}.Services[0].Tags": ADD}),
    STILL_JOB.edit("another restart", {f"{GROUP}.RestartPolicy.Attempts": 5}),
    STILL_JOB.edit("canaries", {f"{GROUP}.Update.Canary": 1}, {f"job.{GROUP}.Update": DELETE}),
    STILL_JOB.edit(
        "another rescheduling",
        {f"{GROUP}.ReschedulePolicy.MaxDelay": 600 * SECOND},
        {f"job.{GROUP}.ReschedulePolicy": DELETE},
    ),
    STILL_JOB.edit("a disk", {f"{GROUP}.EphemeralDisk.SizeMB": 500}, {f"job.{GROUP}.EphemeralDisk": DELETE}),
    STILL_JOB.edit(
        "a port more",
        {f"{GROUP}.Networks[0].DynamicPorts[+]": {"Label": "admin"}},
        {f"job.{GROUP}.Networks[0].DynamicPorts[1]": DELETE},
    ),
    STILL_JOB.edit("another meta of a group", {f"{GROUP}.Meta.colour": "green"}),
    STILL_JOB.edit("another meta of the job", {"Meta.owner": "hand"}),
    STILL_JOB.edit("a meta of the job more", {"Meta.by": "hand"}, DELETE),
    STILL_JOB.edit("a meta of the job less", {"Meta.contact": GONE}, ADD),
    STILL_JOB.edit("another priority", {"Priority": 80}, DELETE),
    STILL_JOB.edit("other datacenters", {"Datacenters[+]": "dc2"}, {"job.Datacenters[1]": DELETE}),
    STILL_JOB.edit("another sidecar", {f"{GROUP}.Tasks[1].Lifecycle.Hook": "poststart"}),
    STILL_JOB.edit("an instance of the second group", {"TaskGroups[1].ShutdownDelay": 2 * SECOND}, DELETE),
    STILL_JOB.edit(
        "a task more",
        {
            "TaskGroups[1].Tasks[+]": {
                "Name": "third",
                "Driver": "docker",
                "Config": {"image": "x"},
                "Resources": {"CPU": 20, "MemoryMB": 32},
            }
        },
        {"job.TaskGroups[1].Tasks[1]": DELETE},
    ),
    STILL_JOB.edit(
        "a group more",
        {
            "TaskGroups[+]": {
                "Name": "third",
                "Count": 0,
                "Update": QUICK,
                "Tasks": [{"Name": "t", "Driver": "docker", "Config": {"image": "x"}}],
            }
        },
        {"job.TaskGroups[2]": DELETE},
    ),
    STILL_JOB.edit(
        "another signal",
        {f"{TASK}.KillSignal": "SIGINT"},
        # Nomad asks for nodes that know the signal, by a constraint of its own.
        {f"job.{TASK}.KillSignal": DELETE, f"job.{GROUP}.Constraints": DELETE},
    ),
)
"""Edits of a job with no instance: nothing has to start and stop for them."""

OTHER_JOBS: Final = (
    APART_JOB.edit("another image", {f"{TASK}.Config.image": "registry.example:5000/app:2"}),
    APART_JOB.deleted(),
    GONE_JOB.deleted(),
    GONE_JOB.edit("stopped", {"Stop": True}, DELETE),
    GONE_JOB.edit("a group less", {"TaskGroups[1]": GONE}, ADD),
    ON_ORDER_JOB.edit("a payload asked for", {"ParameterizedJob.Payload": "required"}),
    ON_ORDER_JOB.edit("no meta asked for", {"ParameterizedJob.MetaRequired": None}, ADD),
    NIGHTLY_JOB.edit("another time", {"Periodic.Spec": "0 4 1 1 *"}),
    NIGHTLY_JOB.edit("another time zone", {"Periodic.TimeZone": "Europe/Berlin"}, DELETE),
    NIGHTLY_JOB.edit("switched off", {"Periodic.Enabled": False}),
)

CONSUL: Final = (
    KEY.edit("another value", {"Value": encoded("4")}, {"value": UPDATE}),
    KEY.edit("other flags", {"Flags": 7}, {"flags": UPDATE}),
    KEY_GONE.deleted(),
    CONSUL_POLICY.edit("other rules", {"Rules": 'key_prefix "" { policy = "write" }'}, {"rules": UPDATE}),
    CONSUL_POLICY.edit("another description", {"Description": "by hand"}, {"description": UPDATE}),
    CONSUL_TOKEN.edit("another description", {"Description": "by hand"}, {"description": UPDATE}),
    CONSUL_TOKEN.edit("a policy less", {"Policies": []}, {"policies[0]": ADD}),
    CONSUL_ROLE.edit(
        "for every datacenter", {"ServiceIdentities[0].Datacenters": []}, {"service_identities[0]": UPDATE}
    ),
    CONSUL_ROLE.deleted(),
    ENTRY.edit("another protocol", {"Protocol": "tcp"}, {"entry.Protocol": UPDATE}),
    ENTRY.edit("a field more", {"ExternalSNI": "web.example"}, {"entry.ExternalSNI": DELETE}),
    ENTRY.edit("a meta more", {"Meta.by": "hand"}, {"entry.Meta.by": DELETE}),
    ENTRY.deleted(),
    RESOLVER.edit("less time", {"ConnectTimeout": "5s"}, {"entry.ConnectTimeout": UPDATE}),
    RESOLVER.edit(
        "another place to turn to", {"Failover.*.Datacenters[0]": "dc4"}, {'entry.Failover["*"].Datacenters[0]': UPDATE}
    ),
    RESOLVER.edit(
        "another header",
        {"LoadBalancer.HashPolicies[0].FieldValue": "x-id"},
        {"entry.LoadBalancer.HashPolicies[0].FieldValue": UPDATE},
    ),
    RESOLVER.edit(
        "a policy ends",
        {"LoadBalancer.HashPolicies[0].Terminal": True},
        {"entry.LoadBalancer.HashPolicies[0].Terminal": DELETE},
    ),
    QUERY.edit("other tags", {"Service.Tags[+]": "c"}, {"tags[2]": DELETE}),
    QUERY.edit("the failing too", {"Service.OnlyPassing": False}, {"only_passing": UPDATE}),
    QUERY.deleted(),
)

NOMAD: Final = (
    NOMAD_POLICY.edit("other rules", {"Rules": 'node { policy = "write" }'}, {"rules": UPDATE}),
    NOMAD_POLICY.edit("another description", {"Description": "by hand"}, {"description": UPDATE}),
    NOMAD_ROLE.edit("another description", {"Description": "by hand"}, {"description": UPDATE}),
    NOMAD_TOKEN.edit("another policy", {"Policies[0]": "status"}, {"policies[0]": UPDATE}),
    NAMESPACE.edit("another description", {"Description": "by hand"}, {"description": UPDATE}),
    NAMESPACE.edit("another meta", {"Meta.owner": "hand"}, {"meta.owner": UPDATE}),
    NAMESPACE.edit("a driver less", {"Capabilities.DisabledTaskDrivers": ["exec"]}, {"disabled_drivers[0]": DELETE}),
    NODE_POOL.edit("another description", {"Description": "by hand"}, {"description": UPDATE}),
    NODE_POOL.edit("a meta more", {"Meta.by": "hand"}, {"meta.by": DELETE}),
    VARIABLE.edit("another password", {"Items.password": "two"}, {"items.password": UPDATE}),
    VARIABLE.edit("an item more", {"Items.by": "hand"}, {"items.by": DELETE}),
    VARIABLE.deleted(),
    SCHEDULER.edit("another algorithm", {"SchedulerAlgorithm": "spread"}, {"algorithm": UPDATE}),
    SCHEDULER.edit(
        "pushing out by batch jobs", {"PreemptionConfig.BatchSchedulerEnabled": True}, {"preempt_for_batch": UPDATE}
    ),
)

EDITS: Final = (*RUNNING, *STILL, *OTHER_JOBS, *CONSUL, *NOMAD)
