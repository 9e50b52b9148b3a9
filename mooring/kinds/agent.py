"""`mooring:host:Agent`: one long-running service of a host: its version, files, unit and health.

Consul, Nomad and the load balancer are agents. What differs between them stands in their components; what is the
same, namely how a service is put on a host, changed and taken away, stands here.
"""

import shlex
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import pulumi
from pydantic import Field
from typing_extensions import override

from mooring.clients import ssh
from mooring.clients.errors import Unreachable
from mooring.clients.http import secrets_of
from mooring.clients.ssh import Connection
from mooring.kinds import departure, drain, ledger, membership, placement
from mooring.kinds.kind import Handler, Made, NotHealthy, NotOurs, Problem, Props, Resource, Seen, Spec, Work, register
from mooring.kinds.membership import Membership
from mooring.kinds.placement import Directory, File
from mooring.kinds.roll import turn
from mooring.waiting import TimedOut, wait_for

LISTENING_WITHIN = 45
"""Seconds. Consul and Nomad listen within 2 on a real core; under emulation they took about 20."""

LOOK_EVERY = 0.1
"""Seconds, times the host's patience: each look starts programs there, and three emulated machines that were asked ten
times a second did little but answer."""

START = "start"
"""Does nothing to a service that runs."""

RELOAD = "reload-or-restart"
"""systemd's word for what is right for a service that cannot reload, or that has died, as well."""

RESTART = "restart"

DOING = {START: "starting", RELOAD: "reloading", RESTART: "restarting"}

MEMBER_WITHIN = 120.0
"""Seconds. A restarted server is a healthy voter again after autopilot's stabilisation time of 10 s; the rest is for
slow machines."""


JUDGED_WITHIN = 60
"""Seconds. A look at a configuration takes 0.2 on a real core."""


class NotAccepted(Exception):
    """The agent's own program refuses what it would be told: change the program that says it."""


class AgentSpec(Spec):
    connection: Connection
    service: str = Field(pattern=r"^[a-z][a-z0-9-]*$")
    """The systemd unit's name."""

    user: str | None = None
    """A system user that is made for it."""

    version: str | None = None
    binary: str | None = None
    """Where the program lies on the host, with its version in the name: an old one is never written over."""

    binary_source: str | None = None
    """The same program on the machine that runs this, for hosts that do not have it yet."""

    files: dict[str, File]
    directories: dict[str, Directory] = Field(default_factory=dict[str, Directory])
    data: tuple[str, ...] = ()
    """Directories that hold what the agent itself writes; they go with the agent."""

    leftovers: tuple[str, ...] = ()
    """Commands that take away what it leaves beside its data, run when it has stopped for good. For hosts that stay."""

    unit: str
    """The unit file's text."""

    reload_on: tuple[str, ...] = ()
    """Files for which a reload is enough; a change of any other restarts the service."""

    read_at_start: tuple[str, ...] = ()
    """Files that say nothing to an agent that runs: a change of these alone is written, and the agent left as it is."""

    judge: str | None = None
    """A command that ends with a failure if the agent would not accept its files; `{root}` in it is a directory that
    holds them, under their paths. What it refuses is not put in place."""

    leave_signal: Literal["SIGTERM"] | None = None
    """On which the service takes its leave of its cluster before it ends; sent when it goes for good. The unit's own
    KillSignal, which only ends it, must be another one."""

    listens: int
    """A TCP port on loopback: the agent is up when it accepts."""

    member: Membership | None = None
    """How its cluster sees it; after a change the agent is done only when the cluster is content."""

    running: bool = True
    enabled: bool = True


