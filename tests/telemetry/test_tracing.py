"""One trace through PostgreSQL, Redis and Celery; a receiver that fails costs nobody."""

import gc
import logging
import signal
import subprocess
import sys
from importlib import import_module
from urllib.request import Request, urlopen

import pytest
from celery import Celery
from django.conf import settings
from django.test import Client
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan
from prometheus_client import REGISTRY

from midst import health
from midst.telemetry import database, tracing
from tests.telemetry.conftest import database_url, wait_for
from tests.telemetry.processes import PATIENCE_S, environment
from tests.telemetry.receivers import receiver

TRACE = "0af7651916cd43dd8448eb211c80319c"
CALLER = "b7ad6b7169203331"
SAMPLED = {"HTTP_TRACEPARENT": f"00-{TRACE}-{CALLER}-01"}
UNSAMPLED = {"HTTP_TRACEPARENT": f"00-{TRACE}-{CALLER}-00"}


@pytest.fixture
def collector():
    with receiver() as server:
        yield server


@pytest.fixture
def traced(monkeypatch, collector):
    """Return a function that starts tracing to an address; it ends with the test."""

    # As in a server: the middleware is there, with its hooks, before tracing starts.
    import_module("midst.telemetry.requests")

    def start(url, **variables):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
        for name, text in variables.items():
            monkeypatch.setenv(name, text)
        tracing.start()

    yield start
    tracing.stop()


def counted(name, **labels):
    return REGISTRY.get_sample_value(name, labels) or 0.0


@pytest.mark.slow
@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_request_through_postgresql_redis_and_celery_is_one_trace(
    gunicorn, own_redis, collector, tmp_path
):
    variables = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        # So late that all that comes was sent at the end of a process.
        "OTEL_BSP_SCHEDULE_DELAY": "600000",
        "DJANGO_SETTINGS_MODULE": "tests.telemetry.site",
    }
    server = gunicorn(WEB_CONCURRENCY="1", MIDST_SERVICE="midst-web", **variables)
    headers = {"traceparent": f"00-{TRACE}-{CALLER}-01", "baggage": "perfops.run=42"}
    with urlopen(Request(f"{server.url}/everything", headers=headers), timeout=30) as answer:
        assert answer.read() == b"done"
    server.stop()
    worker = subprocess.Popen(
        [sys.executable, "-m", "celery", "-A", "midst.celery", "worker", "-c", "1",
         "--without-gossip", "--without-mingle", "--loglevel", "INFO"],
        cwd=settings.BASE_DIR,
        env=environment(
            server.metrics, DATABASE_URL=database_url(), REDIS_URL=own_redis,
            MIDST_SERVICE="midst-worker", **variables,
        ),
        stdout=(log := (tmp_path / "worker.log").open("w")),
        stderr=log,
    )  # fmt: skip
    try:
        wait_for(lambda: "succeeded" in (tmp_path / "worker.log").read_text(), "the task")
    finally:
        worker.send_signal(signal.SIGTERM)
        worker.wait(PATIENCE_S)
        log.close()

    found = [span for span in collector.spans if span.trace == TRACE]
    by_id = {span.id: span for span in found}
    (request,) = (span for span in found if span.name == "GET /everything")
    assert request.parent == CALLER
    assert request.attributes["http.response.status_code"] == 200
    assert request.attributes["perfops.run"] == "42"
    assert request.resource["service.name"] == "midst-web"
    assert request.resource["service.version"] == settings.VERSION
    (select,) = (span for span in found if span.name == "SELECT taxonomy_mask")
    assert by_id[select.parent] is request
    assert select.attributes["code.file.path"] == "tests/telemetry/site.py"
    assert select.attributes["code.function.name"] == "everything"
    assert select.attributes["db.query.text"] == "SELECT count(*) FROM taxonomy_mask"
    (read,) = (span for span in found if span.name == "GET")
    assert (by_id[read.parent], read.attributes["db.system.name"]) == (request, "redis")
    (publish,) = (span for span in found if span.name == "apply_async/accounts.clear_expired")
    assert by_id[publish.parent] is request
    (task,) = (span for span in found if span.name == "run/accounts.clear_expired")
    assert by_id[task.parent] is publish
    assert task.resource["service.name"] == "midst-worker"
    of_task = [span for span in found if by_id.get(span.parent) is task]
    assert "postgresql" in [span.attributes.get("db.system.name") for span in of_task]


