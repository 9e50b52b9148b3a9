"""Hosts with a memory, in the place of the connections of `mooring.clients.ssh`.

They run no shell: each line that our scripts are made of is understood by itself, and any other raises. What the lines
really do is for the tests on real hosts.
"""

import hashlib
import io
import json
import platform
import re
import shlex
import socket
import tarfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from fakes.packages import FakePackages

from mooring.clients.errors import Unreachable, Untrusted
from mooring.clients.ssh import Answer, Connection, WillNotForward
from mooring.kinds import host, host_claim, host_survey, ledger


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A file, or a directory when it has no content."""

    content: bytes | None
    mode: int
    owner: str = "root"
    group: str = "root"


@dataclass(kw_only=True)
class Service:
    active: bool = False
    enabled: bool = False
    starts: int = 0
    reloads: int = 0


class Failed(Exception):
    """A line that ends with a failure, as the shell reports it."""


@dataclass
class FakeHost:
    """A Debian machine that has booted."""

    connection: Connection
    entries: dict[str, Entry] = field(default_factory=dict[str, Entry])
    users: set[str] = field(default_factory=lambda: {"root"})
    services: dict[str, Service] = field(default_factory=dict[str, Service])
    state: str = "running"
    failed_units: tuple[str, ...] = ()
    packages: FakePackages = field(default_factory=FakePackages)
    kernel: dict[str, str] = field(
        default_factory=lambda: {"net.ipv4.tcp_retries2": "15", "net.ipv4.tcp_rmem": "4096 131072 6291456"}
    )
    ports: set[str] = field(default_factory=set[str])
    """That somebody listens on, as `tcp/80`."""

    machine_id: str = "0123456789abcdef0123456789abcdef"
    ahead: float = 0.0
    """Seconds by which its clock is."""

    says: dict[str, str] = field(default_factory=dict[str, str])
    """What it answers otherwise when it is surveyed."""

    forwards: bool = True
    """Whether its sshd makes connections for others."""

    deaf: set[str] = field(default_factory=set[str])
    """Services that start and never listen."""

    on_start: Callable[[str], None] = lambda _: None
    """Called with a service's name while it is (re)started or reloaded."""

    on_leave: Callable[[str], None] = lambda _: None
    """Called with a service's name when it was told to take its leave, and has ended."""

    def __post_init__(self) -> None:
        for path in ("/", "/etc", "/etc/systemd", "/etc/systemd/system", "/opt", "/var", "/var/lib"):
            self.entries[path] = Entry(content=None, mode=0o755)

    def content(self, path: str) -> str:
        found = self.entries[path].content
        assert found is not None, f"{path} is a directory"
        return found.decode()

    def write(self, path: str, content: str) -> None:
        """As a person does by hand."""
        self.entries[path] = replace(self.entries[path], content=content.encode())

    def run(self, script: str, stdin: bytes) -> Answer:
        try:
            if (said := self._told_as_a_whole(script, stdin.decode(errors="replace"))) is not None:
                return _answer(said)
        except LookupError as error:
            return Answer(status=100, stdout=b"", stderr=str(error))
        if "/run/mooring-judge." in script:
            return self._judged(stdin)
        if found := re.search(r"/run/systemd/system/(\S+)\.service\.d.*--signal=SIGTERM", script, flags=re.DOTALL):
            self.services[f"{found[1]}.service"].active = False
            self.on_leave(found[1])
            return _answer("")
        shell = _Shell(self, stdin)
        try:
            for line in _lines(script):
                shell.run(line)
        except Failed as failure:
            return Answer(status=1, stdout=shell.printed, stderr=str(failure))
        return Answer(status=0, stdout=shell.printed, stderr="")

    def _told_as_a_whole(self, script: str, stdin: str) -> str | None:
        """What a script prints that is understood as one and not by its lines; None for any other."""
        exactly: dict[str, Callable[[], str]] = {
            host.FACTS: self._facts,
            host.FAILED_UNITS: lambda: " ".join(self.failed_units),
            host_claim.LOOK: lambda: self.content(host_claim.CLAIM) if host_claim.CLAIM in self.entries else "",
            ledger.SWEEP: self._sweep,
        }
        if script in exactly:
            return exactly[script]()
        if "grep -vxFf" in script:
            return self._lines_edited(script, stdin)
        if script.startswith("if systemctl cat "):
            return self._units(script)
        return self._surveyed(script) if script.startswith(host_survey.ASKING) else self.packages.run(script)

    def _units(self, script: str) -> str:
        lines: list[str] = []
        for name in re.findall(r"^if systemctl cat (\S+) ", script, re.MULTILINE):
            if f"/etc/systemd/system/{name}" in self.entries:
                found = self.services.get(name, Service())
                words = ("active" if found.active else "inactive", "enabled" if found.enabled else "disabled")
                lines.append(f"{name} {words[0]} {words[1]}")
        return "".join(f"{line}\n" for line in lines)

    def _surveyed(self, script: str) -> str:
        hexadecimal = [f"port /proc/net/{p} 00000000:{int(n):04X}" for p, n in (each.split("/") for each in self.ports)]
        paths = [path for path in re.findall(r"\|\| echo path (\S+)$", script, re.MULTILINE) if path in self.entries]
        states = {
            name: "installed"
            if name in self.packages.installed
            else "available"
            if name in self.packages.archive
            else "unknown"
            for name in re.findall(r"^echo package (\S+) ", script, re.MULTILINE)
        }
        said = {
            "distribution": "debian 12",
            "init": "systemd",
            "state": self.state,
            "failed": " ".join(self.failed_units),
            "architecture": platform.machine(),
            "machine": self.machine_id,
            "time": f"{time.time() + self.ahead:.9f}",
            "memory": "2048",
            "disk": "20000",
            "engine": "",
            **self.says,
        }
        lines = [*(f"{key} {value}" for key, value in said.items()), *hexadecimal, *(f"path {p}" for p in paths)]
        return "\n".join([*lines, *(f"package {name} {state}" for name, state in states.items())])

    def _sweep(self) -> str:
        noted = self.content(ledger.MADE).splitlines() if ledger.MADE in self.entries else []
        self.users -= {name for what, _, name in (line.partition(" ") for line in noted) if what == "user"}
        for what, _, name in sorted((line.partition(" ") for line in noted), reverse=True):
            inside = any(path.startswith(f"{name}/") for path in self.entries)
            if what == "file" or (what == "directory" and not inside):
                self.entries.pop(name, None)
        for path in [p for p in self.entries if f"{p}/".startswith(f"{ledger.FOLDER}/")]:
            del self.entries[path]
        return ""

    def _lines_edited(self, script: str, lines: str) -> str:
        """A file with single lines of ours in it, added or taken out."""
        path = re.findall(r"^file=(\S+)$", script, re.MULTILINE)[0]
        there = self.content(path).splitlines(keepends=True) if path in self.entries else []
        kept = [line for line in there if line not in lines.splitlines(keepends=True)]
        self.entries.pop(path, None)
        if kept or 'cat "$lines";' in script:
            added = lines if 'cat "$lines";' in script else ""
            self.entries[path] = Entry(content=("".join(kept) + added).encode(), mode=0o600)
        return ""

    def _judged(self, stdin: bytes) -> Answer:
        """What an agent's own program says of files: it refuses those that a test has called bad."""
        with tarfile.open(fileobj=io.BytesIO(stdin), mode="r:") as tar:
            for entry in tar:
                stream = tar.extractfile(entry)
                assert stream is not None
                if b"BAD" in stream.read():
                    return Answer(status=1, stdout=b"", stderr=f"/{entry.name}: invalid config key\n")
        return Answer(status=0, stdout=b"Configuration is valid!\n", stderr="")

    def _facts(self) -> str:
        return json.dumps(
            {
                "state": self.state,
                "machine_id": self.machine_id,
                "distribution": "debian 12",
                "architecture": "x86_64",
                "cpus": 2,
                "memory_mib": 2048,
            }
        )


