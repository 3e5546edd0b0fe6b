"""Counts, times and traces Celery's tasks, and takes care of its processes."""

from contextvars import ContextVar, Token
from time import perf_counter
from typing import Any, NamedTuple

from celery import signals
from celery.concurrency.thread import TaskPool as ThreadPool
from opentelemetry import context, propagate
from opentelemetry.trace import Span, SpanKind, get_current_span, set_span_in_context

from midst.telemetry import metrics, sentry, spans, tracing
from midst.telemetry.shared import aggregate

_UID = "midst.telemetry.celery"
_CARRIED = ("traceparent", "tracestate", "baggage")


class _Running(NamedTuple):
    started: float
    span: Span | None
    here: Token[context.Context] | None
    recorded: spans.Kept | None


# Tasks that run here now, by id.
_running: dict[str, _Running] = {}
_publishing: ContextVar[Span | None] = ContextVar("publishing", default=None)


def install() -> None:
    """Watch the tasks of this process and of those it forks."""
    signals.task_prerun.connect(_begin, dispatch_uid=_UID)
    signals.task_postrun.connect(_end, dispatch_uid=_UID)
    signals.task_failure.connect(_fail, dispatch_uid=_UID)
    signals.before_task_publish.connect(_publish, dispatch_uid=_UID)
    signals.after_task_publish.connect(_published, dispatch_uid=_UID)
    signals.worker_process_init.connect(_start_process, dispatch_uid=_UID)
    signals.worker_process_shutdown.connect(_stop_process, dispatch_uid=_UID)
    signals.worker_ready.connect(_start_threads, dispatch_uid=_UID)
    signals.worker_shutdown.connect(_stop_process, dispatch_uid=_UID)
    signals.beat_init.connect(_start_process, dispatch_uid=_UID)
    signals.heartbeat_sent.connect(_worker_lives, dispatch_uid=_UID)
    signals.beat_init.connect(_watch_beat, dispatch_uid=f"{_UID}.beat")


def _start_process(**_: Any) -> None:
    aggregate.fold_if_many()
    tracing.start()


def _start_threads(sender: Any, **_: Any) -> None:
    """A pool of threads has no process to announce: its tasks run in the worker's own.

    A worker that forks must not get here: threads do not survive a fork.
    """
    if isinstance(sender.pool, ThreadPool):
        _start_process()


def _stop_process(**_: Any) -> None:
    """A child that has had its share of tasks ends without Python's own farewell."""
    tracing.stop()
    sentry.stop()


def _publish(sender: str, headers: dict[str, Any], routing_key: str = "", **_: Any) -> None:
    """Send the trace along; an unsampled one too, so that nobody decides anew.

    What is sent outside of any trace (by beat, say) begins one.
    """
    if spans.tracer is None:
        return
    here = context.get_current()
    outside = not get_current_span().get_span_context().is_valid
    if outside or spans.recorded.get() is not None:
        attributes = _messaging(sender, str(headers.get("id", "")), routing_key)
        span = spans.tracer.start_span(
            f"publish {sender}", kind=SpanKind.PRODUCER, attributes=attributes
        )
        _publishing.set(span)
        here = set_span_in_context(span, here)
    propagate.inject(headers, context=here)


def _published(**_: Any) -> None:
    span = _publishing.get()
    if span is not None:
        span.end()
        _publishing.set(None)


def _begin(task_id: str, task: Any, **_: Any) -> None:
    if spans.tracer is None:
        _running[task_id] = _Running(perf_counter(), None, None, None)
        return
    headers = {name: each for name in _CARRIED if (each := task.request.get(name))}
    caller = propagate.extract(headers) if headers else context.get_current()
    span = spans.tracer.start_span(
        f"run {task.name}",
        context=caller,
        kind=SpanKind.CONSUMER,
        attributes=_messaging(task.name, task_id, _queue_of(task)),
    )
    here = context.attach(set_span_in_context(span, caller))
    recorded = spans.keep(span)
    _running[task_id] = _Running(perf_counter(), span, here, recorded)


def _fail(exception: BaseException, **_: Any) -> None:
    span = spans.recorded.get()
    if span is not None:
        spans.failed(span, exception)


def _end(task_id: str, task: Any, state: str | None = None, **_: Any) -> None:
    metrics.CELERY_TASKS.labels(task.name, (state or "unknown").lower()).inc()
    running = _running.pop(task_id, None)
    if running is None:
        return
    metrics.CELERY_DURATION.labels(task.name).observe(perf_counter() - running.started)
    if running.span is not None and running.here is not None and running.recorded is not None:
        spans.recorded.reset(running.recorded)
        context.detach(running.here)
        running.span.end()


def _queue_of(task: Any) -> str:
    return str((task.request.delivery_info or {}).get("routing_key") or "")


def _messaging(task: str, message: str, queue: str) -> dict[str, str]:
    return {
        "messaging.system": "celery",
        "messaging.destination.name": queue,
        "messaging.message.id": message,
        "celery.task_name": task,
    }


def _worker_lives(**_: Any) -> None:
    metrics.CELERY_WORKER_HEARTBEAT.set_to_current_time()


def _watch_beat(**_: Any) -> None:
    """A beat that lives and sends nothing is late: what it sends is its sign of life."""
    _beat_sends()
    signals.after_task_publish.connect(_beat_sends, dispatch_uid=f"{_UID}.beat")


def _beat_sends(**_: Any) -> None:
    metrics.CELERY_BEAT_HEARTBEAT.set_to_current_time()
