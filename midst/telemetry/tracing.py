"""OpenTelemetry: one tracer provider for this process, or none, and the instrumentations on it.

Off unless ``OTEL_EXPORTER_OTLP_ENDPOINT`` names a receiver (OTLP over HTTP). All ``OTEL_*``
variables mean what the specification says; without ``OTEL_TRACES_SAMPLER`` the parent decides,
else ``TRACES_RATIO``. Started after a fork, for threads do not survive one.
"""

import atexit
import os
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from threading import Semaphore, Thread
from typing import Any

from celery import signals
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.module_loading import import_string
from opentelemetry import baggage, context, propagate
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio, Sampler
from opentelemetry.trace import Span, Status, Tracer, format_trace_id, get_current_span

from midst.telemetry import metrics, request_context, sampling

# An exit waits this long for the last spans, whatever the receiver does.
FLUSH_S = 3.0
_QUEUE_VARIABLE, _QUEUE_SIZE = "OTEL_BSP_MAX_QUEUE_SIZE", 2048
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_UID = "midst.telemetry.tracing"
# The context in which a task is being published.
_around_publishing: ContextVar[context.Context | None] = ContextVar("publishing", default=None)
# What the instrumentations write down of a client; a message of an error may quote one too.
_PERSONAL = {
    "client.address", "client.port", "network.peer.address", "network.peer.port",
    "url.query", "user_agent.original",
}  # fmt: skip
# The load generator says in baggage which run a request belongs to.
RUN = "perfops.run"

_full = metrics.SPANS_DROPPED.labels("queue_full")
_failed = metrics.SPANS_DROPPED.labels("export_failed")
_exported = metrics.SPANS_EXPORTED

GetResponse = Callable[[HttpRequest], HttpResponse]

# None while this process is not traced.
tracer: Tracer | None = None
_sampler: Sampler | None = None
_provider: TracerProvider | None = None
_middleware: Callable[[GetResponse], GetResponse] | None = None


def is_wanted() -> bool:
    """Say whether the environment names a receiver and does not turn the SDK off."""
    if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    if os.environ.get("OTEL_TRACES_EXPORTER", "otlp").strip() == "none":
        return False
    return any(os.environ.get(name) for name in _ENDPOINTS)


def trace_id(of: context.Context | None = None) -> str | None:
    """Return the present trace's id, or that ``of`` a context, sampled or not; None without any."""
    here = get_current_span(of).get_span_context()
    return format_trace_id(here.trace_id) if here.is_valid else None


def decide(name: str, meta: Mapping[str, Any]) -> sampling.Sampling | None:
    """Decide whether a request is traced (``sampling.decide``); None while nothing is."""
    if _sampler is None:
        return None
    return sampling.decide(_sampler, propagate.get_global_textmap(), name, meta)


def around_request(get_response: GetResponse) -> GetResponse:
    """Return ``get_response`` within a span of opentelemetry-instrumentation-django."""
    assert _middleware is not None  # noqa: S101 -- asked for sampled requests alone
    return _middleware(get_response)


class _Processor(BatchSpanProcessor):
    """Drops what does not fit, and counts it: the SDK logs a line for each."""

    def __init__(self, exporter: SpanExporter, room: Semaphore) -> None:
        super().__init__(exporter)
        self._room = room

    def on_end(self, span: ReadableSpan) -> None:
        if self._room.acquire(blocking=False):
            super().on_end(span)
        else:
            _full.inc()


class _Exporter(SpanExporter):
    """OTLP, with nothing personal, and what it could not deliver counted."""

    def __init__(self, room: Semaphore) -> None:
        # Here, for it brings protobuf and requests into a process that may not be traced.
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        self._otlp = OTLPSpanExporter()
        self._room = room

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self._room.release(len(spans))
        result = SpanExportResult.FAILURE
        try:
            result = self._otlp.export([without_personal(each) for each in spans])
        finally:
            delivered = result is SpanExportResult.SUCCESS
            (_exported if delivered else _failed).inc(len(spans))
        return result

    def shutdown(self) -> None:
        self._otlp.shutdown()


def without_personal(span: ReadableSpan) -> ReadableSpan:
    """Return ``span`` without what says who asked, and of an error its class alone."""
    attributes = span.attributes or {}
    if not span.events and span.status.description is None and not _PERSONAL & attributes.keys():
        return span
    kept = {name: value for name, value in attributes.items() if name not in _PERSONAL}
    for event in span.events:
        if event.attributes and "exception.type" in event.attributes:
            kept.setdefault("error.type", event.attributes["exception.type"])
    return ReadableSpan(
        name=span.name, context=span.context, parent=span.parent, resource=span.resource,
        attributes=kept, links=span.links, kind=span.kind, status=Status(span.status.status_code),
        start_time=span.start_time, end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )  # fmt: skip


