"""Commands to Redis are counted one by one, under names that no caller can invent."""

import gc

import pytest
from django_redis import get_redis_connection
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import REGISTRY
from redis.exceptions import ResponseError

from midst.telemetry import redis


def counted(operation):
    name = "redis_operations_total"
    return REGISTRY.get_sample_value(name, {"operation": operation}) or 0.0


def timed(operation):
    name = "redis_operation_duration_seconds_count"
    return REGISTRY.get_sample_value(name, {"operation": operation}) or 0.0


@pytest.fixture
def client():
    return get_redis_connection("default")


@pytest.mark.parametrize(
    ("name", "operation"),
    [
        ("GET", "get"),
        (b"mget", "mget"),
        ("CLIENT SETINFO", "client"),
        ("JSON.GET", "other"),
        ("", "other"),
    ],
)
def test_a_command_is_named_by_its_first_word(name, operation):
    assert redis.operation(name) == operation


@given(st.text() | st.binary())
def test_no_caller_can_invent_a_name(name):
    assert redis.operation(name) in {*redis.KNOWN, "other"}


def test_a_command_is_counted_and_timed_once(client):
    before = counted("get"), timed("get")
    client.get("nothing")
    assert (counted("get"), timed("get")) == (before[0] + 1, before[1] + 1)


@pytest.mark.parametrize("transaction", [False, True], ids=["plain", "transaction"])
def test_each_command_of_a_pipeline_is_counted(client, transaction):
    names = ("get", "mget", "multi", "exec")
    before = [counted(name) for name in names]
    pipeline = client.pipeline(transaction=transaction)
    pipeline.get("a").get("b").mget(["a", "b"]).execute()
    more = [counted(name) - was for name, was in zip(names, before, strict=True)]
    assert more == [2, 1, int(transaction), int(transaction)]


def test_a_command_that_fails_is_counted_too(client):
    before = counted("eval")
    with pytest.raises(ResponseError):
        client.eval("no lua", 0)
    client.get("nothing")
    assert counted("eval") == before + 1


def test_a_subscriber_that_reads_messages_sends_no_commands(client):
    pubsub = client.pubsub()
    pubsub.subscribe("telemetry-test")
    assert pubsub.get_message(timeout=60)["type"] == "subscribe"
    before = counted("subscribe"), counted("other")
    client.publish("telemetry-test", "hello")
    assert pubsub.get_message(timeout=60)["data"] == b"hello"
    assert (counted("subscribe"), counted("other")) == before
    pubsub.close()


def test_open_connections_come_and_go():
    def connections():
        return REGISTRY.get_sample_value("active_connections", {"type": "redis"})

    client = get_redis_connection("default")
    own = client.__class__(connection_pool=client.connection_pool.__class__(
        connection_class=client.connection_pool.connection_class,
        **client.connection_pool.connection_kwargs,
    ))  # fmt: skip
    # What earlier tests left open is closed now and not in between.
    gc.collect()
    before = connections()
    own.get("nothing")
    assert connections() == before + 1
    own.connection_pool.disconnect()
    assert connections() == before
