"""A source that could not be read."""

import msgspec


class UnavailableSource(msgspec.Struct, frozen=True):
    """Which source, why, what the analysis lacks for it, and the statement that fixes it."""

    source: str
    reason: str
    cost: str
    mend: str


class SourceUnavailable(Exception):
    """Raised by a collector that knows why it can't read."""

    def __init__(self, missing: UnavailableSource) -> None:
        super().__init__(missing.reason)
        self.missing = missing
