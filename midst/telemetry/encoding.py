"""Spans as OTLP, in a fraction of the time the SDK's encoder takes.

It makes each attribute of each span anew, and hashes the resource as JSON for each. Here a group's
first span and all that is out of the ordinary go to it, the rest is made after its example.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Any, cast

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Message
from opentelemetry.proto.trace.v1.trace_pb2 import SpanFlags
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.util.types import AttributeValue

_LOCAL = int(SpanFlags.SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK)
_REMOTE = _LOCAL | int(SpanFlags.SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK)
# Characters: what comes again is a name, and a client may send a long path.
_SHORT = 100
_FIELDS = {str: "string_value", bool: "bool_value", int: "int_value", float: "double_value"}


class Shared(BoundedAttributes):
    """Attributes that many spans have, encoded once."""

    @cached_property
    def message(self) -> Message:
        """A span that has them and nothing else."""
        return Message(attributes=_pairs(self))


def encode(spans: Sequence[ReadableSpan]) -> ExportTraceServiceRequest:
    """Say what the SDK's ``encode_spans`` says."""
    request = ExportTraceServiceRequest()
    groups = {}
    for each in spans:
        place = id(each.resource), each.instrumentation_scope
        if place not in groups:
            request.resource_spans.extend(encode_spans([each]).resource_spans)
            groups[place] = request.resource_spans[-1].scope_spans[0].spans
            continue
        message = groups[place].add()
        try:
            _describe(each, message)
        # A list, a number too large, half a character, an event: the SDK knows what to do.
        except (LookupError, TypeError, ValueError):
            message.CopyFrom(encode_spans([each]).resource_spans[0].scope_spans[0].spans[0])
    return request


def _describe(span: ReadableSpan, message: Message) -> None:
    """Make ``message`` say what ``span`` says. Raises what an unusual span leads to."""
    if span.events or span.links:
        raise ValueError("not a plain span")
    # What ``span.attributes`` gives is a view, which hides that they are shared.
    attributes = span._attributes
    if isinstance(attributes, Shared):
        message.CopyFrom(attributes.message)
    elif attributes:
        message.attributes.extend(_pairs(attributes))
    context, parent = span.context, span.parent
    message.trace_id = context.trace_id.to_bytes(16)
    message.span_id = context.span_id.to_bytes(8)
    message.flags = _LOCAL
    if parent is not None:
        message.parent_span_id = parent.span_id.to_bytes(8)
        if parent.is_remote:
            message.flags = _REMOTE
    if context.trace_state:
        message.trace_state = context.trace_state.to_header()
    message.name = span.name
    message.kind = cast(Any, span.kind.value + 1)
    message.start_time_unix_nano = span.start_time or 0
    message.end_time_unix_nano = span.end_time or 0
    message.dropped_attributes_count = span.dropped_attributes
    message.status.code = cast(Any, span.status.status_code.value)
    if span.status.description:
        message.status.message = span.status.description


def _pairs(attributes: Mapping[str, AttributeValue]) -> list[KeyValue]:
    return [
        _short(key, value) if isinstance(value, str) and len(value) <= _SHORT else _pair(key, value)
        for key, value in attributes.items()
    ]


@lru_cache(maxsize=4096)
def _short(key: str, value: str) -> KeyValue:
    return _pair(key, value)


def _pair(key: str, value: AttributeValue) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(**cast(Any, {_FIELDS[type(value)]: value})))
