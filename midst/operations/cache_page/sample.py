"""What lies in Redis, estimated from a bounded look at it: never the whole keyspace."""

from collections import defaultdict
from dataclasses import dataclass
from time import monotonic
from typing import Any

from midst.kernel import redis
from midst.kernel.cache import kinds, stamps

# At most so many SCAN steps of so many keys each, and so many keys of each kind weighed.
_STEPS = 20
STEP_KEYS = 1_000
_WEIGHED = 60
_PATIENCE_S = 0.5


@dataclass(frozen=True, slots=True)
class Share:
    """Keys and their memory in bytes (None: there was no time to weigh them)."""

    keys: int
    bytes: int | None


@dataclass(frozen=True, slots=True)
class Sample:
    """``seen`` of ``keys`` were looked at. ``is_whole``: that was all, so keys are counted.

    ``by_kind``: the shares of the kinds, by name; ``rest``: stamps, locks, limits, others' keys.
    """

    seen: int
    keys: int
    is_whole: bool
    by_kind: dict[str, Share]
    rest: Share


def take() -> Sample:
    """Look at some keys. Raises ``RedisError``; takes about a second at the most."""
    client, until = redis.client(), monotonic() + _PATIENCE_S
    total = client.dbsize()
    seen, is_whole = _scan(client, until)
    if is_whole:
        total = len(seen)
    found: dict[str, list[bytes]] = defaultdict(list)
    kind_of = kind_names()
    for key in seen:
        found[kind_of.get(family(key), "")].append(key)
    until = monotonic() + _PATIENCE_S
    shares = {name: _share(client, keys, total / len(seen), until) for name, keys in found.items()}
    rest = shares.pop("", Share(0, 0))
    return Sample(len(seen), total, is_whole, shares, rest)


def kind_names() -> dict[str, str]:
    """Return the kind's name for each family of keys."""
    return {family: kind.name for kind in kinds.every() for family in kind.families}


def family(key: bytes) -> str:
    """Return what an entry's key begins with; "" for what is no entry of this server's life."""
    space = f"{stamps.space()}:".encode()
    if not key.startswith(space):
        return ""
    return key.removeprefix(space).partition(b":")[0].decode(errors="replace")


def _scan(client: Any, until: float) -> tuple[set[bytes], bool]:
    """SCAN goes by the keys' hashes: what it gives first is no sort of key of its own."""
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
    for key in keys[:_WEIGHED]:
        pipeline.memory_usage(key)
    # A key may have gone meanwhile.
    weights = [weight for weight in pipeline.execute() if weight is not None]
    return Share(count, round(count * sum(weights) / len(weights)) if weights else None)
