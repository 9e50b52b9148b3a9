from collections.abc import Iterable
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field
from typing_extensions import override

from mooring.kinds.kind import Handler, Made, Problem, Props, Seen, Spec, Work
from mooring.plugin.inputs import Refused, place, problems, recovered, understood
from mooring.plugin.wire import UNKNOWN, secret


class Disk(Spec):
    kind: Literal["disk"]
    size: int = Field(ge=1)


class Tape(Spec):
    kind: Literal["tape"]
    metres: int


class BoxSpec(Spec):
    name: str = Field(min_length=1)
    size: int = Field(default=1, ge=1, le=9)
    mode: str = Field(default="0644", pattern=r"^0[0-7]{3}$")
    token: str = ""
    labels: dict[str, int] = Field(default_factory=dict[str, int])
    storage: list[Annotated[Disk | Tape, Field(discriminator="kind")]] = Field(default_factory=list[Disk | Tape])


class BoxHandler(Handler[BoxSpec]):
    token = "test:index:Box"  # noqa: S105 -- a type token, not a secret
    spec = BoxSpec
    trips = False

    @override
    def check(self, spec: BoxSpec) -> Iterable[Problem]:
        if self.trips:
            raise KeyError(spec.name)
        if "_" in spec.name:
            yield Problem(path="name", reason="must have no underscore")
        if "-" in spec.token:
            yield Problem(path="token", reason="must have no dash")
        for label in spec.labels:
            if "x" in label:
                yield Problem(path=f"labels.{label}", reason="must have no x")

    @override
    def create(self, spec: BoxSpec, work: Work) -> Made:
        raise NotImplementedError

    @override
    def read(self, id_: str, spec: BoxSpec, outputs: Props, work: Work) -> Seen[BoxSpec] | None:
        raise NotImplementedError

    @override
    def update(self, id_: str, old: BoxSpec, new: BoxSpec, outputs: Props, work: Work) -> Props:
        raise NotImplementedError

    @override
    def delete(self, id_: str, spec: BoxSpec, outputs: Props, work: Work) -> None:
        raise NotImplementedError


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({}, "name: is required"),
        ({"name": "a", "size": 0}, "size: must be at least 1, got 0"),
        ({"name": "a", "size": "big"}, "size: must be a whole number, got 'big'"),
        ({"name": "a", "size": 1.5}, "size: must be a whole number, got 1.5"),
        ({"name": "a", "sizes": 1}, "sizes: is not known; did you mean size?"),
        ({"name": "a", "zzz": 1}, "zzz: is not known; known are name, size, mode, token, labels, storage"),
        ({"name": ""}, "name: must have at least 1 character, got ''"),
        ({"name": "a", "mode": "rw"}, "mode: must match pattern '^0[0-7]{3}$', got 'rw'"),
        ({"name": "a", "labels": {"a.b/c": "x"}}, "labels[\"a.b/c\"]: must be a whole number, got 'x'"),
        ({"name": "a", "labels": [1]}, "labels: must be a mapping"),
        ({"name": "a_b"}, "name: must have no underscore"),
        ({"name": "a", "labels": {"x.y": 1}}, 'labels["x.y"]: must have no x'),
    ],
)
def test_what_is_wrong_is_said_in_the_callers_words(inputs: Any, said: str) -> None:
    assert problems(BoxHandler(), inputs) == [said]


def test_everything_wrong_is_said_at_once() -> None:
    assert len(problems(BoxHandler(), {"size": 0, "mode": "rw", "more": 1})) == 4


def test_the_members_of_a_union_do_not_show_in_the_path() -> None:
    assert problems(BoxHandler(), {"name": "a", "storage": [{"kind": "disk", "size": 0}]}) == [
        "storage[0].size: must be at least 1, got 0"
    ]
    assert problems(BoxHandler(), {"name": "a", "storage": [{"kind": "disk"}]}) == ["storage[0].size: is required"]


def test_the_value_of_a_secret_is_not_quoted() -> None:
    assert problems(BoxHandler(), {"name": "a", "mode": secret("hunter2")}) == [
        "mode: must match pattern '^0[0-7]{3}$'"
    ]


