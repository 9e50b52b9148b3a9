"""The promises themselves. Who runs them says in the fixture `reach` where."""

from collections.abc import Iterator
from typing import Any

import pytest

from lifecycle.cases import CASES, NOT_IMPORTED, Case, Reach
from mooring.clients.errors import Forbidden, Untrusted
from mooring.kinds.kind import Made, NotHealthy, NotOurs, Seen, Unreachable
from mooring.plugin.inputs import meaning
from mooring.plugin.servicer import changes


class Thing:
    """One thing of a kind, and what the engine would do with it."""

    def __init__(self, case: Case, reach: Reach) -> None:
        self.case = case
        self._reach = reach
        self._made: list[Made] = []

    def create(self, spec: Any = None, *, stack: str = "test") -> Made:
        try:
            made = self.case.handler.create(spec or self.case.spec, self._reach.work(stack))
        except NotHealthy as failure:
            self._made.append(Made(id=failure.id, outputs=failure.outputs))
            raise
        self._made.append(made)
        return made

    def read(self, made: Made, spec: Any = None) -> Seen[Any] | None:
        return self.case.handler.read(made.id, spec or self.case.spec, made.outputs, self._reach.work("test"))

    def update(self, made: Made, old: Any, new: Any = None) -> Made:
        outputs = self.case.handler.update(made.id, old, new or self.case.spec, made.outputs, self._reach.work("test"))
        return Made(id=made.id, outputs=outputs)

    def delete(self, made: Made, spec: Any = None) -> None:
        self.case.handler.delete(made.id, spec or self.case.spec, made.outputs, self._reach.work("test"))

    def imported(self, made: Made, spec: Any = None) -> Seen[Any] | None:
        """What an import of what was made tells, by what its id says and the way to the cluster alone."""
        said = meaning(spec or self.case.spec)
        access = {name: said[name] for name in self.case.handler.access if said[name] is not None}
        return self.case.handler.imported(made.id, access, self._reach.work("test"))

    def differences(self, old: Any, new: Any) -> list[str]:
        """The inputs in which they differ, as the plugin tells the engine."""
        found = changes(self.case.handler, meaning(old), meaning(new))
        return sorted({str(path[0]) for path in found})

    def seen(self, made: Made) -> Seen[Any]:
        found = self.read(made)
        assert found is not None
        return found

    def remove(self) -> None:
        for made in self._made:
            self.delete(made)


