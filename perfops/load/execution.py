"""Running a queued load run to its verdict."""

import logging
import os
import time
from collections.abc import Iterable
from functools import partial
from threading import Thread
from typing import Any, Protocol

import msgspec
from django.db import Error, IntegrityError, transaction
from django.utils import timezone

from perfops.analysis.collectors import difference, snapshot
from perfops.analysis.collectors.unavailable import UnavailableSource
from perfops.charts.small import thinned
from perfops.conf import conf
from perfops.jobs import lifecycle
from perfops.jobs.lifecycle import CancelRequested, ClaimLost
from perfops.load import fingerprint, k6, routes, targets, validity
from perfops.load import parser as stream
from perfops.load import scenarios as plans
from perfops.load import server_side as server
from perfops.load.recording import ALL, Cell, Recording, Second
from perfops.load.scenarios import Plan
from perfops.load.selectors import series
from perfops.load.summary import summarise, sustained
from perfops.models.runs import LoadRun, RouteResult, Sample

log = logging.getLogger(__name__)

State = LoadRun.State
_TICK_S = 1.0
# k6 ends by itself soon after the plan's end; setup and the last requests take their time.
_OVERTIME_S = 90
_SPARK_POINTS = 40


class Judge(Protocol):
    """Decides the verdict on a measured run (``perfops.budgets.verdicts.decide``).

    ``validity_errors``: why the run is not valid; ``judged``: whether budgets apply to it.
    """

    def __call__(
        self, run: LoadRun, validity_errors: list[str], *, judged: bool
    ) -> tuple[LoadRun.Verdict, list[str]]: ...


def execute(run_id: int, judge: Judge) -> None:
    """Claim the run ``run_id`` if it is still queued, load, measure, and let ``judge`` decide.

    What goes wrong is the run's outcome, not an exception; only an interruption of this
    process goes through, after the run has been ended.
    """
    run = _claim(run_id)
    if run is None:
        return
    try:
        _execute(run, judge)
    except CancelRequested:
        lifecycle.end(LoadRun, run_id, State.CANCELED, "Canceled while it ran.")
    except ClaimLost:
        log.warning("run %s was called lost while this worker was silent", run_id)
    except (k6.NoK6, plans.UnknownScenario, routes.UnusableRoutes, _Unusable) as error:
        lifecycle.end(LoadRun, run_id, State.FAILED, str(error))
    except Exception as error:
        log.exception("run %s failed", run_id)
        lifecycle.end(LoadRun, run_id, State.FAILED, f"{type(error).__name__}: {error}")
    except BaseException:
        lifecycle.end(LoadRun, run_id, State.CANCELED, "The process that ran it was stopped.")
        raise


class _Unusable(Exception):
    """k6 could not run the script."""


def _claim(run_id: int) -> LoadRun | None:
    """Claim a queued run; one target is loaded by one run at a time."""
    lifecycle.reap()
    try:
        with transaction.atomic():
            claimed = lifecycle.claim(LoadRun, run_id, started_at=timezone.now())
    except IntegrityError:
        reason = "Another run is loading the same target: wait for its end."
        lifecycle.end(LoadRun, run_id, State.FAILED, reason, was=(State.QUEUED,))
        return None
    return LoadRun.objects.get(pk=run_id) if claimed else None


