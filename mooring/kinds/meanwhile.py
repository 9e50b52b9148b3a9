"""What a write says that is bound to what was last read, when that is no longer so."""


class ChangedMeanwhile(Exception):
    """Somebody else changed the thing since it was last read: nothing was written, look at a new preview and decide."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what} was changed by somebody else since it was last read: nothing was written, run `pulumi preview` "
            "to see the difference"
        )
