"""`mooring:host:Packages`: packages of a Debian or Ubuntu host: there, of a version, held.

What was there before stays when the resource goes, and what came with it goes: the packages that an installation
really brought, dependencies included, are noted on the host in the same script that brings them.
"""

import shlex
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pulumi
from pydantic import Field
from typing_extensions import override

from mooring.clients import ssh
from mooring.clients.ssh import Connection
from mooring.kinds import ledger
from mooring.kinds.kind import Handler, Made, Problem, Props, Resource, Seen, Spec, Work, register

PROVIDED = "provided"
"""In the place of a version, where something else than the package brought what it is for."""

INSTALL_WITHIN = 600.0
"""Seconds; a Docker engine and a load balancer over a slow line take about two minutes."""

NAME = r"^[a-z0-9][a-z0-9+.-]+$"
VERSION = r"^[A-Za-z0-9.+:~-]+$"

QUIET = "DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1"
APT = f"{QUIET} apt-get -q -y -o DPkg::Lock::Timeout=120"
"""Never asks, and waits for whoever else is at it, as a machine's own unattended upgrades."""


class Package(Spec):
    version: str | None = Field(default=None, pattern=VERSION)
    """Exactly this one. Without it, any that is not older than the one that was there before."""

    held: bool = False
    """Kept from upgrades that are not ours."""

    provided_by: str | None = Field(default=None, pattern=NAME)
    """A program; where it is there, however it came, the package is not needed."""


class PackagesSpec(Spec):
    connection: Connection
    packages: dict[str, Package]
    """By name."""

    unstarted: tuple[str, ...] = ()
    """Units that must not start just because their package came."""

    data: tuple[str, ...] = ()
    """Directories that hold what the packages' programs write; they go with the packages, if they came with them."""


@register
class PackagesHandler(Handler[PackagesSpec]):
    token = "mooring:host:Packages"  # noqa: S105 -- a type token, not a secret
    spec = PackagesSpec
    access = frozenset({"connection"})
    secret_inputs = frozenset({"connection.private_key"})

    @override
    def check(self, spec: PackagesSpec) -> Iterable[Problem]:
        if not spec.packages:
            yield Problem(path="packages", reason="must name at least one package")

    @override
    def create(self, spec: PackagesSpec, work: Work) -> Made:
        return Made(id=f"{spec.connection.address}:{min(spec.packages)}", outputs=_converged(spec, {}, work))

    @override
    def read(self, id_: str, spec: PackagesSpec, outputs: Props, work: Work) -> Seen[PackagesSpec] | None:
        last: dict[str, str] = outputs.get("versions", {})
        found, lowered = look(spec.connection, spec.packages, last)
        if not found:
            return None
        seen = {
            name: Package.model_construct(
                # A version that nobody declared is no difference unless somebody went back behind the one we knew.
                version=version if name in lowered or declared(spec, name, version) else None,
                held=spec.packages[name].held if version == PROVIDED else held,
                provided_by=spec.packages[name].provided_by,
            )
            for name, (version, held) in found.items()
        }
        versions = {name: last[name] if name in lowered else version for name, (version, _) in found.items()}
        return Seen(spec=spec.model_copy(update={"packages": seen}), outputs={"versions": versions})

    @override
    def update(self, id_: str, old: PackagesSpec, new: PackagesSpec, outputs: Props, work: Work) -> Props:
        return _converged(new, outputs.get("versions", {}), work)

    @override
    def delete(self, id_: str, spec: PackagesSpec, outputs: Props, work: Work) -> None:
        noted = _noted(work)
        ssh.run(spec.connection, noting(noted))
        dependants = ssh.run(spec.connection, asking_for_dependants(noted), within=INSTALL_WITHIN).decode().split()
        if dependants:
            work.warn(
                f"{spec.connection.address}: the packages that were installed stay, as {', '.join(dependants)} "
                "needs them now"
            )
            ssh.run(spec.connection, forgetting(noted))
            return
        work.say("removing packages")
        ssh.run(spec.connection, removing(noted, spec.data), within=INSTALL_WITHIN)


