"""A plain Pulumi project that says what a test wants said, to the clusters that the live tests have."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from mooring.clients.http import Endpoint
from mooring.kinds.kind import Resource

PROGRAM: Final = """
import importlib
import json
from pathlib import Path

import pulumi

endpoints = json.loads(Path("endpoints.json").read_text())
made = {}


def known(value):
    if isinstance(value, dict) and set(value) == {"output of"}:
        name, output = value["output of"]
        return getattr(made[name], output)
    if isinstance(value, dict):
        return {key: known(inner) for key, inner in value.items()}
    return [known(inner) for inner in value] if isinstance(value, list) else value


for said in json.loads(Path("said.json").read_text()):
    module, _, kind = said["kind"].rpartition(".")
    reach = {} if said["reach"] is None else {"endpoint": endpoints[said["reach"]]}
    made[said["name"]] = getattr(importlib.import_module(module), kind)(said["name"], **reach, **known(said["inputs"]))
"""


@dataclass(frozen=True, kw_only=True)
class Said:
    """One resource of the program."""

    kind: type[Resource]
    name: str
    inputs: Mapping[str, Any]
    reach: str | None
    """Which of the project's endpoints it takes; None for a kind that takes none."""


def output(resource: str, name: str) -> dict[str, list[str]]:
    """In the inputs of a later resource: what an earlier one tells once it is there."""
    return {"output of": [resource, name]}


@dataclass(frozen=True)
class Step:
    """What a preview would do with one resource."""

    op: str
    paths: Mapping[str, str]
    """The kind of each difference by its place."""

    old: Mapping[str, Any]
    new: Mapping[str, Any]


@dataclass
class Declared:
    folder: Path
    endpoints: Mapping[str, Endpoint]
    env: dict[str, str] = field(default_factory=dict[str, str])

    def __post_init__(self) -> None:
        for name in ("infra", "plugin", "state"):
            (self.folder / name).mkdir()
        self._executable("pulumi-resource-mooring", "from mooring.plugin.__main__ import main; main()")
        plugins = f"providers: [{{name: mooring, path: {self.folder}/plugin}}]"
        if not _has_language_host():
            run = "import runpy; runpy.run_module('mooring.toolchain.standins.language_host', run_name='__main__')"
            self._executable("pulumi-language-python", run)
            plugins += f", languages: [{{name: python, path: {self.folder}/plugin}}]"
        (self.folder / "Pulumi.yaml").write_text(
            f"name: drift\nmain: infra/\nruntime: python\noptions: {{refresh: always}}\nplugins: {{{plugins}}}\n"
        )
        (self.folder / "infra" / "__main__.py").write_text(PROGRAM)
        self.reaches(self.endpoints)
        self.env = {
            **{name: value for name, value in os.environ.items() if not name.startswith("PULUMI_")},
            "MOORING_PYTHON": sys.executable,
            "PULUMI_BACKEND_URL": f"file://{self.folder}/state",
            "PULUMI_CONFIG_PASSPHRASE": "test",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "PULUMI_HOME": str(self.folder / "home"),
            "PULUMI_PARALLEL": "64",
            "PULUMI_RUN_PROGRAM": "true",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
        }
        self.pulumi("stack", "init", "dev")

    def _executable(self, name: str, python: str) -> None:
        place = self.folder / "plugin" / name
        place.write_text(f'#!/bin/sh\nexec "{sys.executable}" -u -c "{python}" "$@"\n')
        place.chmod(0o755)

    def reaches(self, endpoints: Mapping[str, Endpoint]) -> None:
        """From now on by these."""
        place = self.folder / "infra" / "endpoints.json"
        place.touch(mode=0o600)
        place.write_text(json.dumps({name: endpoint.model_dump() for name, endpoint in endpoints.items()}))

    def says(self, resources: Sequence[Said]) -> None:
        """Let the program say this, and nothing else."""
        rows = [
            {"kind": f"{s.kind.__module__}.{s.kind.__name__}", "name": s.name, "inputs": s.inputs, "reach": s.reach}
            for s in resources
        ]
        (self.folder / "infra" / "said.json").write_text(json.dumps(rows))

    def pulumi(self, *arguments: str, fails: bool = False) -> str:
        done = subprocess.run(
            ["pulumi", *arguments, "--non-interactive"],
            cwd=self.folder,
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        assert (done.returncode != 0) == fails, done.stdout
        return done.stdout

    def up(self) -> str:
        return self.pulumi("up", "--yes", "--skip-preview", "--suppress-progress")

    def unchanged(self) -> None:
        self.pulumi("preview", "--expect-no-changes", "--diff", "--suppress-progress")

    def preview(self) -> dict[str, Step]:
        """What an `up` would do, by the name of the resource; what stays as it is, is left out."""
        steps: list[dict[str, Any]] = json.loads(self.pulumi("preview", "--json"))["steps"]
        found: dict[str, Step] = {}
        for step in steps:
            if step["op"] not in ("same", "refresh"):
                told: dict[str, Any] = step.get("detailedDiff") or {}
                differences = {path: str(difference["kind"]) for path, difference in told.items()}
                old, new = (step.get(state, {}).get("inputs", {}) for state in ("oldState", "newState"))
                found[step["urn"].rpartition("::")[2]] = Step(step["op"], differences, old, new)
        return found

    def destroy(self) -> None:
        # Without the program, which may be what a test has made to fail.
        self.pulumi("destroy", "--yes", "--skip-preview", "--suppress-progress", "--run-program=false")


def _has_language_host() -> bool:
    pulumi = Path(shutil.which("pulumi") or "").resolve()
    return bool(shutil.which("pulumi-language-python") or pulumi.with_name("pulumi-language-python").exists())
