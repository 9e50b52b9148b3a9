"""The packages of a pretended Debian machine: an archive that has some, and what of it is installed."""

import re
import shlex
from dataclasses import dataclass, field

from mooring.kinds import ledger


@dataclass(kw_only=True)
class FakePackages:
    archive: dict[str, tuple[str, ...]] = field(
        default_factory=lambda: {"haproxy": ("2.6.12-1", "2.6.12-2"), "liblua": ("5.3",), "zstd": ("1.5",)}
    )
    """By name, the versions that can be had, the newest last."""

    needs: dict[str, str] = field(default_factory=lambda: {"haproxy": "liblua"})
    installed: dict[str, str] = field(default_factory=dict[str, str])
    held: set[str] = field(default_factory=set[str])
    programs: set[str] = field(default_factory=set[str])
    """That came by other ways."""

    before: set[str] | None = None
    brought: dict[str, set[str]] = field(default_factory=dict[str, set[str]])
    """By resource, as the host notes it."""

    started: set[str] = field(default_factory=set[str])
    """Units that ran because their package came."""

    dies_after_installing: bool = False
    """The next installation is cut off before it is noted."""

    def run(self, script: str) -> str | None:
        """What a script of ours prints; None for one that is about something else. Raises `LookupError`."""
        if script.startswith("dpkg-query -W -f '${db:Status-Status} ${Package} ${Version}"):
            return self._looking(script)
        if found := re.search(r"allow-change-held-packages (.+)$", script, re.MULTILINE):
            return self._install(_resource(script), found[1].split(), script)
        if script.startswith(f"if [ -e {ledger.FOLDER}/packages/"):
            if self.before is not None:
                self._note(_resource(script))
            return ""
        if " -s purge " in script:
            gone = self._there(script)
            return "\n".join(sorted(n for n, need in self.needs.items() if need in gone and n in self._others(gone)))
        if script.startswith("set -eu\napt-mark "):
            return self._mark(script)
        return self._forget(script) if f"rm -f {ledger.FOLDER}/packages/" in script else None

    def _forget(self, script: str) -> str:
        for name in self._there(script) if " purge $(cat " in script else ():
            del self.installed[name]
        self.brought.pop(_resource(script), None)
        return ""

    def _others(self, gone: set[str]) -> set[str]:
        return self.installed.keys() - gone

    def _there(self, script: str) -> set[str]:
        return self.brought.get(_resource(script), set()) & self.installed.keys()

    def _looking(self, script: str) -> str:
        asked = shlex.split(script.splitlines()[0])[4:-3]
        lines = [f"installed {name} {self.installed[name]}" for name in asked if name in self.installed]
        for program, name in re.findall(r"if command -v (\S+) >/dev/null; then echo provided (\S+); fi", script):
            lines += [f"provided {name}"] if program in self.programs else []
        lines += [f"held {name}" for name in asked if name in self.held]
        for last, name in re.findall(r" lt (\S+); then echo lowered (\S+); fi", script):
            lines += [f"lowered {name}"] if name in self.installed and self.installed[name] < last else []
        return "\n".join(lines)

    def _install(self, resource: str, wanted: list[str], script: str) -> str:
        if self.before is None:
            self.before = set(self.installed)
        masked = set(re.search(r"for u in (.*?); do ", script)[1].split())  # type: ignore[index]
        for each in wanted:
            name, _, version = each.partition("=")
            versions = self.archive.get(name, ())
            if not versions or (version and version not in versions):
                raise LookupError(f"E: Version '{version}' for '{name}' was not found")
            if name not in self.installed and f"{name}.service" not in masked:
                self.started.add(f"{name}.service")
            self.installed[name] = version or versions[-1]
            if need := self.needs.get(name):
                self.installed.setdefault(need, self.archive[need][-1])
        if self.dies_after_installing:
            self.dies_after_installing = False
            raise LookupError("the connection broke")
        self._note(resource)
        return ""

    def _note(self, resource: str) -> None:
        self.brought[resource] = self.brought.get(resource, set()) | (self.installed.keys() - (self.before or set()))
        self.before = None

    def _mark(self, script: str) -> str:
        for line in script.splitlines()[1:]:
            match shlex.split(line):
                case ["apt-mark", "hold", *names]:
                    self.held |= set(names)
                case ["apt-mark", "unhold", *names]:
                    self.held -= set(names)
                case _:
                    raise NotImplementedError(line)
        return ""


def _resource(script: str) -> str:
    found = re.search(rf"{ledger.FOLDER}/packages/([\w-]+)\.", script)
    assert found is not None, script
    return found[1]
