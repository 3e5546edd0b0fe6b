"""Without Redis the database answers, and what changed meanwhile is delivered once it is back."""

import importlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest
from redis import BlockingConnectionPool, Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from midst.kernel import cache, redis
from midst.kernel.cache import Outcome, reading, versions
from midst.kernel.problems import NOT_FOUND, Problem
from midst.telemetry import metrics
from tests.kernel.cache.proxy import Proxy

# The package's name of it is the process's own circuit.
circuit = importlib.import_module("midst.kernel.cache.circuit")


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
def test_without_redis_every_read_is_current(ask):
    """Another process may have changed it: a memory of this one would not know."""
    assert ask(b"one").outcome == Outcome.BYPASS
    assert ask(b"two").body == b"two"
    assert metrics.CACHE_DEGRADED._value.get() == 1


@pytest.mark.usefixtures("outage")
def test_without_redis_readers_at_once_share_a_computation(ask):
    """Ten readers while one computes: they share the next, which starts after they came."""
    computed, go_on = [], threading.Event()

    def compute():
        computed.append(1)
        go_on.wait(60)
        return b"body"

    with ThreadPoolExecutor(11) as readers:
        first = readers.submit(ask, compute=compute)
        until(lambda: computed)
        others = [readers.submit(ask, compute=compute) for _ in range(10)]
        until(lambda: reading.shared_computations.waiting("key") == 10)
        go_on.set()
        assert {each.result().body for each in (first, *others)} == {b"body"}
    assert len(computed) == 2


@pytest.mark.usefixtures("outage")
def test_without_redis_what_does_not_exist_is_a_404_each_time(ask):
    def compute():
        raise Problem(NOT_FOUND, "no such thing")

    for _ in range(2):
        with pytest.raises(Problem, match="no such thing"):
            ask(compute=compute)
    assert ask(b"there").body == b"there"


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


def test_a_queued_invalidation_is_sent_as_soon_as_redis_replies(ask, monkeypatch):
    """Others may be reading from it all the time: they need not wait until this process does."""
    monkeypatch.setattr(circuit, "SETTLE_S", 3600.0)
    ask(b"old", groups=("a",))
    before = versions.look_up("key", ("a",)).versions
    with monkeypatch.context() as away:
        away.setattr(redis, "client", nobody)
        cache.invalidate(["a"])
    until(lambda: versions.look_up("key", ("a",)).versions != before)
    assert cache.circuit.is_open()


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


def test_an_invalidation_is_a_test_write_too(ask, monkeypatch):
    """Counting instructions takes a busy machine seconds: each request had a test write in it."""
    ask(b"old")
    monkeypatch.setattr(versions, "_written_at", 0.0)
    monkeypatch.setattr(versions, "monotonic", lambda: 1000.0)
    cache.invalidate(["a"])
    client = redis.client()
    monkeypatch.setattr(client, "pipeline", lambda **_: pytest.fail("a test write"))
    versions.look_up("key", ("a",))


def test_a_change_is_delivered_before_it_is_acknowledged_when_redis_is_back(ask, monkeypatch):
    """Another process that uses it already would else answer with what was there before."""
    ask(b"old", groups=("a",))
    before = versions.look_up("key", ("a",)).versions
    monkeypatch.setattr(circuit, "PROBE_INTERVAL_S", 60.0)
    monkeypatch.setattr(circuit, "_ATTEMPT_S", 60.0)
    with monkeypatch.context() as away:
        away.setattr(redis, "client", nobody)
        cache.invalidate(["b"])
    cache.invalidate(["a"])
    assert versions.look_up("key", ("a",)).versions != before


def test_a_redis_that_hangs_does_not_hold_up_a_writer(monkeypatch):
    """It waits for one attempt, for 50 ms: here the attempt never ends, and no lock is held."""
    hangs = threading.Event()
    monkeypatch.setattr(versions, "invalidate", lambda *_: hangs.wait(60) and nobody())
    cache.circuit.enqueue(["a"], RedisTimeoutError("late"))
    cache.circuit.enqueue(["b"], RedisTimeoutError("late"))
    hangs.set()


