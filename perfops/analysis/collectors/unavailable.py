"""A source that could not be read."""

import msgspec


class UnavailableSource(msgspec.Struct, frozen=True, omit_defaults=True):
    """Which source, why, what the analysis lacks for it, and the statement that fixes it.

    ``objects``: what of the source is lacking, as schema.name; empty: all of it.
    """

    source: str
    reason: str
    cost: str
    # Stored rows and the JSON report have named it "mend" since version 0.1.
    remedy: str = msgspec.field(name="mend")
    objects: tuple[str, ...] = ()


class SourceUnavailable(Exception):
    """Raised by a collector that knows why it can't read."""

    def __init__(self, missing: UnavailableSource) -> None:
        super().__init__(missing.reason)
        self.missing = missing
