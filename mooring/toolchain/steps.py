"""Things to do that need one another, done side by side as far as that allows."""

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor

from mooring.toolchain.errors import CannotPrepare

Wait = Callable[..., None]
"""`wait("engine", "consul")` returns when those steps have succeeded; a step calls it just before it needs them."""


class Skipped(Exception):
    """A step that this one waited for did not succeed; that one is reported, this one is not."""


def run_all(steps: Mapping[str, Callable[[Wait], None]]) -> None:
    """Start every step at once; each waits for the others it names.

    A failure lets everything independent of it come to its end, so that the next run has less to do. All reasons
    are then raised as one.
    """
    outcomes: dict[str, Future[None]] = {name: Future() for name in steps}

    def wait(*names: str) -> None:
        if any(outcomes[name].exception() is not None for name in names):
            raise Skipped

    def settle(name: str) -> None:
        try:
            steps[name](wait)
        except BaseException as problem:  # noqa: BLE001 - handed to whoever waits, and raised below
            outcomes[name].set_exception(problem)
        else:
            outcomes[name].set_result(None)

    # A thread for each, so that none waits for a step that has no thread to run in.
    with ThreadPoolExecutor(max_workers=max(1, len(steps))) as pool:
        for name in steps:
            pool.submit(settle, name)

    failures = [failure for outcome in outcomes.values() if (failure := outcome.exception()) is not None]
    for failure in failures:
        if not isinstance(failure, CannotPrepare | Skipped):
            raise failure
    if reasons := [str(failure) for failure in failures if isinstance(failure, CannotPrepare)]:
        raise CannotPrepare("\n".join(reasons))
