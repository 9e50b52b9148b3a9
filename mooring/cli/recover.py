"""Free a stack whose `pulumi up` was killed: its lock, and creates that were begun and never ended.

A kind of ours adopts what an interrupted create has left; Pulumi's Docker provider cannot, so what it may have left is
removed. What to do is decided as a value, from what the files say; only `recover` and the engines act.
"""

import gzip
import json
import os
import platform
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, Protocol, TypeAlias
from urllib.parse import urlsplit

import docker
from docker.errors import DockerException
from typing_extensions import override

Kind = Literal["container", "network", "volume"]
KINDS: Final[Sequence[Kind]] = ("container", "network", "volume")
"""What an interrupted create of Docker's may leave behind; containers first, as they hold the others."""

LABEL: Final = "org.mooring.stack"
REMOTE_WITHIN: Final = 30
"""Seconds for one command on a host that may be down."""


class Unanswered(Exception):
    """An engine did not answer: what it holds is not known, and the next run must ask again."""


@dataclass(frozen=True, kw_only=True)
class Lock:
    """One run that says it works on the stack."""

    file: Path
    pid: int
    host: str


@dataclass(frozen=True, kw_only=True)
class Engine:
    """Where a provider talks to Docker; the default is this machine's own engine."""

    host: str = ""
    ssh_options: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class DropLock:
    lock: Lock


@dataclass(frozen=True, kw_only=True)
class Stop:
    """Somebody may still be at work: nothing may be touched."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class Remove:
    """Take away what an interrupted create may have left, if it carries this stack's label."""

    kind: Kind
    name: str
    engine: Engine


@dataclass(frozen=True, kw_only=True)
class Forget:
    """Let the state forget the creates that were begun: the next `up` begins them again."""

    names: tuple[str, ...]


Action: TypeAlias = DropLock | Stop | Remove | Forget


def recover(stack: str, *, project: str, env: Mapping[str, str], cwd: Path, say: Callable[[str], None]) -> None:
    """Put right what a killed run of `stack` has left; one line for each thing done, and none when all is well."""
    root = backend_directory(env.get("PULUMI_BACKEND_URL", ""), cwd)
    if root is None:
        say("this backend keeps its own locks: if the stack is locked and nobody is at work, run `pulumi cancel`")
        return
    owner = f"{project}/{stack}"
    all_removed = True
    for action in plan(latest(root, owner), locks(root, owner), runs_pulumi, platform.node()):
        match action:
            case Stop():
                say(action.reason)
            case DropLock():
                action.lock.file.unlink(missing_ok=True)
                action.lock.file.with_name(f"{action.lock.file.name}.attrs").unlink(missing_ok=True)
                say(f"freed the stack from a run that was killed (process {action.lock.pid})")
            case Remove():
                all_removed &= remove(action, owner, say)
            case Forget() if all_removed:
                problem = _run_pulumi(forgetting(stack, project), env, cwd)
                began = "what was begun and never ended"
                say(f"could not forget {began}: {problem}" if problem else f"forgot {began}: {', '.join(action.names)}")
            case Forget():
                say("the state still has what was begun and never ended: the next run looks again for what it left")


def mend(stack: str, *, project: str, env: Mapping[str, str], cwd: Path, say: Callable[[str], None]) -> None:
    """Let Pulumi open the state again: to be called before anything of Pulumi's is.

    The local backend keeps attributes in a file beside each of its own. One that was killed while it wrote them leaves
    that file empty, and Pulumi then takes the whole state for unreadable; without the file it reads the state as it is.
    """
    root = backend_directory(env.get("PULUMI_BACKEND_URL", ""), cwd)
    if root is None:
        return
    for file in torn(root, f"{project}/{stack}"):
        file.unlink(missing_ok=True)
        say(f"removed {file.name}, which a killed run left empty")


