"""A Valkey of a test's own: full, stopped or held up without harm to the others."""

import os
import signal

import pytest
from redis import Redis

from midst.kernel import redis
from midst.kernel.cache import Kind, circuit, kinds
from midst.stack import process
from midst.stack.valkey import Valkey


@pytest.fixture
def valkey(tmp_path, monkeypatch):
    """The process; the cache speaks to it."""
    child, url = Valkey(tmp_path / "valkey", tmp_path / "valkey.log").start(death=signal.SIGKILL)
    client = Redis.from_url(url, socket_timeout=2, redis_connect_func=redis.greet)
    monkeypatch.setattr(redis, "client", lambda: client)
    monkeypatch.setattr(redis, "_life", None)
    circuit.close()
    yield child
    circuit.close()
    client.close()
    if child.is_running():
        os.kill(child.pid, signal.SIGCONT)
    process.stop(child)


@pytest.fixture
def things(monkeypatch):
    """Two kinds, and no others."""
    monkeypatch.setattr(kinds, "_every", {})
    return (
        Kind("things", ttl_s=60, families=("thing", "things")),
        Kind("others", ttl_s=3600, families=("other",)),
    )
