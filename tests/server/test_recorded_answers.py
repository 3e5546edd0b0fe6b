"""What is written down of a request that the hot path answers, beside what is through Django."""

import pytest
import sentry_sdk

from midst.telemetry import sentry, tracing
from tests.server.test_hot_path import HOST, MASK, send, sides
from tests.telemetry.receivers import receiver

__all__ = ["sides"]
pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)
TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = (b"traceparent", f"00-{TRACE}-{CALLER}-01".encode())
RUN = (b"baggage", b"perfops.run=42")
TRUSTED, STRANGER = "127.0.0.1", "203.0.113.9"


@pytest.fixture
def collector(monkeypatch):
    with receiver() as server:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.url)
        monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_on")
        tracing.start()
        yield server
        tracing.stop()


def spans_of(collector, act):
    """Return the spans that ``act`` makes: that of the request, and those below it."""
    tracing.flush()
    del collector.bodies[:]
    act()
    tracing.flush()
    (request,) = (span for span in collector.spans if span.kind == 2)
    below = [span for span in collector.spans if span is not request and span.id != request.id]
    assert {span.parent for span in below} == {request.id}
    return request, below


CASES = [
    ("GET", [HOST], STRANGER),
    ("HEAD", [(b"host", b"127.0.0.1:3001")], STRANGER),
    ("GET", [HOST, (b"if-none-match", b"TAG")], STRANGER),
    ("GET", [HOST, PARENT, RUN], STRANGER),
    ("GET", [HOST, PARENT, RUN], TRUSTED),
]


def test_its_spans_are_those_of_the_instrumentation(sides, collector, settings):
    settings.TRACE_TRUSTED_NETWORKS = [TRUSTED]
    for method, named, client in CASES:
        tag = dict(send(sides, sides.around, "GET", MASK, b"", [HOST])[1])[b"etag"]
        headers = [(name, text.replace(b"TAG", tag)) for name, text in named]
        request, asked = (method, MASK, b"", headers, client), []
        for _ in range(2):
            send(sides, sides.through, *request)

        def through(server, request=request, asked=asked):
            asked.append(send(sides, server, *request)[3])

        django, commands = spans_of(collector, lambda: through(sides.around))
        ours, (redis,) = spans_of(collector, lambda: through(sides.through))
        assert asked == [True, False]
        assert ours.attributes == django.attributes
        for name in ("name", "kind", "links", "parent", "failed", "resource"):
            assert getattr(ours, name) == getattr(django, name), name
        leads = client == TRUSTED and PARENT in headers
        assert [span.trace == TRACE for span in (ours, django)] == [leads] * 2
        assert ("perfops.run" in ours.attributes) == leads
        (read,) = (span for span in commands if span.name == "MGET")
        # Once in a while with the test write before them.
        assert redis.name.removeprefix("SET ") == "EVALSHA MGET"
        assert redis.kind == read.kind
        assert redis.attributes.items() <= read.attributes.items()
        assert {"db.system.name", "server.address", "server.port"} <= redis.attributes.keys()


def test_a_share_of_them_become_transactions(sides, settings):
    for _ in range(2):
        send(sides, sides.through, "GET", MASK, b"", [HOST])
    with receiver() as server:
        settings.SENTRY_DSN = server.url.replace("//", "//key@") + "/1"
        settings.SENTRY_TRACES_SAMPLE_RATE = 1.0
        sentry.start()
        try:
            asked = [
                send(sides, side, "GET", MASK, b"", [HOST])[3]
                for side in (sides.around, sides.through)
            ]
            sentry.stop()
        finally:
            sentry_sdk.get_global_scope().set_client(None)
            settings.SENTRY_DSN = ""
            sentry.start()
        django, ours = server.transactions
    assert asked == [True, False]
    for name in ("transaction", "transaction_info", "tags"):
        assert ours.get(name) == django.get(name)
    assert ours["contexts"]["trace"]["status"] == django["contexts"]["trace"]["status"] == "ok"
    assert ours["timestamp"] > ours["start_timestamp"]
