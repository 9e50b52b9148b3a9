"""The program that is measured: as many jobs as the settings say, or resources of the kind that does nothing."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pulumi
from nothing import Nothing
from web_service import web_service

from components.access import NomadAccess
from components.job import Job
from components.timings import timings
from mooring import jobs


class Held(pulumi.ComponentResource):
    """What `Job` is, with nothing in the place of Nomad's job."""

    def __init__(self, name: str, *, job: jobs.Job, on: NomadAccess) -> None:
        super().__init__("platform:bench:Held", name)
        Nothing(
            name,
            endpoint=on.deploy,
            catalogue=on.catalogue,
            job=job.to_api(),
            opts=pulumi.ResourceOptions(parent=self, deleted_with=on.goes_with),
        )
        self.register_outputs({})


def declare(kind: str, count: int, changed: int | None, endpoint: Mapping[str, Any]) -> None:
    secret = {name: pulumi.Output.secret(endpoint[name]) for name in ("private_key", "token")}
    region = Nothing("region", endpoint={}, catalogue={}, job={"ID": "region"})
    reached = {**endpoint, **secret}
    # Consul is asked only about a deployment that has failed, and here none does.
    access = NomadAccess(
        deploy=reached,
        status=reached,
        catalogue=reached,
        datacenter="dc1",
        timings=timings([], clients=3),
        goes_with=region,
    )
    for number in range(count):
        job = web_service(number, release="2" if number == changed else "1")
        if kind == "job":
            Job(job.id, job=job, on=access)
        else:
            Held(job.id, job=job, on=access)


declare(**json.loads(Path(os.environ["BENCH_SETTINGS"]).read_text()))
