"""Whether what Pulumi needs for a provider's hosts is on this machine: asked before anything is touched."""

import importlib.metadata
import shutil
from collections.abc import Iterator, Sequence

from components.hosts import CloudGroup, Group
from mooring.toolchain import launchers

PACKAGES = {"hetzner": "hcloud", "aws": "aws", "digitalocean": "digitalocean"}
"""By kind of host, Pulumi's name for its provider. The extras of pyproject.toml are called as the kinds."""


def missing_parts(groups: Sequence[Group]) -> Iterator[str]:
    """The SDKs and plugins of the stack's providers that are not here, each with what would bring it."""
    for kind in sorted({group.kind for group in groups if isinstance(group, CloudGroup)}):
        package = PACKAGES[kind]
        try:
            version = importlib.metadata.version(f"pulumi-{package}")
        except importlib.metadata.PackageNotFoundError:
            yield (
                f"mooring:hosts: hosts of kind {kind!r} need the package pulumi-{package}, which is not installed; "
                f"`.venv/bin/pip install -e '.[{kind}]'` would do"
            )
            continue
        if not plugin_is_here(package, version):
            yield (
                f"mooring:hosts: hosts of kind {kind!r} need Pulumi's plugin {package} {version}, which is not here; "
                f"`pulumi plugin install resource {package} {version}` would do"
            )


def plugin_is_here(package: str, version: str) -> bool:
    """Where Pulumi itself looks: its own folder, and PATH."""
    folder = launchers.pulumi_home() / "plugins" / f"resource-{package}-v{version}"
    return folder.is_dir() or shutil.which(f"pulumi-resource-{package}") is not None
