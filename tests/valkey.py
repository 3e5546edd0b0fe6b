"""A Valkey of a test's own: full, stopped or held up without harm to the others."""

import os
import signal

import pytest
from redis import Redis

from midst.kernel import redis
from midst.kernel.cache import CacheRegion, circuit, regions, versions
from midst.stack import process
from midst.stack.valkey import Valkey


@pytest.fixture
def valkey(tmp_path, monkeypatch):
    """The process; the cache speaks to it."""
    child, url = Valkey(tmp_path / "valkey", tmp_path / "valkey.log").start(death=signal.SIGKILL)
    client = Redis.from_url(url, socket_timeout=2, redis_connect_func=redis.connect)
    monkeypatch.setattr(redis, "client", lambda: client)
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
        CacheRegion("things", ttl_s=60, key_prefixes=("thing", "things")),
        CacheRegion("others", ttl_s=3600, key_prefixes=("other",)),
    )


@pytest.fixture
def written(monkeypatch):
    """No heartbeat is due: look-ups only read."""
    monkeypatch.setattr(versions, "_written_at", float("inf"))
