"""What can go wrong when we talk to somebody, told apart by what a caller would do about it."""


class Unreachable(Exception):
    """Nobody answered, so nothing is known: try again later, and keep what was last seen."""


class Untrusted(Exception):
    """Somebody answered who could not prove to be the one we mean: a person must look, nothing was sent."""


class ApiError(Exception):
    """An answer that says no, in the server's own words."""

    def __init__(self, method: str, path: str, status: int, body: str) -> None:
        super().__init__(f"{method} {path}: {status} {body[:256].strip()}")
        self.status = status
        self.body = body


class Forbidden(ApiError):
    """Our token may not do this, or is not known (yet)."""


class Conflict(ApiError):
    """Someone else changed it first: read again, then decide."""


class CommandFailed(Exception):
    """A command on a host ended with a failure; the message holds its own last words."""
