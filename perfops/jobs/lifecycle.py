"""The states of a job: queued, claimed, alive, canceled, ended, lost. For every ``Job`` model.

A worker claims a queued job by a conditional UPDATE and then renews ``heartbeat_at``, which a dead
process can't: one that falls silent loses the job (``reap``). Each change of state names the
states it may start from, so two processes never both believe that they own a job.
"""

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from threading import Event, Thread
from typing import Any

from django.apps import apps
from django.db import Error, IntegrityError, connections, router, transaction
from django.db.models import QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone

from perfops.conf import conf
from perfops.formatting import first_line
from perfops.models.jobs import Job

log = logging.getLogger(__name__)


class CancelRequested(Exception):
    """Somebody asked for this job to end."""


class ClaimLost(Exception):
    """The job was called lost while this process was silent: another one may own it now."""


def claim(model: type[Job], pk: int, **fields: Any) -> bool:
    """Take a queued job; False when it is not queued any more. ``fields``: set with the claim."""
    queued = _rows(model).filter(pk=pk, state="queued")
    claimed = queued.update(
        state="running", heartbeat_at=timezone.now(), worker=worker_name(), **fields
    )
    return claimed > 0


def worker_name() -> str:
    """Return this process as ``worker`` stores it: host:pid."""
    return f"{socket.gethostname()}:{os.getpid()}"


def end(
    model: type[Job], pk: int, state: str, *sentences: str,
    was: tuple[str, ...] | None = None, **fields: Any,
) -> bool:  # fmt: skip
    """Move a job from one of the states ``was`` (default: claimed) to its end.

    ``sentences`` say why. Returns False when the job was in none of those states.
    """
    rows = _rows(model).filter(pk=pk, state__in=model.CLAIMED if was is None else was)
    ended = rows.update(
        state=state, finished_at=timezone.now(), **model.outcome(*sentences), **fields
    )
    return ended > 0


def renew(job: Job) -> None:
    """Renew the heartbeat of a claimed job.

    Raises ``CancelRequested`` when somebody asked for its end, ``ClaimLost`` when it is not ours.
    """
    ours = _rows(type(job)).filter(pk=job.pk, state__in=job.CLAIMED)
    wanted = ours
    if hasattr(job, "cancel_requested_at"):
        wanted = ours.filter(cancel_requested_at__isnull=True)
    if not wanted.update(heartbeat_at=timezone.now()):
        raise CancelRequested if ours.exists() else ClaimLost


def reclaim(job: Job) -> bool:
    """Take back a job that was called lost while this process could not reach the database.

    False when it has ended otherwise, or another process has taken it or its place.
    """
    lost = _rows(type(job)).filter(pk=job.pk, state="lost", worker=worker_name())
    try:
        with transaction.atomic(using=router.db_for_write(type(job))):
            taken: int = lost.update(
                state="running", heartbeat_at=timezone.now(), finished_at=None, **job.outcome()
            )
    except IntegrityError:
        return False
    return taken > 0


@contextmanager
def heartbeats(job: Job) -> Iterator[None]:
    """Renew the heartbeat of ``job`` every ``HEARTBEAT_S`` until the block ends.

    In a thread of its own: one step of the work may take longer than a dead worker's silence.
    """
    ended = Event()
    thread = Thread(target=_renew_until, args=(job, ended), name="perfops-heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(conf().HEARTBEAT_S)


def _renew_until(job: Job, ended: Event) -> None:
    claimed = _rows(type(job)).filter(pk=job.pk, state__in=job.CLAIMED)
    connection = connections[router.db_for_write(type(job))]
    while not ended.wait(conf().HEARTBEAT_S):
        try:
            claimed.update(heartbeat_at=timezone.now())
        except Error as error:
            reason = first_line(error)
            log.warning("%s can't renew its heartbeat: %s", job, reason)
        finally:
            # The next time asks the server anew, and the last one leaves no connection open.
            connection.close()


def request_cancel(model: type[Job], pk: int) -> bool:
    """Cancel a job: at once while it is queued, with its worker's next heartbeat while it runs.

    Returns False when it has ended already. Only for models with ``cancel_requested_at``.
    """
    if end(model, pk, "canceled", "Canceled before it started.", was=("queued",)):
        return True
    running = _rows(model).filter(pk=pk, state="running", cancel_requested_at__isnull=True)
    return running.update(cancel_requested_at=timezone.now()) > 0


def reap() -> int:
    """Call jobs lost whose worker has fallen silent, and failed that no worker ever took.

    Of every ``Job`` model. Returns how many. Safe to call from anywhere at any time.
    """
    return sum(_reap(model) for model in apps.get_models() if issubclass(model, Job))


def _reap(model: type[Job]) -> int:
    now, silence_s, patience_s = timezone.now(), conf().LOST_AFTER_S, conf().QUEUE_TIMEOUT_S
    claimed = _rows(model).filter(state__in=model.CLAIMED)
    # A version before heartbeats claimed without one.
    silent = claimed.alias(heard_at=Coalesce("heartbeat_at", "created_at")).filter(
        heard_at__lt=now - timedelta(seconds=silence_s)
    )
    died = (
        f"Its worker has not reported for {silence_s:.0f} s: it died. Its log says why (killed, "
        "out of memory, over its time limit). Then start it again."
    )
    lost: int = silent.update(state="lost", finished_at=now, **model.outcome(died))
    waiting = _rows(model).filter(
        state="queued", created_at__lt=now - timedelta(seconds=patience_s)
    )
    untaken = f"No worker took it within {patience_s:.0f} s: is one running?"
    expired: int = waiting.update(state="failed", finished_at=now, **model.outcome(untaken))
    return lost + expired


def _rows(model: type[Job]) -> QuerySet[Any]:
    """Typed loosely: the state is declared by each model."""
    return model._default_manager.all()