class Promises:
    """Of every kind."""

    @pytest.fixture(params=CASES)
    def thing(self, request: pytest.FixtureRequest, reach: Reach) -> Iterator[Thing]:
        made = Thing(CASES[request.param](reach), reach)
        yield made
        made.remove()

    def test_what_was_created_reads_back_without_a_difference(self, thing: Thing) -> None:
        made = thing.create()

        seen = thing.seen(made)

        assert thing.differences(seen.spec, thing.case.spec) == []
        assert seen.outputs == made.outputs
        assert seen.reasons == ()

    def test_creating_again_is_adopting(self, thing: Thing) -> None:
        """As after a run that was killed before it could say what it had made."""
        first = thing.create()

        again = thing.create()

        assert again == first
        assert thing.seen(first).outputs == first.outputs

    def test_a_change_behind_our_back_is_a_difference_and_an_update_repairs_it(self, thing: Thing) -> None:
        made = thing.create()
        thing.update(made, thing.case.spec, thing.case.edited)

        drifted = thing.seen(made)
        repaired = thing.update(Made(id=made.id, outputs=drifted.outputs), drifted.spec)

        assert thing.differences(drifted.spec, thing.case.spec) == thing.differences(thing.case.edited, thing.case.spec)
        assert thing.differences(drifted.spec, thing.case.edited) == []
        assert thing.differences(thing.seen(repaired).spec, thing.case.spec) == []

    def test_an_update_that_changes_nothing_is_welcome(self, thing: Thing) -> None:
        """What failed half-way is updated to what it should have been, and may have been all along."""
        made = thing.create()

        thing.update(made, thing.case.spec)

        assert thing.differences(thing.seen(made).spec, thing.case.spec) == []

    def test_creating_over_something_else_leaves_it_alone_and_says_so(self, thing: Thing) -> None:
        theirs = thing.create(thing.case.edited, stack="another")
        before = thing.read(theirs, thing.case.edited)

        with pytest.raises(NotOurs, match=r"lifecycle|33333333"):
            thing.create()

        assert thing.read(theirs, thing.case.edited) == before

    def test_what_is_gone_reads_as_gone(self, thing: Thing) -> None:
        made = thing.create()
        thing.delete(made)

        assert thing.read(made) is None

    def test_deleting_twice_is_deleting_once(self, thing: Thing) -> None:
        made = thing.create()
        thing.delete(made)

        thing.delete(made)

        assert thing.read(made) is None

    def test_a_server_that_is_silent_is_neither_gone_nor_a_change(self, thing: Thing) -> None:
        made = thing.create()
        elsewhere = thing.case.unreachable

        with pytest.raises(Unreachable, match=r"answer|reached"):
            thing.read(made, elsewhere)
        with pytest.raises(Unreachable, match=r"answer|reached"):
            thing.delete(made, elsewhere)
        assert thing.differences(thing.case.spec, elsewhere) == []
        assert thing.differences(thing.seen(made).spec, thing.case.spec) == []

    def test_no_error_tells_a_secret(self, thing: Thing) -> None:
        case, made = thing.case, thing.create()

        with pytest.raises((Forbidden, Untrusted), match=r"403|pinned") as forbidden:
            thing.read(made, case.refused)
        with pytest.raises(Unreachable, match=r"answer|reached") as silent:
            thing.create(case.unreachable)
        with pytest.raises(Unreachable, match=r"answer|reached") as unchanged:
            thing.update(made, case.spec, case.unreachable)
        thing.delete(made)
        thing.create(case.edited, stack="another")
        with pytest.raises(NotOurs, match=r"lifecycle|33333333") as theirs:
            thing.create()

        for caught in (forbidden, silent, unchanged, theirs):
            told = f"{caught.value} {caught.value!r} {caught.value.args}"
            assert not [secret for secret in case.secrets if secret in told]
        assert not [secret for secret in case.secrets if secret in repr(case.spec)]


class Lifecycle(Promises):
    """Of the kinds of things that may have been made by hand, and are taken over."""

    @pytest.fixture(params=sorted(CASES.keys() - NOT_IMPORTED))
    def importable(self, request: pytest.FixtureRequest, reach: Reach) -> Iterator[Thing]:
        made = Thing(CASES[request.param](reach), reach)
        yield made
        made.remove()

    def test_what_was_made_by_hand_comes_in_and_then_there_is_no_difference(self, importable: Thing) -> None:
        made = importable.create(stack="another")

        seen = importable.imported(made)

        assert seen is not None
        assert importable.differences(seen.spec, importable.case.spec) == []
        assert importable.differences(importable.case.spec, seen.spec) == []
        assert seen.outputs == made.outputs
        later = importable.read(made, seen.spec)
        assert later is not None
        assert importable.differences(later.spec, seen.spec) == []

    def test_what_came_in_is_watched_and_kept_from_then_on(self, importable: Thing) -> None:
        made = importable.create(stack="another")
        seen = importable.imported(made)
        assert seen is not None
        importable.update(made, importable.case.spec, importable.case.edited)

        drifted = importable.read(made, seen.spec)
        assert drifted is not None
        kept = importable.update(Made(id=made.id, outputs=drifted.outputs), drifted.spec, seen.spec)

        assert importable.differences(drifted.spec, importable.case.edited) == []
        assert importable.differences(seen.spec, drifted.spec) != []
        assert importable.differences(importable.seen(kept).spec, importable.case.spec) == []

    def test_what_is_not_there_does_not_come_in(self, importable: Thing) -> None:
        made = importable.create()
        importable.delete(made)

        assert importable.imported(made) is None

    def test_an_import_tells_silence_and_refusal_from_absence(self, importable: Thing) -> None:
        made = importable.create()

        with pytest.raises(Unreachable, match=r"answer|reached"):
            importable.imported(made, importable.case.unreachable)
        with pytest.raises(Forbidden, match="403"):
            importable.imported(made, importable.case.refused)
