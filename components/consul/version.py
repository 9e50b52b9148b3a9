"""What depends on the version of Consul: asked here and nowhere else."""

from typing import Any, Final

from mooring.toolchain import pins

PEERING: Final = (1, 13)
"""The first version that has clusters as peers, and lets them be switched off. An older one refuses the word."""


def switched_off(version: str) -> dict[str, Any]:
    """What a server of this version would do by itself and nobody here asks for."""
    return {"peering": {"enabled": False}} if pins.ordered(version) >= PEERING else {}
