"""An import through the servicer: of an id alone, with the way to the cluster from what the stack has recorded."""

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from pulumi.runtime.proto import provider_pb2 as pb
from typing_extensions import override
from unit.plugin.test_servicer import TOKEN, URN, BoxHandler, BoxSpec, Context, Engine, Failed

from mooring.kinds.kind import CannotImport, Props, Seen
from mooring.plugin import reach
from mooring.plugin.reach import CLUSTER, STACK, NotKnown, access, recorded_in
from mooring.plugin.servicer import Servicer
from mooring.plugin.wire import SECRET, SIGNATURE, marked, secret

YARD = "test:index:Yard"


class ImportedBox(BoxHandler):
    """A box that stands in a yard, which says how both are reached."""

    reached_as = YARD
    perhaps_secret = frozenset({"zone"})

    @override
    def named(self, id_: str) -> Props:
        if id_ == "no":
            raise CannotImport("'no' is no box, and correct horse is its key")
        return {"zone": id_}


def yard(name: str = "main", address: str = "there", **more: Any) -> dict[str, Any]:
    urn = f"urn:pulumi:dev::shop::{YARD}::{name}"
    return {"type": YARD, "urn": urn, "inputs": {"address": address, "other": 1}, **more}


def box(name: str = "first", address: str = "there") -> dict[str, Any]:
    return {**yard(name, address), "type": TOKEN, "urn": URN}


class Plugin:
    def __init__(self, *resources: dict[str, Any]) -> None:
        self.box = ImportedBox()
        self.box.seen = lambda spec, _: Seen(
            spec=BoxSpec(zone=spec.zone, address=spec.address, password="correct horse"),  # noqa: S106
            outputs={"key": "born", "serial": 1},
        )
        self.asked: list[str] = []
        self.resources = resources
        self.servicer = Servicer({TOKEN: self.box}, Engine(), self.recorded)

    def recorded(self, stack: str) -> list[dict[str, Any]]:
        self.asked.append(stack)
        return list(self.resources)

    def read(self, id_: str = "b") -> pb.ReadResponse:
        return self.servicer.Read(pb.ReadRequest(urn=URN, type=TOKEN, id=id_), Context())


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (STACK, CLUSTER):
        monkeypatch.delenv(name, raising=False)


def test_an_import_is_told_as_a_program_would_say_it_with_its_secrets_wrapped() -> None:
    plugin = Plugin(yard())

    answer = plugin.read()

    assert answer.id == "b"
    assert marked(answer.inputs) == {
        "zone": secret("b"),
        "size": 1,
        "address": "there",
        "password": secret("correct horse"),
        "files": {},
    }
    assert marked(answer.properties) == {**marked(answer.inputs), "key": secret("born"), "serial": 1}
    assert plugin.asked == ["dev"]


def test_a_program_that_says_the_same_makes_no_difference_to_what_came_in() -> None:
    plugin = Plugin(yard())
    inputs = plugin.read().inputs
    news = {"zone": "b", "address": "elsewhere", "password": secret("correct horse")}

    request = pb.DiffRequest(urn=URN, type=TOKEN, id="b", old_inputs=inputs)
    request.news.update(news)

    assert plugin.servicer.Diff(request, Context()).changes == pb.DiffResponse.DIFF_NONE


def test_what_a_kind_holds_to_be_the_same_is_no_difference() -> None:
    class Rounded(ImportedBox):
        @override
        def same(self, old: BoxSpec, new: BoxSpec) -> bool:
            return old.size // 10 == new.size // 10

    servicer = Servicer({TOKEN: Rounded()}, Engine(), lambda _: [])
    found: list[int] = []
    for size in (12, 21):
        request = pb.DiffRequest(urn=URN, type=TOKEN, id="b")
        request.old_inputs.update({"size": 11})
        request.news.update({"size": size})
        found.append(servicer.Diff(request, Context()).changes)

    assert found == [pb.DiffResponse.DIFF_NONE, pb.DiffResponse.DIFF_SOME]


def test_that_there_is_no_schema_is_told_with_what_would_do() -> None:
    """Pulumi asks for one after an import, to write code."""
    with pytest.raises(Failed, match="give it --generate-code=false; `mooring import JOB`") as failed:
        Plugin().servicer.GetSchema(pb.GetSchemaRequest(), Context())

    assert failed.value.code == grpc.StatusCode.UNIMPLEMENTED


def test_what_an_import_names_by_more_than_its_id_has_its_own_id_then() -> None:
    class InYard(ImportedBox):
        @override
        def id_of(self, id_: str, spec: BoxSpec) -> str:
            return id_.rpartition("/")[2]

    plugin = Plugin(yard())
    plugin.servicer = Servicer({TOKEN: InYard()}, Engine(), plugin.recorded)

    assert plugin.read("main/b").id == "b"


def test_what_is_not_there_is_told_by_an_empty_answer() -> None:
    plugin = Plugin(yard())
    plugin.box.seen = lambda *_: None

    assert plugin.read() == pb.ReadResponse()


