"""The cache answers fast, never lies after a commit, and computes once for all who ask."""

from concurrent.futures import ThreadPoolExecutor
from itertools import count
from threading import Barrier
from time import sleep, time

import pytest

from midst.kernel import cache, redis
from midst.kernel.cache import Outcome, versions
from midst.kernel.cache.entries import Entry, tag_of
from midst.kernel.problems import INVALID, NOT_FOUND, Problem


def test_the_second_read_is_a_hit_with_the_same_body_and_tag(ask):
    first, second = ask(), ask(b"never computed")
    assert (first.outcome, second.outcome) == (Outcome.MISS, Outcome.HIT)
    assert (first.body, first.tag) == (second.body, second.tag)


@pytest.mark.parametrize("group", ["a", "b", "region:of tests", versions.ALL])
def test_any_group_invalidates_the_entry(ask, group):
    ask()
    cache.invalidate([group])
    assert ask(b"new").body == b"new"


def test_an_answer_computed_before_a_commit_is_never_served_after_it(ask):
    def compute():
        cache.invalidate(["a"])  # someone commits while we compute
        return b"old"

    ask(compute=compute)
    assert ask(b"new").body == b"new"


def test_a_version_that_comes_back_after_eviction_is_another_one(ask):
    ask()
    redis.client().delete(versions.version_key("a"))
    assert ask(b"new").outcome == Outcome.MISS


@pytest.mark.usefixtures("valkey", "written")
def test_a_hit_is_one_command(ask):
    ask()
    client = redis.client()
    client.config_resetstat()
    for _ in range(20):
        assert ask().outcome == Outcome.HIT
    calls = {name: told["calls"] for name, told in client.info("commandstats").items()}
    assert calls == {"cmdstat_config|resetstat": 1, "cmdstat_mget": 20}


@pytest.mark.usefixtures("valkey", "written")
@pytest.mark.parametrize(("groups", "trips"), [(("a", "b"), 3), (("a", "new"), 4)])
def test_a_miss_is_three_round_trips_and_one_more_for_a_new_version(ask, groups, trips):
    ask()
    client = redis.client()
    client.config_resetstat()
    assert ask(key="other", groups=groups).outcome == Outcome.MISS
    of_info = 1
    assert client.info("stats")["total_reads_processed"] - of_info == trips


def test_what_fails_is_not_kept_and_the_next_one_may_compute_at_once(ask):
    def fail():
        raise Problem(INVALID)

    with pytest.raises(Problem):
        ask(compute=fail)
    found = versions.look_up("key", ("region:of tests", "a", "b"))
    assert found.entry is None
    assert versions.lock("key", found.versions)


def test_that_there_is_no_such_thing_is_kept_until_there_is(ask):
    asked = count()

    def missing():
        next(asked)
        raise Problem(NOT_FOUND, "There is no such profile.")

    for _ in range(3):
        with pytest.raises(Problem, match="no such profile") as raised:
            ask(compute=missing)
        assert raised.value.kind is NOT_FOUND
    assert next(asked) == 1
    cache.invalidate(["a"])
    assert ask(b"there").body == b"there"


@pytest.mark.usefixtures("patient")
def test_200_misses_at_once_compute_once(ask):
    computed, together = count(), Barrier(200)

    def compute():
        next(computed)
        sleep(0.1)
        return b"body"

    def one(_):
        together.wait()
        return ask(compute=compute).body

    with ThreadPoolExecutor(200) as crowd:
        assert set(crowd.map(one, range(200))) == {b"body"}
    assert next(computed) == 1


def test_who_waits_for_one_that_died_computes_it(ask, monkeypatch):
    monkeypatch.setattr("midst.kernel.cache.reading._WAIT_S", 0.05)
    found = versions.look_up("key", ("region:of tests", "a", "b"))
    assert versions.lock("key", found.versions)
    assert ask().outcome == Outcome.MISS


def test_an_invalidation_while_others_wait_makes_them_compute_again(ask):
    """What the first one computes was read before the commit: nobody may be given it."""
    answers = []

    def slow():
        with ThreadPoolExecutor(1) as other:
            waiting = other.submit(lambda: ask(b"new").body)
            sleep(0.05)
            cache.invalidate(["a"])
            answers.append(waiting.result())
        return b"old"

    ask(compute=slow)
    assert answers == [b"new"]
    assert ask(b"newer").body != b"old"


def test_a_hot_entry_near_its_end_is_computed_by_one_and_served_to_others(ask):
    found = versions.look_up("key", ("region:of tests", "a", "b"))
    # It took an hour to compute and ends in a minute: it is due.
    due = Entry(b"old", tag_of(b"old"), expires_at=time() + 60, cost_s=3_600_000)
    versions.store("key", found.versions, due, ttl_s=60)

    def compute():
        assert ask(b"never").body == b"old"
        return b"new"

    assert ask(compute=compute).body == b"new"
    assert ask(b"never").body == b"new"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda raw: raw[:-1] + b"?",
        lambda raw: raw[:60],
        # In the checksum, where any byte may stand.
        lambda raw: raw[:50] + bytes([raw[50] ^ 1]) + raw[51:],
    ],
)
def test_a_spoilt_entry_is_not_served(ask, spoil):
    ask()
    client = redis.client()
    key = versions.entry_key("key")
    client.set(key, spoil(client.get(key)))
    assert ask(b"truth").body == b"truth"


def test_another_keys_entry_is_not_served(ask):
    """Groups and versions are the same, the question is not."""
    ask(b"one", key="one")
    client = redis.client()
    client.set(versions.entry_key("two"), client.get(versions.entry_key("one")))
    assert ask(b"two", key="two").body == b"two"


def test_what_a_server_kept_in_an_earlier_life_is_out_of_reach(ask, monkeypatch):
    ask(b"old")
    monkeypatch.setattr(redis, "_run_id", "another1")
    assert ask(b"new").body == b"new"


def test_a_command_made_for_an_earlier_life_is_refused(monkeypatch):
    client = redis.client()
    client.ping()
    monkeypatch.setattr(redis, "_run_id", "another1")
    client.connection_pool.disconnect()
    with pytest.raises(redis.ServerChanged):
        client.ping()
    assert client.ping()
