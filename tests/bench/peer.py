"""The same jobs by OpenTofu with the Nomad provider, where both are to be had."""

import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mooring.clients.http import Endpoint

INSTALLED_WITHIN = 120
"""Seconds for the provider, which is looked for at its registry."""


class NoPeer(Exception):
    """There is nothing to compare with, for this reason."""


def installed(folder: Path) -> str:
    """Where `tofu` is, with the provider in `folder`; raises `NoPeer`."""
    program = shutil.which("tofu")
    if program is None:
        raise NoPeer("there is no `tofu` on PATH")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "provider.tf.json").write_text(json.dumps(PROVIDER))
    command = [program, f"-chdir={folder}", "init", "-input=false", "-no-color"]
    try:
        asked = subprocess.run(command, capture_output=True, text=True, timeout=INSTALLED_WITHIN, check=False)
    except subprocess.TimeoutExpired:
        raise NoPeer(f"`tofu init` did not end within {INSTALLED_WITHIN} s") from None
    if asked.returncode != 0:
        lines = (asked.stderr or asked.stdout).strip().splitlines()
        raise NoPeer(f"`tofu init` could not bring the Nomad provider: {' '.join(lines)[:200]}")
    return program


PROVIDER: Mapping[str, Any] = {
    "terraform": {"required_providers": {"nomad": {"source": "hashicorp/nomad", "version": "~> 2.0"}}}
}


def skipped(reason: NoPeer) -> str:
    return f"OpenTofu: skipped, {reason}"


def configuration(endpoint: Endpoint, bodies: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What OpenTofu is told: one resource a job, each with the job as text, which is the only form it takes."""
    return {
        "provider": {
            "nomad": {
                "address": f"https://{endpoint.addresses[0]}:{endpoint.port}",
                "ca_pem": endpoint.authority,
                "cert_pem": endpoint.certificate,
                "key_pem": endpoint.private_key,
                "secret_id": endpoint.token,
            }
        },
        "resource": {
            "nomad_job": {
                str(body["ID"]): {"json": True, "jobspec": escaped(json.dumps({"Job": dict(body)}))} for body in bodies
            }
        },
    }


def escaped(text: str) -> str:
    """`text` as OpenTofu takes it literally."""
    return text.replace("${", "$${").replace("%{", "%%{")
