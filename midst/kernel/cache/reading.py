"""Reading through the cache: a hit costs one round trip, a miss one computation for all who ask."""

import random
from collections.abc import Callable
from contextlib import suppress
from math import log
from time import monotonic, perf_counter, sleep, time

from django.conf import settings
from redis.exceptions import RedisError

from midst.kernel.cache import audit, memory, stamps, voiding
from midst.kernel.cache.circuit import circuit
from midst.kernel.cache.entries import Entry, tag_of
from midst.kernel.cache.kinds import Answer, Kind, Outcome
from midst.kernel.cache.stamps import Found
from midst.kernel.problems import NOT_FOUND, Problem
from midst.telemetry import metrics

Compute = Callable[[], bytes]

# Others wait so long for the one who computes, then do it themselves.
_WAIT_S = 2.0
_FIRST_PAUSE_S = 0.003
_LONGEST_PAUSE_S = 0.05
# "There is no such thing" is not kept long: anyone can ask for anything.
_MISSING_TTL_S = 30
# How early a hot entry is computed anew: Vattani, Chierichetti, Lowenstein, "Optimal
# Probabilistic Cache Stampede Prevention", VLDB 2015; 1 is their optimum.
_EAGERNESS = 1.0
# Of the degraded mode; the kinds' own tell themselves apart.
_MEMORY = "memory"


def read(kind: Kind, key: str, *, compute: Compute, groups: tuple[str, ...] = ()) -> Answer:
    """Return the answer kept under ``key``, or compute and keep it.

    A change of any of ``groups``, or of the whole kind, makes it void.
    ``compute`` raises ``Problem`` (404) for what is not there: that is kept as well, for a little
    while, and raised again. All else that it raises goes through, and nothing is kept.
    """
    groups = (kind.group, *groups)
    if voiding.is_changed_here(groups):
        return bypass(compute)
    if circuit.is_open():
        return _from_memory(key, compute)
    try:
        found = stamps.look_up(key, groups)
        circuit.worked()
        entry, hit = found.entry, True
        if entry is None:
            hit, entry = _once(kind, key, groups, found, compute)
        elif found.stamps is not None and _is_due(entry) and stamps.lock(key, found.stamps):
            hit, entry = False, _compute_and_keep(kind, key, found.stamps, compute)
    except RedisError as error:
        circuit.failed(error)
        return bypass(compute)
    if not hit:
        kind.count_miss()
        return _answer(entry, Outcome.MISS)
    kind.count_hit()
    if random.random() < settings.CACHE_AUDIT_RATE:  # noqa: S311 -- a sample, no secret
        entry = audit.compare(kind, key, groups, found, lambda: _computed(compute)) or entry
    return _answer(entry, Outcome.HIT)


def bypass(compute: Compute) -> Answer:
    """Compute an answer that is not kept: someone's own view, or Redis is away."""
    body = compute()
    return Answer(body, tag_of(body), Outcome.BYPASS)


def _once(
    kind: Kind, key: str, groups: tuple[str, ...], found: Found, compute: Compute
) -> tuple[bool, Entry]:
    """Compute and keep an entry, or wait for the one who does; return whether that was so."""
    until, pause = monotonic() + _WAIT_S, _FIRST_PAUSE_S
    while found.entry is None and found.stamps is not None and monotonic() < until:
        locked = found.stamps if stamps.lock(key, found.stamps) else None
        if locked is None:
            sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_S)
        # Who held the lock may have been done a moment before we took it.
        found = stamps.look_up(key, groups)
        if locked is not None and found == Found(None, locked):
            break
        if locked is not None:
            stamps.unlock(key, locked)
    if found.entry is not None:
        return True, found.entry
    return False, _compute_and_keep(kind, key, found.stamps, compute)


def _compute_and_keep(kind: Kind, key: str, known: bytes | None, compute: Compute) -> Entry:
    """Without stamps (somebody commits) nothing is kept."""
    try:
        entry = _computed(compute)
    except BaseException:
        if known is not None:
            with suppress(RedisError):
                stamps.unlock(key, known)
        raise
    if known is None:
        return entry
    ttl_s = min(_MISSING_TTL_S, kind.ttl_s) if entry.missing else kind.ttl_s
    lasting = Entry(entry.body, entry.tag, entry.missing, time() + ttl_s, entry.cost_s)
    try:
        stamps.keep(key, known, lasting, ttl_s=ttl_s)
    except RedisError as error:
        circuit.failed(error)
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


def _is_due(entry: Entry) -> bool:
    """The nearer its end and the dearer its computation, the likelier; rarely more than one."""
    ahead = -entry.cost_s * _EAGERNESS * log(1.0 - random.random())  # noqa: S311
    return time() + ahead >= entry.expires_at


def _from_memory(key: str, compute: Compute) -> Answer:
    kept = memory.store.get(key)
    if kept is not None:
        metrics.CACHE_HITS.labels(_MEMORY).inc()
        return _answer(kept, Outcome.HIT)
    with memory.store.alone(key):
        kept = memory.store.get(key)
        if kept is None:
            metrics.CACHE_MISSES.labels(_MEMORY).inc()
            generation = memory.store.generation
            entry = _computed(compute)
            until = monotonic() + memory.TTL_S
            kept = Entry(entry.body, entry.tag, entry.missing, until)
            memory.store.put(key, kept, generation=generation)
            return _answer(kept, Outcome.MISS)
    metrics.CACHE_HITS.labels(_MEMORY).inc()
    return _answer(kept, Outcome.HIT)


def _answer(entry: Entry, outcome: Outcome) -> Answer:
    if entry.missing:
        raise Problem(NOT_FOUND, entry.body.decode())
    return Answer(entry.body, entry.tag, outcome)
