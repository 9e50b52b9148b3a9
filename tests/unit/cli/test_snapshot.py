"""Snapshots: whole or not there, their owner's alone, as many as asked for, put back only when all is right."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fakes.clock import FakeClock

from mooring.cli import snapshot as snapshots
from mooring.cli.snapshot import Snapshot
from mooring.cli.snapshot_places import CannotSnapshot, Folder
from mooring.clients.errors import Unreachable
from mooring.waiting import TimedOut

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


@dataclass
class Store:
    """A cluster that is leaderless for a while after its state was put back."""

    state: bytes
    clock: FakeClock = field(default_factory=FakeClock)
    elects_for: float = 0
    _led_from: float = 0

    def leader(self) -> str | None:
        if self.clock.now() < self._led_from:
            raise Unreachable("no server answers")
        return "198.18.0.11:8300"

    def snapshot(self) -> bytes:
        if self.state == b"":
            raise Unreachable("no server answers")
        return self.state

    def restore(self, snapshot: bytes) -> None:
        self.state = snapshot
        self._led_from = self.clock.now() + self.elects_for


def taken(folder: Path, at: datetime = NOON, consul: bytes = b"c", nomad: bytes = b"n") -> Snapshot:
    return snapshots.take("dev", {"consul": Store(consul), "nomad": Store(nomad)}, b"keys", Folder(folder), at)


def test_what_was_taken_is_put_back_to_the_bit(tmp_path: Path) -> None:
    before = taken(tmp_path, consul=b"all of Consul", nomad=b"all of Nomad")
    clusters = {"consul": Store(b"something else"), "nomad": Store(b"something else")}

    snapshots.put_back(snapshots.found(before.spelled), clusters, lambda _: None)

    assert {name: store.state for name, store in clusters.items()} == {
        "consul": b"all of Consul",
        "nomad": b"all of Nomad",
    }


def test_nobody_else_can_read_it(tmp_path: Path) -> None:
    made = taken(tmp_path / "to")

    assert Path(made.spelled).stat().st_mode & 0o077 == 0
    assert {file.name: file.stat().st_mode & 0o077 for file in Path(made.spelled).iterdir()} == dict.fromkeys(
        ("about.json", "consul.snap", "nomad-keys.tar", "nomad.snap"), 0
    )


def test_one_that_was_cut_off_is_none(tmp_path: Path) -> None:
    with pytest.raises(Unreachable):
        taken(tmp_path, nomad=b"")

    assert snapshots.there(Folder(tmp_path)) == []


def test_one_that_was_cut_off_in_the_middle_of_a_file_is_none_and_in_nobodys_way(tmp_path: Path) -> None:
    (tmp_path / ".2026-11-24T12-00-00Z").mkdir()
    (tmp_path / ".2026-11-24T12-00-00Z" / "consul.snap").write_bytes(b"hal")

    made = taken(tmp_path)

    assert [found.spelled for found in snapshots.there(Folder(tmp_path))] == [made.spelled]


def test_the_oldest_go(tmp_path: Path) -> None:
    for hour in (2, 0, 1):
        taken(tmp_path, NOON + timedelta(hours=hour))

    snapshots.drop(snapshots.too_many(snapshots.there(Folder(tmp_path)), 2), lambda _: None)

    assert [found.about.taken for found in snapshots.there(Folder(tmp_path))] == [
        NOON + timedelta(hours=h) for h in (1, 2)
    ]


def test_a_file_that_is_not_what_was_written_is_put_back_nowhere(tmp_path: Path) -> None:
    made = taken(tmp_path)
    Path(made.spelled, "nomad.snap").write_bytes(b"x")
    clusters = {"consul": Store(b"as it is"), "nomad": Store(b"as it is")}

    with pytest.raises(CannotSnapshot, match=r": nomad\.snap is not what was written there"):
        snapshots.put_back(made, clusters, lambda _: None)

    assert {store.state for store in clusters.values()} == {b"as it is"}


def test_a_folder_that_is_no_snapshot_is_named(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "about.json").write_text("{}")

    with pytest.raises(CannotSnapshot, match="one is no snapshot"):
        snapshots.found(str(tmp_path / "one"))
    with pytest.raises(CannotSnapshot, match="holds no snapshot; `mooring snapshot` takes one"):
        snapshots.found(str(tmp_path / "other"))


def test_of_a_place_the_newest_is_meant(tmp_path: Path) -> None:
    for hour in (2, 0):
        taken(tmp_path, NOON + timedelta(hours=hour))

    assert snapshots.found(str(tmp_path)).about.taken == NOON + timedelta(hours=2)


def test_it_is_done_when_both_have_a_leader_again(tmp_path: Path) -> None:
    clock = FakeClock()
    clusters = {"consul": Store(b"x", clock, elects_for=4), "nomad": Store(b"x", clock, elects_for=2)}

    snapshots.put_back(taken(tmp_path), clusters, lambda _: None, clock)

    assert clock.now() >= 6


def test_a_cluster_that_finds_no_leader_is_told(tmp_path: Path) -> None:
    clock = FakeClock()

    with pytest.raises(TimedOut, match="consul has a leader"):
        snapshots.put_back(taken(tmp_path), {"consul": Store(b"x", clock, elects_for=900)}, lambda _: None, clock)


def test_a_person_is_told_how_old_it_is_and_whose(tmp_path: Path) -> None:
    said = snapshots.loses(taken(tmp_path), "production", NOON + timedelta(minutes=90))

    assert "taken 90 minutes ago" in said[0]
    assert "it is of another stack" in said[-1]


def test_secrets_of_the_state_are_unwrapped_wherever_they_stand() -> None:
    wrapped = {snapshots.SECRET_MARK: "1b47", "plaintext": '"the token"'}

    assert snapshots.shown({"a": [wrapped, {"b": wrapped}]}) == {"a": ["the token", {"b": "the token"}]}
