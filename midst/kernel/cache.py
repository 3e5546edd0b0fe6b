"""Finished answers kept in Redis, never staler than the last commit.

Every entry belongs to groups (``profiles``, ``masks``). A group has a *stamp*: a random
token that is used once. An entry carries the stamps that were read **before** its query; it
counts only while they are still the group's. A writer replaces the stamp after its commit,
so an answer computed from before the commit can be stored late and still never be served.

One MGET answers a hit. Redis away or slow: the database answers (BYPASS), and Redis is left
alone for a second.
"""

import logging
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b
from time import monotonic
from typing import Any

from django.conf import settings
from django.db import transaction
from django_redis import get_redis_connection
from redis.exceptions import RedisError

from midst.telemetry import metrics

log = logging.getLogger(__name__)

# Change it when the layout of entries changes.
_VERSION = "1"
# Longer than any entry lives; a stamp that goes takes its entries with it.
_STAMP_TTL_S = 7 * 24 * 3600
_PAUSE_S = 1.0
_STAMP_BYTES = 12
_ETAG_BYTES = 16


class Outcome(StrEnum):
    HIT = "HIT"
    MISS = "MISS"
    BYPASS = "BYPASS"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of cached answer: ``name`` is the metrics' ``cache_type``, ``ttl_s`` in seconds."""

    name: str
    ttl_s: int


@dataclass(frozen=True, slots=True)
class Answer:
    """A response body, its tag (hex digits), and where it came from."""

    body: bytes
    tag: str
    outcome: Outcome


class _Circuit:
    """Keeps us from waiting for a Redis that has just failed, and remembers what it owes."""

    def __init__(self) -> None:
        self.open_until = 0.0
        self.owed: set[str] = set()

    def is_open(self) -> bool:
        return monotonic() < self.open_until

    def trip(self, error: RedisError) -> None:
        self.open_until = monotonic() + _PAUSE_S
        log.warning("the cache is away, the database answers: %s", error)


circuit = _Circuit()


def read(kind: Kind, key: str, *, groups: tuple[str, ...], compute: Callable[[], bytes]) -> Answer:
    """Return the answer kept under ``key``, or compute and keep it.

    ``compute`` runs at most once; what it raises goes through and nothing is kept.
    """
    if circuit.is_open():
        return bypass(compute)
    try:
        stamps, kept = _look_up(key, groups)
    except RedisError as error:
        circuit.trip(error)
        return bypass(compute)
    if kept is not None:
        metrics.CACHE_HITS.labels(kind.name).inc()
        return Answer(kept[_ETAG_BYTES:], kept[:_ETAG_BYTES].decode(), Outcome.HIT)
    metrics.CACHE_MISSES.labels(kind.name).inc()
    answer = _answer(compute(), Outcome.MISS)
    entry = b"".join([*stamps, answer.tag.encode(), answer.body])
    try:
        _client().set(_entry_key(key), entry, ex=kind.ttl_s)
    except RedisError as error:
        circuit.trip(error)
    return answer


def bypass(compute: Callable[[], bytes]) -> Answer:
    """Compute an answer that is not kept: someone's own view, or Redis is away."""
    return _answer(compute(), Outcome.BYPASS)


def invalidate_on_commit(*groups: str) -> None:
    """Make every entry of ``groups`` void once the present transaction is committed."""
    transaction.on_commit(lambda: invalidate(groups))


def invalidate(groups: Iterable[str]) -> None:
    """Make every entry of ``groups`` void now. Redis away: done before it is trusted again."""
    circuit.owed.update(groups)
    try:
        _pay()
    except RedisError as error:
        circuit.trip(error)


def _pay() -> None:
    owed = set(circuit.owed)
    pipeline = _client().pipeline(transaction=False)
    for group in owed:
        pipeline.set(_stamp_key(group), _fresh_stamp(), ex=_STAMP_TTL_S)
    pipeline.execute()
    circuit.owed -= owed


def _look_up(key: str, groups: tuple[str, ...]) -> tuple[list[bytes], bytes | None]:
    """Return the groups' stamps, and the entry (without its stamps) if it still counts."""
    if circuit.owed:
        _pay()
    stamp_keys = [_stamp_key(group) for group in groups]
    entry, *stamps = _client().mget(_entry_key(key), *stamp_keys)
    if None in stamps:
        return _make_stamps(stamp_keys), None
    if entry is not None:
        carried = b"".join(stamps)
        if entry.startswith(carried):
            return stamps, entry[len(carried) :]
    return stamps, None


def _make_stamps(keys: list[str]) -> list[bytes]:
    """Give a stamp to each group without one; whoever comes first decides."""
    pipeline = _client().pipeline(transaction=False)
    for key in keys:
        pipeline.set(key, _fresh_stamp(), ex=_STAMP_TTL_S, nx=True)
    pipeline.mget(keys)
    stamps: list[bytes | None] = pipeline.execute()[-1]
    # One evicted in between: an empty stamp makes an entry that never counts.
    return [stamp or b"" for stamp in stamps]


def _answer(body: bytes, outcome: Outcome) -> Answer:
    return Answer(body, tag_of(body), outcome)


def tag_of(body: bytes) -> str:
    """Return the tag of a body: what its ETag holds between the quotes."""
    return blake2b(body, digest_size=_ETAG_BYTES // 2).hexdigest()


def _fresh_stamp() -> bytes:
    return secrets.token_urlsafe(_STAMP_BYTES)[:_STAMP_BYTES].encode()


def _client() -> Any:
    return get_redis_connection("default")


def _entry_key(key: str) -> str:
    return f"{_prefix()}:{key}"


def _stamp_key(group: str) -> str:
    return f"{_prefix()}:stamp:{group}"


def _prefix() -> str:
    return f"{settings.CACHES['default']['KEY_PREFIX']}:{_VERSION}"
