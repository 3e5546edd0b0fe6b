"""A Valkey of a test's own: full, stopped or held up without harm to the others."""

import os
import signal

import pytest
from django.conf import settings
from django_redis import get_redis_connection
from redis import Redis

from midst.kernel import redis
from midst.kernel.cache import CacheRegion, circuit, regions, versions
from midst.stack import process
from midst.stack.valkey import Valkey

# The tests' own timeout is for busy machines; those of this server stop it, and wait for that.
TIMEOUT_S = 2


def forget_cached():
    """Only what this worker has cached: the others' tests are at work in the same database.

    Also what it holds in memory since Redis was too slow for an earlier test.
    """
    circuit.close()
    client = get_redis_connection("default")
    keys = list(client.scan_iter(f"{settings.CACHES['default']['KEY_PREFIX']}:*"))
    if keys:
        client.delete(*keys)


@pytest.fixture
def valkey(tmp_path, monkeypatch):
    """The process; the cache speaks to it."""
    child, url = Valkey(tmp_path / "valkey", tmp_path / "valkey.log").start(death=signal.SIGKILL)
    monkeypatch.setitem(settings.CACHES["default"]["OPTIONS"], "SOCKET_TIMEOUT", TIMEOUT_S)
    client = Redis.from_url(url, socket_timeout=TIMEOUT_S, redis_connect_func=redis.connect)
    monkeypatch.setattr(redis, "client", lambda: client)
    monkeypatch.setattr(redis, "patience", redis.Patience())
    monkeypatch.setattr(redis, "_run_id", None)
    circuit.close()
    yield child
    circuit.close()
    client.close()
    if child.is_running():
        os.kill(child.pid, signal.SIGCONT)
    process.stop(child)


@pytest.fixture
def things(monkeypatch):
    """Two regions, and no others."""
    monkeypatch.setattr(regions, "_regions", {})
    return (
        CacheRegion("things", ttl_s=60, key_prefixes=("thing", "things"), file=__file__),
        CacheRegion("others", ttl_s=3600, key_prefixes=("other",), file=__file__),
    )


@pytest.fixture
def written(monkeypatch):
    """No heartbeat is due: look-ups only read."""
    monkeypatch.setattr(versions, "_written_at", float("inf"))
