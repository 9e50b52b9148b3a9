"""What one more host costs: bring-up and no-op preview of 3, 5 and 7 local nodes, in seconds for each host."""

import json
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer
from bench.bench import PORT, STACK, Failed, check_prepared, destroy, project, run
from rich.console import Console
from rich.table import Table

from mooring.toolchain.errors import CannotPrepare

SIZES: Sequence[int] = (3, 5, 7)
SERVERS = 3

ACCEPT = 1.2
"""Seconds for each host in the largest stack, as a part of those in the smallest. 1 is flat; what a bring-up costs
before its first host makes it less, and the machine's two cores, on which all nodes run, make it more."""


@dataclass(frozen=True, kw_only=True)
class Taken:
    up: float
    preview: float
    """Seconds."""


@dataclass(frozen=True, kw_only=True)
class Row:
    hosts: int
    up: float
    preview: float
    """Seconds for each host, the median of the rounds."""


def stack_file(hosts: int) -> str:
    """Three servers that do everything, and clients."""
    clients = hosts - SERVERS
    groups = [f"{{name: server, kind: local, count: {SERVERS}, roles: [server, client, registry, edge], memory: 2048}}"]
    if clients:
        groups.append(f"{{name: client, kind: local, count: {clients}, roles: [client], memory: 1536}}")
    lines = [f"    - {group}" for group in groups]
    return "\n".join(
        ["config:", "  mooring:network: 198.18.251.0/24", f'  mooring:port: "{PORT}"', "  mooring:hosts:", *lines, ""]
    )


def rows(taken: Mapping[int, Sequence[Taken]]) -> list[Row]:
    return [
        Row(
            hosts=hosts,
            up=statistics.median(each.up for each in rounds) / hosts,
            preview=statistics.median(each.preview for each in rounds) / hosts,
        )
        for hosts, rounds in sorted(taken.items())
    ]


def growth(found: Sequence[Row]) -> dict[str, float]:
    """How the cost of a host in the largest stack stands to that in the smallest, by step."""
    first, last = found[0], found[-1]
    return {"up": last.up / first.up, "preview": last.preview / first.preview}


def table(found: Sequence[Row]) -> Table:
    made = Table(title="seconds for each host", title_justify="left")
    for column in ("hosts", "pulumi up", "no-op preview"):
        made.add_column(column, justify="right")
    for row in found:
        made.add_row(str(row.hosts), f"{row.up:.2f}", f"{row.preview:.2f}")
    made.add_section()
    ratios = growth(found)
    style = "green" if max(ratios.values()) <= 1 else "yellow" if max(ratios.values()) <= ACCEPT else "red"
    made.add_row(f"{found[-1].hosts} to {found[0].hosts}", *(f"{ratio:.2f}" for ratio in ratios.values()), style=style)
    made.caption = f"goal 1, accept {ACCEPT}"
    return made


def measured(hosts: int, *, verbose: bool) -> Taken:
    with project(stack_file(hosts)) as (folder, env):
        run(["stack", "init", STACK, "--no-select"], folder, env, verbose=verbose)
        try:
            started = time.monotonic()
            run(["up", "--stack", STACK, "--yes", "--skip-preview"], folder, env, verbose=verbose)
            up = time.monotonic() - started
            started = time.monotonic()
            run(["preview", "--stack", STACK, "--expect-no-changes"], folder, env, verbose=verbose)
            return Taken(up=up, preview=time.monotonic() - started)
        finally:
            destroy(folder, env, verbose=verbose)


def main(
    rounds: Annotated[int, typer.Option("--rounds", "-n", min=1, help="How often each size is brought up.")] = 1,
    json_: Annotated[Path | None, typer.Option("--json", help="Write the outcome to this file too.")] = None,
    *,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show what Pulumi prints.")] = False,
) -> None:
    """Bring stacks of several sizes up, and say what each host cost."""
    console = Console(highlight=False)
    taken: dict[int, list[Taken]] = {hosts: [] for hosts in SIZES}
    try:
        check_prepared()
        for _ in range(rounds):
            for hosts in SIZES:
                taken[hosts].append(measured(hosts, verbose=verbose))
                last = taken[hosts][-1]
                console.print(f"{hosts} hosts: up {last.up:5.1f} s, no-op preview {last.preview:4.1f} s")
    except (Failed, CannotPrepare) as problem:
        console.print(str(problem), markup=False)
        raise typer.Exit(1) from None
    found = rows(taken)
    console.print(table(found))
    if json_ is not None:
        json_.write_text(json.dumps([asdict(row) for row in found], indent=2) + "\n")
    raise typer.Exit(1 if max(growth(found).values()) > ACCEPT else 0)


if __name__ == "__main__":
    typer.run(main)