class FakeHosts:
    """Every host that can be reached, by address and port. Where there is none, nobody answers."""

    def __init__(self, *hosts: FakeHost) -> None:
        self._hosts = {(each.connection.address, each.connection.port): each for each in hosts}
        self._silent: set[tuple[str, int]] = set()

    def take_away(self, host: FakeHost) -> None:
        del self._hosts[host.connection.address, host.connection.port]

    def bring_back(self, host: FakeHost) -> None:
        self._hosts[host.connection.address, host.connection.port] = host

    def dial(self, where: Connection, address: str, port: int, within: float) -> socket.socket:
        """As far as that there is somebody: what is said on it is for the tests on real sshds."""
        if not self._found(where).forwards:
            raise WillNotForward(f"sshd of {where.address} makes no connections for {where.user}")
        del within
        if (address, port) != ("127.0.0.1", where.port):
            raise NotImplementedError(f"a connection to {address}:{port}")
        ours, theirs = socket.socketpair()
        theirs.close()
        return ours

    def answer(self, where: Connection, command: str, stdin: bytes, within: float) -> Answer:
        del within
        return self._found(where).run(command, stdin)

    def _found(self, where: Connection) -> FakeHost:
        place = (where.address, where.port)
        found = self._hosts.get(place)
        if found is None or place in self._silent:
            # Who was silent is not asked again for a while.
            self._silent.add(place)
            raise Unreachable(f"{where.address}:{where.port} cannot be reached by SSH: Connection refused")
        if where.host_key != found.connection.host_key:
            raise Untrusted(f"{where.address} does not present the pinned host key")
        if where.private_key != found.connection.private_key:
            raise Untrusted(f"{where.address} refused the key of {where.user}")
        return found

    def forget_silence(self) -> None:
        self._silent.clear()


