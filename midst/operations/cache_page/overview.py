"""The state of the cache for an operator: whether Redis is available, its content, hit rates."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from time import monotonic
from typing import Any

from redis.exceptions import RedisError

from midst.kernel import redis
from midst.kernel.cache import regions, versions
from midst.kernel.cache.circuit import circuit
from midst.kernel.cache.entries import UnexpectedReply
from midst.kernel.cache.regions import region_names_by_prefix
from midst.operations.cache_page import clearings
from midst.operations.cache_page.clearings import Clearing
from midst.telemetry.exposition import totals

# At most so many SCAN steps of so many keys each, and MEMORY USAGE for so many keys of a region.
_STEPS = 20
STEP_KEYS = 1_000
_MEASURED = 60
_TIME_LIMIT_S = 0.5


@dataclass(frozen=True, slots=True)
class Share:
    """Keys and their memory in bytes (None: there was no time to measure it)."""

    keys: int
    bytes: int | None


@dataclass(frozen=True, slots=True)
class Sample:
    """``seen`` of ``keys`` were sampled. ``is_whole``: those were all, so the keys are counted.

    ``by_region``: the shares of the regions, by name; ``rest``: versions, locks, rate limits, and
    keys of other applications.
    """

    seen: int
    keys: int
    is_whole: bool
    by_region: dict[str, Share]
    rest: Share


def take_sample() -> Sample:
    """Sample the keys; takes about a second at most. Raises ``RedisError``."""
    client, until = redis.client(), monotonic() + _TIME_LIMIT_S
    total = client.dbsize()
    seen, is_whole = _scan(client, until)
    if is_whole:
        total = len(seen)
    found: dict[str, list[bytes]] = defaultdict(list)
    region_of = region_names_by_prefix()
    for key in seen:
        found[region_of.get(prefix_of(key), "")].append(key)
    until = monotonic() + _TIME_LIMIT_S
    shares = {name: _share(client, keys, total / len(seen), until) for name, keys in found.items()}
    rest = shares.pop("", Share(0, 0))
    return Sample(len(seen), total, is_whole, shares, rest)


def prefix_of(key: bytes) -> str:
    """Return the prefix of an entry's key; "" for a key that is no current entry."""
    ours = f"{versions.key_prefix()}:".encode()
    if not key.startswith(ours):
        return ""
    return key.removeprefix(ours).partition(b":")[0].decode(errors="replace")


def _scan(client: Any, until: float) -> tuple[set[bytes], bool]:
    """SCAN returns keys in the order of their hashes, so the first ones are a fair sample."""
    seen: set[bytes] = set()
    cursor = 0
    for _ in range(_STEPS):
        cursor, keys = client.scan(cursor, count=STEP_KEYS)
        seen.update(keys)
        if cursor == 0 or monotonic() > until:
            break
    return seen, cursor == 0


def _share(client: Any, keys: list[bytes], each_stands_for: float, until: float) -> Share:
    count = round(len(keys) * each_stands_for)
    if monotonic() > until:
        return Share(count, None)
    pipeline = client.pipeline(transaction=False)
    for key in keys[:_MEASURED]:
        pipeline.memory_usage(key)
    # None: the key has expired meanwhile.
    sizes = [size for size in pipeline.execute() if size is not None]
    return Share(count, round(count * sum(sizes) / len(sizes)) if sizes else None)


_HITS, _MISSES = "cache_hits_total", "cache_misses_total"
_AUDITS, _STALE = "cache_audits_total", "cache_stale_total"
_DEGRADED = "cache_degraded"


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

    ``state`` is of this process; ``is_degraded`` is true when any process is degraded.
    """

    state: State
    is_degraded: bool
    error: str
    server: Server | None
    sample: Sample | None
    regions: tuple[RegionOverview, ...]
    # Of the last hour, the newest first.
    clearings: tuple[Clearing, ...] = ()


def collect() -> Overview:
    """Collect the overview from Redis and the metrics; takes about two seconds at most.

    Does not raise when Redis is not available.
    """
    server, sampled, error = None, None, ""
    cleared: list[Clearing] = []
    try:
        server = _server()
        cleared = clearings.recent()
        sampled = take_sample()
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
        clearings=tuple(cleared),
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
