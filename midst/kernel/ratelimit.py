"""How many requests a client may send: a token bucket in Redis, one round trip a request.

The bucket is kept as GCRA does it (ITU-T I.371): one number per client, the time at which the
bucket will be full again. Redis away: each process limits by itself, and a metric says so.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from threading import Lock
from time import time
from typing import Any, NamedTuple

from django.http import HttpRequest, HttpResponse
from redis.exceptions import RedisError

from midst.kernel import redis
from midst.kernel.cache import circuit
from midst.kernel.problems import RATE_LIMITED, Problem
from midst.telemetry import metrics

# KEYS[1] the bucket; ARGV: microseconds until one token is back, microseconds for all of them, and
# how many to take: 1, 0 to look only, -1 to give one back.
# Returns {allowed, microseconds until the bucket is full}.
_SCRIPT = """
local now = redis.call('TIME')
now = now[1] * 1000000 + now[2]
local step, whole, cost = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local full_at = math.max(now, tonumber(redis.call('GET', KEYS[1]) or now))
local allowed = full_at + step - now <= whole
if cost >= 0 and not allowed then return {0, full_at - now} end
if cost == 0 then return {1, full_at - now} end
full_at = full_at + cost * step
if full_at <= now then
  redis.call('DEL', KEYS[1])
  return {1, 0}
end
redis.call('SET', KEYS[1], string.format('%.0f', full_at), 'PX', math.ceil((full_at - now) / 1000))
return {1, full_at - now}
"""
_MICROSECONDS = 1_000_000
_BUCKETS_IN_MEMORY = 10_000


@dataclass(frozen=True, slots=True)
class Limit:
    """``amount`` requests in ``seconds``, in one burst or spread over them."""

    name: str
    amount: int
    seconds: int

    @property
    def step_us(self) -> int:
        return self.seconds * _MICROSECONDS // self.amount

    @property
    def whole_us(self) -> int:
        return self.step_us * self.amount


@dataclass(frozen=True, slots=True)
class State:
    """What a client has left: ``remaining`` requests now, all of them in ``reset_s`` seconds."""

    limit: Limit
    allowed: bool
    full_in_us: int

    @property
    def remaining(self) -> int:
        return max(0, self.limit.whole_us - self.full_in_us) // self.limit.step_us

    @property
    def reset_s(self) -> int:
        return -(-self.full_in_us // _MICROSECONDS)

    @property
    def retry_after_s(self) -> int:
        """Seconds until one request is free; at least 1, for the header has no smaller one."""
        wait_us = self.full_in_us + self.limit.step_us - self.limit.whole_us
        return max(1, -(-wait_us // _MICROSECONDS))

    def headers(self) -> dict[str, str]:
        """draft-ietf-httpapi-ratelimit-headers, section 3 and 4."""
        name = self.limit.name
        return {
            "RateLimit-Policy": f'"{name}";q={self.limit.amount};w={self.limit.seconds}',
            "RateLimit": f'"{name}";r={self.remaining};t={self.reset_s}',
        }


def spend(limit: Limit, client: str) -> State:
    """Take one request out of ``client``'s bucket; never raises."""
    state, backend = _change(limit, client, 1)
    _count(state, backend)
    return state


def _count(state: State, backend: str) -> None:
    outcome = "allowed" if state.allowed else "refused"
    metrics.RATE_LIMIT_DECISIONS.labels(state.limit.name, backend, outcome).inc()


# In the environ: what has been spent for the request before Django was asked, as a ``Spent``.
SPENT = "midst.spent"


class Spent(NamedTuple):
    client: str
    state: State


def command(limit: Limit, client: str) -> tuple[str, ...]:
    """Return the command that spends one request, for a Redis client of another kind.

    Where the server does not know the script the reply is an error, as of any ``EVALSHA``.
    """
    key = f"{redis.prefix()}:limit:{limit.name}:{client}"
    return "EVALSHA", _script().sha, "1", key, str(limit.step_us), str(limit.whole_us), "1"


def spent(limit: Limit, reply: object) -> State | None:
    """Return what the reply to ``command`` says, and count the decision; None for an error."""
    match reply:
        case [int(allowed), int(full_in_us)]:
            state = State(limit, bool(allowed), full_in_us)
            _count(state, "redis")
            return state
    return None


def look(limit: Limit, client: str) -> State:
    """Return what ``client`` has left, and take nothing; never raises."""
    return _change(limit, client, 0)[0]


def give_back(limit: Limit, client: str) -> None:
    """Undo one ``spend``; never raises."""
    _change(limit, client, -1)


def _change(limit: Limit, client: str, cost: int) -> tuple[State, str]:
    if not circuit.is_open():
        try:
            allowed, full_in_us = _script()(
                keys=[f"{redis.prefix()}:limit:{limit.name}:{client}"],
                args=[limit.step_us, limit.whole_us, cost],
                client=redis.client(),
            )
        except RedisError as error:
            circuit.record_failure(error)
        else:
            return State(limit, bool(allowed), full_in_us), "redis"
    return _memory.change(limit, client, cost), "memory"


def require(state: State) -> None:
    """Raise ``Problem`` (429) when the bucket was empty."""
    if not state.allowed:
        raise Problem(
            RATE_LIMITED,
            f"At most {state.limit.amount} requests in {state.limit.seconds} s.",
            headers={"Retry-After": str(state.retry_after_s), **state.headers()},
        )


class _Memory:
    """The same buckets in this process, for as long as Redis is away; bounded."""

    def __init__(self) -> None:
        self._full_at: OrderedDict[tuple[str, str], int] = OrderedDict()
        self._lock = Lock()

    def change(self, limit: Limit, client: str, cost: int) -> State:
        now = int(time() * _MICROSECONDS)
        with self._lock:
            full_at = max(now, self._full_at.pop((limit.name, client), now))
            allowed = full_at + limit.step_us - now <= limit.whole_us
            if cost < 0 or (cost and allowed):
                full_at = max(now, full_at + cost * limit.step_us)
            self._full_at[limit.name, client] = full_at
            if len(self._full_at) > _BUCKETS_IN_MEMORY:
                self._full_at.popitem(last=False)
        return State(limit, allowed, full_at - now)


_memory = _Memory()


@cache
def _script() -> Any:
    return redis.client().register_script(_SCRIPT)


class RateLimitHeadersMiddleware:
    """Adds the ``RateLimit`` headers; the check itself is where the client is identified."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        state: State | None = getattr(request, "rate_limit", None)
        if state is not None:
            for name, value in state.headers().items():
                response.headers.setdefault(name, value)
        return response
