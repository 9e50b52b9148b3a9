"""What is written only if it is as it was last read, while somebody else writes too."""

from collections.abc import Callable
from typing import Any, Final

import pytest
from fakes.world import World
from lifecycle import cases
from lifecycle.cases import Case, Reach

from mooring.kinds.meanwhile import ChangedMeanwhile

BOUND: Final[tuple[Callable[[Reach], Case], ...]] = (
    cases.consul_key,
    cases.consul_config_entry,
    cases.nomad_variable,
)


@pytest.fixture(params=BOUND, ids=lambda made: made.__name__)
def case(request: pytest.FixtureRequest, world: World) -> Case:
    made: Callable[[Reach], Case] = request.param
    return made(
        Reach(
            consul=world.consul_endpoint,
            nomad=world.nomad_endpoint,
            host=world.host.connection,
            image="",
            work=world.work,
        )
    )


def test_somebody_elses_change_is_told_and_kept(case: Case, world: World) -> None:
    handler, spec, theirs = case.handler, case.spec, case.edited
    made = handler.create(spec, world.work())
    handler.update(made.id, spec, theirs, made.outputs, world.work())

    with pytest.raises(ChangedMeanwhile, match="was changed by somebody else since it was last read") as caught:
        handler.update(made.id, spec, spec, made.outputs, world.work())

    seen: Any = handler.read(made.id, spec, made.outputs, world.work())
    assert seen.spec == theirs
    assert not [secret for secret in case.secrets if secret in f"{caught.value!r} {caught.value.__cause__!r}"]


def test_somebody_elses_removal_is_told(case: Case, world: World) -> None:
    made = case.handler.create(case.spec, world.work())
    case.handler.delete(made.id, case.spec, made.outputs, world.work())

    with pytest.raises(ChangedMeanwhile, match="was changed by somebody else"):
        case.handler.update(made.id, case.spec, case.edited, made.outputs, world.work())

    assert case.handler.read(made.id, case.spec, made.outputs, world.work()) is None


def test_an_update_tells_the_index_that_the_next_one_is_bound_to(case: Case, world: World) -> None:
    made = case.handler.create(case.spec, world.work())

    outputs = case.handler.update(made.id, case.spec, case.edited, made.outputs, world.work())

    assert outputs["modify_index"] > made.outputs["modify_index"]
    assert set(case.handler.renewed(frozenset())) == {"modify_index"}
