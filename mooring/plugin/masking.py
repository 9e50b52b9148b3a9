"""The last line of defence: a text that leaves the plugin holds no secret that came with the request."""

from collections.abc import Callable
from functools import cache
from typing import Final

from mooring.plugin.wire import Marked, secret_texts

MASK: Final = "[secret]"

SHORTEST: Final = 8
"""Characters. A shorter secret is no secret, and masking it would eat half of every sentence."""


def repeats_of(*values: Marked) -> Callable[[str], bool]:
    """Whether a text holds a secret of `values` as a whole.

    A single line of one proves nothing: the last line of a private key is its public half, and stands in the
    certificate as well.
    """

    @cache
    def whole() -> frozenset[str]:
        return frozenset(text for value in values for text in secret_texts(value) if len(text) >= SHORTEST)

    return lambda text: any(each in text for each in whole())


def mask_of(*values: Marked) -> Callable[[str], str]:
    """A function that hides every secret of `values`, whole or one of its lines: a message may quote either.

    The secrets are looked for when the first text comes: most answers hold none.
    """

    @cache
    def hidden() -> list[str]:
        pieces = {piece for value in values for text in secret_texts(value) for piece in (text, *text.splitlines())}
        # The longest first, or a part would be hidden and the rest of the whole shown. A PEM's frame hides nothing.
        return sorted(
            (piece for piece in pieces if len(piece) >= SHORTEST and not piece.startswith("-----")),
            key=len,
            reverse=True,
        )

    def mask(text: str) -> str:
        for piece in hidden():
            text = text.replace(piece, MASK)
        return text

    return mask
