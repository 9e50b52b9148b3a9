"""A preview tells the truth: it shows what somebody did, in its place, and nothing else, and it touches nothing."""

import json
import os
import random
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from lifecycle.cases import Reach
from live import harmless
from live.by_hand import GONE, Jobs, Thing, at, things
from live.counting import counting, index, writes
from live.declared import Declared, Said, Step
from live.drift_edits import EDITS, SECRET, UPDATE, Edit
from live.drift_program import program, still, web
from live.stack import Stack
from live.test_lifecycle import reach

from mooring.clients import consul, nomad
from mooring.kinds.consul_kv import Key
from mooring.kinds.nomad_job import Job, JobHandler, JobSpec
from mooring.waiting import wait_for

pytestmark = pytest.mark.live

__all__ = ["reach"]

SEED: Final = int(os.environ.get("MOORING_TEST_SEED", random.SystemRandom().randrange(10**6)))
ROUNDS: Final = 5
JOBS: Final = 42
"""In each round."""


@contextmanager
def project(folder: Path, reach: Reach) -> Generator[Declared]:
    made = Declared(folder, {"consul": reach.consul, "nomad": reach.nomad})
    try:
        yield made
    finally:
        made.destroy()


@pytest.fixture(scope="module")
def said(reach: Reach) -> Iterator[list[Said]]:
    """The program, with the scheduler's configuration as it was before any edit, and is again afterwards."""
    api = nomad.region(reach.nomad)
    before = api.scheduler()
    yield program(reach)
    api.put_scheduler(before, unless_changed_since=api.scheduler()["ModifyIndex"])


@pytest.fixture(scope="module")
def drifting(
    stack: Stack, reach: Reach, said: list[Said], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Declared]:
    """The program, up."""
    del stack
    with project(tmp_path_factory.mktemp("drifting"), reach) as made:
        made.says(said)
        made.up()
        yield made


@pytest.fixture(scope="module")
def live(reach: Reach) -> Mapping[str, Any]:
    return things(consul.cluster(reach.consul), nomad.region(reach.nomad), nomad.region(reach.nomad, "drift"))


def rounds(edits: Sequence[Edit], seed: int) -> list[list[Edit]]:
    """Each edit once, in an order that the seed says, and none in a round with another that it would hide."""
    found: list[list[Edit]] = []
    for edit in random.Random(seed).sample(edits, len(edits)):  # noqa: S311 -- to be repeated, not to be secret
        fitting = next((those for those in found if not any(_hides(edit, other) for other in those)), None)
        if fitting is None:
            found.append([edit])
        else:
            fitting.append(edit)
    return found


def _hides(one: Edit, other: Edit) -> bool:
    if one.of != other.of:
        return False
    ours, theirs = ([place.split("[+]")[0] for place, _ in edit.changes] for edit in (one, other))
    overlap = any(a.startswith(b) or b.startswith(a) for a in ours for b in theirs)
    return one.deletes or other.deletes or overlap


def by_resource(edits: Sequence[Edit]) -> dict[str, list[Edit]]:
    found: dict[str, list[Edit]] = {}
    for edit in edits:
        found.setdefault(edit.of.resource, []).append(edit)
    return found


def do(edits: Sequence[Edit], live: Mapping[str, Any]) -> None:
    for those in by_resource(edits).values():
        thing: Thing = live[those[0].of.kind](those[0].of.name)
        if those[0].deletes:
            thing.delete()
        else:
            thing.edit(*(change for edit in those for change in edit.changes))


def complaints(edits: Sequence[Edit], step: Step | None) -> Iterator[str]:
    """What a preview does not say of the edits of one resource, or says beside them."""
    op = "nothing" if step is None else step.op
    if step is None or op != ("create" if edits[0].deletes else "update"):
        yield f"{', '.join(edit.what for edit in edits)}: shown as {op}"
        return
    expected = {place: does for edit in edits for place, does in edit.shown.items()}
    missing = {place: does for place, does in expected.items() if step.paths.get(place) != does}
    beside = {place: does for place, does in step.paths.items() if expected.get(place) != does}
    if missing or (beside and not edits[0].deletes):
        yield f"{edits[0].of.resource}: does not show {missing}, but {beside}"
        return
    for edit in edits:
        yield from _wrong_values(edit, step)


