"""A web service from an image: the short form of a job, whose defaults heal."""

from dataclasses import dataclass, field
from typing import Any

import pulumi

from components.access import NomadAccess, Service
from mooring.kinds.nomad_job import Job

SECOND = 1_000_000_000
"""Nomad's API counts in nanoseconds."""

FORGOTTEN_WITHIN = 6
"""Seconds for which an instance that is to stop still serves: the balancer asks Consul every 0.5 s and keeps what it
heard for 3 s more, with 2 s to spare."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AppArgs:
    """What differs between apps."""

    port: int
    """On which the app listens inside its container; it is told by the variable PORT."""

    health: str = "/"
    """A path that answers 200 when the instance may be sent requests, and anything else when it must not."""

    count: int = 3
    cpu: int = 100
    """MHz, a share rather than a limit."""

    memory: int = 128
    """MiB, a limit: an instance that needs more is killed and restarted."""

    env: dict[str, str] = field(default_factory=dict[str, str])
    stop_within: int = 20
    """Seconds an instance has to finish what it is doing."""

    healthy_within: int = 90
    """Seconds a new instance has, its image pulled, until a deployment counts as bad and is reverted."""


class App(pulumi.ComponentResource):
    """The app is there when all its instances are healthy."""

    def __init__(
        self,
        name: str,
        *,
        image: pulumi.Input[str],
        on: NomadAccess,
        port: int,
        health: str = "/",
        count: int = 3,
        cpu: int = 100,
        memory: int = 128,
        env: dict[str, str] | None = None,
        stop_within: int = 20,
        healthy_within: int = 90,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("platform:app:App", name, None, opts)
        args = AppArgs(
            port=port,
            health=health,
            count=count,
            cpu=cpu,
            memory=memory,
            env=env or {},
            stop_within=stop_within,
            healthy_within=healthy_within,
        )
        self.job = job(name, image, on.datacenter, args)
        running = Job(
            name,
            endpoint=on.deploy,
            job=self.job,
            opts=pulumi.ResourceOptions(parent=self, deleted_with=on.goes_with),
        )
        self.service = Service(name=name, health=health, job=running)
        self.register_outputs({})


def job(name: str, image: pulumi.Input[str], datacenter: str, args: AppArgs) -> dict[str, Any]:
    """The whole job, as Nomad's API takes it."""
    return {
        "ID": name,
        "Name": name,
        "Type": "service",
        "Namespace": "default",
        "Priority": 50,
        "Stop": False,
        "Datacenters": [datacenter],
        "TaskGroups": [
            {
                "Name": name,
                "Count": args.count,
                # Spread and not distinct_hosts: with as many instances as hosts that would leave no place for a
                # canary, nor for the instance of a host that died.
                "Spreads": [{"Attribute": "${node.unique.id}", "Weight": 100}],
                "Networks": [{"Mode": "host", "DynamicPorts": [{"Label": "http", "To": args.port}]}],
                "Services": [_service(name, args)],
                "Update": {
                    "MaxParallel": 1,
                    "Canary": 1,
                    "AutoPromote": True,
                    "AutoRevert": True,
                    "HealthCheck": "checks",
                    "MinHealthyTime": 2 * SECOND,
                    "HealthyDeadline": args.healthy_within * SECOND,
                    # With any other value a bad deployment is reverted only when that time is over.
                    "ProgressDeadline": 0,
                },
                "RestartPolicy": {
                    "Attempts": 10,
                    "Interval": 300 * SECOND,
                    "Delay": 1 * SECOND,
                    "Mode": "fail",
                },
                "ReschedulePolicy": {
                    "Attempts": 0,
                    "Interval": 0,
                    "Delay": 5 * SECOND,  # Nomad's own minimum
                    "DelayFunction": "exponential",
                    "MaxDelay": 60 * SECOND,
                    "Unlimited": True,
                },
                "Migrate": {
                    "MaxParallel": 1,
                    "HealthCheck": "checks",
                    "MinHealthyTime": 2 * SECOND,
                    "HealthyDeadline": args.healthy_within * SECOND,
                },
                "ShutdownDelay": FORGOTTEN_WITHIN * SECOND,
                "Tasks": [_task(name, image, args)],
            }
        ],
    }


def _service(name: str, args: AppArgs) -> dict[str, Any]:
    return {
        "Name": name,
        "Provider": "consul",
        "PortLabel": "http",
        "Checks": [
            {
                "Name": f"{name} answers",
                "Type": "http",
                "Path": args.health,
                "Interval": 1 * SECOND,  # Nomad's own minimum, for timeouts as well
                "Timeout": 1 * SECOND,
                "CheckRestart": {"Limit": 3, "Grace": 10 * SECOND, "IgnoreWarnings": False},
            }
        ],
    }


def _task(name: str, image: pulumi.Input[str], args: AppArgs) -> dict[str, Any]:
    return {
        "Name": name,
        "Driver": "docker",
        "User": "65534",
        "Config": {
            "image": image,
            "ports": ["http"],
            "cap_drop": ["all"],
            "security_opt": ["no-new-privileges"],
            "readonly_rootfs": True,
        },
        "Env": {"PORT": str(args.port), **args.env},
        "Resources": {"CPU": args.cpu, "MemoryMB": args.memory},
        "KillSignal": "SIGTERM",
        "KillTimeout": args.stop_within * SECOND,
    }
