"""Prometheus and Alertmanager with the project's own configuration, against the running stack.

Load is driven, then every panel must show something, then faults are made and told of.
"""

import contextlib
import math
import shutil
import sys
import tempfile
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
import redis
from celery import Celery

from midst.stack import process
from perfops.budgets.metrics import registry
from perfops.models.budgets import Budget
from tests.e2e.conftest import free_port
from tests.monitoring import community
from tests.monitoring.live import live, until
from tests.monitoring.queries import asked

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def stack(request):
    """Not in pytest's own folder: the database's user must be able to enter."""
    folder = Path(tempfile.mkdtemp(prefix="midst-monitoring-"))
    with live(folder) as running:
        yield running
    # After a failure its logs are worth a look.
    if not request.session.testsfailed:
        shutil.rmtree(folder, ignore_errors=True)


class Load:
    """Requests without a pause, by some clients, until the ``with`` ends; who waits asks anew."""

    def __init__(self, stack, *paths, clients=4, patience_s=30, url=""):
        self.url, self.paths, self.clients = url or stack.url, paths, clients
        self.patience_s = patience_s
        self.ended, self.pool = threading.Event(), ThreadPoolExecutor(clients)

    def __enter__(self):
        for _ in range(self.clients):
            self.pool.submit(self.run)

    def run(self):
        while not self.ended.is_set():
            for path in self.paths:
                address = self.url + path.format(now=time.monotonic_ns() % 90 + 10)
                # Answers that are errors are welcome here, and so is none.
                with contextlib.suppress(OSError):
                    urllib.request.urlopen(address, timeout=self.patience_s).close()

    def __exit__(self, *exception):
        self.ended.set()
        self.pool.shutdown()


EVERYTHING = (
    "/health", "/ready", "/api/v1/profiles?limit={now}", "/api/v1/profiles/mara-lindqvist",
    "/api/v1/profiles/mara-lindqvist/masks", "/api/v1/taxonomy/masks", "/api/v1/taxonomy/epochs",
    "/api/v1/profiles/nobody", "/nowhere", "/admin/login/",
)  # fmt: skip


def shows_something(stack, expr):
    return any(not math.isnan(float(each["value"][1])) for each in stack.query(expr))


def test_every_target_is_up(stack):
    jobs = set(stack.addresses)

    def up():
        targets = stack.ask("targets")["activeTargets"]
        return {t["labels"]["job"] for t in targets if t["health"] == "up"} == jobs

    until(up, what=f"{jobs} all up")
    for fine in ("pg_up == 1", "redis_up == 1", "pg_exporter_last_scrape_error == 0"):
        until(lambda fine=fine: stack.query(fine), what=fine)


def a_judged_run(stack):
    """A machine that does much else can't keep to a plan: then there is nothing to judge."""
    for _ in range(3):
        ran = stack.manage("run_load_test", "smoke", "--format", "json")
        if ran.returncode in {0, 1}:
            return
    pytest.fail(f"no run was valid: {ran.stdout} {ran.stderr}")


def test_every_panel_shows_something_under_load(stack):
    a_judged_run(stack)
    queries = asked(window="15s")
    assert len(queries) > 60
    with Load(stack, *EVERYTHING):
        all_show_something(stack, queries)


def all_show_something(stack, queries):
    """``queries``: (where it is shown, what is asked)."""
    empty = queries

    def nothing_is_empty():
        nonlocal empty
        empty = [(where, expr) for where, expr in empty if not shows_something(stack, expr)]
        return not empty

    try:
        until(nothing_is_empty, what="every panel shows something")
    except AssertionError:
        pytest.fail("These panels show nothing:\n" + "\n".join(map(" -- ".join, empty)))


