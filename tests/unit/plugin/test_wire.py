from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring.plugin import wire

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**50), 2**50) | st.floats(-1e6, 1e6) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), PLAIN))
def test_what_is_put_on_the_wire_comes_back(values: dict[str, Any]) -> None:
    assert wire.marked(wire.struct(values)) == values


def test_whole_numbers_come_back_as_int() -> None:
    back = wire.marked(wire.struct({"whole": 3, "half": 1.5}))

    assert [(key, type(value)) for key, value in sorted(back.items())] == [("half", float), ("whole", int)]


def test_secrets_are_unwrapped_at_any_depth() -> None:
    assert wire.plain({"a": wire.secret({"b": [wire.secret("x")]}), "c": 1}) == {"a": {"b": ["x"]}, "c": 1}


def test_wrapping_twice_is_wrapping_once() -> None:
    assert wire.secret(wire.secret("x")) == wire.secret("x")


@pytest.mark.parametrize(
    ("value", "like", "expected"),
    [
        ("new", wire.secret("old"), wire.secret("new")),
        (6, wire.secret(5), wire.secret(6)),
        ({"a": 1, "b": "x"}, {"b": wire.secret("y")}, {"a": 1, "b": wire.secret("x")}),
        (["x", "z"], [wire.secret("y")], [wire.secret("x"), "z"]),
        ({"a": ["x"]}, {"a": [wire.secret("y"), "more"]}, {"a": [wire.secret("x")]}),
        ("flat", {"a": wire.secret("y")}, wire.secret("flat")),
        ("open", {"a": "y"}, "open"),
    ],
)
def test_what_was_secret_stays_secret_at_the_same_place(value: Any, like: Any, expected: Any) -> None:
    assert wire.rewrap(value, like) == expected


def test_a_path_with_a_star_wraps_under_every_key() -> None:
    value = {"files": {"/a.b": {"content": "x", "mode": 1}, "/c": {"content": None}}, "list": [{"key": "k"}]}

    wrapped = wire.with_secrets(value, ["files.*.content", "list.*.key", "absent"])

    assert wrapped == {
        "files": {"/a.b": {"content": wire.secret("x"), "mode": 1}, "/c": {"content": None}},
        "list": [{"key": wire.secret("k")}],
    }


def test_an_unknown_is_found_inside_a_secret() -> None:
    assert wire.has_unknown({"a": [wire.secret({"b": wire.UNKNOWN})]})
    assert not wire.has_unknown({"a": [wire.secret({"b": "known"})]})


def test_only_texts_that_came_wrapped_are_secret_texts() -> None:
    value = {"open": "o", "closed": wire.secret({"key": ["s", 1]}), "deep": [{"x": wire.secret("t")}]}

    assert sorted(wire.secret_texts(value)) == ["s", "t"]


def test_an_answer_that_changes_nothing_is_the_question_again() -> None:
    asked = {"name": "web", "key": wire.secret("s3cret"), "count": 3}
    message = wire.struct(asked)

    assert wire.said_again({**asked}, asked, message) is message
    assert wire.marked(wire.said_again({**asked, "count": 4}, asked, message)) == {**asked, "count": 4}
