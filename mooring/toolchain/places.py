"""Where the toolchain keeps things: the checkout it serves, the per-user cache, the per-user state.

The cache may be deleted at any time and is made again; the state may not: it holds the local backend and the
passphrase that opens it.
"""

import os
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
"""The folder with Pulumi.yaml: the package is always installed in place (`-e .`)."""

MODULES = Path(__file__).resolve().parent / "modules"
RECIPES = CHECKOUT / "images"
VIRTUALENV = CHECKOUT / ".venv"


def cache() -> Path:
    """Everything that can be fetched or built again: tools, images, Pulumi's plugins."""
    return _chosen("MOORING_CACHE", "XDG_CACHE_HOME", ".cache")


def state() -> Path:
    """The local backend, its passphrase, and what is known of an engine that we started."""
    return _chosen("MOORING_STATE", "XDG_STATE_HOME", ".local/state")


def private(directory: Path) -> Path:
    """Make a directory that only its owner can enter."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    directory.chmod(0o700)
    return directory


def _chosen(ours: str, desktop: str, usual: str) -> Path:
    if named := os.environ.get(ours):
        return Path(named).expanduser().absolute()
    # The XDG specification says that a relative or empty value counts as unset.
    base = Path(os.environ.get(desktop, ""))
    return (base if base.is_absolute() else Path.home() / usual) / "mooring"
