"""The reference page on jobs is what the code is."""

import json
from dataclasses import fields

import pytest
from unit.docs.pages import REFERENCE, blocks, sections, without_blocks
from unit.jobs.test_model import pieces

from mooring.jobs import LEFT_OUT, Check, Job, TaskDriver
from mooring.jobs.compose.service import READERS, REFUSED
from mooring.jobs.piece import Piece

PAGE = REFERENCE / "jobs.md"


@pytest.mark.parametrize(
    "piece", [p for p in pieces() if p not in (Check, TaskDriver) and fields(p)], ids=lambda piece: piece.__name__
)
def test_every_field_has_its_row(piece: type[Piece]) -> None:
    found = sections(PAGE)
    section = found.get(f"{piece.__name__} itself") or found[piece.__name__]

    rows = section.table()

    assert list(rows) == [field.name for field in fields(piece)]
    assert all(meaning for _, meaning in rows.values())


def test_everything_left_out_has_its_reason() -> None:
    assert {key: row[0] for key, row in sections(PAGE)["Left out"].table().items()} == dict(LEFT_OUT)


def test_the_example_is_a_job_with_nothing_wrong() -> None:
    names: dict[str, Job] = {}
    for block in blocks(PAGE, "python"):
        exec(block, names)  # type: ignore[arg-type]  # noqa: S102 -- it is our own page

    assert json.dumps(names["job"].checked().to_api())


def test_the_keys_of_a_compose_file_are_keys_that_are_read() -> None:
    text = without_blocks(PAGE.read_text())
    table = sections(PAGE)["From a docker-compose file"].rows()
    named = {part.strip(" `") for row in table for part in row[0].split(",")}
    known = {
        *READERS,
        *(f"deploy.{key}" for key in ("replicas", "resources", "restart_policy", "update_config")),
        "dns*",
    }

    assert named <= known
    assert not named & set(REFUSED)
    assert "`x-" not in text
