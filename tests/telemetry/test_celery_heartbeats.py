"""Celery's worker and beat give signs of life, and a beat that sends nothing gives none."""

import time

import pytest
from celery import shared_task, signals
from celery.exceptions import TimeLimitExceeded, WorkerLostError
from prometheus_client import REGISTRY

from midst.telemetry import celery as telemetry_celery
from midst.telemetry import metrics


def age(gauge):
    return time.time() - gauge._value.get()


@pytest.fixture(autouse=True)
def installed():
    telemetry_celery.install()
    for gauge in (metrics.CELERY_WORKER_HEARTBEAT, metrics.CELERY_BEAT_HEARTBEAT):
        gauge.set(0)
    yield
    signals.after_task_publish.disconnect(dispatch_uid=f"{telemetry_celery._UID}.beat")


def test_a_workers_heartbeat_is_its_sign_of_life():
    signals.heartbeat_sent.send(sender=None)
    assert age(metrics.CELERY_WORKER_HEARTBEAT) < 60


def test_what_beat_sends_is_its_sign_of_life():
    signals.beat_init.send(sender=None)
    metrics.CELERY_BEAT_HEARTBEAT.set(0)
    signals.after_task_publish.send(sender="task")
    assert age(metrics.CELERY_BEAT_HEARTBEAT) < 60


def test_what_others_send_is_not():
    signals.after_task_publish.send(sender="task")
    assert metrics.CELERY_BEAT_HEARTBEAT._value.get() == 0


def failures(task):
    labels = {"task": task, "state": "failure"}
    return REGISTRY.get_sample_value("celery_tasks_total", labels) or 0.0


@shared_task(name="telemetry-test.breaks")
def breaks():
    raise ValueError


@pytest.mark.parametrize("error", [WorkerLostError("killed"), TimeLimitExceeded(1)])
def test_a_task_whose_process_was_killed_counts_as_failed(error):
    before = failures(breaks.name)
    # What the worker's main process says of it: the child says nothing any more.
    signals.task_failure.send(sender=breaks, task_id="killed", exception=error)
    assert failures(breaks.name) == before + 1


def test_a_task_that_fails_by_itself_counts_once():
    before = failures(breaks.name)
    breaks.apply()
    assert failures(breaks.name) == before + 1
