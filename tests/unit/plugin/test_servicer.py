"""The servicer with a kind of ours against a pretended cloud, called as the engine calls it, without the wire."""

from collections.abc import Callable, Iterable
from typing import Any, ClassVar

import grpc
import pytest
from google.protobuf import empty_pb2
from google.rpc import status_pb2
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc
from pulumi.runtime.proto import provider_pb2 as pb
from pydantic import Field
from typing_extensions import override

from mooring.kinds.kind import Handler, Made, NotHealthy, Problem, Props, Seen, Spec, Unreachable, Work
from mooring.plugin.servicer import UNFINISHED, Servicer
from mooring.plugin.wire import UNKNOWN, marked, secret, struct
from mooring.waiting import SystemClock, TimedOut, wait_for

TOKEN = "test:index:Box"  # noqa: S105 -- a type token, not a secret
URN = f"urn:pulumi:dev::shop::{TOKEN}::box"


class File(Spec):
    content: str
    mode: str = "0644"


class BoxSpec(Spec):
    zone: str = "a"
    size: int = Field(default=1, ge=1)
    address: str = ""
    password: str = ""
    files: dict[str, File] = Field(default_factory=dict[str, File])


class BoxHandler(Handler[BoxSpec]):
    """A box that is what the test says; `seen` is what a read finds, and `fails` what any verb raises."""

    token = TOKEN
    spec: ClassVar[type[Spec]] = BoxSpec
    identity = frozenset({"zone"})
    access = frozenset({"address"})
    secret_inputs = frozenset({"password", "files.*.content"})
    secret_outputs = frozenset({"key"})

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.outputs: Props = {"key": "born-secret", "serial": 7}
        self.seen: Callable[[BoxSpec, Props], Seen[BoxSpec] | None] = lambda spec, outputs: Seen(
            spec=spec, outputs=outputs
        )
        self.fails: Callable[[Work], Exception | None] = lambda _: None
        self.foreseen: Callable[[BoxSpec, Work], None] = lambda _, __: None

    @override
    def foresee(self, spec: BoxSpec, work: Work) -> None:
        self.foreseen(spec, work)

    def _called(self, work: Work, *call: Any) -> None:
        self.calls.append(call)
        if failure := self.fails(work):
            raise failure

    @override
    def check(self, spec: BoxSpec) -> Iterable[Problem]:
        if spec.zone == "moon":
            yield Problem(path="zone", reason="must be on this planet")

    @override
    def check_step(self, old: BoxSpec, new: BoxSpec) -> Iterable[Problem]:
        if new.size < old.size:
            yield Problem(path="size", reason=f"must not be less than {old.size}, which is there")

    @override
    def create(self, spec: BoxSpec, work: Work) -> Made:
        self._called(work, "create", spec)
        return Made(id=work.name, outputs=self.outputs)

    @override
    def read(self, id_: str, spec: BoxSpec, outputs: Props, work: Work) -> Seen[BoxSpec] | None:
        self._called(work, "read", id_, spec, outputs)
        return self.seen(spec, outputs)

    @override
    def renewed(self, changed: frozenset[str]) -> Iterable[str]:
        return ("key",) if "size" in changed else ()

    @override
    def update(self, id_: str, old: BoxSpec, new: BoxSpec, outputs: Props, work: Work) -> Props:
        self._called(work, "update", id_, old, new, outputs)
        return self.outputs

    @override
    def delete(self, id_: str, spec: BoxSpec, outputs: Props, work: Work) -> None:
        self._called(work, "delete", id_, spec, outputs)


class LaterBoxSpec(BoxSpec):
    owner: str


class LaterBoxHandler(BoxHandler):
    spec = LaterBoxSpec


class Failed(Exception):
    """What the engine is told instead of an answer."""

    def __init__(self, code: grpc.StatusCode, details: str, trailing: dict[str, bytes]) -> None:
        super().__init__(details)
        self.code = code
        self.trailing = trailing

    @property
    def init_failure(self) -> pb.ErrorResourceInitFailed:
        status = status_pb2.Status.FromString(self.trailing["grpc-status-details-bin"])
        failure = pb.ErrorResourceInitFailed()
        assert status.details[0].Unpack(failure)
        return failure