def _answer(text: str) -> Answer:
    return Answer(status=0, stdout=text.encode(), stderr="")


def _lines(script: str) -> list[str]:
    """The script's commands: lines, but for the one loop, which is a command of several."""
    script = re.sub(
        r"\n\(\n(.*?)\n\) > ", lambda inner: f" # {inner[1]} > ".replace("\n", " # "), script, flags=re.DOTALL
    )
    one_line = re.sub(
        r"\nif bash -c .*?\nexit 1", lambda loop: "\n" + loop.group().replace("\n", " "), script, flags=re.DOTALL
    )
    return [line.strip() for line in one_line.splitlines() if line.strip()]


class _Shell:
    """What one script does to a host."""

    def __init__(self, on: FakeHost, stdin: bytes) -> None:
        self._host = on
        self._stdin = stdin
        self.printed = b""

    # A table: one case for each line that our scripts have.
    def run(self, line: str) -> None:  # noqa: C901, PLR0912, PLR0915
        match shlex.split(line):
            case ["set", "-eu"]:
                pass
            case ["[", "!", "-e", ledger.MADE, "]", "||", *noting]:
                if ledger.MADE in self._host.entries:
                    self._note(noting)
            case ["id", "-u", user, ">/dev/null", "2>&1", "||", "useradd", *_, name] if user == name:
                self._host.users.add(user)
            case ["install", "-d", "-m", mode, "-o", owner, "-g", group, path]:
                self._directory(path, int(mode, 8), owner, group)
            case ["mkdir", "-p", "-m", "0755", *paths]:
                for path in paths:
                    self._parents(f"{path}/x")
            case ["tar", "-x", "-p", "--same-owner", "--no-overwrite-dir", "-C", "/", "-f", "-"]:
                self._unpack()
            case ["cd", "/", "&&", "tar", "-c", "--no-recursion", "--ignore-failed-read", "-f", "-", "--", *names]:
                assert names[-3:] == ["2>/dev/null", "||", "true"]
                self._pack(names[:-3])
            case ["cat", path, "2>/dev/null", "||", "true"]:
                self.printed += (self._host.entries[path].content or b"") if path in self._host.entries else b""
            case ["sysctl", "-q", "-p", path]:
                self._host.kernel |= dict(re.findall(r"^(\S+) = (.*)$", self._host.content(path), re.MULTILINE))
            case ["sysctl", *names] if names[-3:] == ["2>/dev/null", "||", "true"]:
                for name in names[:-3]:
                    if name in self._host.kernel:
                        # The kernel separates the parts of a value by tabs.
                        self._say(f"{name} = " + self._host.kernel[name].replace(" ", "\t"))
            case ["for", "n", "in", *words]:
                self._note_kernel(
                    [word.removesuffix(";") for word in words[: words.index("do")]], words[-2].rstrip(";")
                )
            case ["[", "!", "-e", path, "]", "||", "sysctl", "-q", "-p", _]:
                if path in self._host.entries:
                    self.run(f"sysctl -q -p {path}")
            case ["[", "-e", path, "]", "||", "{", "mkdir", *_]:
                if path not in self._host.entries:
                    asked = "\n".join(part for part in line.split(" # ")[1:])
                    said = self._host.run(asked.partition(" > ")[0] if " > /var" in asked else asked, b"")
                    self._parents(path)
                    self._host.entries[path] = Entry(content=said.stdout, mode=0o644)
            case ["mkdir", "-p", path]:
                self._parents(f"{path}/x")
            case ["rm", "-f", path] if path.startswith(f"{ledger.FOLDER}/"):
                self._host.entries.pop(path, None)
            case ["rmdir", "--ignore-fail-on-non-empty", folder, above, "2>/dev/null", "||", "true"] if folder != "--":
                for path in (folder, above):
                    self.run(f"rmdir --ignore-fail-on-non-empty -- {path} 2>/dev/null || true")
            case ["rm", "-f", "--", path]:
                self._host.entries.pop(path, None)
            case ["rm", "-rf", "--", path]:
                for gone in [p for p in self._host.entries if p == path or p.startswith(f"{path}/")]:
                    del self._host.entries[gone]
            case ["rmdir", "--ignore-fail-on-non-empty", "--", path, "2>/dev/null", "||", "true"]:
                if not any(other.startswith(f"{path}/") for other in self._host.entries):
                    self._host.entries.pop(path, None)
            case ["touch", path]:
                self._host.entries[path] = Entry(content=b"", mode=0o644)
            case ["rm", "-f", path]:
                self._host.entries.pop(path, None)
            case ["test", "-x", path]:
                if path not in self._host.entries:
                    raise Failed("")
            case ["set", "-eu;", "mkdir", "-p", folder, *_, "mv", _, target]:
                self._parents(f"{folder.removesuffix(';')}/x")
                self._host.entries[target] = Entry(content=self._stdin, mode=0o755)
            case ["[", "-x" | "-e", path, "]", "&&", "echo", yes, "||", "echo", no]:
                self._say(yes if path in self._host.entries else no)
            case ["echo", words]:
                self._say(words)
            case ["if", "[", "-f", path, "];", "then", "sha256sum", "<", _, "fi"]:
                if (found := self._host.entries.get(path)) is not None and found.content is not None:
                    self._say(f"{hashlib.sha256(found.content).hexdigest()}  -")
            case ["if", "[", "-e", path, "];", "then", "systemctl", "disable", "--now", unit, "fi"]:
                if path in self._host.entries:
                    self._systemctl(["disable", "--now", unit.removesuffix(";")])
            case ["if", "[", "-e", path, "];", "then", "systemctl", "stop", unit, "fi"]:
                if path in self._host.entries:
                    self._systemctl(["stop", unit.removesuffix(";")])
            case ["systemctl", *words]:
                self._systemctl(words)
            case ["if", "bash", "-c", *_]:
                self._wait_until_it_listens(line)
            case _:
                raise NotImplementedError(line)

    def _note(self, words: list[str]) -> None:
        match words:
            case ["for", "d", "in", *names]:
                paths = [name.removesuffix(";") for name in names[: names.index("do")]]
                lines = [f"directory {path}" for path in paths if path not in self._host.entries]
            case ["[", "-e", path, "]", "||", "echo", line, ">>", _]:
                lines = [] if path in self._host.entries else [line]
            case ["id", "-u", user, *_, "||", "echo", line, ">>", _]:
                lines = [] if user in self._host.users else [line]
            case _:
                raise NotImplementedError(shlex.join(words))
        noted = self._host.content(ledger.MADE) + "".join(f"{line}\n" for line in lines)
        self._host.write(ledger.MADE, noted)

    def _note_kernel(self, names: list[str], before: str) -> None:
        noted = self._host.content(before) if before in self._host.entries else ""
        for name in names:
            if f"{name} = " not in noted:
                if name not in self._host.kernel:
                    raise Failed(f"sysctl: cannot stat /proc/sys/{name.replace('.', '/')}: No such file or directory")
                noted += f"{name} = {self._host.kernel[name]}\n"
        self._host.entries[before] = Entry(content=noted.encode(), mode=0o644)

    def _say(self, words: str) -> None:
        self.printed += f"{words}\n".encode()

    def _directory(self, path: str, mode: int, owner: str, group: str) -> None:
        for name in (owner, group):
            if name not in self._host.users:
                raise Failed(f"install: invalid user '{name}'")
        self._parents(path)
        self._host.entries[path] = Entry(content=None, mode=mode, owner=owner, group=group)

    def _parents(self, path: str) -> None:
        steps = path.split("/")[1:-1]
        for depth in range(1, len(steps) + 1):
            self._host.entries.setdefault(f"/{'/'.join(steps[:depth])}", Entry(content=None, mode=0o755))

    def _unpack(self) -> None:
        with tarfile.open(fileobj=io.BytesIO(self._stdin), mode="r:") as tar:
            for entry in tar:
                stream = tar.extractfile(entry)
                assert stream is not None
                self._parents(f"/{entry.name}")
                # A name that the machine does not know becomes the number in the archive, which is root's.
                owner, group = (n if n in self._host.users else "root" for n in (entry.uname, entry.gname))
                self._host.entries[f"/{entry.name}"] = Entry(
                    content=stream.read(), mode=entry.mode, owner=owner, group=group
                )

    def _pack(self, names: list[str]) -> None:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as tar:
            for name in names:
                if (found := self._host.entries.get(f"/{name}")) is None:
                    continue
                entry = tarfile.TarInfo(name)
                entry.mode, entry.uname, entry.gname = found.mode, found.owner, found.group
                entry.type = tarfile.REGTYPE if found.content is not None else tarfile.DIRTYPE
                entry.size = len(found.content or b"")
                tar.addfile(entry, io.BytesIO(found.content or b""))
        self.printed += buffer.getvalue()

    def _systemctl(self, words: list[str]) -> None:
        match words:
            case ["is-active", "--quiet", unit]:
                if not self._host.services.get(unit, Service()).active:
                    raise Failed("")
            case ["daemon-reload"]:
                pass
            case ["reset-failed", unit, "2>/dev/null", "||", "true"]:
                self._host.services[unit] = Service()
            case ["enable" | "disable" as verb, "--quiet", unit] | [
                "enable" | "disable" as verb,
                "--quiet",
                "--no-reload",
                unit,
            ]:
                self._service(unit).enabled = verb == "enable"
            case ["disable", "--now", unit]:
                self._host.services[unit] = Service()
            case ["start" | "restart" | "reload-or-restart" | "stop" as verb, unit]:
                self._turn(verb, unit)
            case ["show", "-p", "ActiveState", "-p", "UnitFileState", unit]:
                found = self._host.services.get(unit, Service())
                there = f"/etc/systemd/system/{unit}" in self._host.entries
                self._say(f"ActiveState={'active' if found.active else 'inactive'}")
                # Empty, and not `disabled`, where there is no such unit.
                self._say(f"UnitFileState={('enabled' if found.enabled else 'disabled') if there else ''}")
            case _:
                raise NotImplementedError(f"systemctl {shlex.join(words)}")

    def _service(self, unit: str) -> Service:
        if f"/etc/systemd/system/{unit}" not in self._host.entries:
            raise Failed(f"Failed to find unit {unit}: Unit file {unit} does not exist.")
        return self._host.services.setdefault(unit, Service())

    def _turn(self, verb: str, unit: str) -> None:
        service = self._service(unit)
        can_reload = "ExecReload=" in self._host.content(f"/etc/systemd/system/{unit}")
        if verb != "stop":
            self._host.on_start(unit.removesuffix(".service"))
        match verb:
            case "stop":
                service.active = False
            case "reload-or-restart" if service.active and can_reload:
                service.reloads += 1
            case "start" if service.active:
                pass
            case _:
                service.active = True
                service.starts += 1

    def _wait_until_it_listens(self, line: str) -> None:
        found = re.search(r'echo "(?P<what>(?P<service>\S+) does not listen on port .*? its last lines:)"', line)
        assert found is not None, line
        if found["service"] in self._host.deaf or not self._host.services[f"{found['service']}.service"].active:
            raise Failed(f"{found['what']}\n{found['service']}: cannot bind: address already in use")
        changing = re.search(r"rm -f (?P<path>\S+)", line)
        assert changing is not None, line
        self._host.entries.pop(changing["path"], None)
