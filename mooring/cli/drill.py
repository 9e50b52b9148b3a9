"""`mooring drill`: break things of a stack that is marked for it, one after the other, and report what it cost."""

import signal
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

from rich.console import Console
from rich.table import Table

from mooring.cli import pulumi, rehearsal
from mooring.cli import status as statuses
from mooring.cli.overview import Overview
from mooring.clients import nomad
from mooring.clients.answers import rows
from mooring.drills import catalogue, report
from mooring.drills.drill import Drill, possible
from mooring.drills.limits import RATE
from mooring.drills.machine import NoOutside, local_nodes
from mooring.drills.perform import Outcome, perform
from mooring.drills.stage import CannotDrill, Host, Stage
from mooring.toolchain import places

__all__ = [
    "RATE",
    "CannotDrill",
    "drills",
    "folder",
    "known",
    "last_report",
    "performed",
    "report",
    "show",
    "show_last",
    "staged",
]

Say = Callable[[str], None]


def folder(stack: str) -> Path:
    """Where the reports of a stack are kept."""
    return places.state() / "drills" / f"{pulumi.project()}-{stack}"


def drills(stage: Stage, names: Sequence[str], say: Say) -> list[Drill]:
    """Those of these names, or all that these hosts allow; raises `CannotDrill` for a named one that they do not."""
    wanted = catalogue.chosen(names)
    impossible = {each.name: reason for each in wanted if (reason := _impossible(each, stage))}
    if impossible and names:
        raise CannotDrill("\n".join(impossible.values()))
    for reason in impossible.values():
        say(f"left out: {reason}")
    return [each for each in wanted if each.name not in impossible]


def performed(stage: Stage, wanted: Sequence[Drill], *, rate: float, say: Say) -> report.Report:
    """Perform them one after the other. One that is interrupted is mended and left out, and the report says so."""
    begun, outcomes = datetime.now(UTC), list[Outcome]()
    interrupted = False
    with _orderly_end():
        try:
            for each in wanted:
                outcomes.append(perform(each, stage, rate=rate, say=_named(each.name, say)))
                say(f"{each.name}: {'passed' if outcomes[-1].passed else 'not passed'}")
        except KeyboardInterrupt:
            interrupted = True
            say("interrupted; what was broken is mended")
    return report.Report(stack=stage.stack, begun=begun, rate=rate, outcomes=tuple(outcomes), interrupted=interrupted)


def _named(name: str, say: Say) -> Say:
    return lambda line: say(f"{name}: {line}")


def _impossible(each: Drill, stage: Stage) -> str | None:
    try:
        possible(each, stage)
    except NoOutside as error:
        return str(error)
    return None


def staged(stack: str, found: Overview, job: str | None) -> Stage:
    """What there is to drill on; raises `CannotDrill` on a stack that is not marked for it."""
    if found.drill is None:
        raise CannotDrill(
            f"stack {stack!r} is not marked as one on which things may be broken; `mooring:drillable: true` in "
            f"stacks/Pulumi.{stack}.yaml and `mooring up` would do that"
        )
    region = nomad.region(found.drill.nomad)
    services = {
        summary["ID"]: list(statuses.services(specification))
        for summary in region.jobs()
        if summary["Type"] == "service" and (specification := region.job(summary["ID"])) is not None
    }
    balanced = [name for name, registered in services.items() if registered]
    if job is None and len(balanced) != 1:
        raise CannotDrill(f"these jobs have services: {', '.join(balanced) or 'none'}; --job must name one of them")
    chosen = job or balanced[0]
    if chosen not in balanced:
        raise CannotDrill(f"job {chosen!r} has no service in Consul; these have: {', '.join(balanced) or 'none'}")
    specification = region.job(chosen) or {}
    containers = local_nodes(f"{pulumi.project()}/{stack}")
    return Stage(
        stack=stack,
        hosts=tuple(
            Host(
                name=host.name,
                roles=frozenset(host.roles),
                connection=host.connection,
                inside=host.inside,
                container=containers.get(host.name),
            )
            for host in found.hosts
        ),
        consul=found.drill.consul,
        nomad=found.drill.nomad,
        url=found.url,
        job=chosen,
        service=services[chosen][0],
        desired=sum(group["Count"] for group in rows(specification["TaskGroups"])),
        problems=lambda: statuses.look(found).problems,
        difference=lambda: _difference(stack),
        up=partial(rehearsal.up, stack),
    )


def _difference(stack: str) -> str | None:
    asked = pulumi.ask(["preview", "--stack", stack, "--expect-no-changes", "--non-interactive", "--color", "never"])
    return None if asked.returncode == 0 else (asked.stdout + asked.stderr).strip()[-2000:]


def show(found: report.Report, console: Console) -> None:
    table = Table(title=f"drills of {found.stack}", title_justify="left")
    for column in ("drill", *report.COLUMNS, "verdict"):
        table.add_column(column)
    for outcome in found.outcomes:
        table.add_row(
            outcome.name,
            *report.cells(outcome.figures),
            "passed" if outcome.passed else "not passed",
            style="" if outcome.passed else "red",
        )
    console.print(table)
    for outcome in found.outcomes:
        for complaint in outcome.complaints:
            console.print(f"{outcome.name}: {complaint}", style="red", highlight=False)


def known(console: Console) -> None:
    """What can be drilled, in one table."""
    table = Table(title="drills", title_justify="left")
    for column in ("drill", "what it does"):
        table.add_column(column)
    for each in catalogue.DRILLS:
        table.add_row(each.name, each.what)
    console.print(table)


def last_report(stack: str) -> dict[str, Any] | None:
    """When the stack was last drilled, and how that ended; None when it never was."""
    found = report.last(folder(stack))
    if found is None:
        return None
    failed = [each["name"] for each in found["drills"] if not each["passed"]]
    return {
        "begun": found["begun"],
        "drills": len(found["drills"]),
        "not_passed": failed,
        "interrupted": found["interrupted"],
    }


def show_last(stack: str, console: Console) -> None:
    """One line about the last report, if there is one."""
    found = last_report(stack)
    if found is not None:
        failed = found["not_passed"]
        words = f"{', '.join(failed)} not passed" if failed else f"all {found['drills']} passed"
        words += ", then interrupted" if found["interrupted"] else ""
        console.print(f"drills    {found['begun']}: {words}", style="red" if failed else "", highlight=False)


@contextmanager
def _orderly_end() -> Generator[None]:
    """Let whoever ends this process end it as ^C does: what is broken is mended first."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
