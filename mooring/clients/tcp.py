"""Whether somebody accepts connections somewhere."""

import socket


def accepts(address: str, port: int, *, within: float = 2.0) -> bool:
    """Open a connection and close it again; `within` is seconds. No answer and a refusal are both no."""
    try:
        with socket.create_connection((address, port), timeout=within):
            return True
    except OSError:
        return False
