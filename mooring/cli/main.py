"""`mooring`: the commands an operator types. Each is a thin shell around a module of this folder."""

import json
from typing import Annotated

import typer
from rich.console import Console

from mooring.cli import overview as overviews
from mooring.cli import stack as stacks
from mooring.cli import status as statuses
from mooring.toolchain.errors import CannotPrepare

app = typer.Typer(no_args_is_help=True, add_completion=True, pretty_exceptions_enable=False)

Stack = Annotated[str, typer.Option("--stack", "-s", help="The environment: a file stacks/Pulumi.<stack>.yaml.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
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
def status(
    stack: Stack = "dev",
    *,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Show hosts, clusters, jobs, registry and URL; the exit status is 0 only when all are well."""
    seen = statuses.look(overviews.overview(stack))
    if json_:
        typer.echo(json.dumps(statuses.as_json(seen), indent=2))
    else:
        statuses.show(seen, Console(width=120 if not Console().is_terminal else None))
    raise typer.Exit(0 if seen.healthy else 1)


def main() -> None:
    """Run a command; what a person can put right is one sentence, not a traceback."""
    try:
        app()
    except (overviews.NotUp, stacks.CannotSelect, stacks.DoesNotOpen, stacks.NoSuchStack, CannotPrepare) as error:
        say(str(error))
        raise SystemExit(1) from None
