"""Reads through the cache. A hit costs one round trip; concurrent misses share a computation."""

import logging
import math
import random
from collections.abc import Callable
from contextlib import suppress
from time import monotonic, perf_counter, sleep, time

from django.conf import settings
from django.db import DatabaseError
from redis.exceptions import RedisError

from midst.kernel.cache import invalidation, versions
from midst.kernel.cache.circuit import circuit
from midst.kernel.cache.entries import Entry, tag_of
from midst.kernel.cache.regions import Answer, CacheRegion, Outcome, Source
from midst.kernel.cache.sharing import SharedComputations
from midst.kernel.cache.versions import Lookup
from midst.kernel.problems import NOT_FOUND, Problem
from midst.telemetry import metrics, request_context

Compute = Callable[[], bytes]

# How long concurrent readers wait for the one who computes before they compute themselves.
_WAIT_S = 2.0
_FIRST_PAUSE_S = 0.003
_LONGEST_PAUSE_S = 0.05
# A 404 is not cached for long: clients can ask for any address.
_MISSING_TTL_S = 30
# How early a hot entry is recomputed: Vattani, Chierichetti, Lowenstein, "Optimal
# Probabilistic Cache Stampede Prevention", VLDB 2015; 1 is their optimum.
_EAGERNESS = 1.0
# Outside a transaction PostgreSQL commits a moment before the writer can invalidate.
_GRACE_S = 0.05

log = logging.getLogger(__name__)
shared_computations = SharedComputations[Entry]()


def read(
    region: CacheRegion, key: str, *, compute: Compute, groups: tuple[str, ...] = ()
) -> Answer:
    """Return the answer cached under ``key``, or compute and cache it.

    A change of any of ``groups``, or of the whole region, invalidates it.
    ``compute`` raises ``Problem`` (404) for what does not exist: that is cached as well, for 30 s
    at most, and raised again. Other exceptions pass through, and nothing is cached.
    """
    groups = (region.group, *groups)
    before = _statements()
    if invalidation.changed_in_transaction(groups):
        return bypass(compute)
    if circuit.is_open():
        return _without_redis(key, compute)
    try:
        found = versions.look_up(key, groups)
        circuit.record_success()
        entry, hit = found.entry, True
        if entry is None:
            hit, entry = _compute_once(region, key, groups, found, compute)
        elif found.versions is not None and is_due(entry) and versions.lock(key, found.versions):
            hit, entry = False, _compute_and_store(region, key, found.versions, compute)
    except RedisError as error:
        circuit.record_failure(error)
        return _without_redis(key, compute)
    if not hit:
        region.count_miss()
        source = Source(region, key, groups, (before, _statements()))
        return _answer(entry, Outcome.MISS, source)
    region.count_hit()
    if _is_chosen() or is_audited():
        entry = _audit(region, key, groups, found, lambda: _computed(compute)) or entry
    return _answer(entry, Outcome.HIT, Source(region, key, groups, (before, _statements())))


def is_audited() -> bool:
    """Decide at random whether a hit is compared with the database."""
    return random.random() < settings.CACHE_AUDIT_RATE  # noqa: S311 -- a sample, no secret


def _is_chosen() -> bool:
    """Say whether that was decided for this request before a view was asked."""
    request = request_context.current.get()
    return request is not None and request.is_audited


def _statements() -> int:
    request = request_context.current.get()
    return 0 if request is None else request.queries


def bypass(compute: Compute) -> Answer:
    """Compute an answer that is not cached, as of a private view."""
    body = compute()
    return Answer(body, tag_of(body), Outcome.BYPASS)


def _compute_once(
    region: CacheRegion, key: str, groups: tuple[str, ...], found: Lookup, compute: Compute
) -> tuple[bool, Entry]:
    """Compute and store an entry, or wait for another reader who does.

    Returns whether another reader did, and the entry.
    """
    until, pause = monotonic() + _WAIT_S, _FIRST_PAUSE_S
    while found.entry is None and found.versions is not None and monotonic() < until:
        wanted = found.versions
        locked, found = versions.lock_and_look_up(key, groups, wanted)
        if locked and found == Lookup(None, wanted):
            break
        if locked:
            versions.unlock(key, wanted)
        elif found.entry is None:
            sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_S)
    if found.entry is not None:
        return True, found.entry
    return False, _compute_and_store(region, key, found.versions, compute)


def _compute_and_store(
    region: CacheRegion, key: str, known: bytes | None, compute: Compute
) -> Entry:
    """Without versions (a writer commits) nothing is stored, and readers share computations."""
    if known is None:
        return shared_computations.share(key, lambda: _computed(compute))
    try:
        entry = _computed(compute)
    except BaseException:
        with suppress(RedisError):
            versions.unlock(key, known)
        raise
    ttl_s = min(_MISSING_TTL_S, region.ttl_s) if entry.missing else region.ttl_s
    lasting = Entry(entry.body, entry.tag, entry.missing, time() + ttl_s, entry.cost_s)
    try:
        versions.store(key, known, lasting, ttl_s=ttl_s)
    except RedisError as error:
        circuit.record_failure(error)
    return entry


def _computed(compute: Compute) -> Entry:
    start = perf_counter()
    try:
        body, missing = compute(), False
    except Problem as problem:
        if problem.kind is not NOT_FOUND:
            raise
        body, missing = problem.detail.encode(), True
    return Entry(body, tag_of(body), missing, cost_s=perf_counter() - start)


def is_due(entry: Entry) -> bool:
    """Decide at random: likelier near the expiry and for costly entries, rarely for two readers."""
    ahead = -entry.cost_s * _EAGERNESS * math.log(1.0 - random.random())  # noqa: S311
    return time() + ahead >= entry.expires_at


def _without_redis(key: str, compute: Compute) -> Answer:
    """Share a computation that starts now: nothing from before is served."""
    entry = shared_computations.share(key, lambda: _computed(compute))
    return _answer(entry, Outcome.BYPASS)


def _answer(entry: Entry, outcome: Outcome, source: Source | None = None) -> Answer:
    if entry.missing:
        raise Problem(NOT_FOUND, entry.body.decode())
    return Answer(entry.body, entry.tag, outcome, source)


def _audit(
    region: CacheRegion,
    key: str,
    groups: tuple[str, ...],
    found: Lookup,
    compute: Callable[[], Entry],
) -> Entry | None:
    """Compare a hit with the database; return the current entry when it was stale, else None.

    ``cache_stale_total`` must stay 0. A difference counts only when the entry is still valid after
    the comparison: otherwise a commit in between explains it.
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
