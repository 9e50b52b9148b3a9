"""The last line of defence: a text that leaves the plugin holds no secret that came with the request."""

from collections.abc import Callable
from typing import Final

from mooring.plugin.wire import Marked, secret_texts

MASK: Final = "[secret]"

SHORTEST: Final = 8
"""Characters. A shorter secret is no secret, and masking it would eat half of every sentence."""


def mask_of(*values: Marked) -> Callable[[str], str]:
    """A function that hides every secret of `values`, whole or one of its lines: a message may quote either."""
    pieces = {piece for value in values for text in secret_texts(value) for piece in (text, *text.splitlines())}
    # The longest first, or a part would be hidden and the rest of the whole shown. A PEM's frame hides nothing.
    hidden = sorted(
        (piece for piece in pieces if len(piece) >= SHORTEST and not piece.startswith("-----")), key=len, reverse=True
    )

    def mask(text: str) -> str:
        for piece in hidden:
            text = text.replace(piece, MASK)
        return text

    return mask
