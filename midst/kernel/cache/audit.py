"""Compares a sample of cache hits with the database while the application runs.

``cache_stale_total`` must stay 0. A difference counts only when the entry is still valid after
the comparison: otherwise a commit in between explains it.
"""

import logging
from collections.abc import Callable
from time import sleep

from django.db import DatabaseError
from redis.exceptions import RedisError

from midst.kernel.cache import versions
from midst.kernel.cache.entries import Entry
from midst.kernel.cache.regions import CacheRegion
from midst.kernel.cache.versions import Lookup
from midst.telemetry import metrics

log = logging.getLogger(__name__)

# Outside a transaction PostgreSQL commits a moment before the writer can invalidate.
_GRACE_S = 0.05


def compare(
    region: CacheRegion,
    key: str,
    groups: tuple[str, ...],
    found: Lookup,
    compute: Callable[[], Entry],
) -> Entry | None:
    """Return the current entry when the hit ``found`` was stale, else None.

    Raises what ``compute`` raises, except database errors.
    """
    cached = found.entry
    if cached is None:
        return None
    try:
        current = compute()
        metrics.CACHE_AUDITS.labels(region.name).inc()
        if (current.missing, current.tag) == (cached.missing, cached.tag):
            return None
        sleep(_GRACE_S)
        if versions.look_up(key, groups).versions != found.versions:
            return None
    except (RedisError, DatabaseError) as error:
        log.info("the audit of %s failed: %s", key, error)
        return None
    metrics.CACHE_STALE.labels(region.name).inc()
    log.error("stale read of %s: cached tag %s, the database has %s", key, cached.tag, current.tag)
    return current
