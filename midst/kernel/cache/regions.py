"""What kinds of answers are kept, and what reading one gives."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from midst.telemetry import metrics


class Outcome(StrEnum):
    """Where an answer came from, as ``X-Cache`` tells it."""

    HIT = "HIT"
    MISS = "MISS"
    BYPASS = "BYPASS"


@dataclass(frozen=True)
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

    @cached_property
    def count_hit(self) -> Callable[..., None]:
        """Call it for a read that the cache has answered."""
        return metrics.CACHE_HITS.labels(self.name).inc

    @cached_property
    def count_miss(self) -> Callable[..., None]:
        """Call it for a read that it could not answer."""
        return metrics.CACHE_MISSES.labels(self.name).inc

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