def _wrong_values(edit: Edit, step: Step) -> Iterator[str]:
    for place in (place for place, does in edit.shown.items() if does == UPDATE):
        before, then = at(step.old, place), at(step.new, place)
        if edit.of.secret:
            if (before, then) != (SECRET, SECRET):
                yield f"{edit.what}: {place} tells a secret"
        elif before == then or GONE in (before, then):
            yield f"{edit.what}: {place}: {before} => {then}"
        elif edit.of.kind.startswith("job") and before != edit.changes[0][1]:
            yield f"{edit.what}: {place}: {before} is not {edit.changes[0][1]}"


def test_every_edit_of_a_live_object_is_shown_in_its_place_and_repaired(
    drifting: Declared, live: Mapping[str, Any]
) -> None:
    assert len({edit.what for edit in EDITS}) == len(EDITS) >= 60
    planned = rounds(EDITS, SEED)
    wrong: list[str] = []
    for number, edits in enumerate(planned):
        begun = time.monotonic()
        do(edits, live)
        shown = drifting.preview()
        touched = by_resource(edits)
        wrong += [line for name, those in touched.items() for line in complaints(those, shown.get(name))]
        wrong += [f"nobody touched {name}: {step}" for name, step in shown.items() if name not in touched]
        drifting.up()
        wrong += [f"after round {number}: {name} is left: {step}" for name, step in drifting.preview().items()]
        print(f"seed {SEED}, round {number}: {len(edits)} edits, {time.monotonic() - begun:.1f} s")
    print(f"{len(EDITS)} edits, each shown in its place and repaired")
    assert wrong == [], SEED


TABLES: Final = {
    "nomad": (
        *("jobs", "evaluations", "deployments", "allocations", "acl/policies", "acl/tokens", "acl/roles"),
        *("namespaces", "node/pools", "vars", "operator/scheduler/configuration"),
    ),
    "consul": (
        *("kv/drift/level", "acl/policies", "acl/tokens", "acl/roles", "query"),
        *("config/service-defaults", "config/service-resolver"),
    ),
}
"""Each answers with the index of the last write to it: raft's, so that it moves with any."""


def indices(reach: Reach) -> dict[str, int]:
    """Of every table that the program writes to."""
    clusters = (("nomad", reach.nomad), ("consul", reach.consul))
    return {f"{name}/{table}": index(endpoint, name, table) for name, endpoint in clusters for table in TABLES[name]}


def settled(reach: Reach) -> dict[str, int]:
    """The indices as soon as what was written last has had all its consequences."""
    seen = [indices(reach)]

    def still() -> dict[str, int] | None:
        seen.append(indices(reach))
        return seen[-1] if seen[-1] == seen[-2] else None

    return wait_for(still, "nothing is written any more", within=60, every=1)


def test_a_preview_writes_nothing(drifting: Declared, said: list[Said], reach: Reach, live: Mapping[str, Any]) -> None:
    """Counted by somebody in between who is the plugin's only way, and told by the servers' own indices."""
    gone, *rest = said
    new = Said(kind=Key, name="new", inputs={"key": "drift/new", "value": "1"}, reach="consul")
    with counting(reach.nomad) as (to_nomad, of_nomad), counting(reach.consul) as (to_consul, of_consul):
        try:
            # A read goes where the state says, so that has to say it too.
            drifting.reaches({"nomad": to_nomad, "consul": to_consul})
            drifting.says(said)
            drifting.up()
            # Not of a job that runs: its instances would go on to change by themselves.
            edits = rounds([edit for edit in EDITS if edit.of.resource != gone.name], SEED)[0]
            do(edits, live)
            drifting.says([*rest, new])
            of_nomad.clear()
            of_consul.clear()
            before = settled(reach)

            shown = drifting.preview()

            after = indices(reach)
            questions = [*of_nomad, *of_consul]
            assert {gone.name, new.name, *by_resource(edits)} <= shown.keys()
            assert {step.op for step in shown.values()} == {"create", "delete", "update"}
            assert {("GET", "/v1/jobs"), ("POST", "/v1/job/drift-still/plan"), ("GET", "/v1/acl/policy/drift")} <= {
                *of_nomad
            }
            assert {("GET", "/v1/kv/drift%2Flevel"), ("GET", "/v1/query")} <= {*of_consul}
            assert writes(questions) == []
            assert before == after, f"seed {SEED}"
            print(
                f"a preview of {len(shown)} changes: {len(questions)} questions, no write, {len(after)} tables unmoved"
            )

            of_nomad.clear()
            of_consul.clear()
            drifting.says(said)
            drifting.up()

            written = {*writes(of_nomad), *writes(of_consul)}
            moved = {table for table, at_ in indices(reach).items() if at_ != after[table]}
            print(f"then an up: {len(written)} writes, {len(moved)} tables moved")
            assert ("POST", "/v1/jobs") in written
            assert ("PUT", "/v1/txn") in written
            assert {"nomad/jobs", "nomad/evaluations", "consul/kv/drift/level"} <= moved
        finally:
            drifting.says(said)
            drifting.reaches({"nomad": reach.nomad, "consul": reach.consul})
            drifting.up()


