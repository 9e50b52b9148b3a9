"""`mooring`: the commands an operator types. Each is a thin shell around a module of this folder."""

import contextlib
import json
import threading
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from mooring.cli import drill as drills
from mooring.cli import expiry, importing
from mooring.cli import job as jobs
from mooring.cli import overview as overviews
from mooring.cli import quorum as quorums
from mooring.cli import snapshot as snapshots
from mooring.cli import stack as stacks
from mooring.cli import status as statuses
from mooring.cli import ui as interfaces
from mooring.cli.snapshot_places import CannotSnapshot
from mooring.cli.snapshot_places import place as place_named
from mooring.clients import consul, nomad
from mooring.clients.errors import ApiError, Unreachable, Untrusted
from mooring.kinds.kind import CannotImport
from mooring.toolchain.errors import CannotPrepare
from mooring.waiting import SYSTEM, TimedOut

app = typer.Typer(no_args_is_help=True, add_completion=True, pretty_exceptions_enable=False)

PUT_RIGHT = (
    overviews.NotUp,
    expiry.NoState,
    CannotSnapshot,
    quorums.NotToBeRecovered,
    drills.CannotDrill,
    stacks.CannotSelect,
    stacks.DoesNotOpen,
    stacks.NoSuchStack,
    jobs.NoSuchJob,
    jobs.CannotDo,
    importing.IsThere,
    importing.NotKept,
    CannotImport,
    CannotPrepare,
    ApiError,
    Unreachable,
    Untrusted,
    TimedOut,
)
"""What a person can put right: one sentence, no traceback."""


def job_names(context: typer.Context) -> list[str]:
    """For the shell's completion, which must never fail aloud."""
    with contextlib.suppress(*PUT_RIGHT):
        of, within = context.params.get("stack") or "dev", context.params.get("namespace") or "default"
        return jobs.names(nomad.region(overviews.overview(of).nomad, within))
    return []


