import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest
from google.protobuf import struct_pb2
from pulumi.runtime import resource as sdk
from pulumi.runtime.proto import language_pb2 as pb

from mooring.toolchain.standins import language_host
from mooring.toolchain.standins.language_host import SHOWN, answer, install_commands, interpreter, users_own


def info(**options: Any) -> pb.ProgramInfo:
    said = struct_pb2.Struct()
    said.update(options)
    return pb.ProgramInfo(root_directory="/project", program_directory="/project/infra", options=said)


def test_the_virtualenv_of_the_project_runs_its_program() -> None:
    assert interpreter(info(virtualenv=".venv")) == Path("/project/.venv/bin/python")
    assert interpreter(info(virtualenv="/elsewhere")) == Path("/elsewhere/bin/python")


def test_without_one_our_own_interpreter_does() -> None:
    assert interpreter(info()) == Path(sys.executable)


def test_installing_makes_the_virtualenv_only_once() -> None:
    python, requirements = Path("/p/.venv/bin/python"), Path("/p/requirements.txt")
    pip = [str(python), "-m", "pip", "install", "-r", str(requirements)]

    assert list(install_commands(python, requirements, made=True, wanted=True)) == [pip]
    assert list(install_commands(python, requirements, made=False, wanted=True)) == [
        [sys.executable, "-m", "venv", "/p/.venv"],
        pip,
    ]
    assert list(install_commands(python, requirements, made=True, wanted=False)) == []


def ended(code: int) -> "subprocess.Popen[bytes]":
    process = subprocess.Popen([sys.executable, "-c", f"raise SystemExit({code})"])
    process.wait()
    return process


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (0, pb.RunResponse()),
        (SHOWN, pb.RunResponse(bail=True)),
        (3, pb.RunResponse(error="Program exited with code 3")),
    ],
)
def test_a_program_that_has_said_why_it_failed_is_not_reported_again(code: int, told: pb.RunResponse) -> None:
    assert answer(ended(code)) == told


def trace_of(folder: Path) -> TracebackType | None:
    code = compile("raise ValueError", str(folder / "__main__.py"), "exec")
    try:
        exec(code)  # noqa: S102 - a program of one line
    except ValueError as error:
        return error.__traceback__
    return None


def test_a_traceback_begins_with_the_programs_own_frame(tmp_path: Path) -> None:
    own = users_own(trace_of(tmp_path), tmp_path)

    assert own is not None
    assert own.tb_frame.f_code.co_filename == str(tmp_path / "__main__.py")


def test_a_traceback_without_a_frame_of_the_programs_is_shown_whole(tmp_path: Path) -> None:
    whole = trace_of(tmp_path)
    (elsewhere := tmp_path / "elsewhere").mkdir()

    assert users_own(whole, elsewhere) is whole


class _Resource:
    """As deep as the SDK's own classes lie: what they see of who declares them."""

    def __init__(self) -> None:
        self.theirs = sdk._get_stack_trace()  # type: ignore[attr-defined]  # noqa: SLF001
        self.ours = language_host.declared_at()


class _CustomResource(_Resource):
    def __init__(self) -> None:
        super().__init__()


class _Kind(_CustomResource):
    def __init__(self) -> None:
        super().__init__()


def test_a_resource_is_declared_where_the_sdk_says_that_it_is() -> None:
    made = _Kind()

    assert list(made.ours.frames) == list(made.theirs.frames)[:1]
    assert made.ours.frames[0].pc.uri.endswith("test_language_host.py")