def test_a_mapping_is_not_quoted_as_it_may_hold_a_secret() -> None:
    assert problems(BoxHandler(), {"name": {"deep": secret("hunter2")}}) == ["name: must be text"]


@pytest.mark.parametrize(
    "inputs",
    [
        {"name": "a", "size": UNKNOWN},
        {"name": "a", "labels": UNKNOWN},
        {"name": "a", "labels": {"a": UNKNOWN}},
        {"name": "a", "mode": secret(UNKNOWN)},
        {"name": "a", "storage": [UNKNOWN]},
        {"name": "a", "storage": [{"kind": "disk", "size": UNKNOWN}]},
        {"name": "a", "token": UNKNOWN},
    ],
)
def test_what_is_not_known_yet_is_not_judged(inputs: Any) -> None:
    assert problems(BoxHandler(), inputs) == []


def test_beside_an_unknown_the_rest_is_judged() -> None:
    inputs = {"name": "a_b", "mode": UNKNOWN, "size": 0, "sizes": UNKNOWN}

    assert problems(BoxHandler(), inputs) == [
        "size: must be at least 1, got 0",
        "sizes: is not known; did you mean size?",
    ]


def test_the_kinds_own_check_runs_beside_an_unknown_text() -> None:
    assert problems(BoxHandler(), {"name": "a_b", "token": UNKNOWN}) == ["name: must have no underscore"]


class Translating(BoxHandler):
    """Says what is wrong in other words than the inputs have, and judges labels by the size."""

    apart = frozenset({"name", "labels.*"})

    @override
    def check(self, spec: BoxSpec) -> Iterable[Problem]:
        yield Problem(path="sticker.colour", reason="is unusual", place=("labels", "colour"))


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"labels": {"colour": 1}}, ["sticker.colour: is unusual"]),
        ({"labels": {"colour": UNKNOWN, "weight": 1}}, []),
        ({"labels": {"colour": 1}, "name": UNKNOWN}, ["sticker.colour: is unusual"]),
        ({"labels": {"colour": 1}, "size": UNKNOWN}, []),
    ],
)
def test_a_check_that_translates_is_held_to_the_places_as_they_are_written(inputs: Any, said: list[str]) -> None:
    assert problems(Translating(), {"name": "a", **inputs}) == said


def test_a_check_that_trips_over_an_unknown_says_nothing() -> None:
    handler = BoxHandler()
    handler.trips = True

    assert problems(handler, {"name": "a", "token": UNKNOWN}) == []


def test_a_check_that_trips_over_what_is_known_is_an_error() -> None:
    handler = BoxHandler()
    handler.trips = True

    with pytest.raises(KeyError, match="a"):
        problems(handler, {"name": "a"})


def test_refused_values_are_named_without_being_quoted() -> None:
    with pytest.raises(Refused, match=r"^size: must be a whole number$"):
        understood(BoxHandler(), {"name": "a", "size": secret("hunter2")})


def test_what_no_program_could_say_is_taken_from_what_it_says_now() -> None:
    recorded = {"name": "a", "mode": "4755", "labels": {"a": "odd"}, "size": 3}

    spec = recovered(BoxHandler(), recorded, {"name": "a", "mode": "0600", "labels": {"a": 7}})

    assert spec == BoxSpec(name="a", mode="0600", labels={"a": 7}, size=3)


def test_what_no_program_could_say_is_left_out_where_nothing_is_said() -> None:
    assert recovered(BoxHandler(), {"name": "a", "mode": "4755", "former": 1}, None) == BoxSpec(name="a")


def test_a_record_without_what_is_required_is_refused() -> None:
    with pytest.raises(Refused, match="name: is required"):
        recovered(BoxHandler(), {"size": 1}, None)


def test_the_longest_of_keys_with_dots_is_meant() -> None:
    inputs = {"files": {"/etc/a": {}, "/etc/a.conf": {"mode": "x"}}, "list": [secret({"a.b": 1})]}

    assert place("files./etc/a.conf.mode", inputs) == ("files", "/etc/a.conf", "mode")
    assert place("list.0.a.b", inputs) == ("list", 0, "a.b")
    assert place("nowhere.at.all", inputs) == ("nowhere", "at", "all")
    assert place("", inputs) == ()
