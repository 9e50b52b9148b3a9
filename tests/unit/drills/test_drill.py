"""The scene: whatever is broken on it is mended, in the opposite order, however the drill ends."""

from collections.abc import Iterator

import pytest
from fakes.clock import FakeClock
from unit.drills.test_steady import stage

from mooring.drills.drill import Drill, Scene, possible
from mooring.drills.faults.network import CHAIN, MEND, PASSED, dropping
from mooring.drills.limits import Limits
from mooring.drills.machine import NoOutside
from mooring.drills.timeline import Timeline, What


@pytest.fixture
def scene() -> Iterator[Scene]:
    clock = FakeClock()
    made = Scene(stage=stage(), timeline=Timeline(clock), say=lambda _: None, clock=clock)
    yield made
    made.undo.close()


def test_what_was_broken_last_is_mended_first(scene: Scene) -> None:
    mended: list[str] = []
    with scene.afterwards("first", lambda: mended.append("first")):
        pass
    with scene.afterwards("second", lambda: mended.append("second")):
        pass

    scene.undo.close()

    assert mended == ["second", "first"]
    assert [event.detail for event in scene.timeline.of(What.RESTORED)] == ["second", "first"]


def test_one_that_cannot_be_mended_does_not_keep_the_others_from_it(scene: Scene) -> None:
    mended: list[str] = []

    def fails() -> None:
        raise OSError("no way in")

    with scene.afterwards("first", lambda: mended.append("first")):
        pass
    with scene.afterwards("second", fails):
        pass

    with pytest.raises(OSError, match="no way in"):
        scene.undo.close()
    assert mended == ["first"]


def test_it_is_mended_when_the_breaking_itself_is_interrupted(scene: Scene) -> None:
    mended: list[str] = []

    with pytest.raises(KeyboardInterrupt), scene.undo, scene.afterwards("it", lambda: mended.append("it")):
        raise KeyboardInterrupt

    assert mended == ["it"]


def test_the_first_fault_is_the_one_that_is_counted_from(scene: Scene) -> None:
    scene.fault("one", takes=[scene.stage.hosts[0]])
    scene.clock.sleep(3)
    scene.fault("another", hurts=[scene.stage.hosts[1]])

    assert scene.fault_at == 0
    assert (scene.victims, scene.unwell) == ({"n1": "10.0.0.1"}, {"n2"})


def test_what_has_an_end_of_its_own_is_over_then(scene: Scene) -> None:
    scene.fault("many reloads")
    scene.clock.sleep(200)
    scene.over("the last one is done")

    assert (scene.fault_at, scene.restored_at) == (0, 200)


def test_hosts_without_an_outside_are_named() -> None:
    drill = Drill(name="node", what="…", fault=lambda _: None, limits=Limits(), from_outside=True)

    with pytest.raises(NoOutside, match=r"'node' .* local nodes alone; n1, n2, n3 are none"):
        possible(drill, stage())


def test_a_network_fault_is_undone_by_the_opposite_of_each_of_its_rules() -> None:
    made = dropping(["10.0.0.2"], 0.1)

    assert "-m statistic --mode random --probability 0.1 -j DROP" in made
    assert made.count("-j DROP") == 2
    for chain in PASSED:
        assert f"-I {chain} -j {CHAIN}" in made
        assert f"-D {chain} -j {CHAIN}" in MEND
    assert f"-N {CHAIN}" in made
    assert f"-X {CHAIN}" in MEND
