"""Storing what a run measures, in a thread that may wait for the database: the run does not.

When the database stalls, samples stay in memory and heartbeats are late; both are made up for
when it answers again.
"""

import logging
import time
from collections.abc import Callable, Iterable
from functools import partial
from threading import Event, Thread
from typing import Any

import msgspec
from django.db import (
    InterfaceError,
    InternalError,
    OperationalError,
    connections,
    router,
    transaction,
)

from perfops.conf import conf
from perfops.formatting import first_line
from perfops.jobs import lifecycle
from perfops.load.recording import ALL, Cell, Recording, Second
from perfops.load.steering import CHANGES, Change, Wish
from perfops.models.runs import LoadRun, RouteResult, Sample

log = logging.getLogger(__name__)

THREAD = "perfops-samples"
_TICK_S = 1.0
_RETRY_S = 1.0
# After its end a run waits this long for a database that does not answer.
PATIENCE_S = 600.0
_ABANDON_S = 5.0
_AWAY = (OperationalError, InterfaceError, InternalError)


class Storage:
    """Stores the seconds of ``recording`` and renews the heartbeat until ``finish``.

    ``failure``: what ended it early (canceled, claim lost, or a fault); None while nothing failed.
    """

    def __init__(self, run: LoadRun, recording: Recording) -> None:
        self.failure: BaseException | None = None
        self._run, self._recording = run, recording
        self._wish: Wish | None = None
        self._is_plan_new = False
        # By second and route: what is not stored yet.
        self._waiting: dict[tuple[int, str], Sample] = {}
        self._ended = Event()
        self._is_abandoned = False
        self._thread = Thread(target=self._work, name=THREAD, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wish(self) -> Wish | None:
        """Return at which rate somebody wishes the run to go on, as of the last heartbeat."""
        return self._wish

    def note_change(self, change: Change) -> None:
        """Keep with the run's plan that its rate was changed."""
        row = [*self._run.plan.get(CHANGES, []), msgspec.to_builtins(change)]
        self._run.plan = {**self._run.plan, CHANGES: row}
        self._is_plan_new = True

    def finish(self, patience_s: float = PATIENCE_S) -> None:
        """Store the rest. Raises what went wrong, ``TimeoutError`` when it takes too long."""
        self._ended.set()
        self._thread.join(patience_s)
        if self.failure is not None:
            raise self.failure
        if self._thread.is_alive():
            self._is_abandoned = True
            raise TimeoutError(f"The database did not answer for {patience_s:.0f} s.")

    def abandon(self) -> None:
        """End without storing the rest: the run has failed. Nothing is done after ``finish``."""
        self._is_abandoned = True
        self._ended.set()
        # It may be waiting for a database that does not answer: then it ends after that.
        self._thread.join(_ABANDON_S)

    def _work(self) -> None:
        connection = connections[router.db_for_write(LoadRun)]
        next_beat, deadline = 0.0, None
        try:
            while True:
                last = self._ended.wait(_TICK_S)
                if self._is_abandoned:
                    return
                if last and deadline is None:
                    deadline = time.monotonic() + PATIENCE_S
                try:
                    self._store(final=last)
                    if last or time.monotonic() >= next_beat:
                        keep_claim(self._run)
                        self._read_wish()
                        next_beat = time.monotonic() + conf().HEARTBEAT_S
                except _AWAY as error:
                    if not _is_away(error):
                        raise
                    _log_away(self._run, error)
                    connection.close()
                    if deadline is not None and time.monotonic() > deadline:
                        raise
                    time.sleep(_RETRY_S if last else 0)
                    continue
                if last:
                    return
        except BaseException as error:  # the thread that waits raises it
            self.failure = error
        finally:
            connection.close()

    def _read_wish(self) -> None:
        stored = LoadRun.objects.values_list("wanted_rate", flat=True).get(pk=self._run.pk)
        self._wish = None if stored is None else msgspec.convert(stored, Wish)

    def _store(self, *, final: bool) -> None:
        if self._is_plan_new:
            self._run.save(update_fields=["plan"])
            self._is_plan_new = False
        for sample in self._recording.take_changed(partial(_samples, self._run), final=final):
            self._waiting[sample.second, sample.route] = sample
        Sample.objects.bulk_create(
            self._waiting.values(),
            update_conflicts=True,
            unique_fields=["run", "route", "second"],
            update_fields=[*measured(Cell()), "dropped", "vus"],
        )
        self._waiting.clear()


def keep_claim(run: LoadRun) -> None:
    """Renew the heartbeat; take the run back if it was called lost while the database was away.

    Raises ``CancelRequested`` and ``ClaimLost``.
    """
    try:
        lifecycle.renew(run)
    except lifecycle.ClaimLost:
        if not lifecycle.reclaim(run):
            raise


def reconnect() -> None:
    """Have this thread connect anew: its connections idled while the load ran, and a server that
    was restarted meanwhile has forgotten them.
    """
    for each in connections.all(initialized_only=True):
        if not each.in_atomic_block:
            each.close()


def patiently[T](run: LoadRun, work: Callable[[], T]) -> T:
    """Return ``work()``, tried again for ``PATIENCE_S`` while the database does not answer."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return work()
        except _AWAY as error:
            if not _is_away(error) or time.monotonic() > deadline:
                raise
            _log_away(run, error)
            connections[router.db_for_write(LoadRun)].close()
            time.sleep(_RETRY_S)


def store_routes(run: LoadRun, routes: Iterable[tuple[str, Cell]]) -> None:
    """Replace the results by route of ``run``."""
    with transaction.atomic():
        run.routes.all().delete()
        RouteResult.objects.bulk_create(
            RouteResult(run=run, route=route, **measured(cell)) for route, cell in routes
        )


def measured(cell: Cell) -> dict[str, Any]:
    """Return the fields of ``perfops.models.runs.Measurement``."""
    return {
        "requests": cell.requests,
        "errors": cell.errors,
        "cache_hits": cell.cache_hits,
        "cache_misses": cell.cache_misses,
        "p50_ms": cell.latency.quantile(0.50),
        "p95_ms": cell.latency.quantile(0.95),
        "p99_ms": cell.latency.quantile(0.99),
        "max_ms": cell.latency.max(),
        "scheduled_p95_ms": cell.scheduled.quantile(0.95),
        "scheduled_p99_ms": cell.scheduled.quantile(0.99),
        "sketch": cell.latency.encode(),
    }


def _samples(run: LoadRun, number: int, second: Second) -> Iterable[Sample]:
    yield Sample(
        run=run,
        second=number,
        route=ALL,
        dropped=second.dropped,
        vus=second.vus,
        **measured(second.overall()),
    )
    for route, cell in second.routes.items():
        yield Sample(run=run, second=number, route=route, **measured(cell))


def _is_away(error: Exception) -> bool:
    """Say no to what PostgreSQL calls an internal error: psycopg's own has no code.

    A pool that loses its server amid a COMMIT gets two results, which psycopg calls one.
    """
    return not isinstance(error, InternalError) or not getattr(error.__cause__, "sqlstate", "")


def _log_away(run: LoadRun, error: Exception) -> None:
    reason = first_line(error)
    log.warning("%s keeps its samples in memory: the database does not answer: %s", run, reason)
