"""Who may decide alone, and what they are told: nobody is recovered who only has to be started."""

import json
from dataclasses import dataclass

import pytest

from mooring.cli.quorum import VENDORS, NotToBeRecovered, Server, led, peers, survivors
from mooring.clients.errors import ApiError, Unreachable

CONSUL, NOMAD = VENDORS


def servers(*ids: str | None) -> list[Server]:
    return [Server(host=f"s{i}", address=f"198.18.0.1{i}", id=id_) for i, id_ in enumerate(ids, start=1)]


@dataclass
class Cluster:
    says: str | Exception | None

    def leader(self) -> str | None:
        if isinstance(self.says, Exception):
            raise self.says
        return self.says


def test_one_of_three_decides_alone() -> None:
    left = survivors(servers(None, "id-2", None), CONSUL)

    assert [server.host for server in left] == ["s2"]
    assert json.loads(peers(left, CONSUL)) == [{"id": "id-2", "address": "198.18.0.12:8300", "non_voter": False}]


def test_two_of_five_are_told_of_each_other() -> None:
    left = survivors(servers("id-1", None, None, "id-4", None), NOMAD)

    assert [peer["address"] for peer in json.loads(peers(left, NOMAD))] == ["198.18.0.11:4647", "198.18.0.14:4647"]


@pytest.mark.parametrize("ids", [("id-1", "id-2", None), ("id-1", "id-2", "id-3"), ("id-1",)])
def test_a_majority_that_is_left_gives_nothing_up(ids: tuple[str | None, ...]) -> None:
    with pytest.raises(NotToBeRecovered, match=r"which is a majority of \d: nothing has to be given up"):
        survivors(servers(*ids), CONSUL)


def test_when_nothing_is_left_a_snapshot_is_the_way() -> None:
    with pytest.raises(NotToBeRecovered, match="`mooring restore` puts a snapshot back"):
        survivors(servers(None, None, None), NOMAD)


@pytest.mark.parametrize(
    ("says", "expected"),
    [
        ("198.18.0.11:8300", True),
        (None, False),
        (Unreachable("nobody answers"), False),
        (ApiError("GET", "/v1/status/leader", 500, "no cluster leader"), False),
    ],
)
def test_a_cluster_in_which_nobody_answers_is_not_led(says: str | Exception | None, expected: bool) -> None:  # noqa: FBT001
    assert led(Cluster(says)) is expected
