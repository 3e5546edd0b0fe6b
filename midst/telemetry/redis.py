"""Counts and times every command to Redis, whoever sends it: cache, limits, Celery's broker.

Done by classes of connections that are named where connections are configured (``CACHES``, the
broker's transport). An instrumentation of redis-py's client sees a pipeline as one command, and
nothing of what kombu sends by a connection of its own. Answers come in the order of the commands,
so each answer ends the oldest command that waits for one. Their spans are made by
opentelemetry-instrumentation-redis (``tracing``).
"""

import os
from collections import deque
from collections.abc import Iterable
from functools import cache, lru_cache
from time import perf_counter
from typing import Any
from urllib.parse import urlsplit

from kombu.transport import redis as kombu
from prometheus_client import Counter, Histogram
from redis import Connection, SSLConnection, UnixDomainSocketConnection
from redis.connection import AbstractConnection

from midst.telemetry import metrics

OTHER = "other"
KNOWN = frozenset(
    """
    auth brpop client config dbsize decr decrby del eval evalsha exec exists expire flushdb
    get getdel getex hdel hello hget hgetall hincrby hlen hmget hset incr incrby info keys
    lindex llen lpop lpush lrange lrem ltrim mget mset multi persist pexpire ping psubscribe
    pttl publish punsubscribe rpop rpush sadd scan script select set setex setnx smembers srem
    subscribe time ttl type unlink unsubscribe unwatch watch zadd zcard zincrby zrange
    zrangebyscore zrem zremrangebyscore zrevrangebyscore zscore
    """.split()  # noqa: SIM905 -- read as text
)
_open_connections = metrics.ACTIVE_CONNECTIONS.labels("redis")


def note_open(connections: int) -> None:
    """Count connections that were opened, or with a negative number closed."""
    _open_connections.inc(connections)


@lru_cache(maxsize=1024)
def operation(name: str | bytes) -> str:
    """Return the metric's ``operation`` of a command: its first word when known, else other."""
    text = name.decode(errors="replace") if isinstance(name, bytes) else str(name)
    word = text.partition(" ")[0].lower()
    return word if word in KNOWN else OTHER


def connection_class(url: str) -> type[AbstractConnection]:
    """Return the class of connections that ``url`` (redis, rediss or unix) asks for, measured."""
    classes = {"rediss": MeasuredSSLConnection, "unix": MeasuredUnixConnection}
    return classes.get(urlsplit(url).scheme, MeasuredConnection)


@cache
def _metrics(name: str) -> tuple[Counter, Histogram]:
    return metrics.REDIS_OPERATIONS.labels(name), metrics.REDIS_DURATION.labels(name)


def observe(name: str, started: float) -> None:
    """Count a command that has been answered, or never will be, and the time since ``started``."""
    count, duration = _metrics(name)
    count.inc()
    duration.observe(perf_counter() - started)


class _Measured(AbstractConnection):
    """A connection that counts: commands packed but not yet sent, and sent but not answered."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self._counted_open = False
        self._packed: Iterable[str] = ()
        self._unanswered: deque[tuple[str, float]] = deque()
        super().__init__(*args, **options)

    def send_command(self, *args: Any, **options: Any) -> Any:
        self._packed = (operation(args[0]),)
        return super().send_command(*args, **options)  # type: ignore[no-untyped-call]

    def pack_command(self, *args: Any) -> Any:
        self._packed = (operation(args[0]),)
        return super().pack_command(*args)  # type: ignore[no-untyped-call]

    def pack_commands(self, commands: Iterable[Any]) -> Any:
        commands = list(commands)
        self._packed = [operation(each[0]) for each in commands]
        return super().pack_commands(commands)  # type: ignore[no-untyped-call]

    def send_packed_command(self, *args: Any, **options: Any) -> Any:
        # Connecting, on the way, sends commands of its own.
        packed, self._packed = self._packed, ()
        started = perf_counter()
        super().send_packed_command(*args, **options)  # type: ignore[no-untyped-call]
        for name in packed:
            self._unanswered.append((name, started))

    def read_response(self, *args: Any, **options: Any) -> Any:
        try:
            return super().read_response(*args, **options)
        finally:
            # What a subscriber reads answers nothing that was sent.
            if self._unanswered:
                observe(*self._unanswered.popleft())

    def disconnect(self, *args: Any, **options: Any) -> Any:
        try:
            return super().disconnect(*args, **options)  # type: ignore[no-untyped-call]
        finally:
            # Sent, but no answer will come any more.
            while self._unanswered:
                observe(*self._unanswered.popleft())
            # A child of a fork throws away connections that are its parent's.
            if self._counted_open and self.pid == os.getpid():
                _open_connections.dec()
            self._counted_open = False

    def on_connect_check_health(self, *args: Any, **options: Any) -> Any:
        """Once a connection, where ``connect`` is called before each command."""
        if not self._counted_open:
            self._counted_open = True
            _open_connections.inc()
        return super().on_connect_check_health(*args, **options)


class MeasuredConnection(_Measured, Connection):
    """By TCP."""


class MeasuredSSLConnection(_Measured, SSLConnection):
    """By TLS."""


class MeasuredUnixConnection(_Measured, UnixDomainSocketConnection):
    """By a unix socket."""


class Channel(kombu.Channel):
    connection_class = MeasuredConnection
    connection_class_ssl = MeasuredSSLConnection


class Transport(kombu.Transport):
    """For ``CELERY_BROKER_TRANSPORT``: kombu's own, on measured connections."""

    Channel = Channel
