"""The state of the cache for an operator: whether Redis is available, its content, hit rates."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from django.conf import settings
from redis.exceptions import RedisError

from midst.kernel import redis
from midst.kernel.cache import memory, regions
from midst.kernel.cache.circuit import circuit
from midst.kernel.cache.entries import UnexpectedReply
from midst.operations.cache_page import sample
from midst.operations.cache_page.sample import Sample, Share
from midst.telemetry.exposition import totals

_HITS, _MISSES = "cache_hits_total", "cache_misses_total"
_AUDITS, _STALE = "cache_audits_total", "cache_stale_total"
_DEGRADED = "cache_degraded"
# The label of reads from a process's memory while Redis was not available.
_MEMORY = "memory"


class State(StrEnum):
    """The state of this process's circuit breaker."""

    CLOSED = "closed"
    SETTLING = "settling"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class Use:
    """Reads by whether the cache answered them, since the metrics were reset."""

    hits: int
    misses: int

    @property
    def hit_rate(self) -> float | None:
        """From 0 to 1; None without reads."""
        asked = self.hits + self.misses
        return self.hits / asked if asked else None


@dataclass(frozen=True, slots=True)
class Server:
    """Figures from INFO on the whole server, Celery's database included, since its start.

    Memory in bytes; ``max_bytes`` 0: no limit.
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
class RegionOverview:
    """``share`` is None when Redis did not reply."""

    name: str
    ttl_s: int
    use: Use
    audits: int
    stale: int
    share: Share | None


@dataclass(frozen=True, slots=True)
class Overview:
    """``error`` says why ``server`` or ``sample`` is None.

    ``state`` and ``memory_bytes`` are of this process; ``is_degraded`` is true when any process
    is degraded. ``fallback``: reads of all processes while Redis was not available.
    """

    state: State
    is_degraded: bool
    error: str
    server: Server | None
    sample: Sample | None
    regions: tuple[RegionOverview, ...]
    fallback: Use
    memory_bytes: int
    memory_max_bytes: int


def collect() -> Overview:
    """Collect the overview from Redis and the metrics; takes about two seconds at most.

    Does not raise when Redis is not available.
    """
    server, sampled, error = None, None, ""
    try:
        server = _server()
        sampled = sample.take()
    except RedisError as failure:
        error = f"{type(failure).__name__}: {failure}"
    counted = totals((_HITS, _MISSES, _AUDITS, _STALE, _DEGRADED), label="cache_type")
    state = _state()
    return Overview(
        state=state,
        is_degraded=state is not State.CLOSED or bool(counted[_DEGRADED].get("")),
        error=error,
        server=server,
        sample=sampled,
        regions=tuple(_region(each, counted, sampled) for each in regions.all_regions()),
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
    except redis.ServerChanged:
        # It was restarted since the last command; the new run id is known now.
        info = redis.client().info()
    try:
        return _parse(info)
    except KeyError as error:
        raise UnexpectedReply(f"INFO has no {error}") from error


def _parse(info: Mapping[str, Any]) -> Server:
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


def _region(
    region: regions.CacheRegion,
    counted: Mapping[str, Mapping[str, float]],
    sampled: Sample | None,
) -> RegionOverview:
    return RegionOverview(
        name=region.name,
        ttl_s=region.ttl_s,
        use=_use(counted, region.name),
        audits=int(counted[_AUDITS].get(region.name, 0)),
        stale=int(counted[_STALE].get(region.name, 0)),
        share=None if sampled is None else sampled.by_region.get(region.name, Share(0, 0)),
    )


def _use(counted: Mapping[str, Mapping[str, float]], label: str) -> Use:
    return Use(int(counted[_HITS].get(label, 0)), int(counted[_MISSES].get(label, 0)))