@register
class AgentHandler(Handler[AgentSpec]):
    token = "mooring:host:Agent"  # noqa: S105 -- a type token, not a secret
    spec = AgentSpec
    identity = frozenset({"service"})
    access = frozenset({"connection", "binary_source", "member"})
    secret_inputs = secrets_of("member.endpoint") | {"connection.private_key"}

    @override
    def check(self, spec: AgentSpec) -> Iterable[Problem]:
        yield from placement.path_problems("files", spec.files)
        yield from placement.path_problems("directories", spec.directories)
        for field in ("reload_on", "read_at_start"):
            for path in getattr(spec, field):
                if path not in spec.files:
                    yield Problem(path=field, reason=f"names {path}, which is not one of the files")
        if (spec.binary is None) != (spec.binary_source is None):
            yield Problem(path="binary", reason="must be given together with binary_source, or neither")

    @override
    def create(self, spec: AgentSpec, work: Work) -> Made:
        present, _ = placement.look(spec.connection, [*spec.files, _unit_path(spec)])
        unit = present.get(_unit_path(spec))
        # A create that was killed half-way left files of ours, perhaps of an older program; the unit says whose.
        ours = unit is not None and unit.content.endswith(_owner(work))
        strange = placement.strangers(present, _all_files(spec, work))
        if strange and not ours:
            raise NotOurs(
                f"{spec.connection.address} has other files at {', '.join(strange)}: {spec.service} is already "
                "configured there by somebody else; move them away or choose another host"
            )
        _bring_binary(spec, work)
        _judge(spec)
        _converge(spec, work, action=RESTART if ours else START)
        return Made(id=f"{spec.connection.address}:{spec.service}")

    @override
    def read(self, id_: str, spec: AgentSpec, outputs: Props, work: Work) -> Seen[AgentSpec] | None:
        state = dict(
            line.split("=", 1)
            for line in ssh.run(spec.connection, _looking_at(spec)).decode().splitlines()
            if "=" in line
        )
        files, directories = placement.look(spec.connection, [*spec.files, _unit_path(spec)], spec.directories)
        unit = files.pop(_unit_path(spec), None)
        if unit is None and not files:
            return None
        seen = spec.model_copy(
            update={
                "files": files,
                "directories": directories,
                "unit": unit.content.removesuffix(_owner(work)) if unit else "",
                "running": state["ActiveState"] == "active" and not state["Changing"],
                "enabled": state["UnitFileState"] == "enabled",
                "version": spec.version if state["Binary"] == "there" else None,
            }
        )
        return Seen(spec=seen)

    @override
    def update(self, id_: str, old: AgentSpec, new: AgentSpec, outputs: Props, work: Work) -> Props:
        action = action_for(old, new)
        gone = old.files.keys() - new.files.keys()
        # Before its turn: what is refused costs nobody an agent, and no copying is done while one is away.
        _bring_binary(new, work)
        _judge(new)
        if action == START:
            _converge(new, work, action=action, gone=gone)
            return {}
        with turn(new.member, new.connection.address, work.clock, work.say):
            if action == RESTART and (client := _nomad_client(new)):
                drain.emptied(client, work)
            _converge(new, work, action=action, gone=gone)
            if new.member is not None and new.running:
                _wait_for_membership(new, new.member, id_, work)
            if client := _nomad_client(new):
                drain.used_again(client)
        return {}

    @override
    def delete(self, id_: str, spec: AgentSpec, outputs: Props, work: Work) -> None:
        member, address = spec.member, spec.connection.address
        try:
            runs = ssh.answer(spec.connection, f"systemctl is-active --quiet {spec.service}.service").status == 0
        except Unreachable:
            if member is None or not departure.is_missed(member, work):
                raise
            # Its host is dead, and whatever was on it goes with that.
            with turn(member, address, work.clock, work.say):
                departure.let_go(member, address, work)
            work.warn(f"{address} does not answer: {spec.service} was taken off its cluster, and is left on the host")
            return
        if not runs or member is None:
            _take_away(spec)  # nothing is missed by anybody
            return
        with turn(member, address, work.clock, work.say):
            if client := _nomad_client(spec):
                drain.emptied(client, work)
            if spec.leave_signal is not None:
                work.say(f"leaving {member.cluster}")
                ssh.run(spec.connection, departure.leaving(spec.service, spec.leave_signal), within=90)
            _take_away(spec)
            departure.let_go(member, address, work)


