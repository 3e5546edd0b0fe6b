"""Messages to Celery's workers, sent again where one may have been lost: a broker that restarts
keeps none. Two of them start a job once, as ``lifecycle.claim`` takes a queued one only.
"""

import logging
from datetime import timedelta
from typing import Any

from django.apps import apps
from django.db.models import QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone

from perfops.conf import conf
from perfops.jobs import lifecycle
from perfops.models.jobs import Job

log = logging.getLogger(__name__)


class QueueUnavailable(RuntimeError):
    """The job can't be given to a worker; the message says why and what to do."""


def enqueue(job: Job, task: str, *, limit_s: int | None = None, **arguments: Any) -> None:
    """Give ``task`` (a name) with ``arguments`` to Celery's workers, to do ``job``.

    ``limit_s``: how long it may take, instead of the task's or the project's own limit. Raises
    ``QueueUnavailable``.
    """
    job.message = {"task": task, "arguments": arguments, "limit_s": limit_s}
    job.save(update_fields=["message"])
    _send(job)


def look_after_jobs() -> None:
    """Find those whose worker has died, and those whose message was lost."""
    lifecycle.reap()
    resend()


def resend() -> int:
    """Send the messages of jobs again that no worker has taken for ``RESEND_AFTER_S``.

    Of every ``Job`` model. Returns how many. Safe to call from anywhere at any time: who call it at
    once send one message.
    """
    return sum(_resend(model) for model in apps.get_models() if issubclass(model, Job))


def _resend(model: type[Job]) -> int:
    now = timezone.now()
    # Typed loosely: the state is declared by each model.
    every: QuerySet[Any] = model._default_manager.all()
    rows = every.filter(state="queued", message__isnull=False)
    waiting = rows.alias(asked_at=Coalesce("queued_again_at", "created_at")).filter(
        asked_at__lt=now - timedelta(seconds=conf().RESEND_AFTER_S)
    )
    number = 0
    for job in waiting:
        unchanged = rows.filter(pk=job.pk, queued_again_at=job.queued_again_at)
        if not unchanged.update(queued_again_at=now):
            continue
        try:
            _send(job)
        except QueueUnavailable as error:
            # Its time to wait goes on: a broker that comes back gets it then.
            log.warning("%s could not be queued again: %s", job, error)
        else:
            number += 1
    return number


def _send(job: Job) -> None:
    try:
        from celery import current_app
        from celery.exceptions import OperationalError
    except ModuleNotFoundError as error:
        raise QueueUnavailable("Celery is not installed: install it and start a worker.") from error
    assert job.message is not None  # noqa: S101 -- set by ``enqueue``
    limit_s = job.message["limit_s"]
    try:
        current_app.send_task(
            job.message["task"], kwargs=job.message["arguments"], retry=False,
            time_limit=limit_s, soft_time_limit=limit_s,
        )  # fmt: skip
    except (OperationalError, OSError) as error:
        raise QueueUnavailable(
            f"The broker does not answer ({error}): start it and a worker, then try again."
        ) from error


def waiting_text(job: Job) -> str:
    """Return what a queued job waits for, and when its message was last sent again."""
    if job.queued_again_at is None:
        return "Waiting for a Celery worker to take it."
    at = job.queued_again_at
    local = timezone.localtime(at) if timezone.is_aware(at) else at
    return (
        f"Queued, sent again at {local:%H:%M:%S %Z}".rstrip()
        + ": the broker had lost its message, or no worker is free."
    )
