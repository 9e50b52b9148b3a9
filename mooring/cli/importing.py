"""`mooring import`: a running job as the piece of a program that takes it over, without what nobody may read."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mooring.cli import job as jobs
from mooring.cli import pulumi
from mooring.clients.answers import table
from mooring.clients.nomad import Nomad
from mooring.jobs import as_python
from mooring.jobs.secrets import Secret, without_secrets
from mooring.kinds.nomad_import import taken_in
from mooring.kinds.nomad_job import OWNER

COMPONENTS = (
    "from components.access import NomadAccess",
    "from components.job import Job as Component",
)


class IsThere(Exception):
    """A file stands where the piece should be written: name another one, or take that one away."""


class NotKept(Exception):
    """Pulumi did not take a secret into the stack's configuration, for the reason that it gives."""


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A module of a program."""

    name: str
    """The job's, as a name of Python."""

    text: str
    configuration: str
    """Under which name the stack's configuration holds the secrets."""

    secrets: tuple[Secret, ...]
    owner: str
    """The project and stack that registered the job; empty where somebody did by hand."""


def piece(api: Nomad, name: str) -> Piece:
    """The piece for the job of that name; raises `NoSuchJob` and `CannotImport`."""
    word = re.sub(r"[^A-Za-z0-9_-]+", "-", name)
    found = jobs.found(api, name)
    job, secrets = without_secrets(taken_in(found, api.plan), word)
    quoted = json.dumps(name, ensure_ascii=False)
    namespace = found.get("Namespace") or "default"
    place = name if namespace == "default" else f"{namespace}/{name}"
    declared = f"Component({quoted}, job=job, on=on, import_={json.dumps(place, ensure_ascii=False)})"
    text = (
        f"{as_python(job, before=COMPONENTS)}\n\n"
        "def declare(on: NomadAccess) -> Component:\n"
        '    """Take the running job over; `import_` may go once an `up` has."""\n'
        f"    return {declared}\n"
    )
    return Piece(
        name=re.sub(r"\W|^(?=\d)", "_", word),
        text=text,
        configuration=word,
        secrets=tuple(secrets),
        owner=table(found["Meta"]).get(OWNER, ""),
    )


def write(found: Piece, to: Path) -> None:
    """Write it where nothing is yet; raises `IsThere`."""
    try:
        with to.open("x") as file:
            file.write(found.text)
    except FileExistsError:
        raise IsThere(f"{to} is there already: name another file, or take it away first") from None


def keep_secrets(found: Piece, stack: str) -> None:
    """Put the secrets into the stack's configuration, encrypted; each goes by a pipe, never as an argument."""
    for secret in found.secrets:
        key = f"{found.configuration}:{secret.key}"
        asked = pulumi.ask(["config", "set", "--secret", key, "--stack", stack], said=f"{secret.value}\n")
        if asked.returncode != 0:
            raise NotKept(f"{key}: {asked.stderr.strip()}")


def advice(found: Piece, stack: str, *, kept: bool) -> Iterator[str]:
    """What is left to do, for a person."""
    if found.owner:
        yield f"the job is {found.owner}'s own: two programs, or two places of one, must not both declare it"
    use = f"`from infra import {found.name}` and `{found.name}.declare(nomad.access)` in the program take it over"
    yield f"as infra/{found.name}.py: {use}; `make preview STACK={stack}` then shows an import and no difference"
    for secret in found.secrets:
        key = f"{found.configuration}:{secret.key}"
        if kept:
            yield f"{key} is in the stack's configuration, encrypted"
        else:
            yield f"a secret was left out; `pulumi config set --secret {key} --stack {stack}` asks for it"
