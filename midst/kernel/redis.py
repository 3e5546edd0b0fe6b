"""The connection to Redis, and the run id of the server process behind it.

A server that restarts may load an older state from its disk: entries, and the versions that make
them valid. Every server process has a run id of its own, and all cache keys contain it, so a
restarted server never finds the keys of the process before.
"""

from time import monotonic
from typing import Any

from django.conf import settings
from django.dispatch import Signal
from django_redis import get_redis_connection
from redis import exceptions

_RUN_ID_CHARACTERS = 8
# How many times the configured timeout a reply is waited for at most.
MOST_PATIENCE = 3.0
# After so many seconds without a late reply half of the additional patience is gone.
_HALF_LIFE_S = 30.0

# Sent by whoever of this process is the first to meet another server than the known one.
server_changed = Signal()
_run_id: str | None = None


class ServerChanged(exceptions.ConnectionError):
    """The server was restarted, or another one took its place."""


class Patience:
    """By what factor the timeout of new connections is longer than configured.

    A saturated Redis answers late, but giving up on it would put its load on the database as well.
    Each late reply doubles the factor for the connections made from then on, and it decays.
    """

    def __init__(self) -> None:
        self._factor, self._since = 1.0, 0.0

    @property
    def factor(self) -> float:
        return float(1 + (self._factor - 1) * 0.5 ** ((monotonic() - self._since) / _HALF_LIFE_S))

    def note(self, error: exceptions.RedisError) -> None:
        """Take ``error`` into account if it is a late reply."""
        if isinstance(error, exceptions.TimeoutError):
            self._factor, self._since = min(2 * self.factor, MOST_PATIENCE), monotonic()


patience = Patience()


def client() -> Any:
    """Return redis-py's client of the cache; its timeouts come from ``settings.CACHES``."""
    return get_redis_connection("default")


def timeout_s() -> float:
    """Return how long a new connection waits for a reply (s)."""
    return float(settings.CACHES["default"]["OPTIONS"]["SOCKET_TIMEOUT"] * patience.factor)


def connect(connection: Any) -> None:
    """Set up a connection and learn the server's run id: redis-py's ``redis_connect_func``.

    Its timeout is the configured one times ``patience.factor``.

    Raises ``ServerChanged`` when it is not the known one, so that no command meant for the old
    server process is answered by the new one.
    """
    connection.socket_timeout = timeout_s()
    connection.update_current_socket_timeout(connection.socket_timeout)
    connection.on_connect()
    connection.send_command("INFO", "server")
    _remember(parse_run_id(connection.read_response()))


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


def is_current(run_id: str) -> bool:
    """Say whether this process knows of no other server than the one with ``run_id``."""
    return _run_id is None or _run_id == run_id


def parse_run_id(info: Any) -> str:
    """Return the run id in the reply to INFO. Raises ``RedisError`` when it has none."""
    text = info.decode() if isinstance(info, bytes) else str(info)
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name == "run_id":
            return value.strip()[:_RUN_ID_CHARACTERS]
    raise exceptions.ConnectionError("INFO server has no run_id")


def _remember(found: str) -> None:
    global _run_id
    known, _run_id = _run_id, found
    if known is not None and known != found:
        error = ServerChanged("Redis was restarted")
        server_changed.send(ServerChanged, error=error)
        raise error