def test_a_job_moves_to_another_namespace_and_leaves_nothing_behind(drifting: Declared, reach: Reach) -> None:
    del drifting  # whose namespace it is
    body, work = still(reach.image, "drift-moving"), reach.work("drift")
    here = JobSpec(endpoint=reach.nomad, job_id=body["ID"], job=body)
    there = here.model_copy(update={"job": body | {"Namespace": "drift"}})
    handler = JobHandler()
    made = handler.create(here, work)
    try:
        outputs = handler.update(made.id, here, there, made.outputs, work)

        seen = handler.read(made.id, there, outputs, work)
        assert seen is not None
        assert seen.spec == there
        assert handler.read(made.id, here, made.outputs, work) is None
    finally:
        handler.delete(made.id, here, {}, work)
        handler.delete(made.id, there, {}, work)


@contextmanager
def leaving_nothing(hands: Jobs) -> Generator[None]:
    """Of what the jobs begin, which outlives them."""
    try:
        yield
    finally:
        hands.forget("harmless-")


def variations(image: str, number: int) -> list[Said]:
    chance = random.Random(SEED + number)  # noqa: S311 -- as above
    names = [f"harmless-{number}-{each}" for each in range(JOBS)]
    make = [harmless.batch if each % 8 == 0 else harmless.variation for each in range(JOBS)]
    bodies = [made(name, image, chance) for made, name in zip(make, names, strict=True)]
    return [Said(kind=Job, name=body["ID"], inputs={"job": body}, reach="nomad") for body in bodies]


def and_back(job: Thing) -> None:
    """Change it by hand and undo that, so that no index tells any more that it is as it was."""
    before = job.found()
    job.edit(("Meta.by", "hand"))
    job.write({**before, "JobModifyIndex": job.found()["JobModifyIndex"]})


def test_what_changes_nothing_is_never_shown(
    stack: Stack, reach: Reach, live: Mapping[str, Any], tmp_path: Path
) -> None:
    """Each job is looked at twice: as it was registered, and when only its contents can tell that it still is."""
    del stack
    hands = Jobs(reach.nomad)
    body = harmless.autoscaled("harmless-web", web(reach.image))
    running = Said(kind=Job, name="harmless-web", inputs={"job": body}, reach="nomad")
    seen: set[str] = set()
    with leaving_nothing(hands), project(tmp_path, reach) as declared:
        for number in range(ROUNDS):
            said = variations(reach.image, number)
            declared.says([running, *said])
            declared.up()
            declared.unchanged()
            for name, body in ((each.name, each.inputs["job"]) for each in said):
                and_back(live["job"](name))
                if "Periodic" in body:
                    hands.force(name)
                elif body["Type"] == "batch":
                    hands.dispatch(name)
                seen.add(json.dumps({**body, "ID": "", "Name": ""}, sort_keys=True))
            hands.scale("harmless-web", "web", 1 + (number + 1) % 3)

            declared.unchanged()
        print(f"seed {SEED}: {2 * ROUNDS} previews without a change, of {len(seen)} different jobs")
    assert len(seen) >= 200