def test_the_communitys_dashboards_and_alerts_for_django_prometheus_get_answers(stack):
    """One more web has the option on; its numbers are scraped with all others."""
    option = {"DJANGO_PROMETHEUS_MIDDLEWARE": "1"}
    url = stack.start_web("community", free_port(), **option)
    stack.start(
        "site", sys.executable, "manage.py", "shell", "-c", community.SITE,
        DJANGO_SETTINGS_MODULE="tests.telemetry.site", **option,
    )  # fmt: skip
    try:
        # It listens before its workers can answer.
        urllib.request.urlopen(f"{url}/health", timeout=120).close()
        with Load(stack, *community.PATHS, clients=2, url=url):
            all_show_something(stack, community.ASKED)
    finally:
        stack.stop("site")
        stack.stop("community")


# Those that Prometheus shows.
BUDGETS = sorted(
    key
    for key, metric in registry.every().items()
    if metric.prometheus_value(Budget(metric=key, target=1, threshold=1))
)


@pytest.mark.parametrize("budget", BUDGETS)
def test_a_threshold_lies_on_the_bad_side_of_its_target(stack, budget):
    ((target,), (threshold,)) = (
        [float(each["value"][1]) for each in stack.query(f'budget:{which}{{budget="{budget}"}}')]
        for which in ("target", "threshold")
    )
    assert registry.every()[budget].holds(target, threshold)


def messages(stack, alert, *, to):
    return [m for path, m in stack.receiver.messages if f"] {alert} (" in m and path == f"/{to}"]


def wait_until_told(stack, alert):
    """It fires in Prometheus, and its message arrives."""
    until(lambda: alert in stack.firing(), what=f"{alert} fires")
    until(lambda: f"] {alert} (" in stack.told(), what=f"someone is told of {alert}")


def calm(stack, *alerts):
    """What fires already would show nothing of the fault that is made next."""
    until(lambda: not stack.firing() & {*alerts}, what=f"{alerts} are silent")


def test_a_slow_endpoint_is_told(stack):
    calm(stack, "LatencyP95High")
    with (
        Load(stack, "/api/v1/profiles?limit={now}"),
        psycopg.connect(stack.servers.urls["DATABASE_URL"]) as someone,
    ):
        client = redis.Redis.from_url(stack.servers.urls["REDIS_URL"])
        ended = time.monotonic() + 60
        while "LatencyP95High" not in stack.firing():
            assert time.monotonic() < ended, "LatencyP95High does not fire"
            with someone.transaction():
                someone.execute("LOCK TABLE profiles_profile IN ACCESS EXCLUSIVE MODE")
                client.flushdb()
                time.sleep(1.2)
        wait_until_told(stack, "LatencyP95High")
    (message,) = messages(stack, "LatencyP95High", to="alert_url_critical")[:1]
    for part in (
        "[FIRING]",
        "(critical)",
        "p95 latency is",
        "//example.org/runbooks/LatencyP95High.md",
    ):
        assert part in message


def test_an_exhausted_pool_is_told(stack):
    calm(stack, "DatabasePoolHigh")
    with psycopg.connect(stack.servers.urls["DATABASE_URL"]) as someone:
        someone.execute("LOCK TABLE profiles_profile IN ACCESS EXCLUSIVE MODE")
        redis.Redis.from_url(stack.servers.urls["REDIS_URL"]).flushdb()
        # One worker may take all connections, whatever its threads do: so come again and again.
        with Load(stack, "/api/v1/profiles?limit={now}", clients=32, patience_s=1):
            until(lambda: "DatabasePoolHigh" in stack.firing(), what="DatabasePoolHigh fires")
            someone.rollback()
    wait_until_told(stack, "DatabasePoolHigh")


def test_a_cold_cache_is_told(stack):
    client = redis.Redis.from_url(stack.servers.urls["REDIS_URL"])
    with Load(stack, "/api/v1/profiles?limit={now}"):
        # The faults before have left few hits.
        calm(stack, "CacheHitRateLow")
        ended = time.monotonic() + 60
        while "CacheHitRateLow" not in stack.firing():
            assert time.monotonic() < ended, "CacheHitRateLow does not fire"
            client.flushdb()
            time.sleep(0.02)
    wait_until_told(stack, "CacheHitRateLow")
    assert messages(stack, "CacheHitRateLow", to="alert_url_warning")
    assert not messages(stack, "CacheHitRateLow", to="alert_url_critical")


