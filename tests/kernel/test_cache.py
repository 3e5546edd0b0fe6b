"""The cache answers fast, never lies after a commit, and is never missed when it is away."""

import pytest
from django_redis import get_redis_connection

from midst.kernel import cache
from midst.kernel.cache import Kind, Outcome

pytestmark = pytest.mark.usefixtures("empty_cache")
KIND = Kind("profiles", ttl_s=60)


@pytest.fixture(autouse=True)
def closed_circuit():
    cache.circuit.open_until = 0.0
    cache.circuit.owed.clear()
    yield
    cache.circuit.open_until = 0.0
    cache.circuit.owed.clear()


def read(body=b"body", key="key", groups=("a", "b")):
    return cache.read(KIND, key, groups=groups, compute=lambda: body)


def test_the_second_read_is_a_hit_with_the_same_body_and_tag():
    first, second = read(), read(b"never computed")
    assert (first.outcome, second.outcome) == (Outcome.MISS, Outcome.HIT)
    assert (first.body, first.tag) == (second.body, second.tag)


@pytest.mark.parametrize("group", ["a", "b"])
def test_any_group_voids_the_entry(group):
    read()
    cache.invalidate([group])
    assert read(b"new").body == b"new"


def test_an_answer_computed_before_a_commit_is_never_served_after_it():
    def compute():
        cache.invalidate(["a"])  # someone commits while we compute
        return b"old"

    cache.read(KIND, "key", groups=("a",), compute=compute)
    assert read(b"new", groups=("a",)).body == b"new"


def test_a_stamp_that_comes_back_after_eviction_is_another_one():
    read(groups=("a",))
    client = get_redis_connection("default")
    client.delete(cache._stamp_key("a"))
    assert read(b"new", groups=("a",)).outcome == Outcome.MISS


def test_a_hit_takes_one_command():
    read()
    client = get_redis_connection("default")
    before = client.info("commandstats")
    read()
    after = client.info("commandstats")
    assert after["cmdstat_mget"]["calls"] - before["cmdstat_mget"]["calls"] >= 1
    assert after.get("cmdstat_get") == before.get("cmdstat_get")


def test_an_error_in_the_computation_is_not_kept():
    def fail():
        raise LookupError

    with pytest.raises(LookupError):
        cache.read(KIND, "key", groups=("a",), compute=fail)
    assert read().outcome == Outcome.MISS


@pytest.fixture
def redis_away(settings, monkeypatch):
    import redis

    nobody = redis.Redis(port=1, socket_connect_timeout=0.25)
    monkeypatch.setattr(cache, "_client", lambda: nobody)
    yield
    nobody.close()


@pytest.mark.usefixtures("redis_away")
def test_without_redis_the_answer_is_computed_and_redis_left_alone():
    assert read().outcome == Outcome.BYPASS
    assert cache.circuit.is_open()
    assert read(b"other").body == b"other"


def test_an_invalidation_that_redis_missed_is_made_up_for(monkeypatch):
    import redis

    read()
    with monkeypatch.context() as away:
        away.setattr(cache, "_client", lambda: redis.Redis(port=1))
        cache.invalidate(["a"])
    cache.circuit.open_until = 0.0
    assert read(b"new").body == b"new"