def _take_away(spec: AgentSpec) -> None:
    unit = shlex.quote(_unit_path(spec))
    ssh.run(
        spec.connection,
        "\n".join(
            [
                "set -eu",
                f"if [ -e {unit} ]; then systemctl disable --now {spec.service}.service; fi",
                *spec.leftovers,
                placement.removing([*spec.files, _unit_path(spec)], spec.directories),
                *(f"rm -rf -- {shlex.quote(path)}" for path in spec.data),
                "systemctl daemon-reload",
                # What had failed is remembered without its unit too, and the host would count as degraded.
                f"systemctl reset-failed {spec.service}.service 2>/dev/null || true",
            ]
        ),
        within=90,
    )


def action_for(old: AgentSpec, new: AgentSpec) -> str:
    """What the service has to be told of the difference; none at all means that the last try did not end well."""
    changed = {path for path in new.files if old.files.get(path) != new.files[path]} | (
        old.files.keys() - new.files.keys()
    )
    if not old.running or (old.unit, old.version, old.binary) != (new.unit, new.version, new.binary):
        return RESTART
    if old != new and changed <= set(new.read_at_start):
        return START
    return RELOAD if changed <= {*new.reload_on, *new.read_at_start} else RESTART


def _nomad_client(spec: AgentSpec) -> Membership | None:
    member = spec.member
    return member if member is not None and member.cluster == "nomad" and "client" in member.roles else None


def _unit_path(spec: AgentSpec) -> str:
    return f"/etc/systemd/system/{spec.service}.service"


def _owner(work: Work) -> str:
    """The last lines of our unit files; systemd passes over sections that start with X-."""
    return f"\n[X-Mooring]\nStack={work.project}/{work.stack}\n"


def _changing(spec: AgentSpec) -> str:
    """There from when the files change until the service has taken note, in case a run ends in between.

    Gone with a boot, which starts every service anew.
    """
    return f"/run/mooring-changing-{spec.service}"


def _all_files(spec: AgentSpec, work: Work) -> dict[str, File]:
    return {**spec.files, _unit_path(spec): File(content=spec.unit + _owner(work))}


def _converge(spec: AgentSpec, work: Work, *, action: str, gone: Iterable[str] = ()) -> None:
    """Put everything there and start, reload or restart; return when the agent listens."""
    files = _all_files(spec, work)
    work.say(f"{DOING[action]} {spec.service}")
    script = "\n".join(
        [
            *_preparing(spec),
            f"touch {_changing(spec)}",
            placement.removing(gone, ()),
            placement.placing(files, spec.directories),
            *_starting(spec, action),
        ]
    )
    ssh.run(spec.connection, script, stdin=placement.archive(files), within=LISTENING_WITHIN + 60)


def _judge(spec: AgentSpec) -> None:
    """Ask the agent's own program about the files, in a place that only root sees and that is gone afterwards."""
    if spec.judge is None:
        return
    asked = ssh.answer(
        spec.connection, placement.judging(spec.judge), stdin=placement.archive(spec.files), within=JUDGED_WITHIN
    )
    if asked.status != 0:
        said = (asked.stderr.strip() or asked.stdout.decode(errors="replace").strip())[-1000:]
        raise NotAccepted(
            f"{spec.service} on {spec.connection.address} would not accept its new configuration, so nothing of it was "
            f"written: {said}"
        )


def _preparing(spec: AgentSpec) -> Iterator[str]:
    yield "set -eu"
    if spec.user:
        user = shlex.quote(spec.user)
        yield ledger.noting_user(spec.user)
        make = f"useradd --system --user-group --no-create-home --shell /usr/sbin/nologin {user}"
        yield f"id -u {user} >/dev/null 2>&1 || {make}"


