"""Whether a request is traced is decided once: by a trusted caller, else by our own share."""

import pytest
from asgiref.sync import async_to_sync
from django.db import connection
from django.test import AsyncClient
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.context import attach, detach
from opentelemetry.instrumentation.utils import is_instrumentation_enabled
from opentelemetry.propagate import get_global_textmap
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    ParentBased,
    ParentBasedTraceIdRatio,
)

from midst import health
from midst.telemetry import sampling, tracing
from tests.telemetry.receivers import receiver

TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
STRANGER = "203.0.113.9"


def decide(sampler, *, address="127.0.0.1", **meta):
    meta["REMOTE_ADDR"] = address
    return sampling.decide(sampler, get_global_textmap(), "GET", meta)


def parent(*, sampled):
    return f"00-{TRACE}-{CALLER}-0{int(sampled)}"


@given(ratio=st.sampled_from([0.0, 1.0]), sampled=st.booleans())
def test_a_trusted_caller_decides(ratio, sampled):
    decision = decide(ParentBasedTraceIdRatio(ratio), HTTP_TRACEPARENT=parent(sampled=sampled))
    assert (decision.sampled, decision.caller) == (sampled, None)


@given(ratio=st.sampled_from([0.0, 1.0]), sampled=st.booleans())
def test_any_other_caller_becomes_a_link_and_our_own_share_decides(ratio, sampled):
    decision = decide(
        ParentBasedTraceIdRatio(ratio), address=STRANGER, HTTP_TRACEPARENT=parent(sampled=sampled)
    )
    assert decision.sampled is (ratio == 1.0)
    if decision.sampled:
        assert f"{decision.caller.trace_id:032x}" == TRACE


def test_behind_proxies_the_client_is_who_has_to_be_trusted(settings):
    settings.TRUSTED_PROXY_HOPS = 1
    given = {"HTTP_TRACEPARENT": parent(sampled=True)}
    off = ParentBased(ALWAYS_OFF)
    assert not decide(off, HTTP_X_FORWARDED_FOR=f"127.0.0.1, {STRANGER}", **given).sampled
    assert decide(off, HTTP_X_FORWARDED_FOR=f"{STRANGER}, 127.0.0.1", **given).sampled
    # The worker's load goes straight to web.
    assert decide(off, **given).sampled
    assert not decide(off, address=STRANGER, **given).sampled


@pytest.mark.parametrize("address", ["", "unix:", "nonsense"])
def test_a_caller_without_an_address_is_not_trusted(address):
    given = {"HTTP_TRACEPARENT": parent(sampled=True)}
    assert not decide(ParentBased(ALWAYS_OFF), address=address, **given).sampled


def test_an_unsampled_request_has_a_trace_id_and_suppresses_the_rest():
    decision = decide(ALWAYS_OFF)
    token = attach(decision.context)
    try:
        span = trace.get_current_span()
        assert span.get_span_context().is_valid
        assert not span.get_span_context().trace_flags.sampled
        assert not is_instrumentation_enabled()
    finally:
        detach(token)


def test_the_sdk_samples_what_was_decided_whatever_its_own_sampler_says():
    decision = decide(ALWAYS_ON)
    provider = TracerProvider(sampler=sampling.FollowDecision(ALWAYS_OFF), shutdown_on_exit=False)
    tracer = provider.get_tracer("test")
    assert tracer.start_span("GET", context=decision.context).is_recording()
    assert not tracer.start_span("GET").is_recording()
    provider.shutdown()


@pytest.fixture
def collector(monkeypatch):
    with receiver() as server:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.url)
        tracing.start()
        yield server
        tracing.stop()


def test_a_stranger_can_neither_lead_a_trace_nor_claim_a_load_run(collector, client):
    headers = {"traceparent": parent(sampled=True), "baggage": "perfops.run=42"}
    client.get("/health", headers=headers, REMOTE_ADDR=STRANGER)
    client.get("/health", headers=headers)
    tracing.stop()
    (stranger,) = (span for span in collector.spans if span.trace != TRACE)
    assert (stranger.parent, stranger.links) == ("", [TRACE])
    assert "perfops.run" not in stranger.attributes
    (trusted,) = (span for span in collector.spans if span.trace == TRACE)
    assert (trusted.parent, trusted.links, trusted.attributes["perfops.run"]) == (CALLER, [], "42")


def test_nor_can_one_under_asgi(collector, settings):
    settings.TRACE_TRUSTED_NETWORKS = []
    headers = {"traceparent": parent(sampled=True), "baggage": "perfops.run=42"}
    async_to_sync(AsyncClient().get)("/health", headers=headers)
    tracing.stop()
    (span,) = collector.spans
    assert (span.parent, span.links) == ("", [TRACE])
    assert "perfops.run" not in span.attributes


def test_a_span_says_nothing_of_who_asked(collector, client):
    client.get("/health?email=ada@example.org", headers={"user-agent": "Ada's browser"})
    tracing.stop()
    (span,) = collector.spans
    assert span.attributes["url.path"] == "/health"
    assert not {"url.query", "user_agent.original", "client.address"} & span.attributes.keys()
    assert "ada" not in str(span.attributes).lower()


@pytest.mark.django_db
def test_statements_of_a_request_that_is_not_sampled_make_no_span(collector, client, settings):
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    health.forget()
    client.get("/ready", headers={"traceparent": parent(sampled=False)})
    tracing.stop()
    assert collector.spans == []
