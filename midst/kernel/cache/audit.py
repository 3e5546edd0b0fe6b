"""Does the cache lie? A sampled share of hits is held against the database while it runs.

``cache_stale_total`` must stay 0. A difference counts only when the entry still counts after the
comparison: a commit in between explains all others.
"""

import logging
from collections.abc import Callable
from time import sleep

from django.db import DatabaseError
from redis.exceptions import RedisError

from midst.kernel.cache import stamps
from midst.kernel.cache.entries import Entry
from midst.kernel.cache.kinds import Kind
from midst.kernel.cache.stamps import Found
from midst.telemetry import metrics

log = logging.getLogger(__name__)

# Outside a transaction PostgreSQL has committed a moment before its writer can say so.
_GRACE_S = 0.05


def compare(
    kind: Kind, key: str, groups: tuple[str, ...], found: Found, compute: Callable[[], Entry]
) -> Entry | None:
    """Return the truth when the hit ``found`` was stale, else None. Never raises."""
    kept = found.entry
    if kept is None:
        return None
    try:
        truth = compute()
        metrics.CACHE_AUDITS.labels(kind.name).inc()
        if (truth.missing, truth.tag) == (kept.missing, kept.tag):
            return None
        sleep(_GRACE_S)
        if stamps.look_up(key, groups).stamps != found.stamps:
            return None
    except (RedisError, DatabaseError) as error:
        log.info("the audit of %s could not be done: %s", key, error)
        return None
    metrics.CACHE_STALE.labels(kind.name).inc()
    log.error("stale read of %s: kept %s, the database has %s", key, kept.tag, truth.tag)
    return truth
