from typing import Any

import pytest
from pulumi.runtime.proto import provider_pb2 as pb

from mooring.plugin.difference import Change, diff_response, differences, differences_in_meaning, patched, spelled
from mooring.plugin.wire import Path, secret


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (("image",), "image"),
        (("ports", 1, "external"), "ports[1].external"),
        (("files", "/etc/hosts", "mode"), 'files["/etc/hosts"].mode'),
        (("a.b",), '["a.b"]'),
        (("env", 'a"b'), 'env["a\\"b"]'),
        (("labels", "0"), 'labels["0"]'),
        (("foo-bar",), "foo-bar"),
    ],
)
def test_a_path_is_spelled_as_pulumi_reads_it(path: Path, text: str) -> None:
    assert spelled(path) == text


def test_every_innermost_change_is_named() -> None:
    old = {"same": 1, "gone": 2, "spec": {"n": 1, "list": ["a", "b"]}}
    new = {"same": 1, "spec": {"n": 2, "list": ["a", "b", "c"]}, "here": {"x": 1}}

    assert differences(old, new) == {
        ("gone",): Change.DELETE,
        ("here",): Change.ADD,
        ("spec", "n"): Change.UPDATE,
        ("spec", "list", 2): Change.ADD,
    }


def test_secrets_are_compared_by_value_and_named_at_their_wrapper() -> None:
    old = {"same": "v", "token": secret({"deep": "a"})}
    new = {"same": secret("v"), "token": secret({"deep": "b"})}

    assert differences(old, new) == {("token",): Change.UPDATE}


def test_a_default_left_out_is_a_default_written_down() -> None:
    assert differences_in_meaning({}, {"retries": 3}, {"retries": 3}, {"retries": 3}) == {}


@pytest.mark.parametrize(
    ("old", "new", "change"),
    [({"n": 5}, {}, Change.DELETE), ({}, {"n": 5}, Change.ADD), ({"n": 5}, {"n": 3}, Change.UPDATE)],
)
def test_only_what_was_written_is_named(old: Any, new: Any, change: Change) -> None:
    defaults = {"n": 3}

    assert differences_in_meaning(old, new, {**defaults, **old}, {**defaults, **new}) == {("n",): change}


def test_a_block_taken_out_is_named_as_a_whole() -> None:
    old, new = {"check": {"path": "/a"}}, dict[str, Any]()
    default = {"check": {"path": "/", "every": 1}}

    assert differences_in_meaning(old, new, {"check": {"path": "/a", "every": 1}}, default) == {
        ("check",): Change.DELETE
    }


def test_a_value_that_its_model_reads_in_another_shape_is_named_whole() -> None:
    old, new = {"env": "a=1"}, {"env": "a=2"}

    assert differences_in_meaning(old, new, {"env": {"a": "1"}}, {"env": {"a": "2"}}) == {("env",): Change.UPDATE}


def test_a_list_that_its_model_sorts_is_named_whole() -> None:
    old, new = {"names": ["b", "a"]}, {"names": ["b", "c"]}

    assert differences_in_meaning(old, new, {"names": ["a", "b"]}, {"names": ["b", "c"]}) == {("names",): Change.UPDATE}


def test_no_change_is_told_as_none() -> None:
    assert diff_response({}).changes == pb.DiffResponse.DIFF_NONE


def test_a_change_of_identity_replaces_and_deletes_first() -> None:
    response = diff_response({("zone",): Change.UPDATE, ("spec", "n"): Change.ADD}, identity={"zone"})

    assert (list(response.replaces), response.deleteBeforeReplace) == (["zone"], True)
    assert {path: diff.kind for path, diff in response.detailedDiff.items()} == {
        "zone": pb.PropertyDiff.UPDATE_REPLACE,
        "spec.n": pb.PropertyDiff.ADD,
    }


@pytest.mark.parametrize(
    ("written", "old", "new", "expected"),
    [
        ({"n": 1}, {"n": 1, "m": 3}, {"n": 1, "m": 3}, {"n": 1}),
        ({"n": 1}, {"n": 1, "m": 3}, {"n": 1, "m": 4}, {"n": 1, "m": 4}),
        ({"n": 1}, {"n": 1, "m": 3}, {"n": 2, "m": 3}, {"n": 2}),
        ({"e": {"a": "1", "b": "2"}}, {"e": {"a": "1", "b": "2"}}, {"e": {"b": "2"}}, {"e": {"b": "2"}}),
        ({"t": secret("x")}, {"t": "x"}, {"t": "y"}, {"t": secret("y")}),
        ({"t": secret("x")}, {"t": "x"}, {}, {}),
        (
            {"l": [{"a": 1}]},
            {"l": [{"a": 1, "d": 0}]},
            {"l": [{"a": 2, "d": 0}, {"a": 3, "d": 0}]},
            {"l": [{"a": 2}, {"a": 3, "d": 0}]},
        ),
        ({"e": "a=1"}, {"e": {"a": "1"}}, {"e": {"a": "2"}}, {"e": {"a": "2"}}),
        ({"n": ["b", "a"]}, {"n": ["a", "b"]}, {"n": ["a", "c"]}, {"n": ["a", "c"]}),
        ({"n": ["b", "a", "a"]}, {"n": ["a", "b"]}, {"n": ["a", "c"]}, {"n": ["a", "c"]}),
    ],
)
def test_what_was_observed_is_put_in_the_callers_own_words(written: Any, old: Any, new: Any, expected: Any) -> None:
    assert patched(written, old, new) == expected
