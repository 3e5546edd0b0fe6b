"""The connection to Redis, and which *life* of the server it speaks to.

A server that restarts may bring back what it had saved some time ago: entries, and the stamps
that vouch for them. Each start has a run id of its own, so whatever names it is out of reach of
the next one.
"""

from typing import Any

from django.conf import settings
from django_redis import get_redis_connection
from redis.exceptions import ConnectionError as RedisConnectionError

_LIFE_CHARACTERS = 8

_life: str | None = None


class AnotherLife(RedisConnectionError):
    """The server was restarted, or another one took its place."""


def client() -> Any:
    """Return redis-py's client of the cache; timeouts are those of ``settings.CACHES``."""
    return get_redis_connection("default")


def greet(connection: Any) -> None:
    """redis-py's ``redis_connect_func``: set a connection up, and learn the server's life.

    Raises ``AnotherLife`` when it is not the one that was known, so that no command that was made
    for the old one is answered by the new one.
    """
    connection.on_connect()
    connection.send_command("INFO", "server")
    _learn(_run_id(connection.read_response()))


def prefix() -> str:
    """Return what all keys begin with that have nothing to do with the server's life."""
    return str(settings.CACHES["default"]["KEY_PREFIX"])


def life() -> str:
    """Return the life of the server. Raises ``RedisError`` when it can't be reached."""
    if _life is None:
        client().ping()
    if _life is None:
        raise AnotherLife("the server does not tell its run_id")
    return _life


def _run_id(info: Any) -> str:
    text = info.decode() if isinstance(info, bytes) else str(info)
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name == "run_id":
            return value.strip()[:_LIFE_CHARACTERS]
    raise RedisConnectionError("INFO server has no run_id")


def _learn(found: str) -> None:
    global _life
    known, _life = _life, found
    if known is not None and known != found:
        raise AnotherLife("Redis was restarted")