class Context(grpc.ServicerContext):
    """The two things that the servicer does with a context."""

    def __init__(self) -> None:
        self.trailing: dict[str, bytes] = {}

    def set_trailing_metadata(self, trailing_metadata: Any) -> None:
        self.trailing |= dict(trailing_metadata)

    def abort(self, code: grpc.StatusCode, details: str) -> Any:
        raise Failed(code, details, self.trailing)


Context.__abstractmethods__ = frozenset()  # type: ignore[attr-defined]  # the rest of it is never asked


class Engine(engine_pb2_grpc.EngineStub):
    def __init__(self) -> None:
        self.told: list[engine_pb2.LogRequest] = []

    def Log(self, request: engine_pb2.LogRequest) -> None:  # type: ignore[override]  # noqa: N802 -- gRPC's spelling
        self.told.append(request)


class Plugin:
    """The servicer, asked with plain values."""

    def __init__(self) -> None:
        self.box = BoxHandler()
        self.engine = Engine()
        self.servicer = Servicer({TOKEN: self.box}, self.engine)

    def check(self, **inputs: Any) -> tuple[dict[str, Any], list[str]]:
        answer = self.servicer.Check(pb.CheckRequest(urn=URN, type=TOKEN, news=struct(inputs)), Context())
        assert not any(failure.property for failure in answer.failures)
        return marked(answer.inputs), [failure.reason for failure in answer.failures]

    def check_step(self, old: dict[str, Any], **new: Any) -> list[str]:
        request = pb.CheckRequest(urn=URN, type=TOKEN, olds=struct(old), news=struct(new))
        return [failure.reason for failure in self.servicer.Check(request, Context()).failures]

    def diff(self, old: dict[str, Any], new: dict[str, Any]) -> pb.DiffResponse:
        request = pb.DiffRequest(urn=URN, type=TOKEN, id="box", old_inputs=struct(old), news=struct(new))
        return self.servicer.Diff(request, Context())

    def create(self, *, preview: bool = False, timeout: float = 0, **inputs: Any) -> tuple[str, dict[str, Any]]:
        request = pb.CreateRequest(urn=URN, type=TOKEN, properties=struct(inputs), preview=preview, timeout=timeout)
        answer = self.servicer.Create(request, Context())
        return answer.id, marked(answer.properties)

    def update(
        self, old: dict[str, Any], new: dict[str, Any], outputs: dict[str, Any] | None = None, *, preview: bool = False
    ) -> dict[str, Any]:
        request = pb.UpdateRequest(
            urn=URN,
            type=TOKEN,
            id="box",
            olds=struct({**old, **(outputs or {})}),
            old_inputs=struct(old),
            news=struct(new),
            preview=preview,
        )
        return marked(self.servicer.Update(request, Context()).properties)

    def read(self, inputs: dict[str, Any], outputs: dict[str, Any] | None = None) -> pb.ReadResponse:
        properties = struct({**inputs, **(outputs or {})})
        request = pb.ReadRequest(urn=URN, type=TOKEN, id="box", inputs=struct(inputs), properties=properties)
        return self.servicer.Read(request, Context())

    def delete(self, inputs: dict[str, Any]) -> None:
        request = pb.DeleteRequest(urn=URN, type=TOKEN, id="box", old_inputs=struct(inputs), properties=struct(inputs))
        self.servicer.Delete(request, Context())


@pytest.fixture
def plugin() -> Plugin:
    return Plugin()


def test_secret_inputs_are_wrapped_whatever_the_program_said(plugin: Plugin) -> None:
    inputs, _ = plugin.check(password="correct horse", files={"/a.b": {"content": "x"}}, size=2)  # noqa: S106

    assert inputs == {
        "password": secret("correct horse"),
        "files": {"/a.b": {"content": secret("x")}},
        "size": 2,
    }


def test_every_problem_is_told_at_once_and_without_secrets(plugin: Plugin) -> None:
    _, problems = plugin.check(size=0, password=1234567890123, zone=3)

    assert problems == ["zone: must be text, got 3", "size: must be at least 1, got 0", "password: must be text"]


def test_the_kinds_own_check_is_asked(plugin: Plugin) -> None:
    assert plugin.check(zone="moon")[1] == ["zone: must be on this planet"]


