"""What the drill puts in front of a program raises what the stack file says, and leaves the rest of it."""

import json
from collections.abc import Iterator

import pulumi
import pytest
from fakes.engine import Engine

from mooring.drills.faults.rotation import RAISED


@pytest.fixture
def engines() -> Iterator[list[Engine]]:
    made: list[Engine] = []
    yield made
    for engine in made:
        engine.close()


@pytest.mark.parametrize(
    ("said", "raised"),
    [
        (None, {"certificates": 2, "gossipKeys": 2}),
        (
            {"certificates": 4, "authority": {"signs": 1, "trusts": [1, 2]}},
            {"certificates": 5, "gossipKeys": 2, "authority": {"signs": 1, "trusts": [1, 2]}},
        ),
    ],
    ids=["nothing said", "something said"],
)
def test_the_numbers_are_raised_for_the_program_behind(
    engines: list[Engine], said: dict[str, object] | None, raised: dict[str, object]
) -> None:
    engines.append(Engine(config={} if said is None else {"mooring:rotation": json.dumps(said)}))
    found: list[str] = []

    def program() -> None:
        exec(RAISED, {})  # noqa: S102 -- it is made for that
        found.append(pulumi.Config("mooring").require("rotation"))

    engines[0].run(program)

    assert json.loads(found[0]) == raised
