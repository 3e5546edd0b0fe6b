"""What kinds of answers are kept, and what reading one gives."""

from dataclasses import dataclass
from enum import StrEnum

from midst.telemetry import metrics


class Outcome(StrEnum):
    """Where an answer came from, as ``X-Cache`` tells it."""

    HIT = "HIT"
    MISS = "MISS"
    BYPASS = "BYPASS"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of cached answer.

    ``name`` is the metrics' ``cache_type``, ``ttl_s`` in seconds; ``families``: what the keys of
    this kind begin with, up to the first colon.
    """

    name: str
    ttl_s: int
    families: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _every[self.name] = self
        # A series that is not there can't be told from one that is 0.
        for counter in (metrics.CACHE_AUDITS, metrics.CACHE_STALE):
            counter.labels(self.name)

    @property
    def group(self) -> str:
        """The group of everything of this kind."""
        return f"kind:{self.name}"


_every: dict[str, Kind] = {}


def every() -> tuple[Kind, ...]:
    """Return all kinds that any app has declared, by name."""
    return tuple(kind for _, kind in sorted(_every.items()))


@dataclass(frozen=True, slots=True)
class Answer:
    """A response body, its tag (hex digits), and where it came from."""

    body: bytes
    tag: str
    outcome: Outcome