Stack = Annotated[str, typer.Option("--stack", "-s", help="The environment: a file stacks/Pulumi.<stack>.yaml.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
JobName = Annotated[str, typer.Argument(metavar="JOB", autocompletion=job_names)]
Namespace = Annotated[str, typer.Option("--namespace", help="Of Nomad, in which the job is.")]
PASSED_ON = {"allow_extra_args": True, "ignore_unknown_options": True}


def say(line: str) -> None:
    typer.echo(line, err=True)


@app.command(context_settings=PASSED_ON)
def up(context: typer.Context, stack: Stack = "dev") -> None:
    """Make the stack what the program says; further options go to `pulumi up`."""
    raise typer.Exit(stacks.up(stack, context.args, say))


@app.command(context_settings=PASSED_ON)
def preview(context: typer.Context, stack: Stack = "dev") -> None:
    """Show what `up` would change; further options go to `pulumi preview`."""
    raise typer.Exit(stacks.preview(stack, context.args, say))


@app.command(context_settings=PASSED_ON)
def down(context: typer.Context, stack: Stack = "dev") -> None:
    """Take the stack away, with everything that was kept for it; further options go to `pulumi destroy`."""
    raise typer.Exit(stacks.down(stack, context.args, say))


@app.command()
def status(stack: Stack = "dev", *, json_: AsJson = False) -> None:
    """Show hosts, clusters, jobs, registry and URL; the exit status is 0 only when all are well."""
    seen = statuses.settled(overviews.overview(stack))
    seen = replace(seen, expiring=expiry.warnings(expiry.of_stack(stack), datetime.now(UTC)))
    if json_:
        typer.echo(json.dumps(statuses.as_json(seen) | {"drills": drills.last_report(stack)}, indent=2))
    else:
        console = Console(width=120 if not Console().is_terminal else None)
        statuses.show(seen, console)
        drills.show_last(stack, console)
    raise typer.Exit(0 if seen.healthy else 1)


@app.command()
def snapshot(
    stack: Stack = "dev",
    to: Annotated[
        str | None,
        typer.Option("--to", help="A folder or s3://BUCKET/PREFIX; a folder in Mooring's state unless given."),
    ] = None,
    keep: Annotated[int, typer.Option("--keep", help="How many stay there.", min=1)] = snapshots.KEPT,
    every: Annotated[float | None, typer.Option("--every", help="Minutes; again and again, until ^C.", min=1)] = None,
) -> None:
    """Keep all that Consul and Nomad keep outside of the cluster, and remove the oldest."""
    at = place_named(to) if to else snapshots.usual(stack)
    servers = [host for host in overviews.overview(stack).hosts if "server" in host.roles]
    stores = snapshots.stores(stack)
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            taken = snapshots.take(stack, stores, snapshots.keys_of(servers), at, snapshots.now())
            typer.echo(taken.spelled)
            snapshots.drop(snapshots.too_many(snapshots.there(at), keep), say)
            if every is None:
                return
            SYSTEM.sleep(every * 60)


@app.command()
def restore(
    snapshot: Annotated[
        str | None, typer.Argument(help="A snapshot, or the place whose newest is meant; the newest here unless given.")
    ] = None,
    stack: Stack = "dev",
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing.")] = False,
) -> None:
    """Let Consul and Nomad keep what a snapshot holds, after saying what is lost by it."""
    found = snapshots.found(snapshot) if snapshot else snapshots.newest(snapshots.usual(stack))
    for line in snapshots.loses(found, stack, snapshots.now()):
        say(line)
    if not yes:
        typer.confirm("Restore it?", abort=True)
    servers = [host for host in overviews.overview(stack).hosts if "server" in host.roles]
    snapshots.put_back(found, snapshots.stores(stack), say)
    snapshots.bring_keys(servers, found.part(snapshots.KEYS), say)
    say(f"restored; `mooring preview --stack {stack}` says what differs from the program now")


@app.command(name="recover-quorum")
def recover_quorum(
    stack: Stack = "dev", *, yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing.")] = False
) -> None:
    """Let the servers that are left decide alone, when the majority of them is lost for good."""
    at = overviews.overview(stack)
    servers = {host.name: host for host in at.hosts if "server" in host.roles}
    clusters: dict[str, quorums.Led] = {"consul": consul.cluster(at.consul), "nomad": nomad.region(at.nomad)}
    losses = [
        quorums.Loss.seen(vendor, servers, clusters[vendor.name])
        for vendor in quorums.VENDORS
        if not quorums.led(clusters[vendor.name])
    ]
    if not losses:
        raise quorums.NotToBeRecovered("both clusters have a leader: nothing is lost, `mooring up` does the rest")
    for loss in losses:
        for line in loss.told():
            say(line)
    if not yes:
        typer.confirm("Go on?", abort=True)
    for loss in losses:
        loss.decide_alone(say)
    say(quorums.REST)


@app.command()
def drill(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME", help="All unless given; see --list.", show_default=False),
    ] = None,
    stack: Stack = "dev",
    job: Annotated[str | None, typer.Option("--job", help="The app behind the balancer, if there are several.")] = None,
    rate: Annotated[float, typer.Option("--rate", help="Requests a second.", min=1, max=1000)] = drills.RATE,
    *,
    list_: Annotated[bool, typer.Option("--list", help="Say which drills there are, and break nothing.")] = False,
    json_: AsJson = False,
) -> None:
    """Break one thing after the other, watch it heal under load, and report what it cost; 0 when all was kept."""
    console = Console(width=120 if not Console().is_terminal else None)
    if list_:
        drills.known(console)
        return
    stage = drills.staged(stack, overviews.overview(stack), job)
    found = drills.performed(stage, drills.drills(stage, names or [], say), rate=rate, say=say)
    if not found.outcomes:
        raise typer.Exit(1)  # interrupted in the first: the report before it stays the last one
    page = drills.report.write(found, drills.folder(stack))
    if json_:
        typer.echo(json.dumps(drills.report.as_json(found), indent=2))
    else:
        drills.show(found, console)
    say(f"report: {page}")
    raise typer.Exit(0 if found.passed else 1)


@app.command()
def logs(
    job: JobName,
    stack: Stack = "dev",
    namespace: Namespace = "default",
    task: Annotated[str | None, typer.Option("--task", "-t", help="Only this task's.")] = None,
    lines: Annotated[int, typer.Option("--lines", "-n", help="Of each instance.", min=1)] = 20,
    *,
    stderr: Annotated[bool, typer.Option("--stderr", help="The error stream instead of the output.")] = False,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as lines are written; ^C ends it.")] = False,
) -> None:
    """Show what the instances of a job wrote, each line behind its instance, node and task."""
    api, stream = nomad.region(overviews.overview(stack).deploy, namespace), "stderr" if stderr else "stdout"
    found = (
        jobs.follow(api, job, task=task, stream=stream)
        if follow
        else jobs.logs(api, job, task=task, stream=stream, lines=lines)
    )
    with contextlib.suppress(KeyboardInterrupt):
        for line in found:
            typer.echo(line)


@app.command(name="exec", context_settings={"allow_interspersed_args": False})
def exec_(
    job: JobName,
    command: Annotated[list[str], typer.Argument(metavar="COMMAND")],
    stack: Stack = "dev",
    namespace: Namespace = "default",
    task: Annotated[str | None, typer.Option("--task", "-t", help="Inside this task.")] = None,
) -> None:
    """Run a command inside the first instance of a job; options of ours come before JOB."""
    raise typer.Exit(jobs.execute(overviews.overview(stack).deploy, job, command, namespace=namespace, task=task))


@app.command()
def restart(job: JobName, stack: Stack = "dev", namespace: Namespace = "default") -> None:
    """Restart every instance of a job, one at a time, each only when the last one serves again."""
    found = overviews.overview(stack)
    api = nomad.region(found.deploy, namespace)
    names = list(statuses.services(jobs.found(api, job)))

    def passing() -> int:
        return min((statuses.passing(consul.cluster(found.consul).service(name)) for name in names), default=0)

    jobs.restart(api, job, passing, say)


@app.command()
def promote(job: JobName, stack: Stack = "dev", namespace: Namespace = "default") -> None:
    """Let the canaries of a job take over, and wait for the deployment's end."""
    jobs.promote(nomad.region(overviews.overview(stack).deploy, namespace), job, say)


@app.command()
def rollback(
    job: JobName,
    stack: Stack = "dev",
    namespace: Namespace = "default",
    to: Annotated[int | None, typer.Option("--to", help="The version; the last stable one unless given.")] = None,
) -> None:
    """Run an earlier version of a job again, and say what the program must say so that the next `up` agrees."""
    must = jobs.rollback(nomad.region(overviews.overview(stack).deploy, namespace), job, to, say)
    typer.echo("healthy; the next `up` would undo this unless the program says:")
    for line in must:
        typer.echo(f"  {line}")


@app.command(name="import")
def import_(
    job: JobName,
    stack: Stack = "dev",
    namespace: Namespace = "default",
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write it there, instead of printing it.")] = None,
    *,
    keep_secrets: Annotated[
        bool, typer.Option("--keep-secrets", help="Put what looks like a secret into the stack's configuration.")
    ] = False,
) -> None:
    """Write a running job as the typed Python that takes it over, without what looks like a secret."""
    found = importing.piece(nomad.region(overviews.overview(stack).deploy, namespace), job)
    if out is None:
        typer.echo(found.text, nl=False)
    else:
        importing.write(found, out)
    if keep_secrets:
        importing.keep_secrets(found, stack)
    for line in importing.advice(found, stack, kept=keep_secrets):
        say(line)


@app.command()
def ui(
    vendor: Annotated[interfaces.Vendor, typer.Argument()],
    stack: Stack = "dev",
    port: Annotated[int, typer.Option("--port", "-p", help="Of the loopback; 0 takes a free one.")] = 0,
) -> None:
    """Open a vendor's own web interface on a local port that carries certificate and login; ^C ends it."""
    endpoint = interfaces.endpoint_of(vendor, overviews.overview(stack))
    door = interfaces.Door(vendor, endpoint, port)
    typer.echo(f"{door.url}  (with the right to read; ^C ends it)")
    with contextlib.suppress(KeyboardInterrupt):
        interfaces.serve(door, threading.Event())


def main() -> None:
    """Run a command; what a person can put right is one sentence, not a traceback."""
    try:
        app()
    except PUT_RIGHT as error:
        say(str(error))
        raise SystemExit(1) from None