def start() -> None:
    """Trace this process from now on; nothing when it is off or on already."""
    global _provider, _sampler, tracer  # noqa: PLW0603
    if _provider is not None or not is_wanted():
        return
    # Without it the instrumentations keep to names of attributes that are deprecated.
    os.environ.setdefault("OTEL_SEMCONV_STABILITY_OPT_IN", "http,database")
    # The variable's sampler is made by the SDK.
    if os.environ.get("OTEL_TRACES_SAMPLER"):
        _sampler = TracerProvider(shutdown_on_exit=False).sampler
    else:
        _sampler = ParentBasedTraceIdRatio(settings.TRACES_RATIO)
    room = Semaphore(int(os.environ.get(_QUEUE_VARIABLE) or _QUEUE_SIZE))
    _provider = TracerProvider(
        sampler=sampling.FollowDecision(_sampler), resource=resource(), shutdown_on_exit=False
    )
    _provider.add_span_processor(_Processor(_Exporter(room), room))
    tracer = _provider.get_tracer("midst", settings.VERSION)
    _instrument(_provider)
    atexit.register(stop)


def flush() -> None:
    """Send what waits now."""
    if _provider is not None:
        _provider.force_flush()


def stop() -> None:
    """Send what is left, but wait ``FLUSH_S`` at most."""
    global _provider, _sampler, tracer  # noqa: PLW0603
    provider, _provider = _provider, None
    if provider is None:
        return
    _sampler = tracer = None
    signals.before_task_publish.disconnect(dispatch_uid=_UID)
    signals.after_task_publish.disconnect(dispatch_uid=_UID)
    for each in _instrumentors():
        each.uninstrument()
    last = Thread(target=provider.shutdown, name="last-spans", daemon=True)
    last.start()
    last.join(FLUSH_S)


def _instrumentors() -> tuple[Any, Any, Any]:
    """Return Celery's, Redis' and Django's: imported here, for most commands are not traced."""
    from opentelemetry.instrumentation.celery import CeleryInstrumentor
    from opentelemetry.instrumentation.django import DjangoInstrumentor
    from opentelemetry.instrumentation.redis import RedisInstrumentor

    return CeleryInstrumentor(), RedisInstrumentor(), DjangoInstrumentor()


def _instrument(provider: TracerProvider) -> None:
    """Turn the instrumentations on: requests, tasks, commands to Redis.

    Django's adds a middleware to the settings. It is taken out again: only sampled requests go
    through it (``around_request``), as it builds much before it asks the sampler.
    """
    global _middleware  # noqa: PLW0603
    common: dict[str, Any] = {"tracer_provider": provider, "meter_provider": NoOpMeterProvider()}
    celery, redis, django = _instrumentors()
    signals.before_task_publish.connect(_note_context, dispatch_uid=_UID)
    celery.instrument(**common)
    signals.after_task_publish.connect(_leave_publishing, dispatch_uid=_UID)
    redis.instrument(**common)
    before = settings.MIDDLEWARE
    settings.MIDDLEWARE = list(before)
    django.instrument(**common, request_hook=_on_request, response_hook=_on_response)
    (added,) = set(settings.MIDDLEWARE) - set(before)
    settings.MIDDLEWARE = before
    _middleware = import_string(added)


def _on_request(span: Span, request: HttpRequest) -> None:
    """The instrumentation's ``request_hook``."""
    observed = request_context.current.get()
    if observed is None:
        return
    observed.span = span
    span.set_attribute("url.path", request.path)
    if observed.caller is not None:
        span.add_link(observed.caller)
    run = baggage.get_baggage(RUN)
    if run is not None:
        span.set_attribute(RUN, str(run))


def _on_response(span: Span, request: HttpRequest, response: HttpResponse) -> None:
    """The instrumentation's ``response_hook``: a route is shown as its URL template."""
    observed = request_context.current.get()
    if observed is None:
        return
    route = request_context.route_of(request)
    span.update_name(f"{observed.method} {route}")
    span.set_attribute("http.route", route)
    if observed.error is not None:
        # The instrumentation has put the status there.
        span.set_attribute("error.type", observed.error)


def _note_context(**_: Any) -> None:
    _around_publishing.set(context.get_current())


def _leave_publishing(**_: Any) -> None:
    """The instrumentation leaves the span of a task that this process does not know open."""
    outer, span = _around_publishing.get(), get_current_span()
    if outer is not None and span is not get_current_span(outer):
        span.end()
        context.attach(outer)


def resource() -> Resource:
    """Return who we are; ``OTEL_SERVICE_NAME`` and ``OTEL_RESOURCE_ATTRIBUTES`` go before."""
    name = os.environ.get("MIDST_SERVICE", "midst")
    ours = Resource.create({"service.name": name, "service.version": settings.VERSION})
    return ours.merge(OTELResourceDetector().detect())