def test_what_came_in_and_does_not_work_comes_in_with_the_reasons() -> None:
    plugin = Plugin(yard())
    plugin.box.seen = lambda spec, _: Seen(spec=BoxSpec(zone=spec.zone), reasons=("2 of 3",))

    with pytest.raises(Failed, match="2 of 3") as failed:
        plugin.read()

    assert marked(failed.value.init_failure.inputs)["zone"] == secret("b")


def test_a_kind_that_is_not_imported_says_why() -> None:
    servicer = Servicer({TOKEN: BoxHandler()}, Engine(), lambda _: [])

    with pytest.raises(Failed, match=f"{TOKEN} is not imported: declare it: what exists and is exactly so") as failed:
        servicer.Read(pb.ReadRequest(urn=URN, type=TOKEN, id="b"), Context())

    assert failed.value.code == grpc.StatusCode.UNKNOWN


def test_an_id_that_is_none_is_refused_in_the_kinds_words() -> None:
    with pytest.raises(Failed, match="'no' is no box"):
        Plugin(yard()).read("no")


def test_an_error_does_not_tell_how_the_cluster_is_reached() -> None:
    class Locked(ImportedBox):
        secret_inputs = frozenset({"address"})

    plugin = Plugin(yard(address="correct horse"))
    plugin.servicer = Servicer({TOKEN: Locked()}, Engine(), plugin.recorded)

    with pytest.raises(Failed, match=r"and \[secret\] is its key"):
        plugin.read("no")


def test_a_stack_without_the_cluster_reaches_a_thing_as_another_of_its_kind() -> None:
    handler = ImportedBox()

    assert access(handler, "dev", lambda _: [box(address="a")], {}) == {"address": "a"}
    assert access(handler, "dev", lambda _: [box(address="a"), yard(address="b")], {}) == {"address": "b"}


def test_a_resource_that_is_about_to_go_says_nothing() -> None:
    with pytest.raises(NotKnown, match="has no test:index:Yard"):
        access(ImportedBox(), "dev", lambda _: [yard(delete=True)], {})


def test_where_nothing_is_recorded_the_message_says_what_would_do() -> None:
    with pytest.raises(Failed, match=rf"stack 'dev' has no {YARD}.*let {STACK} name the stack that has the cluster"):
        Plugin().read()


def test_another_stack_may_have_the_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(STACK, "platform")
    plugin = Plugin(yard())

    plugin.read()

    assert plugin.asked == ["platform"]


def test_of_two_clusters_one_has_to_be_named() -> None:
    two = [yard("east", "a"), yard("west", "b")]

    with pytest.raises(NotKnown, match=rf"in 2 ways: let {CLUSTER} name one of these .*: east, west"):
        access(ImportedBox(), "dev", lambda _: two, {})
    with pytest.raises(NotKnown, match=rf"{CLUSTER}=north: stack 'dev' has of {YARD}: east, west"):
        access(ImportedBox(), "dev", lambda _: two, {CLUSTER: "north"})
    assert access(ImportedBox(), "dev", lambda _: two, {CLUSTER: "west"}) == {"address": "b"}
    assert access(ImportedBox(), "dev", lambda _: [yard("east"), yard("west")], {}) == {"address": "there"}


class TestAskingPulumi:
    @pytest.fixture
    def pulumi(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
        """A `pulumi` that notes how it was called and then does what the test says."""
        monkeypatch.setattr(reach, "_told", {})
        monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

        def write(script: str) -> Path:
            program = tmp_path / "pulumi"
            program.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\n{script}\n')
            program.chmod(program.stat().st_mode | stat.S_IXUSR)
            return tmp_path / "calls"

        return write

    def test_secrets_are_told_in_plain(self, pulumi: Callable[[str], Path], tmp_path: Path) -> None:
        wrapped = {SIGNATURE: SECRET, "plaintext": json.dumps({"plaintext": "no wrapper"})}
        exported = {"deployment": {"resources": [{"inputs": {"token": wrapped}}]}}
        (tmp_path / "state").write_text(json.dumps(exported))
        pulumi(f"cat {tmp_path}/state")

        assert recorded_in("dev") == [{"inputs": {"token": {"plaintext": "no wrapper"}}}]

    def test_it_is_asked_once_for_all_imports_of_a_run(self, pulumi: Callable[[str], Path]) -> None:
        calls = pulumi("echo '{\"deployment\": {}}'")

        assert recorded_in("dev") == recorded_in("dev") == []
        assert calls.read_text().splitlines() == ["stack export --show-secrets --stack dev --non-interactive"]

    def test_what_it_could_not_do_is_told_in_its_words(self, pulumi: Callable[[str], Path]) -> None:
        pulumi("echo no stack named dev >&2; exit 1")

        with pytest.raises(NotKnown, match="what stack 'dev' has recorded could not be read: no stack named dev"):
            recorded_in("dev")

    def test_without_it_the_message_says_so(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setattr(reach, "_told", {})
        monkeypatch.setenv("PATH", str(tmp_path))

        with pytest.raises(NotKnown, match="no `pulumi` on the PATH"):
            recorded_in("dev")