def torn(root: Path, owner: str) -> list[Path]:
    """The empty attribute files beside a stack's state and locks; none while somebody may be writing them."""
    kept = root / ".pulumi" / "locks" / "organization" / owner
    try:
        held = locks(root, owner)
    except json.JSONDecodeError:
        return []  # a lock that is being written: somebody is at work
    if any(lock.host != platform.node() or runs_pulumi(lock.pid) for lock in held):
        return []
    beside = [*(root / ".pulumi" / "stacks").glob(f"{owner}.json*.attrs"), *kept.glob("*.attrs")]
    return sorted(file for file in beside if file.stat().st_size == 0)


def plan(state: Mapping[str, Any], held: Sequence[Lock], alive: Callable[[int], bool], here: str) -> list[Action]:
    """What to do, in order; only `Stop` when somebody may be at work."""
    kept = [lock for lock in held if lock.host != here or alive(lock.pid)]
    if kept:
        return [Stop(reason=_at_work(lock, here)) for lock in kept]
    begun = [
        operation["resource"] for operation in state.get("pending_operations") or () if operation["type"] == "creating"
    ]
    leftovers = sorted(_leftovers(state, begun), key=lambda leftover: KINDS.index(leftover.kind))
    names = tuple(resource["urn"].rpartition("::")[2] for resource in begun)
    return [*(DropLock(lock=lock) for lock in held), *leftovers, *([Forget(names=names)] if begun else [])]


def _at_work(lock: Lock, here: str) -> str:
    if lock.host == here:
        return f"the stack is in use: process {lock.pid} is still running; wait for it, or end it first"
    return f"the stack is in use on {lock.host} (process {lock.pid}); if nobody is at work there, run `pulumi cancel`"


def _leftovers(state: Mapping[str, Any], begun: Iterable[Mapping[str, Any]]) -> Iterator[Remove]:
    providers = {f"{r['urn']}::{r.get('id')}": r.get("inputs", {}) for r in state.get("resources") or ()}
    for resource in begun:
        for kind in KINDS:
            if resource["type"].startswith(f"docker:index/{kind}:"):
                settings = providers.get(resource.get("provider", ""), {})
                yield Remove(kind=kind, name=resource["inputs"]["name"], engine=_engine(settings))


SEALED = "sealed"
"""Stands for an engine whose address the state holds as a secret."""


def _engine(settings: Mapping[str, Any]) -> Engine:
    host, options = settings.get("host") or "", settings.get("sshOpts") or "[]"
    if not isinstance(host, str) or isinstance(options, dict):
        return Engine(host=SEALED, ssh_options=())
    return Engine(
        host=host,
        # The SDK writes nested settings of a provider as JSON text.
        ssh_options=tuple(json.loads(options) if isinstance(options, str) else options),
    )


def backend_directory(url: str, cwd: Path) -> Path | None:
    """The folder of a local file backend; None for any other."""
    if not url.startswith("file://"):
        return None
    return cwd / Path(url.removeprefix("file://").partition("?")[0]).expanduser()


def latest(root: Path, owner: str) -> Mapping[str, Any]:
    """What the state of `project/stack` says last; empty when there is none."""
    file = root / ".pulumi" / "stacks" / f"{owner}.json"
    zipped = file.with_name(f"{file.name}.gz")
    if zipped.exists():  # PULUMI_DIY_BACKEND_GZIP
        content = gzip.decompress(zipped.read_bytes())
    elif file.exists():
        content = file.read_bytes()
    else:
        return {}
    return json.loads(content)["checkpoint"].get("latest") or {}


def locks(root: Path, owner: str) -> list[Lock]:
    folder = root / ".pulumi" / "locks" / "organization" / owner
    held = [(file, json.loads(file.read_text())) for file in sorted(folder.glob("*.json"))]
    return [Lock(file=file, pid=said["pid"], host=said["hostname"]) for file, said in held]


def runs_pulumi(pid: int) -> bool:
    """Whether a process of this machine is there and is Pulumi's; a number may have been given to another one since."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    command = Path("/proc") / str(pid) / "cmdline"
    return not command.parent.parent.is_dir() or b"pulumi" in command.read_bytes()


def forgetting(stack: str, project: str) -> list[str]:
    """What Pulumi is asked for: a refresh of the stack's own root alone reads nothing, and drops the entries."""
    root = f"urn:pulumi:{stack}::{project}::pulumi:pulumi:Stack::{project}-{stack}"
    return [
        *("refresh", "--stack", stack, "--yes", "--skip-preview", "--non-interactive", "--suppress-progress"),
        *("--clear-pending-creates", "--run-program=false", "--target", root),
    ]


