"""Clears the cache for an operator: invalidates a region, or deletes entries by a pattern."""

import logging
import re
from dataclasses import dataclass
from time import monotonic

from midst.kernel import redis
from midst.kernel.cache import invalidation, versions
from midst.kernel.cache.circuit import circuit
from midst.kernel.cache.regions import CacheRegion, all_regions, region_names_by_prefix
from midst.operations.cache_page import clearings
from midst.operations.cache_page.overview import STEP_KEYS, prefix_of

log = logging.getLogger(__name__)

_LONGEST_PATTERN = 200
_BATCH_S = 2.0
_BATCH_KEYS = 100_000
_GLOB = re.compile(r"([*?\[\]\\^])")


class BadPattern(ValueError):
    """The pattern can't match any entry."""


@dataclass(frozen=True, slots=True)
class Deleted:
    """The result of one batch. ``cursor`` is where to continue; 0: finished."""

    keys: int
    cursor: int

    @property
    def is_finished(self) -> bool:
        return self.cursor == 0


def clear_region(region: CacheRegion, *, by: str) -> bool:
    """Invalidate every entry of ``region`` for all processes; costs one round trip.

    The entries' memory is freed as they expire, are evicted or recomputed. Returns False when
    Redis is not available: this process then invalidates the region when Redis is back.
    """
    invalidation.invalidate([region.group])
    done = not circuit.is_open()
    outcome = "cleared" if done else "queued, Redis is not available"
    log.info("%s cleared the cache region %s: %s", by, region.name, outcome)
    if done:
        clearings.note(region.name, by)
    return done


def clear_all_regions() -> None:
    """Invalidate every entry of every region: what is asked for next is computed."""
    invalidation.invalidate([region.group for region in all_regions()])


def checked_pattern(pattern: str) -> str:
    """Return ``pattern`` when it can match entries. Raises ``BadPattern`` with the reason."""
    if not 0 < len(pattern) <= _LONGEST_PATTERN or not pattern.isprintable():
        raise BadPattern(
            f"A pattern has 1 to {_LONGEST_PATTERN} printable characters, like profile:ada*."
        )
    first, prefixes = pattern.partition(":")[0], sorted(region_names_by_prefix())
    if not _GLOB.search(first) and first not in prefixes:
        raise BadPattern(
            f"No key begins with {first!r}. Keys begin with: {', '.join(prefixes)}. "
            "Leave out the prefix that all keys share."
        )
    return pattern


def delete_matching(pattern: str, *, by: str, cursor: int = 0) -> Deleted:
    """Delete entries whose key, without the common prefix, matches the glob ``pattern``.

    One batch takes about two seconds and 100,000 keys at most; pass its ``cursor`` to the next.
    Versions and locks are not deleted. Raises ``BadPattern``, ``RedisError``.
    """
    match = _GLOB.sub(r"\\\1", f"{versions.key_prefix()}:") + checked_pattern(pattern)
    client, prefixes = redis.client(), region_names_by_prefix()
    deleted, until = 0, monotonic() + _BATCH_S
    try:
        while True:
            cursor, found = client.scan(cursor, match=match, count=STEP_KEYS)
            entries = [key for key in found if prefix_of(key) in prefixes]
            if entries:
                deleted += client.unlink(*entries)
            if cursor == 0 or deleted >= _BATCH_KEYS or monotonic() > until:
                return Deleted(deleted, cursor)
    finally:
        log.info("%s deleted %d cache entries that match %r", by, deleted, pattern)
        if deleted:
            clearings.note(pattern, by)
