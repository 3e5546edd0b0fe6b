"""Who works on an analysis, and what becomes of it when they die.

Like a load run: whoever claims it renews ``heartbeat_at``, which a dead process can't.
"""

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from threading import Event, Thread

from django.db import Error, connections, router
from django.db.models.functions import Coalesce
from django.utils import timezone

from perfops.conf import conf
from perfops.models.analyses import Analysis

log = logging.getLogger(__name__)

State = Analysis.State


def claim(analysis_id: int) -> bool:
    """Take a queued analysis by a conditional UPDATE; False when it is not queued any more."""
    queued = Analysis.objects.filter(pk=analysis_id, state=State.QUEUED)
    claimed = queued.update(state=State.RUNNING, heartbeat_at=timezone.now(), worker=worker())
    return claimed > 0


def worker() -> str:
    """Return who this process is, as a claim has it."""
    return f"{socket.gethostname()}:{os.getpid()}"


@contextmanager
def alive(analysis: Analysis) -> Iterator[None]:
    """Say every ``HEARTBEAT_S`` that ``analysis`` is worked on, until the block ends.

    In a thread of its own: one step of an analysis may take longer than the silence of a dead
    worker.
    """
    ended = Event()
    thread = Thread(target=_beat, args=(analysis.pk, ended), name="perfops-alive", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(conf().HEARTBEAT_S)


def _beat(analysis_id: int, ended: Event) -> None:
    running = Analysis.objects.filter(pk=analysis_id, state=State.RUNNING)
    connection = connections[router.db_for_write(Analysis)]
    while not ended.wait(conf().HEARTBEAT_S):
        try:
            running.update(heartbeat_at=timezone.now())
        except Error as error:
            reason = str(error).partition("\n")[0]
            log.warning("analysis %s can't say that it is alive: %s", analysis_id, reason)
        finally:
            # A server that was away is asked anew, and the last one leaves nothing open.
            connection.close()


def reap() -> int:
    """Call analyses lost whose worker has fallen silent, and failed that no worker ever took.

    Returns how many. Safe to call from anywhere at any time.
    """
    now, silence, patience = timezone.now(), conf().LOST_AFTER_S, conf().QUEUE_TIMEOUT_S
    running = Analysis.objects.filter(state=State.RUNNING)
    # A version before this one claimed without a heartbeat.
    silent = running.alias(heard_at=Coalesce("heartbeat_at", "created_at")).filter(
        heard_at__lt=now - timedelta(seconds=silence)
    )
    lost = silent.update(
        state=State.LOST,
        finished_at=now,
        error=f"Its worker was not heard of for {silence:.0f} s: it died. Its log says why "
        "(killed, out of memory, over its time limit); then analyse again.",
    )
    untaken = Analysis.objects.filter(
        state=State.QUEUED, created_at__lt=now - timedelta(seconds=patience)
    )
    waited = untaken.update(
        state=State.FAILED,
        finished_at=now,
        error=f"No worker took it within {patience:.0f} s: is one running?",
    )
    return lost + waited