def test_a_kind_may_object_to_the_step_from_what_is_there(plugin: Plugin) -> None:
    assert plugin.check_step({"size": 3}, size=2) == ["size: must not be less than 3, which is there"]
    assert plugin.check_step({"size": 2}, size=3) == []
    assert plugin.check(size=2)[1] == []


def test_what_is_as_it_was_recorded_is_not_judged_again(plugin: Plugin) -> None:
    """It was judged when it was recorded, and nothing is about to be done with it."""
    assert plugin.check_step({"zone": "moon"}, zone="moon") == []
    assert plugin.check_step({"zone": "moon", "size": 2}, zone="moon", size=3) == ["zone: must be on this planet"]


def test_a_kind_that_is_not_there_is_named(plugin: Plugin) -> None:
    with pytest.raises(Failed, match=r"there is no kind test:index:Bax; did you mean test:index:Box\?"):
        plugin.servicer.Check(pb.CheckRequest(urn=URN, type="test:index:Bax"), Context())


def test_the_programs_own_settings_are_not_the_providers(plugin: Plugin) -> None:
    """The project has the package's name, so the engine hands us its settings, secret ones in plain."""
    request = pb.CheckRequest(news=struct({"version": "0.1.0", "token": "correct horse"}))

    assert marked(plugin.servicer.CheckConfig(request, Context()).inputs) == {"version": "0.1.0"}


def test_no_difference_is_told_as_none(plugin: Plugin) -> None:
    answer = plugin.diff({"size": 1, "password": secret("a")}, {"password": secret("a")})

    assert (answer.changes, answer.hasDetailedDiff) == (pb.DiffResponse.DIFF_NONE, True)


def test_how_it_is_reached_is_no_difference(plugin: Plugin) -> None:
    assert plugin.diff({"address": "a"}, {"address": "b"}).changes == pb.DiffResponse.DIFF_NONE


def test_differences_are_told_field_by_field(plugin: Plugin) -> None:
    old = {"size": 1, "address": "a", "files": {"/a.b": {"content": secret("x")}, "/c": {"content": "y"}}}
    new = {"size": 2, "address": "b", "files": {"/a.b": {"content": secret("z")}}}

    assert {path: each.kind for path, each in plugin.diff(old, new).detailedDiff.items()} == {
        "size": pb.PropertyDiff.UPDATE,
        'files["/a.b"].content': pb.PropertyDiff.UPDATE,
        'files["/c"]': pb.PropertyDiff.DELETE,
    }


def test_another_identity_is_another_thing(plugin: Plugin) -> None:
    answer = plugin.diff({"zone": "a"}, {"zone": "b"})

    assert (list(answer.replaces), answer.deleteBeforeReplace) == (["zone"], True)


def test_of_what_is_in_use_another_thing_is_made_first(plugin: Plugin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(plugin.box), "made_beside", True)

    answer = plugin.diff({"zone": "a"}, {"zone": "b"})

    assert (list(answer.replaces), answer.deleteBeforeReplace) == (["zone"], False)


def test_an_unknown_is_a_difference_where_it_stands(plugin: Plugin) -> None:
    answer = plugin.diff({"size": 1, "files": {}}, {"size": UNKNOWN, "files": {}})

    assert list(answer.detailedDiff) == ["size"]


def test_a_preview_of_a_create_touches_nothing_and_knows_no_output(plugin: Plugin) -> None:
    assert plugin.create(preview=True, size=2) == ("", {"size": 2})
    assert plugin.box.calls == []


def test_a_preview_tells_what_the_kind_foresees_without_its_secrets(plugin: Plugin) -> None:
    plugin.box.foreseen = lambda spec, work: work.tell(f"{spec.size} to place with {spec.password}")

    plugin.create(preview=True, size=2, password=secret("correct horse"))
    plugin.update({"size": 1}, {"size": 3}, preview=True)

    assert [(told.message, told.ephemeral) for told in plugin.engine.told] == [
        ("2 to place with [secret]", False),
        ("3 to place with ", False),
    ]


def test_nothing_is_foreseen_of_what_is_not_known_yet(plugin: Plugin) -> None:
    plugin.box.foreseen = lambda _, work: work.tell("something")

    plugin.create(preview=True, size=UNKNOWN)

    assert plugin.engine.told == []


