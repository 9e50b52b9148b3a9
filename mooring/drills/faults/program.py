"""Faults of the program and of whoever runs it: a version that does not work, an `up` that is killed."""

import random
import textwrap

from mooring.drills import limits
from mooring.drills.drill import Drill, Scene

REVERTED = "rolling back to job version"
"""Nomad's words for a deployment that it takes back; `up` passes them on."""

BAD = textwrap.dedent(
    """
    import pulumi as _pulumi

    def _worse(job):
        # Other metadata, so that it is a new version with a canary: services alone Nomad changes in place.
        job = {{**job, "Meta": {{**(job.get("Meta") or {{}}), "mooring-drill": "bad"}}}}
        for group in job["TaskGroups"]:
            group["Update"]["HealthyDeadline"] = 15_000_000_000
            for service in group["Services"]:
                for check in service["Checks"]:
                    check["Path"] = "/mooring-drill/no-such-page"
        return job

    def _transformed(args):
        if args.type_ != "mooring:nomad:Job" or args.name != {job!r}:
            return None
        job = _pulumi.Output.from_input(args.props["job"]).apply(_worse)
        return _pulumi.ResourceTransformationResult({{**args.props, "job": job}}, args.opts)

    _pulumi.runtime.register_stack_transformation(_transformed)
    """
)
"""In front of the program it makes of the app one whose check never passes; whatever else it says stays."""

CHANGED = textwrap.dedent(
    """
    import pulumi as _pulumi

    def _changed(job):
        return {{**job, "Meta": {{**(job.get("Meta") or {{}}), "mooring-drill": {mark!r}}}}}

    def _transformed(args):
        if args.type_ != "mooring:nomad:Job" or args.name != {job!r}:
            return None
        job = _pulumi.Output.from_input(args.props["job"]).apply(_changed)
        return _pulumi.ResourceTransformationResult({{**args.props, "job": job}}, args.opts)

    _pulumi.runtime.register_stack_transformation(_transformed)
    """
)
KILLS = 5
LATEST = 20.0
"""Seconds after which the last kill comes at the latest: an `up` that rolls one app out takes about 30."""


def _deploy_badly(scene: Scene) -> None:
    def restore() -> None:
        status, said = scene.stage.up(None, None)
        if status != 0:
            scene.complaints.append(f"the next `up` failed: {said[-1000:]}")

    with scene.afterwards("the program as it is is brought up", restore):
        scene.fault("`up` of a version whose check never passes")
        status, said = scene.stage.up(BAD.format(job=scene.stage.job), None)
        if status == 0:
            scene.complaints.append("`up` ended well, with a version that does not work")
        elif REVERTED not in said:
            scene.complaints.append(f"`up` failed, and not because the deployment was taken back: {said[-1000:]}")
        else:
            scene.step("`up` failed, with the reason: " + _reason(said))


def _reason(said: str) -> str:
    return next(line for line in said.splitlines() if REVERTED in line).strip(" \t*")


def _kill_up(scene: Scene) -> None:
    def restore() -> None:
        status, said = scene.stage.up(None, None)
        if status != 0:
            scene.complaints.append(f"the next `up` failed: {said[-1000:]}")

    with scene.afterwards("the program as it is is brought up", restore):
        scene.fault(f"{KILLS} times an `up` with a change is killed with -9")
        for number in range(1, KILLS + 1):
            after = random.uniform(1.0, LATEST)  # noqa: S311 -- no secret
            scene.step(f"`up` {number} of {KILLS} is killed after {after:.1f} s")
            scene.stage.up(CHANGED.format(job=scene.stage.job, mark=str(number)), after)


BAD_DEPLOY = Drill(
    name="bad-deploy",
    what="A version that never passes its check is brought up: it is taken back, `up` fails and says why.",
    fault=_deploy_badly,
    limits=limits.NO_REQUEST_LOST,
)
KILLED_UP = Drill(
    name="killed-up",
    what=f"`up` is killed at {KILLS} random points of a deploy; the next one ends the work.",
    fault=_kill_up,
    limits=limits.NO_REQUEST_LOST,
)
