"""An operator's tools: make a kind void, delete entries by a pattern. Nothing else needs them."""

import logging
import re
from dataclasses import dataclass
from time import monotonic

from midst.kernel import redis
from midst.kernel.cache import stamps, voiding
from midst.kernel.cache.circuit import circuit
from midst.kernel.cache.kinds import Kind
from midst.kernel.cache.sampling import STEP_KEYS, family, kind_names

log = logging.getLogger(__name__)

_LONGEST_PATTERN = 200
_PATIENCE_S = 2.0
_MOST_KEYS = 100_000
_GLOB = re.compile(r"([*?\[\]\\^])")


class BadPattern(ValueError):
    """It could match nothing of ours."""


@dataclass(frozen=True, slots=True)
class Deleted:
    """What one go has done. ``cursor`` is where to go on; 0: it is finished."""

    keys: int
    cursor: int

    @property
    def is_finished(self) -> bool:
        return self.cursor == 0


def clear_kind(kind: Kind, *, by: str) -> bool:
    """Make every entry of ``kind`` void, for all processes at once; costs one round trip.

    The entries' memory comes back as they expire, are evicted or computed anew. False: Redis is
    away, and it is done when it comes back, as long as this process lives.
    """
    voiding.void([kind.group])
    done = not circuit.is_open()
    log.info("%s cleared the cache's kind %s%s", by, kind.name, "" if done else ": owed to Redis")
    return done


def checked_pattern(pattern: str) -> str:
    """Return ``pattern`` when it may match entries. Raises ``BadPattern``, which says why not."""
    if not 0 < len(pattern) <= _LONGEST_PATTERN or not pattern.isprintable():
        raise BadPattern(
            f"A pattern is 1 to {_LONGEST_PATTERN} printable characters, like profile:ada*."
        )
    first, families = pattern.partition(":")[0], sorted(kind_names())
    if not _GLOB.search(first) and first not in families:
        raise BadPattern(
            f"No key begins with {first!r}. There are: {', '.join(families)}. "
            "The prefix of all keys is put in front by itself."
        )
    return pattern


def delete_matching(pattern: str, *, by: str, cursor: int = 0) -> Deleted:
    """Delete entries whose key, without our prefix, matches the glob ``pattern``.

    One go takes about two seconds and 100,000 keys at the most; give its ``cursor`` to the next.
    Stamps and locks stay: without them the cache could lie. Raises ``BadPattern``, ``RedisError``.
    """
    match = _GLOB.sub(r"\\\1", f"{stamps.space()}:") + checked_pattern(pattern)
    client, families, until = redis.client(), kind_names(), monotonic() + _PATIENCE_S
    deleted = 0
    try:
        while True:
            cursor, found = client.scan(cursor, match=match, count=STEP_KEYS)
            entries = [key for key in found if family(key) in families]
            if entries:
                deleted += client.unlink(*entries)
            if cursor == 0 or deleted >= _MOST_KEYS or monotonic() > until:
                return Deleted(deleted, cursor)
    finally:
        log.info("%s deleted %d cached answers that match %r", by, deleted, pattern)
