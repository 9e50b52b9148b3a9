"""What depends on the version of Nomad that will run a job: asked here and nowhere else."""

from collections.abc import Iterator
from typing import Final

from mooring.jobs.problem import Problem
from mooring.toolchain import pins

NOMAD: Final = pins.NOMAD.version
"""Assumed when nobody says which."""

DISCONNECT: Final = (1, 8)
"""The first version whose clients survive what `max_client_disconnect` and its successor, `disconnect`, ask of them."""


def disconnect_problems(nomad: str) -> Iterator[Problem]:
    """Why `max_client_disconnect` must not be used."""
    if pins.ordered(nomad) < DISCONNECT:
        # Seen on 1.6.3: after a reconnect the agent keeps its allocation without a job and panics on its next start;
        # and after a power cut the old instance is kept, unreachable, and the healthy replacement stopped.
        yield Problem(
            "",
            f"on Nomad {nomad} an agent that was cut off can crash for ever afterwards: leave it out, and a lost "
            "instance is replaced at once",
        )
