"""Response bodies cached in Redis, never older than the last commit. See ``docs/cache.md``."""

from midst.kernel.cache.circuit import circuit
from midst.kernel.cache.entries import tag_of
from midst.kernel.cache.invalidation import invalidate, invalidate_on_commit
from midst.kernel.cache.reading import bypass, read
from midst.kernel.cache.regions import Answer, CacheRegion, Outcome, Source

__all__ = [
    "Answer",
    "CacheRegion",
    "Outcome",
    "Source",
    "bypass",
    "circuit",
    "invalidate",
    "invalidate_on_commit",
    "read",
    "tag_of",
]