def _starting(spec: AgentSpec, action: str) -> Iterator[str]:
    """The second half of the script: enable, (re)start, and wait until the port accepts or say what went wrong."""
    name = f"{spec.service}.service"
    # `enable` would have systemd read all units anew by itself, and an emulated processor takes 4 s for each time.
    yield f"systemctl {'enable' if spec.enabled else 'disable'} --quiet --no-reload {name}"
    yield "systemctl daemon-reload"
    if not spec.running:
        yield f"systemctl stop {name}"
        yield f"rm -f {_changing(spec)}"
        return
    yield f"systemctl {action} {name}"
    seconds = int(LISTENING_WITHIN * spec.connection.patience)
    # The port first, for which nothing is started; whose it is, only when somebody accepts.
    up = f"{{ : </dev/tcp/127.0.0.1/{spec.listens}; }} 2>/dev/null && systemctl is-active --quiet {name}"
    pause = f"[ $SECONDS -lt {seconds} ] || exit 1; sleep {LOOK_EVERY * spec.connection.patience:g}"
    yield f"""
if bash -c 'until {up}; do {pause}; done'; then
  rm -f {_changing(spec)}
  exit 0
fi
echo "{spec.service} does not listen on port {spec.listens} after {seconds} s; its last lines:" >&2
journalctl -u {name} -n 12 --no-pager -o cat >&2
exit 1"""


def _looking_at(spec: AgentSpec) -> str:
    present = (
        f"[ -x {shlex.quote(spec.binary)} ] && echo Binary=there || echo Binary="
        if spec.binary
        else "echo Binary=there"
    )
    changing = f"[ -e {_changing(spec)} ] && echo Changing=yes || echo Changing="
    return f"systemctl show -p ActiveState -p UnitFileState {spec.service}.service\n{present}\n{changing}"


def _bring_binary(spec: AgentSpec, work: Work) -> None:
    if spec.binary is None or spec.binary_source is None:
        return
    target = shlex.quote(spec.binary)
    if ssh.answer(spec.connection, f"test -x {target}").status == 0:
        return
    work.say(f"copying {Path(spec.binary).name}")
    folder = shlex.quote(str(Path(spec.binary).parent))
    # Written beside and moved, so that a copy that was cut off is never taken for the program.
    script = "\n".join(
        [
            ledger.noting_directories([str(Path(spec.binary).parent)]),
            ledger.noting_file(spec.binary),
            f"set -eu; mkdir -p {folder}; cat > {target}.part; chmod 0755 {target}.part; mv {target}.part {target}",
        ]
    )
    ssh.run(spec.connection, script, stdin=Path(spec.binary_source).read_bytes(), within=600)


def _wait_for_membership(spec: AgentSpec, member: Membership, id_: str, work: Work) -> None:
    last = ""

    def content() -> bool | None:
        nonlocal last
        last = membership.complaint(member, spec.connection.address) or ""
        if last:
            work.say(last)
        return None if last else True

    try:
        wait_for(content, member.name, within=MEMBER_WITHIN * spec.connection.patience, every=0.5, clock=work.clock)
    except TimedOut as error:
        raise NotHealthy(id_, {}, [last]) from error


class Agent(Resource):
    def __init__(
        self,
        resource_name: str,
        *,
        connection: pulumi.Input[Mapping[str, Any]],
        service: str,
        files: pulumi.Input[Mapping[str, Any]],
        unit: pulumi.Input[str],
        listens: int,
        user: str | None = None,
        version: str | None = None,
        binary: str | None = None,
        binary_source: str | None = None,
        directories: Mapping[str, Any] | None = None,
        data: tuple[str, ...] = (),
        leftovers: tuple[str, ...] = (),
        reload_on: tuple[str, ...] = (),
        read_at_start: tuple[str, ...] = (),
        judge: str | None = None,
        leave_signal: Literal["SIGTERM"] | None = None,
        member: pulumi.Input[Mapping[str, Any]] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        inputs = {
            "connection": connection,
            "service": service,
            "files": files,
            "unit": unit,
            "listens": listens,
            "user": user,
            "version": version,
            "binary": binary,
            "binary_source": binary_source,
            "directories": directories,
            "data": list(data) or None,
            "leftovers": list(leftovers) or None,
            "reload_on": list(reload_on) or None,
            "read_at_start": list(read_at_start) or None,
            "judge": judge,
            "leave_signal": leave_signal,
            "member": member,
        }
        super().__init__(AgentHandler, resource_name, {k: v for k, v in inputs.items() if v is not None}, opts=opts)
