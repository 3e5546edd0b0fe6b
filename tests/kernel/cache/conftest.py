"""A cache of its own for each test, and the means to take Redis away."""

import pytest
from redis import BlockingConnectionPool, Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from midst.kernel import redis
from midst.kernel.cache import CacheRegion, circuit, read, reading, versions

REGION = CacheRegion("of tests", ttl_s=60, file=__file__)


@pytest.fixture(autouse=True)
def fresh(empty_cache):
    yield
    circuit.close()


@pytest.fixture
def ask():
    """Read ``key``; ``body`` is what the database would say."""

    def ask(body=b"body", key="key", groups=("a", "b"), compute=None):
        return read(REGION, key, groups=groups, compute=compute or (lambda: body))

    return ask


@pytest.fixture
def away(monkeypatch):
    """Redis is away: nobody listens there."""
    nobody = Redis(port=1, retry=Retry(NoBackoff(), 0))
    monkeypatch.setattr(redis, "client", lambda: nobody)
    yield
    nobody.close()


@pytest.fixture
def patient(monkeypatch, settings):
    """Connections enough for a crowd, and time enough for a busy machine."""
    pool = BlockingConnectionPool.from_url(
        settings.CACHES["default"]["LOCATION"],
        max_connections=250,
        timeout=30,
        socket_timeout=30,
        redis_connect_func=redis.connect,
    )
    client = Redis(connection_pool=pool)
    monkeypatch.setattr(redis, "client", lambda: client)
    monkeypatch.setattr(reading, "_WAIT_S", 30.0)
    monkeypatch.setattr(versions, "_LOCK_MS", 30_000)
    yield
    client.close()
    pool.disconnect()