def _run_pulumi(arguments: Sequence[str], env: Mapping[str, str], cwd: Path) -> str | None:
    """What went wrong, in Pulumi's own words."""
    pulumi = shutil.which("pulumi", path=env.get("PATH")) or "pulumi"
    done = subprocess.run(  # noqa: S603 -- our own arguments
        [pulumi, *arguments], cwd=cwd, env=dict(env), capture_output=True, text=True, check=False
    )
    return None if done.returncode == 0 else (done.stderr or done.stdout).strip()


def remove(leftover: Remove, owner: str, say: Callable[[str], None]) -> bool:
    """Take it away if it is there and carries our label; whether it is surely gone."""
    what = f"{leftover.kind} {leftover.name}"
    try:
        engine = engine_of(leftover.engine)
        if leftover.name in engine.names(leftover.kind, f"{LABEL}={owner}"):
            engine.remove(leftover.kind, leftover.name)
            say(f"removed the {what}, which a killed run had begun")
    except (Unanswered, DockerException) as error:
        say(f"could not look for the {what}: {error}")
        return False
    return True


class Docker(Protocol):
    """What is asked of an engine."""

    def names(self, kind: Kind, label: str) -> set[str]:
        """Those of everything that carries `label`."""
        ...

    def remove(self, kind: Kind, name: str) -> None: ...


def engine_of(engine: Engine) -> Docker:
    if engine.host == SEALED:
        raise Unanswered("the state holds the address of its engine as a secret")
    return Remote(engine) if urlsplit(engine.host).scheme == "ssh" else Local(engine)


class Local(Docker):
    """An engine that listens on this machine."""

    def __init__(self, engine: Engine) -> None:
        self._client = docker.DockerClient(base_url=engine.host) if engine.host else docker.from_env()

    @override
    def names(self, kind: Kind, label: str) -> set[str]:
        match kind:
            case "container":
                return {str(found.name) for found in self._client.containers.list(all=True, filters={"label": label})}
            case "network":
                networks = self._client.networks.list(  # pyright: ignore[reportUnknownMemberType] -- half typed
                    filters={"label": label}
                )
                return {str(found.name) for found in networks}
            case "volume":
                return {str(found.name) for found in self._client.volumes.list(filters={"label": label})}

    @override
    def remove(self, kind: Kind, name: str) -> None:
        match kind:
            case "container":
                self._client.containers.get(name).remove(force=True)
            case "network":
                self._client.networks.get(name).remove()
            case "volume":
                self._client.volumes.get(name).remove()


class Remote(Docker):
    """An engine behind SSH, reached as its provider reaches it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @override
    def names(self, kind: Kind, label: str) -> set[str]:
        stopped_too, name = (["--all"], "{{.Names}}") if kind == "container" else ([], "{{.Name}}")
        return set(self._run(kind, "ls", *stopped_too, "--filter", f"label={label}", "--format", name).split())

    @override
    def remove(self, kind: Kind, name: str) -> None:
        self._run(kind, "rm", *(["--force"] if kind == "container" else []), name)

    def _run(self, *arguments: str) -> str:
        try:
            return subprocess.run(  # noqa: S603 -- the provider's own options, as the state has them
                ssh_command(self._engine, ["docker", *arguments]),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=REMOTE_WITHIN,
                check=True,
            ).stdout
        except subprocess.TimeoutExpired as error:
            raise Unanswered(f"{self._engine.host} does not answer") from error
        except subprocess.CalledProcessError as error:
            raise Unanswered(error.stderr.strip()) from error


def ssh_command(engine: Engine, command: Sequence[str]) -> list[str]:
    where = urlsplit(engine.host)
    login = f"{where.username}@{where.hostname}" if where.username else f"{where.hostname}"
    port = ["-p", str(where.port)] if where.port else []
    return ["ssh", "-T", *engine.ssh_options, *port, "--", login, shlex.join(command)]