def test_a_full_redis_is_told_and_one_without_a_bound_too(stack):
    calm(stack, "RedisMemoryHigh", "RedisMaxmemoryUnset")
    client = redis.Redis.from_url(stack.servers.urls["REDIS_URL"])
    bound = int(client.config_get("maxmemory")["maxmemory"])
    piece = b"x" * (bound // 32)
    for number in range(29):
        client.set(f"fill:{number}", piece)
    wait_until_told(stack, "RedisMemoryHigh")
    client.delete(*(f"fill:{number}" for number in range(29)))
    client.config_set("maxmemory", 0)
    wait_until_told(stack, "RedisMaxmemoryUnset")
    client.config_set("maxmemory", bound)


def test_too_many_connections_are_told(stack):
    calm(stack, "DatabaseConnectionsHigh")
    url = stack.servers.urls["DATABASE_URL"]
    held = [psycopg.connect(url) for _ in range(80)]
    try:
        wait_until_told(stack, "DatabaseConnectionsHigh")
    finally:
        for connection in held:
            connection.close()


def test_a_task_that_fails_is_told(stack):
    calm(stack, "TasksFailing")
    with Celery(broker=f"{stack.servers.urls['REDIS_URL']}/1") as app:
        app.send_task("accounts.clear_expired", kwargs={"unknown": True})
    wait_until_told(stack, "TasksFailing")
    (message,) = messages(stack, "TasksFailing", to="alert_url_warning")[:1]
    assert "accounts.clear_expired" in message


def test_a_worker_and_a_beat_that_are_gone_are_told_and_the_queue_that_grows(stack):
    calm(stack, "QueueGrowing", "WorkerMissing", "BeatLate")
    for name in ("worker", "beat"):
        stack.stop(name)
    ended = time.monotonic() + 60
    with Celery(broker=f"{stack.servers.urls['REDIS_URL']}/1") as app:
        while "QueueGrowing" not in stack.firing():
            assert time.monotonic() < ended, "QueueGrowing does not fire"
            app.send_task("accounts.clear_expired")
            time.sleep(0.2)
    for alert in ("QueueGrowing", "WorkerMissing", "BeatLate"):
        wait_until_told(stack, alert)


def server(stack, name):
    (found,) = (child for child in stack.servers.children if child.name == name)
    return found


def test_a_redis_that_is_gone_is_told_and_that_the_cache_is_left_alone(stack):
    calm(stack, "RedisDown", "CacheDegraded")
    process.stop(server(stack, "valkey"))
    with Load(stack, "/api/v1/profiles?limit={now}"):
        wait_until_told(stack, "RedisDown")
        # Its message is held back: it follows from the other.
        until(lambda: "CacheDegraded" in stack.firing(), what="CacheDegraded fires")


def test_an_exporter_that_is_gone_is_told(stack):
    calm(stack, "TargetDown")
    stack.stop("redis_exporter")
    wait_until_told(stack, "TargetDown")


def test_a_database_that_is_gone_is_told_and_so_are_the_errors(stack):
    calm(stack, "DatabaseDown", "ErrorRateHigh")
    process.stop(server(stack, "postgres"))
    # Probes are left out of the figures of errors, and the cache answers what it knows.
    with Load(stack, "/api/v1/profiles/nobody-{now}"):
        wait_until_told(stack, "DatabaseDown")
        until(lambda: "ErrorRateHigh" in stack.firing(), what="ErrorRateHigh fires")


def test_a_web_that_is_gone_is_told(stack):
    calm(stack, "WebMissing")
    stack.stop("web")
    wait_until_told(stack, "WebMissing")
