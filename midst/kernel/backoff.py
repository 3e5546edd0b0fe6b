"""A delay that grows with every attempt, until one succeeds: how sign-ins are slowed down.

Kept in Redis, one round trip an attempt; while Redis is away each process counts by itself.
"""

from collections import OrderedDict
from dataclasses import dataclass
from functools import cache
from threading import Lock
from time import time
from typing import Any

from redis.exceptions import RedisError

from midst.kernel import redis
from midst.kernel.cache import circuit
from midst.telemetry import metrics

# KEYS[1]: "attempts until", the second in microseconds since 1970. ARGV: attempts without a delay,
# then in microseconds the first delay, the longest one, and after how long all is forgotten.
# Returns the microseconds still to wait; 0: the attempt may be made, and is counted.
_SCRIPT = """
local now = redis.call('TIME')
now = now[1] * 1000000 + now[2]
local kept = redis.call('GET', KEYS[1]) or '0 0'
local attempts, ends = string.match(kept, '(%d+) (%d+)')
attempts, ends = tonumber(attempts), tonumber(ends)
if ends > now then return ends - now end
attempts = math.min(attempts + 1, 1000)
local delay = 0
local over = attempts - tonumber(ARGV[1])
if over >= 0 then
  delay = math.min(tonumber(ARGV[3]), tonumber(ARGV[2]) * 2 ^ math.min(over, 40))
end
redis.call('SET', KEYS[1], string.format('%d %.0f', attempts, now + delay), 'PX', ARGV[4] / 1000)
return 0
"""
_MICROSECONDS = 1_000_000
_CLIENTS_IN_MEMORY = 10_000


@dataclass(frozen=True, slots=True)
class Backoff:
    """After ``free`` attempts wait ``first_s``, then twice as long each time, up to ``longest_s``.

    All times are in seconds. A client that made no attempt for ``forget_s`` begins anew.
    """

    name: str
    free: int
    first_s: int
    longest_s: int
    forget_s: int

    def wait_s(self, client: str) -> int:
        """Count an attempt of ``client``; return 0, or how many seconds it must wait first.

        An attempt that comes too early is not counted. Never raises.
        """
        wait_us, backend = self._wait_us(client)
        outcome = "refused" if wait_us else "allowed"
        metrics.RATE_LIMIT_DECISIONS.labels(self.name, backend, outcome).inc()
        return -(-wait_us // _MICROSECONDS)

    def forget(self, client: str) -> None:
        """Begin anew for ``client``: an attempt of it succeeded. Never raises."""
        _memory.forget(self, client)
        if not circuit.is_open():
            try:
                redis.client().delete(self._key(client))
            except RedisError as error:
                circuit.record_failure(error)

    def _wait_us(self, client: str) -> tuple[int, str]:
        if not circuit.is_open():
            seconds = (self.first_s, self.longest_s, self.forget_s)
            try:
                found = _script()(
                    keys=[self._key(client)],
                    args=[self.free, *(each * _MICROSECONDS for each in seconds)],
                    client=redis.client(),
                )
                return int(found), "redis"
            except RedisError as error:
                circuit.record_failure(error)
        return _memory.wait_us(self, client), "memory"

    def _key(self, client: str) -> str:
        return f"{redis.prefix()}:backoff:{self.name}:{client}"


class _Memory:
    """The same in this process, for as long as Redis is away; bounded."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, str], tuple[int, int]] = OrderedDict()
        self._lock = Lock()

    def wait_us(self, backoff: Backoff, client: str) -> int:
        now = int(time() * _MICROSECONDS)
        with self._lock:
            attempts, ends = self._kept.get((backoff.name, client), (0, 0))
            if ends > now:
                return ends - now
            over = attempts + 1 - backoff.free
            delay = 0 if over < 0 else min(backoff.longest_s, backoff.first_s * 2 ** min(over, 40))
            self._kept[backoff.name, client] = attempts + 1, now + delay * _MICROSECONDS
            if len(self._kept) > _CLIENTS_IN_MEMORY:
                self._kept.popitem(last=False)
        return 0

    def forget(self, backoff: Backoff, client: str) -> None:
        with self._lock:
            self._kept.pop((backoff.name, client), None)


_memory = _Memory()


@cache
def _script() -> Any:
    return redis.client().register_script(_SCRIPT)
