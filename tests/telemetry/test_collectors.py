"""What the metrics server asks for at a scrape, and that it answers whatever is away."""

from celery import current_app
from prometheus_client import CollectorRegistry, generate_latest
from redis import Redis

from midst.telemetry import collectors
from tests.perfops.conftest import *  # noqa: F403
from tests.telemetry.processes import value

DEPTH = 'celery_queue_depth{queue="celery"}'


def exposed(collector):
    registry = CollectorRegistry(support_collectors_without_names=True)
    registry.register(collector)
    return generate_latest(registry).decode()


def test_messages_of_every_priority_wait_in_a_queue(settings, own_redis, monkeypatch):
    monkeypatch.setattr(collectors, "TIMEOUT_S", 30)
    settings.CELERY_BROKER_URL = f"{own_redis}/1"
    client = Redis.from_url(settings.CELERY_BROKER_URL)
    assert value(exposed(collectors.QueueDepth()), DEPTH) == 0
    with current_app.connection_for_write(settings.CELERY_BROKER_URL) as connection:
        for priority in (0, 0, 9):
            current_app.send_task("nobody.knows", connection=connection, priority=priority)
    assert client.dbsize() >= 2
    assert value(exposed(collectors.QueueDepth()), DEPTH) == 3


def test_a_broker_that_is_away_leaves_the_rest_of_the_scrape(settings):
    settings.CELERY_BROKER_URL = "redis://127.0.0.1:1/1"
    assert exposed(collectors.QueueDepth()) == ""


def test_a_source_that_fails_tells_nothing_and_stops_no_other():
    answers = [[("one", "One.", "label", {"a": 1.0})]]

    def source():
        return answers.pop()

    def good():
        return [("other", "Other.", "label", {"b": 2.0})]

    background = collectors.Background([source, good])
    background.refresh()
    assert value(exposed(background), 'one{label="a"}') == 1
    background.refresh()
    told = exposed(background)
    assert value(told, 'one{label="a"}') is None
    assert value(told, 'other{label="b"}') == 2