def test_without_a_receiver_nothing_is_traced(client: Client):
    tracing.start()
    assert tracing.tracer is None
    client.get("/health", **SAMPLED)
    assert tracing.trace_id() is None


@pytest.mark.parametrize(
    ("variable", "text"), [("OTEL_SDK_DISABLED", "true"), ("OTEL_TRACES_EXPORTER", "none")]
)
def test_the_sdk_can_be_turned_off(traced, collector, variable, text):
    traced(collector.url, **{variable: text})
    assert tracing.tracer is None


def names(collector):
    tracing.stop()
    return [span.name for span in collector.spans]


def test_whoever_calls_decides_what_is_sampled(traced, collector, client, settings):
    settings.TRACES_RATIO = 0.0
    traced(collector.url)
    client.get("/health", **UNSAMPLED)
    client.get("/health")
    client.get("/nowhere", **SAMPLED)
    assert names(collector) == ["GET unmatched"]


def test_a_sampler_of_the_environment_goes_before_the_setting(traced, collector, client, settings):
    settings.TRACES_RATIO = 1.0
    traced(collector.url, OTEL_TRACES_SAMPLER="always_off")
    client.get("/health", **SAMPLED)
    assert names(collector) == []


def test_names_and_attributes_of_the_environment_go_before_ours(traced, collector, client):
    traced(
        collector.url,
        OTEL_SERVICE_NAME="mine",
        OTEL_RESOURCE_ATTRIBUTES="deployment.environment.name=test,service.version=7",
    )
    client.get("/health", **SAMPLED)
    tracing.stop()
    (span,) = collector.spans
    assert span.resource["service.name"] == "mine"
    assert span.resource["service.version"] == "7"
    assert span.resource["deployment.environment.name"] == "test"


def test_a_malformed_parent_starts_a_trace_of_its_own(traced, collector, client):
    traced(collector.url)
    client.get("/health", HTTP_TRACEPARENT="00-nonsense-01", HTTP_BAGGAGE="=;;,%%")
    tracing.stop()
    (span,) = collector.spans
    assert span.parent == ""


def test_a_host_that_is_not_allowed_is_answered_and_counted_as_without_tracing(
    traced, collector, client, settings
):
    settings.ALLOWED_HOSTS = ["example.org"]
    settings.TRACES_RATIO = 1.0
    traced(collector.url)
    refused = {"method": "GET", "route": "unmatched", "status": "400"}
    before = counted("http_requests_total", **refused)
    probe = client.get("/health", headers={"Host": "10.244.1.17:3001"}, **SAMPLED)
    assert probe.status_code == 200
    assert client.get("/api/v1/profiles", headers={"Host": "evil.example"}).status_code == 400
    assert counted("http_requests_total", **refused) == before + 1
    assert client.get("/health", headers={"Host": "example.org"}).status_code == 200
    assert names(collector) == ["GET /health"]


@pytest.mark.django_db
def test_a_statement_that_fails_and_one_with_a_queryid_say_so(traced, collector, client, settings):
    settings.TRACES_QUERYID = "builtins.len"
    database._queryid_of.cache_clear()
    traced(collector.url)
    health.forget()
    client.get("/ready", **SAMPLED)
    tracing.stop()
    database._queryid_of.cache_clear()
    asked = [
        each for each in collector.spans if each.attributes.get("db.system.name") == "postgresql"
    ]
    assert asked
    for each in asked:
        text = each.attributes["db.query.text"]
        assert each.attributes["db.postgresql.queryid"] == str(len(text))
        assert each.attributes["code.file.path"] == "midst/health.py"