def _execute(run: LoadRun, judge: Judge) -> None:
    plan = plans.load(conf().SCENARIO_DIR, run.scenario)
    path = k6.binary(conf().K6_BINARY)
    away = targets.unreachable(run.target)
    if away is not None:
        reasons = [f"Nothing answers at {run.target}: {away}."]
        lifecycle.end(LoadRun, run.pk, State.FINISHED, *reasons, verdict=LoadRun.Verdict.INVALID)
        return
    run.fingerprint = fingerprint.take(plan, path)
    run.save(update_fields=["fingerprint"])
    recording = Recording()
    with routes.ready(plan.routes) as file:
        # Afterwards: what fills in the routes is no part of the load.
        before = _look()
        lifecycle.renew(run)
        with k6.running(path, plan, file, run.target, run.pk) as process:
            _watch(run, plan, process, recording)
            run.log = process.log()
            exit_code = process.popen.returncode
    _store(run, recording, final=True)
    if not recording.first_at and exit_code:
        last_line = next(reversed(run.log.strip().splitlines()), "it said nothing")
        raise _Unusable(f"k6 could not run {run.scenario} (exit code {exit_code}): {last_line}")
    lifecycle.renew(run)
    summary = summarise(recording, plan, cpu_s=process.cpu_s, exit_code=exit_code)
    points = series(run)
    run.summary = {
        **summary.as_row(),
        "sustained_throughput": sustained([point.requests for point in points]),
        # For the sparkline in lists: it outlives the series, and saves reading it.
        "p95_over_time": thinned([point.p95_ms for point in points], _SPARK_POINTS),
    }
    run.server = _server_truth(before, _look(), summary.requests)
    _to_judging(run)
    _store_routes(run, recording.routes())
    limits = validity.Limits(conf().MIN_ACHIEVED, conf().MAX_GENERATOR_CPU, os.cpu_count() or 1)
    validity_errors = validity.validity_errors(summary, limits, seeks_limit=not plan.spec.judged)
    verdict, reasons = judge(run, validity_errors, judged=plan.spec.judged)
    lifecycle.end(LoadRun, run.pk, State.FINISHED, *reasons, verdict=verdict)


def _watch(run: LoadRun, plan: Plan, process: k6.Process, recording: Recording) -> None:
    """Store what comes in, second by second, until k6 has ended and all of it is read."""
    failures: list[BaseException] = []
    listener = Thread(target=_listen, args=(process, recording, failures), daemon=True)
    listener.start()
    latest_end = time.monotonic() + plan.duration_s + _OVERTIME_S
    next_beat = 0.0
    while process.is_running() or listener.is_alive():
        listener.join(_TICK_S)
        if not listener.is_alive() and process.is_running():
            process.popen.wait(k6.STOP_PATIENCE_S)
        if failures:
            raise failures[0]
        _store(run, recording)
        if time.monotonic() >= next_beat:
            lifecycle.renew(run)
            next_beat = time.monotonic() + conf().HEARTBEAT_S
        if time.monotonic() > latest_end:
            raise _Unusable(f"k6 did not end within {_OVERTIME_S} s of the plan's end.")


def _listen(process: k6.Process, recording: Recording, failures: list[BaseException]) -> None:
    """In a thread of its own: the other must send heartbeats while k6 is silent."""
    try:
        for event in stream.events(process.lines):
            recording.record(event)
    except Exception as error:
        failures.append(error)


def _to_judging(run: LoadRun) -> None:
    lifecycle.renew(run)
    run.state = State.JUDGING
    run.save(update_fields=["state", "log", "summary", "server"])


def _store(run: LoadRun, recording: Recording, *, final: bool = False) -> None:
    Sample.objects.bulk_create(
        recording.take_changed(partial(_samples, run), final=final),
        update_conflicts=True,
        unique_fields=["run", "route", "second"],
        update_fields=[*_measured(Cell()), "dropped", "vus"],
    )


def _samples(run: LoadRun, number: int, second: Second) -> Iterable[Sample]:
    yield Sample(
        run=run,
        second=number,
        route=ALL,
        dropped=second.dropped,
        vus=second.vus,
        **_measured(second.overall()),
    )
    for route, cell in second.routes.items():
        yield Sample(run=run, second=number, route=route, **_measured(cell))


def _store_routes(run: LoadRun, routes: Iterable[tuple[str, Cell]]) -> None:
    with transaction.atomic():
        run.routes.all().delete()
        RouteResult.objects.bulk_create(
            RouteResult(run=run, route=route, **_measured(cell)) for route, cell in routes
        )


def _measured(cell: Cell) -> dict[str, Any]:
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
        "sketch": cell.latency.encode(),
    }


def _look() -> snapshot.Snapshot | str:
    """Return a snapshot, or why there is none: a run goes on without the server's side."""
    try:
        return snapshot.take(light=True)
    except Error as error:
        log.warning("no snapshot of the database: %s", error)
        return str(error).partition("\n")[0]


def _server_truth(
    before: snapshot.Snapshot | str, after: snapshot.Snapshot | str, requests: int
) -> dict[str, Any]:
    if isinstance(before, str) or isinstance(after, str):
        reason = before if isinstance(before, str) else str(after)
        missing = UnavailableSource(
            "database", reason, "The server's side of this run is unknown.", ""
        )
        return {"missing": [msgspec.to_builtins(missing)]}
    return server.truth(difference.between(before, after), requests=requests)
