"""Spans of what a request asks of others, a statement or a command: no span begins in one.

The SDK takes its time to start and to end a span. All of a client span but its ids and times is
the same as of the last one of its kind, so a kind is described and held against the environment's
limits once.
"""

from collections.abc import Mapping
from random import getrandbits

from opentelemetry.sdk.trace import ReadableSpan, SpanLimits
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode
from opentelemetry.util.types import AttributeValue

from midst.telemetry import encoding


class Kind:
    """What all client spans of one kind have in common."""

    def __init__(
        self, name: str, attributes: Mapping[str, AttributeValue], error: str | None = None
    ) -> None:
        """``error`` names the class of what was raised."""
        all_attributes = dict(attributes) if error is None else {**attributes, "error.type": error}
        limits = SpanLimits()
        self.name = name
        self.attributes = encoding.Shared(
            limits.max_span_attributes,
            all_attributes,
            max_value_len=limits.max_span_attribute_length,
        )
        self.status = Status(StatusCode.UNSET if error is None else StatusCode.ERROR)


class ClientSpan(ReadableSpan):
    """A span that has ended, for any exporter.

    ``start`` and ``end`` in ns since 1970; resource and scope are those of ``beside``.
    """

    def __init__(
        self, described: Kind, parent: SpanContext, *, start: int, end: int, beside: ReadableSpan
    ) -> None:
        context = SpanContext(
            parent.trace_id, getrandbits(64) or 1, is_remote=False,
            trace_flags=parent.trace_flags, trace_state=parent.trace_state,
        )  # fmt: skip
        super().__init__(
            described.name, context, parent, beside.resource, described.attributes,
            kind=SpanKind.CLIENT, status=described.status, start_time=start, end_time=end,
            instrumentation_scope=beside.instrumentation_scope,
        )  # fmt: skip
