"""An operator sees what the cache does, whether or not Redis is there to ask."""

import os
import signal

import pytest

from midst.kernel import redis
from midst.kernel.cache import circuit, read, versions
from midst.operations.cache_page import overview
from midst.operations.cache_page.overview import State

KEYS = 50_000


def fill(family, count, size):
    pipeline = redis.client().pipeline(transaction=False)
    for number in range(count):
        pipeline.set(versions.entry_key(f"{family}:{number}"), b"x" * size, ex=600)
    pipeline.execute()


def by_name(seen):
    return {region.name: region for region in seen.regions}


@pytest.mark.usefixtures("valkey", "written")
def test_few_keys_are_counted_by_kind(things):
    for key in ("thing:1", "thing:2", "things:list", "other:1"):
        read(things[0], key, compute=lambda: b"body")
    redis.client().set("somebody:else", 1)
    seen = overview.collect()
    assert (seen.state, seen.is_degraded, seen.error) == (State.CLOSED, False, "")
    assert seen.sample.is_whole
    regions = by_name(seen)
    assert (regions["things"].share.keys, regions["others"].share.keys) == (3, 1)
    assert regions["things"].share.bytes > 3 * len(b"body")
    # The versions of all and of the kind that was read, and what somebody else has there.
    assert seen.sample.rest.keys == 3


@pytest.mark.usefixtures("valkey")
def test_many_keys_are_estimated_from_a_few(things, monkeypatch):
    monkeypatch.setattr(overview, "_TIME_LIMIT_S", 30)
    fill("thing", KEYS * 7 // 10, size=2_000)
    fill("other", KEYS * 3 // 10, size=10)
    weight = redis.client().memory_usage(versions.entry_key("thing:1"))
    seen = overview.collect()
    assert not seen.sample.is_whole
    assert seen.sample.seen < KEYS / 2
    share = by_name(seen)["things"].share
    # 20,000 keys: ten standard deviations of the estimate are 2 % of all keys.
    assert share.keys == pytest.approx(KEYS * 7 // 10, abs=KEYS * 0.04)
    assert share.bytes == pytest.approx(share.keys * weight, rel=0.02)
    calls = redis.client().info("commandstats")
    assert calls["cmdstat_scan"]["calls"] <= 20
    assert calls["cmdstat_memory|usage"]["calls"] <= 1 + 3 * 60
    assert "cmdstat_keys" not in calls


@pytest.mark.usefixtures("valkey")
def test_reads_are_counted_by_kind(things):
    before = by_name(overview.collect())["things"].use
    for _ in range(4):
        read(things[0], "thing:1", compute=lambda: b"body")
    use = by_name(overview.collect())["things"].use
    assert (use.hits - before.hits, use.misses - before.misses) == (3, 1)
    assert overview.Use(3, 1).hit_rate == 0.75
    assert overview.Use(0, 0).hit_rate is None


@pytest.mark.usefixtures("valkey")
def test_what_the_server_says_of_itself(things):
    before = overview.collect().server
    client = redis.client()
    client.config_set("maxmemory", "100mb")
    client.set("gone", 1, px=1)
    while client.exists("gone"):
        pass
    server = overview.collect().server
    assert (server.max_bytes, server.policy) == (100 * 1024**2, "volatile-lru")
    assert server.expired == before.expired + 1
    assert server.lookups.misses > before.lookups.misses
    assert 0 < server.used_bytes < server.max_bytes
    assert server.version.startswith("Valkey ")


def test_an_empty_server_is_no_trouble(valkey, things):
    redis.client().flushdb()
    seen = overview.collect()
    assert (seen.error, seen.sample.keys) == ("", 0)
    assert by_name(seen)["things"].share.keys == 0


@pytest.mark.parametrize("fault", [signal.SIGSTOP, signal.SIGKILL])
def test_redis_away_or_silent_is_said_and_all_else_is_shown(valkey, things, fault, monkeypatch):
    read(things[0], "thing:1", compute=lambda: b"body")
    os.kill(valkey.pid, fault)
    seen = overview.collect()
    assert seen.server is None
    assert seen.sample is None
    assert "Error" in seen.error
    assert by_name(seen)["things"].ttl_s == 60
    assert by_name(seen)["things"].share is None


def test_a_server_that_falls_silent_half_way_gives_what_it_said(valkey, things, monkeypatch):
    take = overview.take_sample

    def silent():
        os.kill(valkey.pid, signal.SIGSTOP)
        return take()

    monkeypatch.setattr(overview, "take_sample", silent)
    seen = overview.collect()
    assert seen.server is not None
    assert seen.sample is None
    assert "Timeout" in seen.error


def test_a_server_that_answers_something_else_is_trouble(valkey, things, monkeypatch):
    monkeypatch.setattr(redis.client(), "info", lambda: {"used_memory": 1})
    assert "INFO has no 'redis_version'" in overview.collect().error


def test_a_restarted_server_is_asked_again(valkey, things, monkeypatch):
    redis.client().ping()
    monkeypatch.setattr(redis, "_run_id", "another1")
    redis.client().connection_pool.disconnect()
    assert overview.collect().error == ""


def test_a_process_that_is_without_redis_says_so(valkey, things, monkeypatch):
    monkeypatch.setattr(circuit, "is_open", lambda: True)
    seen = overview.collect()
    assert (seen.state, seen.is_degraded) == (State.SETTLING, True)
    monkeypatch.setattr(circuit, "takes_writes", lambda: False)
    assert overview.collect().state is State.OPEN
