"""What can go wrong in a preparation, by what has to be done about it."""


class CannotPrepare(Exception):
    """The machine lacks something, or a setting is wrong; the message says which and what would do."""


class ChecksumMismatch(CannotPrepare):
    """What was downloaded is not what its publisher signed for: never used, and no reason to try elsewhere."""


class NotPublished(Exception):
    """A source does not have it or cannot be reached now: the next one is tried."""
