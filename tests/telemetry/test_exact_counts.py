"""What is counted is what was sent, over workers that come and go."""

from collections import Counter
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from redis import Redis

from tests.telemetry.conftest import database_url, wait_for
from tests.telemetry.processes import scrape, value
from tests.telemetry.wire import Wire

pytestmark = [
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
    pytest.mark.slow,
]

MASKS = "/api/v1/taxonomy/masks"
PATHS = {MASKS: "/api/v1/taxonomy/masks", f"{MASKS}/architect": "/api/v1/taxonomy/masks/{slug}"}
ROUNDS = 15


def get(url):
    try:
        with urlopen(url, timeout=120) as answer:
            return answer.status, answer.headers["X-Cache"]
    except HTTPError as error:
        error.close()
        return error.code, None


@pytest.fixture
def wire():
    """What gunicorn sends to PostgreSQL goes through here."""
    wire = Wire(database_url())
    yield wire
    wire.close()


def told_by_redis(client):
    """Commands by their first word, but for ours and ``client``, of which redis-py tries some
    that this server does not know: sent, but counted nowhere.
    """
    told = Counter()
    for name, figures in client.info("commandstats").items():
        told[name.removeprefix("cmdstat_").partition("|")[0]] += figures["calls"]
    return {name: calls for name, calls in told.items() if name not in {"config", "info", "client"}}


def pool_is_at_rest(told):
    """Both workers' pools may open 8 connections each; nobody uses one now."""
    figures = {
        name: value(told, f'active_connections{{type="{name}"}}')
        for name in ("database_in_use", "database_idle", "database_waiting", "http")
    }
    most, idle = value(told, "database_pool_max_connections"), figures.pop("database_idle")
    return most == 16 and (idle or 0) >= 1 and set(figures.values()) == {0}


def test_requests_statements_commands_and_cache_reads_are_counted_exactly(
    gunicorn, own_redis, wire
):
    client = Redis.from_url(own_redis)
    client.ping()
    client.config_resetstat()
    server = gunicorn(DATABASE_URL=wire.url, CACHE_PREFIX="totals", DATABASE_POOL_SIZE="8")
    sent, outcomes = Counter(), Counter()
    for restart in (server.replace_workers, server.kill_a_worker, lambda: None):
        for _ in range(ROUNDS):
            for path, route in PATHS.items():
                status, outcome = get(server.url + path)
                sent[route, status] += 1
                outcomes[outcome] += 1
            sent["unmatched", get(f"{server.url}/nowhere")[0]] += 1
        restart()
    told = scrape(server.metrics)

    def counted(name, **labels):
        text = ",".join(f'{label}="{each}"' for label, each in labels.items())
        return value(told, f"{name}{{{text}}}") or 0

    assert {
        key: counted("http_requests_total", method="GET", route=key[0], status=key[1])
        for key in sent
    } == sent
    for route in {route for route, _ in sent}:
        duration = counted("http_request_duration_seconds_count", method="GET", route=route)
        assert duration == ROUNDS * 3
    assert counted("cache_hits_total", cache_type="masks") == outcomes["HIT"]
    assert counted("cache_misses_total", cache_type="masks") == outcomes["MISS"]
    asked = counted("db_queries_total", operation="select", table="taxonomy_mask")
    assert asked == sum('FROM "taxonomy_mask"' in each for each in wire.statements) > 0
    commands = told_by_redis(client)
    assert commands["mget"] >= ROUNDS * 6
    assert {
        name: counted("redis_operations_total", operation=name) for name in commands
    } == commands
    # Hits need no connection: this one does.
    assert get(f"{server.url}/ready")[0] == 200
    wait_for(lambda: pool_is_at_rest(scrape(server.metrics)), "a pool at rest")
    assert value(scrape(server.metrics), "http_workers") == 2
    server.stop()
    assert value(scrape(server.metrics), "http_workers") is None