def test_an_attempt_that_hangs_is_not_waited_for_and_what_it_had_is_sent(ask, monkeypatch):
    """The resolution of a name has no timeout."""
    ask(b"old", groups=("a",))
    before = versions.look_up("key", ("a",)).versions
    monkeypatch.setattr(circuit, "_HUNG_S", 0.0)
    hangs, over, send = threading.Event(), threading.Event(), versions.invalidate

    def invalidate(groups, token):
        if not hangs.is_set():
            hangs.set()
            over.wait(60)
            nobody()
        send(groups, token)

    monkeypatch.setattr(versions, "invalidate", invalidate)
    cache.circuit.enqueue(["a"], RedisTimeoutError("late"))
    until(hangs.is_set)
    cache.circuit.enqueue(["b"], RedisTimeoutError("late"))
    until(lambda: versions.look_up("key", ("a",)).versions != before)
    over.set()


def test_a_redis_that_was_restarted_is_not_read_from_at_once(ask, monkeypatch):
    """Another process may have changes that it could not tell the new server of yet."""
    ask(b"old")
    monkeypatch.setattr(redis, "_run_id", "another1")
    redis.client().connection_pool.disconnect()
    assert ask(b"new").outcome == Outcome.BYPASS
    assert cache.circuit.is_open()
    assert ask(b"newer").body == b"newer"
    until(lambda: not cache.circuit.is_open())
    assert ask(b"newest").outcome == Outcome.HIT


def test_an_invalidation_by_keys_of_the_server_before_is_not_delivered(monkeypatch):
    ids = iter(["before", "before", "after"])
    monkeypatch.setattr(redis, "server_run_id", lambda: next(ids))
    with pytest.raises(redis.ServerChanged):
        versions.invalidate(["a"], "")


def test_what_an_attempt_could_not_deliver_is_queued_again(ask, monkeypatch):
    ask(b"old", groups=("a",))
    before = versions.look_up("key", ("a",)).versions
    with monkeypatch.context() as away:
        away.setattr(redis, "client", nobody)
        cache.invalidate(["a"])
        with pytest.raises(RedisConnectionError):
            cache.circuit.flush_invalidations()
    until(lambda: versions.look_up("key", ("a",)).versions != before)


@pytest.fixture
def saturated(settings, monkeypatch):
    """Production's timeout, and a proxy in front of Redis that can make its answers late."""
    url = settings.CACHES["default"]["LOCATION"]
    proxy = Proxy(urlsplit(url).hostname, urlsplit(url).port)
    monkeypatch.setitem(settings.CACHES["default"]["OPTIONS"], "SOCKET_TIMEOUT", 0.25)
    pool = BlockingConnectionPool.from_url(
        url.replace(urlsplit(url).netloc.rpartition("@")[2], f"127.0.0.1:{proxy.port}"),
        max_connections=20, timeout=30, retry=Retry(NoBackoff(), 0),
        redis_connect_func=redis.connect,
    )  # fmt: skip
    client = Redis(connection_pool=pool)
    monkeypatch.setattr(redis, "client", lambda: client)
    monkeypatch.setattr(redis, "patience", redis.Patience())
    yield proxy
    client.close()
    pool.disconnect()
    proxy.close()


def test_under_saturation_the_cache_goes_on_answering_and_the_database_is_spared(ask, saturated):
    """Redis answers in 0.6 s, as everything is slow.

    Before timeouts adapted, no look-up was ever answered: all of them went to the database.
    """
    computed = []

    def is_hit():
        if cache.circuit.is_open():
            return False
        return ask(compute=lambda: computed.append(1) or b"body").outcome == Outcome.HIT

    until(is_hit)
    saturated.become("delay")
    until(is_hit)
    asked = len(computed)
    assert all(is_hit() for _ in range(3))
    assert len(computed) == asked
    saturated.become("pass")
    until(lambda: all(is_hit() for _ in range(20)))


def test_patience_with_redis_grows_with_late_replies_alone_and_goes_by_itself(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(redis, "monotonic", lambda: now[0])
    patience = redis.Patience()
    patience.note(RedisConnectionError("refused"))
    assert patience.factor == 1
    for _ in range(5):
        patience.note(RedisTimeoutError("late"))
    assert patience.factor == redis.MOST_PATIENCE
    now[0] += 300
    assert patience.factor == pytest.approx(1, abs=0.01)
