"""The declared regions of the cache, and the result of a cached read."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

from midst.telemetry import metrics


class Outcome(StrEnum):
    """Where an answer came from; the value of the ``X-Cache`` header."""

    HIT = "HIT"
    MISS = "MISS"
    BYPASS = "BYPASS"


@dataclass(frozen=True)
class CacheRegion:
    """Cached answers that share a lifetime and can be invalidated together.

    ``name`` is the label ``cache_type`` of the metrics, ``ttl_s`` is in seconds. ``key_prefixes``
    lists what the keys of this region begin with, up to the first colon. ``file`` is the
    ``__file__`` of the module that declares it: there a reader looks for the cause of its misses.
    """

    name: str
    ttl_s: int
    key_prefixes: tuple[str, ...] = ()
    file: str = field(kw_only=True)

    def __post_init__(self) -> None:
        _regions[self.name] = self
        # Create the series now: an absent series can't be told from one that is 0.
        for counter in (metrics.CACHE_AUDITS, metrics.CACHE_STALE):
            counter.labels(self.name)

    @cached_property
    def count_hit(self) -> Callable[..., None]:
        """Count a read that the cache answered."""
        return metrics.CACHE_HITS.labels(self.name).inc

    @cached_property
    def count_miss(self) -> Callable[..., None]:
        """Count a read that the cache could not answer."""
        return metrics.CACHE_MISSES.labels(self.name).inc

    @property
    def group(self) -> str:
        """The group that every entry of this region belongs to."""
        return f"region:{self.name}"


_regions: dict[str, CacheRegion] = {}


def all_regions() -> tuple[CacheRegion, ...]:
    """Return the regions that the apps have declared, sorted by name."""
    return tuple(region for _, region in sorted(_regions.items()))


def region_names_by_prefix() -> dict[str, str]:
    """Return the name of the region for each key prefix."""
    return {prefix: region.name for region in all_regions() for prefix in region.key_prefixes}


@dataclass(frozen=True, slots=True)
class Source:
    """Where a cached answer is found again: its key, the groups that invalidate it (all of them).

    ``statements``: how many the request had sent before the read, and how many after it.
    """

    region: CacheRegion
    key: str
    groups: tuple[str, ...]
    statements: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Answer:
    """A response body, its tag (hex digits), and where it came from.

    ``source`` is None for what is in no cache that all processes share.
    """

    body: bytes
    tag: str
    outcome: Outcome
    source: Source | None = None
