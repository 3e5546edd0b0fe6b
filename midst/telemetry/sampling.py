"""Begins the traces of requests. Nine of ten are dropped, and the SDK is slow to say no.

The id is drawn first. Where the sampler goes by the id, as the usual ones do, a trace that it
drops is told apart here; any other id is handed to the SDK, whose sampler then says the same.
"""

from contextvars import ContextVar
from random import getrandbits

from opentelemetry import context
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ParentBased, Sampler, TraceIdRatioBased
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, SpanKind, TraceFlags, Tracer

NOWHERE = context.Context()
_LOW = TraceIdRatioBased.TRACE_ID_LIMIT
_DROPPED = TraceFlags(TraceFlags.RANDOM_TRACE_ID)

_drawn: ContextVar[int | None] = ContextVar("drawn", default=None)
# Ids whose low 64 bits are at least this are dropped; None: the sampler goes by something else.
_bound: int | None = None


class Ids(RandomIdGenerator):
    """For the SDK: the id that was drawn here, if one was."""

    def generate_trace_id(self) -> int:
        return _drawn.get() or super().generate_trace_id()


def follow(sampler: Sampler) -> None:
    """Begin traces as ``sampler`` decides."""
    global _bound  # noqa: PLW0603
    root = sampler._root if isinstance(sampler, ParentBased) else sampler
    _bound = root.bound if isinstance(root, TraceIdRatioBased) else None


def begin(tracer: Tracer, name: str) -> Span:
    """Return the span of a request that no other trace has led to."""
    trace = getrandbits(128)
    if _bound is not None and trace & _LOW >= _bound:
        return NonRecordingSpan(
            SpanContext(trace, getrandbits(64), is_remote=False, trace_flags=_DROPPED)
        )
    token = _drawn.set(trace)
    try:
        return tracer.start_span(name, context=NOWHERE, kind=SpanKind.SERVER)
    finally:
        _drawn.reset(token)
