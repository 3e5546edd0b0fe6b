"""Estimates what the cache holds in Redis, from a bounded sample of its keys."""

from collections import defaultdict
from dataclasses import dataclass
from time import monotonic
from typing import Any

from midst.kernel import redis
from midst.kernel.cache import versions
from midst.kernel.cache.regions import region_names_by_prefix

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


def take() -> Sample:
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
