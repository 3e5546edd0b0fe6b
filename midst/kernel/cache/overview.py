"""How the cache does, for a person: whether Redis is there, what it holds, how often it helps."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from django.conf import settings
from redis.exceptions import RedisError

from midst.kernel import redis
from midst.kernel.cache import kinds, memory, sampling
from midst.kernel.cache.circuit import circuit
from midst.kernel.cache.entries import Rubbish
from midst.kernel.cache.sampling import Sample, Share
from midst.telemetry.exposition import totals

_HITS, _MISSES = "cache_hits_total", "cache_misses_total"
_AUDITS, _STALE = "cache_audits_total", "cache_stale_total"
_DEGRADED = "cache_degraded"
# The label of answers that were given while Redis was away.
_MEMORY = "memory"


class State(StrEnum):
    """How this process stands to Redis."""

    CLOSED = "closed"
    SETTLING = "settling"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class Use:
    """How often an answer was asked for and there, since the metrics began."""

    hits: int
    misses: int

    @property
    def hit_rate(self) -> float | None:
        """From 0 to 1; None when nobody has asked."""
        asked = self.hits + self.misses
        return self.hits / asked if asked else None


@dataclass(frozen=True, slots=True)
class Server:
    """What INFO says of the whole server, Celery's database included, since it started.

    Memory in bytes; ``max_bytes`` 0: there is no bound.
    """

    version: str
    up_s: int
    used_bytes: int
    max_bytes: int
    policy: str
    evicted: int
    expired: int
    lookups: Use


@dataclass(frozen=True, slots=True)
class KindOverview:
    """``share`` is None when Redis did not tell."""

    name: str
    ttl_s: int
    use: Use
    audits: int
    stale: int
    share: Share | None


@dataclass(frozen=True, slots=True)
class Overview:
    """``trouble`` says why ``server`` or ``sample`` is None.

    ``state`` and ``memory_bytes`` are this process's; ``is_degraded`` is true when any process
    is. ``fallback``: the answers of all processes while Redis was away.
    """

    state: State
    is_degraded: bool
    trouble: str
    server: Server | None
    sample: Sample | None
    kinds: tuple[KindOverview, ...]
    fallback: Use
    memory_bytes: int
    memory_max_bytes: int


def look() -> Overview:
    """Ask Redis and the metrics. Never raises for Redis' sake; takes some two seconds at most."""
    server, sample, trouble = None, None, ""
    try:
        server = _server()
        sample = sampling.take()
    except RedisError as error:
        trouble = f"{type(error).__name__}: {error}"
    counted = totals((_HITS, _MISSES, _AUDITS, _STALE, _DEGRADED), label="cache_type")
    state = _state()
    return Overview(
        state=state,
        is_degraded=state is not State.CLOSED or bool(counted[_DEGRADED].get("")),
        trouble=trouble,
        server=server,
        sample=sample,
        kinds=tuple(_kind(kind, counted, sample) for kind in kinds.every()),
        fallback=_use(counted, _MEMORY),
        memory_bytes=memory.store.bytes,
        memory_max_bytes=settings.CACHE_MEMORY_BYTES,
    )


def _state() -> State:
    if not circuit.is_open():
        return State.CLOSED
    return State.SETTLING if circuit.takes_writes() else State.OPEN


def _server() -> Server:
    try:
        info = redis.client().info()
    except redis.AnotherLife:
        # It was restarted since anybody asked; now that is known.
        info = redis.client().info()
    try:
        return _told(info)
    except KeyError as error:
        raise Rubbish(f"INFO has no {error}") from error


def _told(info: Mapping[str, Any]) -> Server:
    return Server(
        version=_version(info),
        up_s=info["uptime_in_seconds"],
        used_bytes=info["used_memory"],
        max_bytes=info["maxmemory"],
        policy=info["maxmemory_policy"],
        evicted=info["evicted_keys"],
        expired=info["expired_keys"],
        lookups=Use(info["keyspace_hits"], info["keyspace_misses"]),
    )


def _version(info: Mapping[str, Any]) -> str:
    if "valkey_version" in info:
        return f"Valkey {info['valkey_version']}"
    return f"Redis {info['redis_version']}"


def _kind(
    kind: kinds.Kind, counted: Mapping[str, Mapping[str, float]], sample: Sample | None
) -> KindOverview:
    return KindOverview(
        name=kind.name,
        ttl_s=kind.ttl_s,
        use=_use(counted, kind.name),
        audits=int(counted[_AUDITS].get(kind.name, 0)),
        stale=int(counted[_STALE].get(kind.name, 0)),
        share=None if sample is None else sample.by_kind.get(kind.name, Share(0, 0)),
    )


def _use(counted: Mapping[str, Mapping[str, float]], label: str) -> Use:
    return Use(int(counted[_HITS].get(label, 0)), int(counted[_MISSES].get(label, 0)))