def test_a_task_that_is_known_to_others_alone_leaves_no_span_open(traced, collector, own_redis):
    traced(collector.url)
    app = Celery(broker=own_redis)
    app.send_task("known.elsewhere")
    assert not trace.get_current_span().get_span_context().is_valid
    tracing.stop()
    assert "apply_async/known.elsewhere" in names(collector)


def answers(client, number):
    return [client.get("/health", **SAMPLED).status_code for _ in range(number)]


SMALL = {
    "OTEL_BSP_MAX_QUEUE_SIZE": "8",
    "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "4",
    "OTEL_EXPORTER_OTLP_TIMEOUT": "1",
}


def test_a_slow_receiver_leaves_requests_alone_and_the_queue_bounded(
    traced, collector, client, monkeypatch
):
    monkeypatch.setattr(tracing, "FLUSH_S", 0.1)
    collector.released.clear()
    before = counted("otel_spans_dropped_total", reason="queue_full")
    # Nothing that is under way is given up while the requests last.
    traced(collector.url, **{**SMALL, "OTEL_EXPORTER_OTLP_TIMEOUT": "60"})
    assert answers(client, 100) == [200] * 100
    # Eight wait, four are under way.
    dropped = counted("otel_spans_dropped_total", reason="queue_full") - before
    assert 100 - 8 - 2 * 4 <= dropped <= 100 - 8


@pytest.mark.parametrize("fault", ["answers errors", "refuses connections", "has no such name"])
def test_a_broken_receiver_leaves_requests_alone_and_its_losses_are_counted(
    traced, collector, client, monkeypatch, fault
):
    # To learn that there is no such name may take that long.
    monkeypatch.setattr(tracing, "FLUSH_S", 60)
    collector.status = 400
    urls = {
        "answers errors": collector.url,
        "refuses connections": "http://127.0.0.1:1",
        "has no such name": "http://nowhere.invalid",
    }
    before = counted("otel_spans_dropped_total", reason="export_failed")
    traced(urls[fault], **SMALL)
    assert answers(client, 3) == [200] * 3
    tracing.stop()
    assert counted("otel_spans_dropped_total", reason="export_failed") == before + 3


def ended():
    """Every span in memory."""
    gc.collect()
    return [each for each in gc.get_objects() if isinstance(each, ReadableSpan)]


@pytest.mark.slow
def test_with_the_receiver_away_memory_is_bounded_and_every_span_is_accounted_for(
    traced, client, monkeypatch, caplog
):
    def lost():
        return sum(
            counted("otel_spans_dropped_total", reason=reason)
            for reason in ("queue_full", "export_failed")
        )

    monkeypatch.setattr(tracing, "FLUSH_S", 30)
    # pytest keeps what is logged: the exporter's errors, and with their frames the spans.
    caplog.set_level(logging.CRITICAL, logger="opentelemetry")
    # What tests before this one have left, and this one holds.
    others = ended()
    before = lost()
    traced("http://127.0.0.1:1", **SMALL)
    assert answers(client, 300) == [200] * 300
    alive = len(ended()) - len(others)
    # Eight wait; a batch of four is under way, in as many copies as the exporter makes meanwhile.
    # Whatever that is, it does not grow with what was sent.
    assert alive <= 5 * (8 + 4)
    tracing.stop()
    assert lost() == before + 300


def test_spans_that_arrived_are_counted(traced, collector, client):
    before = counted("otel_spans_exported_total")
    traced(collector.url)
    answers(client, 3)
    assert names(collector) == ["GET /health"] * 3
    assert counted("otel_spans_exported_total") == before + 3


def test_a_latency_bucket_keeps_the_trace_of_a_sampled_request(traced, collector, client):
    traced(collector.url)
    client.get("/health", **SAMPLED)
    answer = client.get("/metrics", headers={"Accept": "application/openmetrics-text"})
    assert f'trace_id="{TRACE}"' in answer.content.decode()
