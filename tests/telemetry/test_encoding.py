"""Spans are encoded as the SDK's encoder does it, whatever they say."""

from hypothesis import example, given
from hypothesis import strategies as st
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import (
    Link,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
)

from midst.telemetry import client_spans, encoding

RESOURCES = [Resource({"service.name": "one"}), Resource({"service.name": "two"})]
SCOPES = [InstrumentationScope("ours", "1"), InstrumentationScope("another"), None]
NANOSECONDS = st.integers(0, 2**63)

contexts = st.builds(
    SpanContext,
    trace_id=st.integers(1, 2**128 - 1),
    span_id=st.integers(1, 2**64 - 1),
    is_remote=st.booleans(),
    trace_flags=st.sampled_from([TraceFlags(0), TraceFlags(1)]),
    trace_state=st.sampled_from([None, TraceState([("a", "1"), ("b", "2")])]),
)
single = st.text() | st.booleans() | st.integers() | st.floats(allow_nan=False)
attributes = st.dictionaries(
    st.text(min_size=1), single | st.lists(st.text()) | st.lists(st.booleans()), max_size=5
)
bounded = st.builds(
    lambda kind, limit, given: kind(limit, given),
    st.sampled_from([BoundedAttributes, encoding.Shared]),
    st.sampled_from([None, 2]),
    attributes,
)
spans = st.builds(
    ReadableSpan,
    name=st.text(),
    context=contexts,
    parent=st.none() | contexts,
    resource=st.sampled_from(RESOURCES),
    attributes=bounded | st.none(),
    events=st.lists(st.builds(Event, st.text(), attributes, NANOSECONDS), max_size=1),
    links=st.lists(st.builds(Link, contexts, attributes), max_size=1),
    kind=st.sampled_from(SpanKind),
    status=st.builds(Status, st.just(StatusCode.ERROR), st.none() | st.text())
    | st.sampled_from([Status(StatusCode.OK), Status()]),
    start_time=NANOSECONDS,
    end_time=NANOSECONDS,
    instrumentation_scope=st.sampled_from(SCOPES),
)
HALF = ReadableSpan(
    "half a character",
    SpanContext(1, 2, is_remote=False),
    resource=RESOURCES[0],
    attributes=BoundedAttributes(attributes={"text": "\ud800", "other": "whole"}),
    start_time=1,
    end_time=2,
)


def told(request):
    """Who says what, whatever it is grouped by; read anew from what is sent."""
    sent = type(request).FromString(request.SerializePartialToString())
    return sorted(
        (str(each.resource), each.schema_url, str(group.scope), group.schema_url, str(span))
        for each in sent.resource_spans
        for group in each.scope_spans
        for span in group.spans
    )


@given(st.lists(spans, max_size=6))
@example([HALF, HALF])
def test_we_and_the_sdk_say_the_same(batch):
    assert told(encoding.encode(batch)) == told(encode_spans(batch))


@given(contexts, NANOSECONDS, NANOSECONDS, st.none() | st.just("ValueError"))
def test_a_leaf_is_a_span_like_any_other(parent, start, end, error):
    kind = client_spans.Kind("SELECT", {"db.system.name": "postgresql", "line": 3}, error)
    around = ReadableSpan("request", resource=RESOURCES[0], instrumentation_scope=SCOPES[0])
    batch = [
        client_spans.ClientSpan(kind, parent, start=start, end=end, beside=around) for _ in range(2)
    ]
    assert told(encoding.encode(batch)) == told(encode_spans(batch))
    first, second = batch
    assert first.context.span_id != second.context.span_id
    assert first.context.trace_id == parent.trace_id
    assert (first.attributes.get("error.type"), first.status.is_ok) == (error, error is None)


def test_a_leaf_keeps_to_the_limits_of_the_environment(monkeypatch):
    monkeypatch.setenv("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "1")
    monkeypatch.setenv("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "4")
    kind = client_spans.Kind("SELECT", {"first": "dropped", "last": "shortened"})
    assert dict(kind.attributes) == {"last": "shor"}
    assert kind.attributes.dropped == 1