def _noted(work: Work) -> str:
    """Where the host keeps what one resource brought: `.before` while an installation runs, `.brought` from then on."""
    return f"{ledger.FOLDER}/packages/{work.name}"


def look(
    where: Connection, packages: Mapping[str, Package], last: Mapping[str, str]
) -> tuple[dict[str, tuple[str, bool]], set[str]]:
    """The version of each of the packages that is installed and whether it is held; and which are older than `last`."""
    found: dict[str, tuple[str, bool]] = {}
    lowered: set[str] = set()
    for line in ssh.run(where, looking(packages, last)).decode().splitlines():
        match line.split():
            case ["installed", name, version]:
                found[name] = (version, False)
            case ["provided", name] if name not in found:
                found[name] = (PROVIDED, False)
            case ["held", name] if name in found:
                found[name] = (found[name][0], True)
            case ["lowered", name] if name in found:
                lowered.add(name)
            case _:
                pass
    return found, lowered


def looking(packages: Mapping[str, Package], last: Mapping[str, str]) -> str:
    """The script that prints `installed NAME VERSION`, `provided NAME`, `held NAME` and `lowered NAME` lines."""
    every = sorted(packages)
    asked = " ".join(every)
    lines = [
        # A name that dpkg has never heard of is an error on stderr, and no line.
        f"dpkg-query -W -f '${{db:Status-Status}} ${{Package}} ${{Version}}\\n' {asked} 2>/dev/null || true",
        f"apt-mark showhold {asked} 2>/dev/null | sed 's/^/held /'",
    ]
    lines += [
        f"if command -v {package.provided_by} >/dev/null; then echo provided {name}; fi"
        for name, package in sorted(packages.items())
        if package.provided_by
    ]
    lines += [
        f"if v=$(dpkg-query -W -f '${{Version}}' {name} 2>/dev/null) && "
        f'dpkg --compare-versions "$v" lt {shlex.quote(last[name])}; then echo lowered {name}; fi'
        for name in every
        if last.get(name, PROVIDED) != PROVIDED
    ]
    return "\n".join(lines)


def _converged(spec: PackagesSpec, last: Mapping[str, str], work: Work) -> Props:
    ssh.run(spec.connection, noting(_noted(work)))
    found, lowered = look(spec.connection, spec.packages, last)
    wanted = dict(_to_install(spec, found, lowered))
    if wanted:
        work.say(f"installing {', '.join(wanted)}")
        ssh.run(spec.connection, installing(_noted(work), wanted, spec), within=INSTALL_WITHIN)
    if marks := marking(spec.packages, {name: held for name, (_, held) in found.items()}):
        ssh.run(spec.connection, marks)
    return {"versions": {name: version for name, (version, _) in look(spec.connection, spec.packages, {})[0].items()}}


def declared(spec: PackagesSpec, name: str, version: str) -> bool:
    """Whether the installed version is one that the program has a say in."""
    return spec.packages[name].version is not None and version != PROVIDED


def _to_install(
    spec: PackagesSpec, found: Mapping[str, tuple[str, bool]], lowered: set[str]
) -> Iterator[tuple[str, str | None]]:
    """What is missing, of another version than it should be, or older than it was: that one as new as can be had."""
    for name, package in sorted(spec.packages.items()):
        version = found[name][0] if name in found else None
        if version is None or name in lowered or (declared(spec, name, version) and package.version != version):
            yield name, package.version


def installing(noted: str, wanted: Mapping[str, str | None], spec: PackagesSpec) -> str:
    """The script that installs `wanted` and notes which packages that brought."""
    names = " ".join(name if version is None else f"{name}={version}" for name, version in sorted(wanted.items()))
    units = " ".join(map(shlex.quote, spec.unstarted))
    folder = noted.rpartition("/")[0]
    trees = [
        f"[ ! -e {ledger.MADE} ] || [ -e {path} ] || echo tree {path} >> {ledger.MADE}"
        for path in map(shlex.quote, spec.data)
    ]
    return "\n".join(
        [
            "set -eu",
            f"mkdir -p {folder}",
            # Only the first try of an installation knows what was there before it.
            f"if [ ! -e {noted}.before ]; then",
            f'  for u in {units}; do [ -e /lib/systemd/system/"$u" ] || echo "$u"; done > {noted}.unstarted',
            f"  {INSTALLED} > {noted}.part",
            f"  mv {noted}.part {noted}.before",
            "fi",
            *trees,
            # Or apt refuses to do anything after an installation that was cut off.
            f"{QUIET} dpkg --configure -a",
            # Lists that are there already do; without any, or with old ones, a package may not be found.
            f"{APT} --print-uris install {names} >/dev/null 2>&1 || {APT} update >/dev/null",
            f"[ ! -s {noted}.unstarted ] || systemctl mask --runtime --quiet $(cat {noted}.unstarted)",
            f"{APT} install --no-install-recommends --allow-downgrades --allow-change-held-packages {names}",
            noting(noted),
        ]
    )


