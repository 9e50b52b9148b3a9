"""What the pipeline's script refuses before it does anything; what it does is for the live tests."""

import os
import subprocess

import pytest
from unit.docs.pages import ROOT

COMPLETE = {"STACK": "dev", "PULUMI_BACKEND_URL": "file:///nowhere", "PULUMI_CONFIG_PASSPHRASE": ""}


def refusal(*arguments: str, without: str = "") -> str:
    surroundings = {"PATH": os.environ["PATH"], **{k: v for k, v in COMPLETE.items() if k != without}}
    done = subprocess.run(
        ["docs/pipelines/pipeline.sh", *arguments],
        cwd=ROOT, env=surroundings, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    return done.stderr


@pytest.mark.parametrize("arguments", [(), ("destroy",), ("preview", "apply"), ("previewed",)])
def test_a_wrong_verb_is_refused_with_the_right_ones(arguments: tuple[str, ...]) -> None:
    assert "one of preview, apply and drift must be given" in refusal(*arguments)


@pytest.mark.parametrize("name", COMPLETE)
def test_a_setting_that_is_missing_is_named(name: str) -> None:
    assert f"{name} " in refusal("drift", without=name)
