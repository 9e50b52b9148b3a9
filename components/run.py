"""Work that must run to its end, and well, before what depends on it: a migration, an import, a backup."""

from collections.abc import Mapping, Sequence

import pulumi

from components.access import NomadAccess
from components.job_body import body_of
from mooring import jobs
from mooring.kinds import nomad_run


class Run(pulumi.ComponentResource):
    """The work is there when it has ended well; it runs again when the program says another job."""

    def __init__(
        self,
        name: str,
        *,
        job: jobs.Job,
        on: NomadAccess,
        images: Mapping[str, pulumi.Input[str]] | None = None,
        after: Sequence[pulumi.Resource] = (),
        within: int = nomad_run.LONGEST,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """A batch `job`; `within` is in seconds, and `images` as of `Job`."""
        super().__init__("platform:run:Run", name, None, opts)
        self.ended = nomad_run.Run(
            name,
            endpoint=on.deploy,
            job=body_of(job, images),
            within=within,
            opts=pulumi.ResourceOptions(parent=self, deleted_with=on.goes_with, depends_on=list(after)),
        )
        self.register_outputs({})
