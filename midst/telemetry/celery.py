"""Counts and times Celery's tasks, and takes care of its processes.

Their spans are made by opentelemetry-instrumentation-celery (``tracing``).
"""

from time import perf_counter
from typing import Any

from celery import signals
from celery.concurrency.thread import TaskPool as ThreadPool
from celery.exceptions import TimeLimitExceeded, WorkerLostError
from opentelemetry import context

from midst.telemetry import metrics, sentry, tracing
from midst.telemetry.shared import aggregate

_UID = "midst.telemetry.celery"
# Tasks that run here now, by their id: when they started, and Sentry's transaction.
_running: dict[str, tuple[float, Any]] = {}


def install() -> None:
    """Watch the tasks of this process and of those it forks."""
    signals.task_prerun.connect(_begin, dispatch_uid=_UID)
    signals.task_postrun.connect(_end, dispatch_uid=_UID)
    signals.task_failure.connect(_lost, dispatch_uid=_UID)
    signals.worker_process_init.connect(_start_process, dispatch_uid=_UID)
    signals.worker_process_shutdown.connect(_stop_process, dispatch_uid=_UID)
    signals.worker_ready.connect(_start_threads, dispatch_uid=_UID)
    signals.worker_shutdown.connect(_stop_process, dispatch_uid=_UID)
    signals.beat_init.connect(_watch_beat, dispatch_uid=f"{_UID}.beat")
    signals.beat_init.connect(_start_process, dispatch_uid=_UID)
    signals.heartbeat_sent.connect(_worker_lives, dispatch_uid=_UID)


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


def _begin(task_id: str, task: Any, **_: Any) -> None:
    chosen = sentry.is_chosen()
    transaction = sentry.begin_transaction(task.name, "queue.task.celery") if chosen else None
    _running[task_id] = perf_counter(), transaction


def _end(task_id: str, task: Any, state: str | None = None, **_: Any) -> None:
    metrics.CELERY_TASKS.labels(task.name, (state or "unknown").lower()).inc()
    started, transaction = _running.pop(task_id, (None, None))
    if started is not None:
        metrics.CELERY_DURATION.labels(task.name).observe(perf_counter() - started)
    if transaction is not None:
        sentry.end_transaction(transaction, task.name, failed=state == "FAILURE")


def _lost(sender: Any, task_id: str, exception: BaseException, **_: Any) -> None:
    """Count a task whose process was killed, by its time limit or outright."""
    if task_id not in _running and isinstance(exception, (WorkerLostError, TimeLimitExceeded)):
        metrics.CELERY_TASKS.labels(sender.name, "failure").inc()


def _worker_lives(**_: Any) -> None:
    metrics.CELERY_WORKER_HEARTBEAT.set_to_current_time()


def _watch_beat(**_: Any) -> None:
    """A beat that lives and sends nothing is late: what it sends is its sign of life."""
    _beat_sends()
    signals.before_task_publish.connect(_begin_trace, dispatch_uid=f"{_UID}.beat")
    signals.after_task_publish.connect(_beat_sends, dispatch_uid=f"{_UID}.beat")


def _begin_trace(**_: Any) -> None:
    """What could not be published has left its span behind, and would go on as its parent."""
    context.attach(context.Context())


def _beat_sends(**_: Any) -> None:
    metrics.CELERY_BEAT_HEARTBEAT.set_to_current_time()
