"""A job of any kind, as typed pieces: for what is no plain web service. The short form for those is `App`."""

from collections.abc import Mapping, Sequence

import pulumi

from components.access import NomadAccess, Service
from components.job_body import body_of
from mooring import jobs
from mooring.kinds.nomad_job import Job as Resource


class Job(pulumi.ComponentResource):
    """The job is there when its deployment is healthy."""

    def __init__(
        self,
        name: str,
        *,
        job: jobs.Job,
        on: NomadAccess,
        images: Mapping[str, pulumi.Input[str]] | None = None,
        after: Sequence[pulumi.Resource] = (),
        strict: bool = False,
        import_: str | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Where a task's image is one of the names in `images`, what was pushed under it takes its place.

        Nothing of it is touched before what is in `after` is there, as the work of a `Run`. `import_` is the ID of a
        job that runs already and is not the stack's yet: the first `up` takes it over, and then it may go.
        """
        super().__init__("platform:job:Job", name, None, opts)
        self._job = job
        self._running = Resource(
            name,
            endpoint=on.deploy,
            catalogue=on.catalogue,
            job=body_of(job, images),
            strict=strict,
            opts=pulumi.ResourceOptions(
                parent=self, deleted_with=on.goes_with, depends_on=list(after), import_=import_
            ),
        )
        self.register_outputs({})

    def service(self, name: str) -> Service:
        """One of the job's services, for a load balancer; raises `ValueError` when there is none with an HTTP check."""
        checks = health_paths(self._job)
        if name not in checks:
            known = ", ".join(sorted(checks)) or "none"
            raise ValueError(f"job {self._job.id} has no service {name!r} with an HTTP check; those with one: {known}")
        return Service(name=name, health=checks[name], job=self._running)


def health_paths(job: jobs.Job) -> dict[str, str]:
    """The path of the first HTTP check of each service, by the service's name."""
    return {
        service.name: check.path
        for group in job.groups
        for service in (*group.services, *(service for task in group.tasks for service in task.services))
        if service.name is not None
        for check in reversed(service.checks)
        if isinstance(check, jobs.HttpCheck)
    }
