"""The connection to Redis, and the run id of the server process behind it.

A server that restarts may load an older state from its disk: entries, and the versions that make
them valid. Every server process has a run id of its own, and all cache keys contain it, so a
restarted server never finds the keys of the process before.
"""

from typing import Any

from django.conf import settings
from django_redis import get_redis_connection
from redis.exceptions import ConnectionError as RedisConnectionError

_RUN_ID_CHARACTERS = 8

_run_id: str | None = None


class ServerChanged(RedisConnectionError):
    """The server was restarted, or another one took its place."""


def client() -> Any:
    """Return redis-py's client of the cache; its timeouts come from ``settings.CACHES``."""
    return get_redis_connection("default")


def connect(connection: Any) -> None:
    """Set up a connection and learn the server's run id: redis-py's ``redis_connect_func``.

    Raises ``ServerChanged`` when it is not the known one, so that no command meant for the old
    server process is answered by the new one.
    """
    connection.on_connect()
    connection.send_command("INFO", "server")
    _remember(_parse_run_id(connection.read_response()))


def prefix() -> str:
    """Return what all keys begin with that do not depend on the server's run id."""
    return str(settings.CACHES["default"]["KEY_PREFIX"])


def server_run_id() -> str:
    """Return the run id of the server. Raises ``RedisError`` when it can't be reached."""
    if _run_id is None:
        client().ping()
    if _run_id is None:
        raise ServerChanged("the server's INFO has no run_id")
    return _run_id


def _parse_run_id(info: Any) -> str:
    text = info.decode() if isinstance(info, bytes) else str(info)
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name == "run_id":
            return value.strip()[:_RUN_ID_CHARACTERS]
    raise RedisConnectionError("INFO server has no run_id")


def _remember(found: str) -> None:
    global _run_id
    known, _run_id = _run_id, found
    if known is not None and known != found:
        raise ServerChanged("Redis was restarted")
