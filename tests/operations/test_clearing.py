"""An operator clears a kind, or deletes by pattern: entries of ours, and nothing else."""

import logging
import os
import signal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from midst.kernel import redis
from midst.kernel.cache import Outcome, read, versions
from midst.operations.cache_page import clearing


def keep(kind, *keys):
    for key in keys:
        read(kind, key, compute=lambda: b"body")


def is_kept(kind, key):
    return read(kind, key, compute=lambda: b"body").outcome is Outcome.HIT


def test_a_cleared_region_is_invalid_and_the_others_are_not(things, caplog):
    thing, other = things
    keep(thing, "thing:1", "thing:2")
    keep(other, "other:1")
    with caplog.at_level(logging.INFO):
        assert clearing.clear_region(thing, by="ada")
    assert not is_kept(thing, "thing:1")
    assert is_kept(other, "other:1")
    assert "ada cleared the cache region things: cleared" in caplog.text


def test_a_region_cleared_without_redis_is_queued(valkey, things, caplog):
    keep(things[0], "thing:1")
    os.kill(valkey.pid, signal.SIGKILL)
    with caplog.at_level(logging.INFO):
        assert not clearing.clear_region(things[0], by="ada")
    assert "queued, Redis is not available" in caplog.text


@pytest.mark.usefixtures("valkey")
def test_what_matches_is_deleted_and_counted(things, caplog):
    keep(things[0], "thing:1", "thing:12", "thing:2")
    with caplog.at_level(logging.INFO):
        done = clearing.delete_matching("thing:1*", by="ada")
    assert (done.keys, done.is_finished) == (2, True)
    assert "ada deleted 2 cache entries that match 'thing:1*'" in caplog.text
    assert is_kept(things[0], "thing:2")
    assert not is_kept(things[0], "thing:1")


@pytest.mark.usefixtures("valkey")
def test_a_deletion_that_is_not_finished_goes_on_where_it_was(things, monkeypatch):
    pipeline = redis.client().pipeline(transaction=False)
    for number in range(5_000):
        pipeline.set(versions.entry_key(f"thing:{number}"), b"x")
    pipeline.execute()
    monkeypatch.setattr(clearing, "_BATCH_KEYS", 2_000)
    monkeypatch.setattr(clearing, "_BATCH_S", 60.0)
    first = clearing.delete_matching("thing:*", by="ada")
    assert not first.is_finished
    assert 2_000 <= first.keys < 5_000
    deleted, cursor = first.keys, first.cursor
    while cursor:
        done = clearing.delete_matching("thing:*", by="ada", cursor=cursor)
        deleted, cursor = deleted + done.keys, done.cursor
    assert deleted == 5_000
    calls = redis.client().info("commandstats")
    assert {"cmdstat_scan", "cmdstat_unlink"} <= set(calls)
    assert not {"cmdstat_keys", "cmdstat_flushdb", "cmdstat_del"} & set(calls)


PIECES = st.sampled_from(["*", "?", "[", "]", "^", "\\", ":", "thing", "other", "stamp", "1", "-"])


@pytest.mark.usefixtures("valkey")
@given(pattern=st.lists(PIECES, min_size=1, max_size=6).map("".join))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_pattern_reaches_what_is_no_entry_of_ours(things, pattern):
    """Without its versions and marks the cache could lie; another prefix is another application."""
    client = redis.client()
    foreign = [f"{redis.prefix()}x:2:{redis.server_run_id()}:thing:1", "thing:1", "*"]
    for key in foreign:
        client.set(key, 1)
    keep(things[0], "thing:1")
    before = set(client.scan_iter()) - {versions.entry_key("thing:1").encode()}
    try:
        clearing.delete_matching(pattern, by="ada")
    except clearing.BadPattern:
        assert "*" not in pattern.partition(":")[0]
    assert before - set(client.scan_iter()) == set()


@pytest.mark.usefixtures("valkey")
def test_a_prefix_is_taken_as_it_is_written(things, monkeypatch):
    monkeypatch.setattr(redis, "prefix", lambda: "a[b]*")
    keep(things[0], "thing:1")
    theirs = f"ab-other:2:{redis.server_run_id()}:thing:1"
    redis.client().set(theirs, 1)
    assert clearing.delete_matching("*", by="ada").keys == 1
    assert redis.client().exists(theirs)


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ("", "1 to 200 printable"),
        ("x" * 201, "1 to 200 printable"),
        ("thing:\n", "1 to 200 printable"),
        ("profil:1", "Keys begin with: other, thing, things"),
        ("stamp:all", "No key begins with 'stamp'"),
    ],
)
def test_a_pattern_that_can_match_nothing_is_refused(things, pattern, says):
    with pytest.raises(clearing.BadPattern, match=says):
        clearing.delete_matching(pattern, by="ada")
