"""OpenTelemetry: one tracer for this process, or none.

Off unless ``OTEL_EXPORTER_OTLP_ENDPOINT`` names a receiver (OTLP over HTTP). All ``OTEL_*``
variables mean what the specification says; without ``OTEL_TRACES_SAMPLER`` the parent decides,
else ``TRACES_RATIO``. Started after a fork, for threads do not survive one.
"""

import atexit
import os
from collections.abc import Sequence
from threading import Lock, Thread

from django.conf import settings
from opentelemetry.exporter.otlp.proto.http import trace_exporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio

from midst.telemetry import encoding, metrics, sampling, spans

# An exit waits this long for the last spans, whatever the receiver does.
FLUSH_S = 3.0
_QUEUE_VARIABLE, _QUEUE_SIZE = "OTEL_BSP_MAX_QUEUE_SIZE", 2048
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")

_full = metrics.SPANS_DROPPED.labels("queue_full")
_failed = metrics.SPANS_DROPPED.labels("export_failed")
_exported = metrics.SPANS_EXPORTED


def is_wanted() -> bool:
    """Say whether the environment names a receiver and does not turn the SDK off."""
    if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    if os.environ.get("OTEL_TRACES_EXPORTER", "otlp").strip() == "none":
        return False
    return any(os.environ.get(name) for name in _ENDPOINTS)


class _Queue:
    """How many spans wait for the exporter: what the processor takes and the exporter gives."""

    def __init__(self, size: int) -> None:
        self._room = size
        self._lock = Lock()

    def enter(self) -> bool:
        with self._lock:
            if not self._room:
                return False
            self._room -= 1
            return True

    def leave(self, spans: int) -> None:
        with self._lock:
            self._room += spans


class _Processor(BatchSpanProcessor):
    """Drops what does not fit, and counts it: the SDK logs a line for each."""

    def __init__(self, exporter: SpanExporter, queue: _Queue) -> None:
        super().__init__(exporter)
        self._waiting = queue

    def on_end(self, span: ReadableSpan) -> None:
        if self._waiting.enter():
            super().on_end(span)
        else:
            _full.inc()


class _Exporter(SpanExporter):
    """OTLP, with what it could not deliver counted."""

    def __init__(self, queue: _Queue) -> None:
        trace_exporter.encode_spans = encoding.encode  # type: ignore[assignment, attr-defined]
        self._otlp = trace_exporter.OTLPSpanExporter()
        self._waiting = queue

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self._waiting.leave(len(spans))
        result = SpanExportResult.FAILURE
        try:
            result = self._otlp.export(spans)
        finally:
            delivered = result is SpanExportResult.SUCCESS
            (_exported if delivered else _failed).inc(len(spans))
        return result

    def shutdown(self) -> None:
        self._otlp.shutdown()


_provider: TracerProvider | None = None


def start() -> None:
    """Trace this process from now on; nothing when it is off or on already."""
    global _provider  # noqa: PLW0603
    if _provider is not None or not is_wanted():
        return
    sampler = None
    if not os.environ.get("OTEL_TRACES_SAMPLER"):
        sampler = ParentBasedTraceIdRatio(settings.TRACES_RATIO)
    _provider = TracerProvider(
        sampler=sampler, resource=resource(), shutdown_on_exit=False, id_generator=sampling.Ids()
    )
    sampling.follow(_provider.sampler)
    queue = _Queue(int(os.environ.get(_QUEUE_VARIABLE) or _QUEUE_SIZE))
    processor = _Processor(_Exporter(queue), queue)
    _provider.add_span_processor(processor)
    spans.start(_provider.get_tracer("midst", settings.VERSION), processor.on_end)
    atexit.register(stop)


def stop() -> None:
    """Send what is left, but wait ``FLUSH_S`` at most."""
    global _provider
    provider, _provider = _provider, None
    if provider is None:
        return
    spans.stop()
    last = Thread(target=provider.shutdown, name="last-spans", daemon=True)
    last.start()
    last.join(FLUSH_S)


def resource() -> Resource:
    """Return who we are; ``OTEL_SERVICE_NAME`` and ``OTEL_RESOURCE_ATTRIBUTES`` go before."""
    given = OTELResourceDetector().detect().attributes
    ours = {
        "service.name": os.environ.get("MIDST_SERVICE", "midst"),
        "service.version": settings.VERSION,
    }
    return Resource.create({name: each for name, each in ours.items() if name not in given})
