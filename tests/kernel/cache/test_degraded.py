"""Without Redis a small memory of each process goes on, and nothing of it outlives the outage."""

import time

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from midst.kernel import cache, redis
from midst.kernel.cache import Outcome, memory, versions
from midst.kernel.cache.entries import Entry
from midst.telemetry import metrics


def until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def outage(away, ask):
    """The circuit is open: so many reads have failed in a row."""
    while not cache.circuit.is_open():
        assert ask().outcome == Outcome.BYPASS


@pytest.mark.usefixtures("outage")
def test_an_outage_is_bridged_from_memory(ask, monkeypatch):
    monkeypatch.setattr(memory, "TTL_S", 60.0)
    assert ask(b"one").outcome == Outcome.MISS
    assert ask(b"two").body == b"one"
    assert metrics.CACHE_DEGRADED._value.get() == 1


@pytest.mark.usefixtures("outage")
def test_memory_never_hides_what_this_process_has_changed(ask):
    ask(b"old")
    cache.invalidate(["a"])
    assert ask(b"new").body == b"new"


@pytest.mark.usefixtures("outage")
def test_an_answer_computed_before_a_change_is_not_remembered(ask):
    def compute():
        cache.invalidate(["a"])
        return b"old"

    ask(compute=compute)
    assert ask(b"new").body == b"new"


@pytest.mark.usefixtures("outage")
def test_memory_forgets_after_its_bound(ask, monkeypatch):
    ask(b"old")
    now = time.monotonic() + memory.TTL_S + 0.1
    monkeypatch.setattr(memory, "monotonic", lambda: now)
    assert ask(b"new").body == b"new"


def test_a_single_failure_is_no_outage(ask, away):
    assert ask().outcome == Outcome.BYPASS
    assert not cache.circuit.is_open()


def test_an_outage_felt_by_one_process_invalidates_nothing_that_it_has_not_changed(
    ask, monkeypatch
):
    opened = metrics.CACHE_CIRCUIT_OPENED._value.get()
    ask(b"old")
    with monkeypatch.context() as away:
        away.setattr(redis, "client", nobody)
        while not cache.circuit.is_open():
            ask(b"asked")
    until(lambda: not cache.circuit.is_open())
    assert ask(b"new").body == b"old"
    assert metrics.CACHE_DEGRADED._value.get() == 0
    assert metrics.CACHE_CIRCUIT_OPENED._value.get() == opened + 1


def test_a_queued_invalidation_is_sent_before_redis_is_used_again(ask, monkeypatch):
    ask(b"old", groups=("a",))
    ask(b"kept", key="other", groups=("b",))
    with monkeypatch.context() as away:
        away.setattr(redis, "client", nobody)
        cache.invalidate(["a"])
        assert ask(b"asked", groups=("a",)).body == b"asked"
    until(lambda: not cache.circuit.is_open())
    assert ask(b"new", groups=("a",)).body == b"new"
    assert ask(b"never", key="other", groups=("b",)).body == b"kept"


def nobody():
    raise RedisConnectionError("away")


def test_a_server_that_takes_no_writes_any_more_is_found_out(ask, monkeypatch):
    """It would go on answering with what it has, and no change would ever reach it."""
    monkeypatch.setattr(versions, "_written_at", 0.0)
    asked = []

    class ReadOnly:
        def pipeline(self, **_):
            asked.append("write")
            raise RedisConnectionError("READONLY")

    client = redis.client()
    ask(b"old")
    monkeypatch.setattr(versions, "_written_at", 0.0)
    monkeypatch.setattr(redis, "client", lambda: ReadOnly() if asked.count("write") < 9 else client)
    assert ask(b"truth").body == b"truth"


def test_memory_is_bounded_in_bytes_and_the_least_used_goes_first(settings):
    settings.CACHE_MEMORY_BYTES = 4 * (1000 + 500)
    store = memory.Memory()
    for number in range(4):
        put(store, f"key {number}")
    store.get("key 0")
    put(store, "one more")
    assert store.bytes <= settings.CACHE_MEMORY_BYTES
    assert store.get("key 0") is not None
    assert store.get("key 1") is None
    store.clear()
    assert store.bytes == 0


def put(store, key):
    entry = Entry(b"x" * 1000, "0" * 16, expires_at=time.monotonic() + 60)
    store.put(key, entry, generation=store.generation)
