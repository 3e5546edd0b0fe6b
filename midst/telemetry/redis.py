"""Counts and times every command to Redis, whoever sends it: cache, limits, Celery's broker.

redis-py has no seam that sees each command of a pipeline, nor what kombu sends by a connection
of its own. All of them write and read through ``AbstractConnection``: answers come in the order
of the commands, so each answer ends the oldest command that waits for one.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable
from functools import cached_property, wraps
from time import perf_counter
from typing import Any

from redis.connection import AbstractConnection

from midst.telemetry import metrics, spans
from midst.telemetry.shared.values import Timed

OTHER = "other"
_KNOWN = frozenset(
    [
        "auth",
        "brpop",
        "client",
        "config",
        "dbsize",
        "decr",
        "decrby",
        "del",
        "eval",
        "evalsha",
        "exec",
        "exists",
        "expire",
        "flushdb",
        "get",
        "getdel",
        "getex",
        "hdel",
        "hello",
        "hget",
        "hgetall",
        "hincrby",
        "hlen",
        "hmget",
        "hset",
        "incr",
        "incrby",
        "info",
        "keys",
        "lindex",
        "llen",
        "lpop",
        "lpush",
        "lrange",
        "lrem",
        "ltrim",
        "mget",
        "mset",
        "multi",
        "persist",
        "pexpire",
        "ping",
        "psubscribe",
        "pttl",
        "publish",
        "punsubscribe",
        "rpop",
        "rpush",
        "sadd",
        "scan",
        "script",
        "select",
        "set",
        "setex",
        "setnx",
        "smembers",
        "srem",
        "subscribe",
        "time",
        "ttl",
        "type",
        "unlink",
        "unsubscribe",
        "unwatch",
        "watch",
        "zadd",
        "zcard",
        "zincrby",
        "zrange",
        "zrangebyscore",
        "zrem",
        "zremrangebyscore",
        "zrevrangebyscore",
        "zscore",
    ]
)
_by_operation: dict[str, Timed] = {}
# As callers write them: "GET", b"get", "CLIENT SETINFO".
_by_name: dict[Any, str] = {}


def operation(name: str | bytes) -> str:
    """Return the metric's ``operation`` of a command: its first word when known, else other."""
    known = _by_name.get(name)
    if known is None:
        text = name.decode(errors="replace") if isinstance(name, bytes) else str(name)
        word = text.partition(" ")[0].lower()
        if word not in _KNOWN:
            return OTHER
        known = _by_name[name] = word
    return known


def _observe(name: str, started: float, ended: float) -> None:
    timed = _by_operation.get(name)
    if timed is None:
        timed = _by_operation[name] = Timed(
            metrics.REDIS_OPERATIONS.labels(name), metrics.REDIS_DURATION.labels(name)
        )
    seconds = ended - started
    timed.took(seconds)
    if spans.recorded.get() is not None:
        spans.command(name, seconds)


class _Conversation:
    """Commands of one connection: ``packed`` but not yet sent, and ``sent`` but not answered."""

    __slots__ = ("open", "packed", "sent")

    def __init__(self) -> None:
        self.open = False
        self.packed: Iterable[str] = ()
        self.sent: deque[tuple[str, float]] = deque()


def install() -> None:
    """Measure all connections of this process. Twice does no harm."""
    if hasattr(AbstractConnection, _CONVERSATION):
        return
    # Made when a connection is first asked for it; from then on an attribute like any other.
    conversation = cached_property(lambda connection: _Conversation())
    conversation.__set_name__(AbstractConnection, _CONVERSATION)
    setattr(AbstractConnection, _CONVERSATION, conversation)
    for name, measured in _MEASURED.items():
        setattr(AbstractConnection, name, measured(getattr(AbstractConnection, name)))


def _send_command(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def send_command(self: Any, *args: Any, **options: Any) -> Any:
        self.midst_conversation.packed = (operation(args[0]),)
        return original(self, *args, **options)

    return send_command


def _pack_command(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def pack_command(self: Any, *args: Any) -> Any:
        self.midst_conversation.packed = (operation(args[0]),)
        return original(self, *args)

    return pack_command


def _pack_commands(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def pack_commands(self: Any, commands: Iterable[Any]) -> Any:
        commands = list(commands)
        self.midst_conversation.packed = [operation(each[0]) for each in commands]
        return original(self, commands)

    return pack_commands


def _send_packed(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def send_packed_command(self: Any, *args: Any, **options: Any) -> Any:
        conversation = self.midst_conversation
        # Connecting, on the way, has a conversation of its own.
        packed, conversation.packed = conversation.packed, ()
        started = perf_counter()
        original(self, *args, **options)
        for name in packed:
            conversation.sent.append((name, started))

    return send_packed_command


def _read_response(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def read_response(self: Any, *args: Any, **options: Any) -> Any:
        sent = self.midst_conversation.sent
        try:
            return original(self, *args, **options)
        finally:
            # What a subscriber reads answers nothing that was sent.
            if sent:
                name, started = sent.popleft()
                _observe(name, started, perf_counter())

    return read_response


def _disconnect(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def disconnect(self: Any, *args: Any, **options: Any) -> Any:
        conversation = self.midst_conversation
        try:
            return original(self, *args, **options)
        finally:
            # Sent, but no answer will come any more.
            while conversation.sent:
                name, started = conversation.sent.popleft()
                _observe(name, started, perf_counter())
            # A child of a fork throws away connections that are its parent's.
            if conversation.open and self.pid == os.getpid():
                _open_connections.dec()
            conversation.open = False

    return disconnect


def _on_connect(original: Callable[..., Any]) -> Callable[..., Any]:
    """Once a connection, where ``connect`` is called before each command."""

    @wraps(original)
    def on_connect_check_health(self: Any, *args: Any, **options: Any) -> Any:
        conversation = self.midst_conversation
        if not conversation.open:
            conversation.open = True
            _open_connections.inc()
        return original(self, *args, **options)

    return on_connect_check_health


_open_connections = metrics.ACTIVE_CONNECTIONS.labels("redis")

_CONVERSATION = "midst_conversation"
_MEASURED = {
    "send_command": _send_command,
    "pack_command": _pack_command,
    "pack_commands": _pack_commands,
    "send_packed_command": _send_packed,
    "read_response": _read_response,
    "disconnect": _disconnect,
    "on_connect_check_health": _on_connect,
}