def noting(noted: str) -> str:
    """The script that ends an installation, also one that was cut off: notes what it brought."""
    return f"""if [ -e {noted}.before ]; then
  [ ! -s {noted}.unstarted ] || systemctl unmask --runtime --quiet $(cat {noted}.unstarted)
  [ ! -s {noted}.unstarted ] || systemctl disable --quiet $(cat {noted}.unstarted)
  {INSTALLED} | LC_ALL=C comm -13 {noted}.before - > {noted}.part
  cat {noted}.part {noted}.brought 2>/dev/null | LC_ALL=C sort -u > {noted}.new
  mv {noted}.new {noted}.brought
  rm {noted}.before {noted}.part {noted}.unstarted
fi"""


INSTALLED = "dpkg-query -W -f '${db:Status-Status} ${Package}\\n' | sed -n 's/^installed //p' | LC_ALL=C sort -u"


def marking(packages: Mapping[str, Package], held: Mapping[str, bool]) -> str:
    """The script that holds and lets go; empty where all is as it should be."""
    hold = [name for name, package in sorted(packages.items()) if package.held and not held.get(name, False)]
    free = [name for name, package in sorted(packages.items()) if not package.held and held.get(name, False)]
    lines = [f"apt-mark hold {' '.join(hold)}"] if hold else []
    lines += [f"apt-mark unhold {' '.join(free)}"] if free else []
    return "\n".join(["set -eu", *lines]) if lines else ""


def asking_for_dependants(noted: str) -> str:
    """The script that prints the packages which would go with those that were brought, and were not brought."""
    return f"""
[ -e {noted}.brought ] || exit 0
{INSTALLED} | LC_ALL=C comm -12 - {noted}.brought > {noted}.there
[ -s {noted}.there ] || exit 0
{APT} -s purge $(cat {noted}.there) | awk '$1 == "Purg" || $1 == "Remv" {{print $2}}' | LC_ALL=C sort -u \\
  | comm -13 {noted}.there -
"""


def removing(noted: str, data: Iterable[str]) -> str:
    """The script that removes what was brought, and the data if it came with it."""
    trees = "\n".join(
        f"if grep -qxF {shlex.quote(f'tree {path}')} {ledger.MADE} 2>/dev/null; then rm -rf -- {shlex.quote(path)}; fi"
        for path in data
    )
    return f"""
set -eu
if [ -s {noted}.there ]; then
  {APT} purge $(cat {noted}.there) >/dev/null
  {trees or ":"}
fi
{forgetting(noted)}
"""


def forgetting(noted: str) -> str:
    folder = noted.rpartition("/")[0]
    return f"rm -f {noted}.*\nrmdir --ignore-fail-on-non-empty {folder} {ledger.FOLDER} 2>/dev/null || true"


class Packages(Resource):
    """`versions` has the installed version of each, by name."""

    versions: pulumi.Output[dict[str, str]]

    def __init__(
        self,
        resource_name: str,
        *,
        connection: pulumi.Input[Mapping[str, Any]],
        packages: Mapping[str, Any],
        unstarted: tuple[str, ...] = (),
        data: tuple[str, ...] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        inputs = {
            "connection": connection,
            "packages": packages,
            "unstarted": list(unstarted) or None,
            "data": list(data) or None,
        }
        given = {k: v for k, v in inputs.items() if v is not None}
        super().__init__(PackagesHandler, resource_name, given, outputs=("versions",), opts=opts)