def test_a_server_that_does_not_answer_leaves_the_preview_as_it_is(plugin: Plugin) -> None:
    def silent(*_: Any) -> None:
        raise Unreachable("nobody answers")

    plugin.box.foreseen = silent

    assert plugin.create(preview=True, size=2) == ("", {"size": 2})


def test_what_is_foreseen_can_fail_the_preview(plugin: Plugin) -> None:
    def no_place(*_: Any) -> None:
        raise ValueError("no place for 2")

    plugin.box.foreseen = no_place

    with pytest.raises(Failed, match="no place for 2"):
        plugin.create(preview=True, size=2)


def test_what_was_made_is_recorded_with_its_secrets_wrapped(plugin: Plugin) -> None:
    plugin.box.outputs["link"] = "https://u:correct horse@box"

    id_, properties = plugin.create(password=secret("correct horse"))

    assert id_ == "box"
    assert properties == {
        "password": secret("correct horse"),
        "key": secret("born-secret"),
        "serial": 7,
        "link": secret("https://u:correct horse@box"),
    }
    assert plugin.box.calls == [("create", BoxSpec(password="correct horse"))]  # noqa: S106


def test_a_create_that_does_not_work_yet_is_recorded_with_its_reasons(plugin: Plugin) -> None:
    plugin.box.fails = lambda _: NotHealthy("box", {"serial": 7}, ["no login with correct horse", "2 of 3"])

    with pytest.raises(Failed) as failed:
        plugin.create(password=secret("correct horse"))

    failure = failed.value.init_failure
    assert failed.value.code == grpc.StatusCode.UNKNOWN
    assert (failure.id, list(failure.reasons)) == ("box", ["no login with [secret]", "2 of 3"])
    assert marked(failure.inputs) == {"password": secret("correct horse")}
    assert marked(failure.properties) == {
        "password": secret("correct horse"),
        "serial": 7,
        UNFINISHED: ["no login with [secret]", "2 of 3"],
    }


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (ValueError("bad correct horse"), "ValueError: bad [secret]"),
        (KeyError(), "KeyError"),
        (TimedOut("a leader: not within 3 s"), "a leader: not within 3 s"),
        (Unreachable("host 1 does not answer"), "host 1 does not answer"),
    ],
)
def test_a_failure_is_told_in_words_and_without_secrets(plugin: Plugin, failure: Exception, said: str) -> None:
    plugin.box.fails = lambda _: failure

    with pytest.raises(Failed) as failed:
        plugin.create(password="correct horse")  # noqa: S106

    assert str(failed.value) == said


