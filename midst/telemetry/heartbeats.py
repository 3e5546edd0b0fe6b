"""Signs of life of Celery's worker and beat: alerts watch how old the last one is."""

from typing import Any

from celery import signals

from midst.telemetry import metrics

_UID = "midst.telemetry.heartbeats"


def install() -> None:
    signals.heartbeat_sent.connect(_worker_lives, dispatch_uid=_UID)
    signals.beat_init.connect(_watch_beat, dispatch_uid=_UID)


def _worker_lives(**_: Any) -> None:
    metrics.CELERY_WORKER_HEARTBEAT.set_to_current_time()


def _watch_beat(**_: Any) -> None:
    """A beat that lives and sends nothing is late: what it sends is its sign of life."""
    _beat_sends()
    signals.after_task_publish.connect(_beat_sends, dispatch_uid=_UID)


def _beat_sends(**_: Any) -> None:
    metrics.CELERY_BEAT_HEARTBEAT.set_to_current_time()
