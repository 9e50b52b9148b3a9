"""A job that runs already, as a program would have to say it."""

from collections.abc import Callable

from mooring.clients.answers import Json, table
from mooring.jobs import InvalidJob, Job
from mooring.jobs.brief import brief
from mooring.kinds.kind import CannotImport
from mooring.kinds.nomad_drift import OURS

Plan = Callable[[Json], Json]
"""What the scheduler would do with a job, as `Nomad.plan` asks it."""


def places(id_: str) -> list[tuple[str, str]]:
    """Namespace and name of the jobs that `NAME` or `NAMESPACE/NAME` may mean: a name may have slashes itself."""
    namespace, slash, name = id_.partition("/")
    return [("default", id_), *([(namespace, name)] if slash and name else [])]


def taken_in(found: Json, plan: Plan) -> Job:
    """What a program must say so that nothing changes; raises `CannotImport`.

    As short as the scheduler agrees to: where it sees a difference to the whole of what it told, that stands.
    """
    name = found["ID"]
    if parent := found["ParentID"]:
        raise CannotImport(f"job {name!r} is one run of {parent!r}, which is what a program declares")
    meta = {key: value for key, value in table(found["Meta"]).items() if not key.startswith(OURS)}
    try:
        whole = Job.from_api({**found, "Meta": meta})
    except InvalidJob as error:
        raise CannotImport(f"job {name!r} has what a job here does not hold: {error}") from error
    short = brief(whole)
    return short if plan(short.to_api())["Diff"] == plan(whole.to_api())["Diff"] else whole


def says_the_same(one: Json, other: Json) -> bool:
    """Whether two jobs differ at most in what Nomad adds by itself to the one and is said in the other."""
    try:
        return brief(Job.from_api(one)) == brief(Job.from_api(other))
    except InvalidJob:
        return False  # with a value that is not known yet, or of another version
