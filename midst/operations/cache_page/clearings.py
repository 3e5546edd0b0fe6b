"""Who cleared the cache last, and when: the first thing to know of a cache that is cold."""

import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from time import time

from redis.exceptions import RedisError

from midst.kernel import redis
from midst.kernel.cache import versions
from midst.operations.durations import duration_text

log = logging.getLogger(__name__)
# After that, what was cleared has been computed again.
_KEPT_S = 3600
COLD_S = 900.0


@dataclass(frozen=True, slots=True)
class Clearing:
    """``what``: the name of a region, or a pattern; ``at``: seconds since 1970."""

    what: str
    by: str
    at: float

    @property
    def age_s(self) -> float:
        return max(0.0, time() - self.at)


def note(what: str, by: str) -> None:
    """Keep in Redis, for an hour, that ``by`` cleared ``what``; a failure is logged."""
    try:
        pipeline = redis.client().pipeline()
        pipeline.hset(_key(), what, json.dumps({"by": by, "at": time()}))
        pipeline.expire(_key(), _KEPT_S)
        pipeline.execute()
    except RedisError as error:
        log.warning("who cleared the cache can't be noted: %s", error)


def recent() -> list[Clearing]:
    """Return the clearings of the last hour, the newest first. Raises ``RedisError``.

    FLUSHALL is one of them, by its own name: the server does not say who sent it.
    """
    found = []
    for what, text in redis.client().hgetall(_key()).items():
        noted = json.loads(text)
        found.append(Clearing(what.decode(errors="replace"), noted["by"], noted["at"]))
    if (age_s := versions.emptied_age_s(_KEPT_S)) is not None:
        found.append(Clearing("everything", "FLUSHALL", time() - age_s))
    kept = [each for each in found if each.age_s < _KEPT_S]
    return sorted(kept, key=lambda each: -each.at)


def cold(found: Iterable[Clearing]) -> list[Clearing]:
    """Return those since which the cache may not have filled again."""
    return [each for each in found if each.age_s < COLD_S]


def sentences(found: list[Clearing]) -> list[str]:
    """Return one sentence for what each cleared."""
    return [f"{each.by} cleared {each.what} {duration_text(each.age_s)} ago." for each in found]


def _key() -> str:
    return f"{versions.key_prefix()}:cleared"