def test_a_traceback_is_for_those_who_ask(
    plugin: Plugin, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plugin.box.fails = lambda _: ValueError("bad correct horse")
    for asked in ("0", "1"):
        monkeypatch.setenv("MOORING_DEBUG", asked)
        with pytest.raises(Failed):
            plugin.create(password=secret("correct horse"))

    assert capsys.readouterr().err.count("ValueError: bad [secret]") == 1


def test_cancel_ends_a_wait_at_once(plugin: Plugin) -> None:
    def waiting(work: Work) -> None:
        plugin.servicer.Cancel(empty_pb2.Empty(), Context())
        wait_for(lambda: None, "never", within=60, every=30, clock=SystemClock(work.cancelled))

    plugin.box.fails = waiting

    with pytest.raises(Failed, match="cancelled while waiting: the next `pulumi up` goes on from here"):
        plugin.create()


def test_a_handler_is_told_whose_work_it_is(plugin: Plugin) -> None:
    told: list[Work] = []
    plugin.box.fails = told.append

    plugin.create(timeout=30)

    assert [(w.urn, w.name, w.project, w.stack, w.timeout) for w in told] == [(URN, "box", "shop", "dev", 30.0)]


def test_no_timeout_leaves_it_to_the_kind(plugin: Plugin) -> None:
    told: list[Work] = []
    plugin.box.fails = told.append

    plugin.create()

    assert told[0].timeout is None


def test_lines_and_warnings_hold_no_secret(plugin: Plugin) -> None:
    def tells(work: Work) -> None:
        work.say("login with correct horse")
        work.warn("refused correct horse")
        wait_for(lambda: len(plugin.engine.told) > 1 or None, "both", within=5, every=0.005)

    plugin.box.fails = tells

    plugin.create(password=secret("correct horse"))

    assert sorted(told.message for told in plugin.engine.told) == ["login with [secret]", "refused [secret]"]


def test_an_update_is_told_what_was_and_what_will_be(plugin: Plugin) -> None:
    plugin.box.outputs = {"serial": 8}

    properties = plugin.update({"size": 1}, {"size": 2}, {"serial": 7, "key": secret("k")})

    assert plugin.box.calls == [("update", "box", BoxSpec(size=1), BoxSpec(size=2), {"serial": 7, "key": "k"})]
    assert properties == {"size": 2, "serial": 8}


def test_a_preview_of_an_update_keeps_the_outputs_that_the_kind_does_not_renew(plugin: Plugin) -> None:
    outputs = {"serial": 7, "key": secret("k")}

    assert plugin.update({"size": 1}, {"size": 2}, outputs, preview=True) == {"size": 2, "serial": 7, "key": UNKNOWN}
    assert plugin.update({"size": 1}, {"size": 1}, outputs, preview=True) == {"size": 1, **outputs}
    assert plugin.box.calls == []


def test_a_retry_of_an_unhealthy_one_does_not_hand_its_reasons_to_the_handler(plugin: Plugin) -> None:
    plugin.update({"size": 1}, {"size": 1}, {UNFINISHED: ["2 of 3"]})

    assert plugin.box.calls == [("update", "box", BoxSpec(), BoxSpec(), {})]


def test_an_update_that_does_not_work_yet_is_recorded_with_its_reasons(plugin: Plugin) -> None:
    plugin.box.fails = lambda _: NotHealthy("box", {}, ["2 of 3"])

    with pytest.raises(Failed) as failed:
        plugin.update({"size": 1}, {"size": 2})

    assert marked(failed.value.init_failure.properties) == {"size": 2, UNFINISHED: ["2 of 3"]}


def test_an_output_that_was_secret_stays_secret(plugin: Plugin) -> None:
    plugin.box.outputs = {"link": {"token": "new"}}

    assert plugin.update({}, {}, {"link": {"token": secret("old")}}) == {"link": {"token": secret("new")}}


def test_a_read_gives_what_is_there_in_the_callers_own_words(plugin: Plugin) -> None:
    plugin.box.seen = lambda spec, outputs: Seen(
        spec=spec.model_copy(update={"size": 5, "password": "changed"}), outputs=outputs
    )

    answer = plugin.read({"zone": "a", "password": secret("said")}, {"serial": 7})

    assert marked(answer.inputs) == {"zone": "a", "size": 5, "password": secret("changed")}
    assert marked(answer.properties) == {**marked(answer.inputs), "serial": 7}
    assert answer.id == "box"


def test_a_read_of_what_is_as_it_should_be_changes_no_byte(plugin: Plugin) -> None:
    inputs, outputs = {"zone": "a", "password": secret("said")}, {"serial": 7, "key": secret("k")}

    answer = plugin.read(inputs, outputs)

    assert (marked(answer.inputs), marked(answer.properties)) == (inputs, {**inputs, **outputs})


def test_a_secret_field_that_appeared_is_wrapped(plugin: Plugin) -> None:
    plugin.box.seen = lambda spec, _: Seen(spec=spec.model_copy(update={"files": {"/x": File(content="strange")}}))

    answer = plugin.read({"zone": "a"})

    assert marked(answer.inputs)["files"] == {"/x": {"content": secret("strange"), "mode": "0644"}}


def test_what_is_gone_reads_as_gone(plugin: Plugin) -> None:
    plugin.box.seen = lambda *_: None

    assert plugin.read({"zone": "a"}) == pb.ReadResponse()


def test_what_could_not_be_read_is_shown_as_last_seen_with_one_warning(plugin: Plugin) -> None:
    plugin.box.fails = lambda _: Unreachable("host 1 does not answer")

    answers = [plugin.read({"size": 3}, {"serial": 7}) for _ in range(2)]

    assert [marked(answer.inputs) for answer in answers] == [{"size": 3}] * 2
    assert [marked(answer.properties) for answer in answers] == [{"size": 3, "serial": 7}] * 2
    assert [told.message for told in plugin.engine.told] == [
        "could not be read, shown as last seen: host 1 does not answer"
    ]


def test_what_was_not_finished_and_could_not_be_read_is_still_not_finished(plugin: Plugin) -> None:
    plugin.box.fails = lambda _: Unreachable("host 1 does not answer")

    with pytest.raises(Failed) as failed:
        plugin.read({"size": 3}, {"serial": 7, UNFINISHED: ["2 of 3"]})

    failure = failed.value.init_failure
    assert list(failure.reasons) == ["2 of 3"]
    assert marked(failure.properties) == {"size": 3, "serial": 7, UNFINISHED: ["2 of 3"]}


def test_what_was_not_finished_stays_so_until_an_update_ends_well(plugin: Plugin) -> None:
    """Its outputs may be incomplete: seen live, a dependent got null for an address after the thing had healed."""
    with pytest.raises(Failed) as failed:
        plugin.read({"size": 3}, {UNFINISHED: ["2 of 3"]})

    failure = failed.value.init_failure
    assert (list(failure.reasons), marked(failure.properties)[UNFINISHED]) == (["2 of 3"], ["2 of 3"])
    assert UNFINISHED not in plugin.update({"size": 3}, {"size": 3}, {UNFINISHED: ["2 of 3"]})


def test_what_reads_as_unhealthy_and_was_finished_heals_by_itself(plugin: Plugin) -> None:
    plugin.box.seen = lambda spec, outputs: Seen(spec=spec, outputs=outputs, reasons=("1 of 3 failing",))

    with pytest.raises(Failed) as failed:
        plugin.read({"size": 3})

    assert UNFINISHED not in marked(failed.value.init_failure.properties)


def test_what_reads_as_unhealthy_is_told_with_what_is_there(plugin: Plugin) -> None:
    plugin.box.seen = lambda spec, outputs: Seen(
        spec=spec.model_copy(update={"size": 5}), outputs=outputs, reasons=("1 of 3 failing",)
    )

    with pytest.raises(Failed) as failed:
        plugin.read({"size": 3}, {"serial": 7})

    failure = failed.value.init_failure
    assert (marked(failure.inputs), list(failure.reasons)) == ({"size": 5}, ["1 of 3 failing"])


def test_a_read_that_fails_otherwise_is_an_error(plugin: Plugin) -> None:
    plugin.box.fails = lambda _: ValueError("not what we understand")

    with pytest.raises(Failed, match="ValueError: not what we understand"):
        plugin.read({"size": 3})


def test_a_record_of_another_version_is_shown_as_last_seen(plugin: Plugin) -> None:
    plugin.box = LaterBoxHandler()
    plugin.servicer = Servicer({TOKEN: plugin.box}, plugin.engine)

    answer = plugin.read({"size": 3})

    assert marked(answer.inputs) == {"size": 3}
    assert [told.message for told in plugin.engine.told] == [
        "could not be read, shown as last seen: recorded by another version of Mooring: owner: is required"
    ]


def test_deleting_takes_what_was_recorded(plugin: Plugin) -> None:
    plugin.delete({"size": 3, "password": secret("p")})

    assert plugin.box.calls == [("delete", "box", BoxSpec(size=3, password="p"), {})]  # noqa: S106


def test_deleting_a_record_that_is_not_understood_says_so(plugin: Plugin) -> None:
    plugin.box = LaterBoxHandler()
    plugin.servicer = Servicer({TOKEN: plugin.box}, plugin.engine)

    with pytest.raises(Failed, match="recorded by another version of Mooring: owner: is required"):
        plugin.delete({"size": 3})


@pytest.fixture
def without_checkpoints(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_SKIP_CHECKPOINTS", "true")


@pytest.mark.usefixtures("without_checkpoints")
def test_a_run_that_keeps_no_checkpoints_makes_up_no_secret(plugin: Plugin) -> None:
    """Killed, it would leave others with a key that nobody knows any more."""
    with pytest.raises(Failed, match="PULUMI_SKIP_CHECKPOINTS"):
        plugin.create(size=2)

    assert plugin.box.calls == []


@pytest.mark.usefixtures("without_checkpoints")
def test_a_run_that_keeps_no_checkpoints_changes_all_but_secrets(plugin: Plugin) -> None:
    assert plugin.update({"address": "a"}, {"address": "b"}, {"key": secret("k")})["address"] == "b"

    with pytest.raises(Failed, match="run `up` once without that setting"):
        plugin.update({"size": 1}, {"size": 2}, {"key": secret("k")})
