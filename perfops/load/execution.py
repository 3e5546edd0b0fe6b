"""Running a queued load run to its verdict."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pkgutil import resolve_name
from threading import Thread
from typing import Any, Protocol

import msgspec
from django.db import Error, IntegrityError, transaction
from django.utils import timezone

from perfops.analysis.collectors import difference, snapshot
from perfops.analysis.collectors.records import UnavailableSource
from perfops.charts import thinned
from perfops.conf import conf
from perfops.formatting import first_line
from perfops.jobs import lifecycle
from perfops.jobs.lifecycle import CancelRequested, ClaimLost
from perfops.load import (
    aborting,
    accounts,
    bottleneck,
    fingerprint,
    k6,
    limit_search,
    parameters,
    routes,
    sizing,
    storing,
    target_side,
    targets,
    validity,
)
from perfops.load import parser as stream
from perfops.load import scenarios as plans
from perfops.load import server_side as server
from perfops.load.limit_search import LimitSearch
from perfops.load.recording import Recording
from perfops.load.scenarios import Plan
from perfops.load.schedule import Schedule
from perfops.load.steering import Steering
from perfops.load.storing import Storage
from perfops.load.summary import Summary, summarise, sustained
from perfops.load.target_side import TargetWatch
from perfops.load.validity import ValidityErrors
from perfops.load.waits import Waits
from perfops.load.windows import Windows
from perfops.models.runs import LoadRun
from perfops.statistics import scalability

log = logging.getLogger(__name__)

State = LoadRun.State
_TICK_S = 1.0
# k6 ends by itself soon after the plan's end; setup and the last requests take their time.
_OVERTIME_S = 240
_SPARK_POINTS = 40


# Why a run can't be had: its outcome is the sentence.
_REFUSALS = (k6.NoK6, plans.UnknownScenario, routes.UnusableRoutes, sizing.SizeRefused,
             parameters.ParametersRefused)  # fmt: skip


class Judge(Protocol):
    """Decides the verdict on a measured run (``perfops.budgets.verdicts.decide``).

    ``errors``: why the run is not valid; ``judged``: whether budgets apply to it.
    """

    def __call__(
        self, run: LoadRun, errors: ValidityErrors, *, judged: bool
    ) -> tuple[LoadRun.Verdict, list[str]]: ...


def execute(run_id: int, judge: Judge) -> bool:
    """Claim the run ``run_id`` if it is still queued, load, measure, and let ``judge`` decide.

    Returns False where it was not ours to run. What goes wrong is the run's outcome, not an
    exception; only an interruption of this process goes through, after the run has been ended.
    """
    run = _claim(run_id)
    if run is None:
        return False
    try:
        _execute(run, judge)
    except CancelRequested:
        lifecycle.end(LoadRun, run_id, State.CANCELED, "Canceled while it ran.")
    except ClaimLost:
        log.warning("run %s was called lost while this worker was silent", run_id)
    except (*_REFUSALS, _Unusable) as error:
        lifecycle.end(LoadRun, run_id, State.FAILED, str(error))
    except Exception as error:
        log.exception("run %s failed", run_id)
        lifecycle.end(LoadRun, run_id, State.FAILED, f"{type(error).__name__}: {error}")
    except BaseException:
        lifecycle.end(LoadRun, run_id, State.CANCELED, "The process that ran it was stopped.")
        raise
    return True


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
    plan = sizing.of_run(parameters.of_run(plans.find(run.scenario), run.plan), run.plan)
    # Its file may have been changed since it was asked for.
    sizing.check_caps(plan.peak_rate, plan.duration_s)
    abort = aborting.of_plan(run.plan)
    plan = replace(plan, thresholds=aborting.thresholds(abort, plan.spec))
    path = k6.binary(conf().K6_BINARY)
    away = targets.unreachable(run.target)
    if away is not None:
        reasons = [f"Nothing answers at {run.target}: {away}."]
        lifecycle.end(LoadRun, run.pk, State.FINISHED, *reasons, verdict=LoadRun.Verdict.INVALID)
        return
    run.fingerprint = fingerprint.take(plan, path)
    black_box = _ask_who(run)
    run.save(update_fields=["fingerprint"])
    recording = Recording(Schedule(plan.spec))
    with _prepared(run, plan) as environment, _routes(plan) as file:
        # Afterwards: what fills in the routes is no part of the load.
        before = _look(run)
        lifecycle.renew(run)

        def begin(each: Plan) -> AbstractContextManager[k6.Process]:
            return k6.running(path, each, file, run.target, run.pk, environment)

        storage = Storage(run, recording)
        load = _Load(begin, recording, storage)
        watch = TargetWatch(run.target, conf().TARGET_SECRET)
        waits = Waits()
        if not black_box:
            watch.start()
        search = limit_search.of_plan(run.plan)
        found: dict[str, Any] = {}
        storage.start()
        try:
            if search is None:
                watch_budgets = aborting.Watch(abort, recording)
                steering = Steering(plan, recording, storage.wish, storage.note_change)
                steering.run(load.send, watch_budgets.is_broken)
                plan = steering.planned()
                found = steering.as_row()
                if watch_budgets.broken:
                    load.exit_code = k6.CROSSED_THRESHOLD
            else:
                if _is_ours(run):
                    waits.start()
                seeking = LimitSearch(
                    plan, search, run.target, recording, load.send, load.is_broken
                )
                found = {"limit": seeking.as_row(seeking.run())}
        except BaseException:
            storage.abandon()
            raise
        finally:
            watch.finish()
            waits.finish()
            run.log = load.log
            storing.reconnect()
        storage.finish()
        summary = summarise(recording, plan, cpu_s=load.cpu_s, exit_code=load.exit_code)
        if search is not None:
            summary = limit_search.without_plan(summary, search)
        target = {"black_box": black_box} if black_box else target_side.as_row(
            watch.looks, watch.unanswered, recording.first_at
        )  # fmt: skip
        if search is not None:
            found["limit"]["bottleneck"] = bottleneck.of(seeking.beyond(), watch.looks, waits.looks)
        conclude = partial(_conclude, run, plan, recording, summary, before, target, judge, found)
        storing.patiently(run, conclude)


@dataclass
class _Load:
    """Runs k6 by one plan after the other, into one recording; sums up what they used and said."""

    begin: Callable[[Plan], AbstractContextManager[k6.Process]]
    recording: Recording
    storage: Storage
    cpu_s: float = 0.0
    exit_code: int = 0
    log: str = ""

    def is_broken(self) -> bool:
        """Say whether a k6 ended as it should not."""
        return self.exit_code not in k6.ENDED_BY_ITSELF

    def send(
        self, plan: Plan, windows: Windows | None = None, may_end: Callable[[], bool] = bool
    ) -> None:
        """Send by ``plan`` to its end, or until ``may_end``. Raises ``_Unusable``."""
        is_ended = False

        def ends() -> bool:
            nonlocal is_ended
            is_ended = is_ended or may_end()
            return is_ended

        with self.begin(plan) as process:
            try:
                _watch(plan, process, self.recording, self.storage, windows, ends)
            finally:
                self.log = f"{self.log}{process.log()}"[-k6.LOG_BYTES :]
            code = process.popen.returncode
        self.cpu_s += process.cpu_s
        if not is_ended:
            # That of a load which broke, whatever followed.
            self.exit_code = self.exit_code if self.is_broken() else code
            if code in k6.ENDED_BY_ITSELF:
                self.recording.count_unanswered()
        if not self.recording.first_at and code:
            last_line = next(reversed(self.log.strip().splitlines()), "it said nothing")
            why = k6.ended_text(code) if code < 0 else last_line
            raise _Unusable(f"k6 could not run {plan.scenario} (exit code {code}): {why}")


def _routes(plan: Plan) -> AbstractContextManager[str]:
    which = routes.Rows(plan.spec.rows or routes.USUAL_ROWS, plan.spec.data_set)
    return routes.ready(plan.routes, plan.spec.mix, which)


@contextmanager
def _prepared(run: LoadRun, plan: Plan) -> Iterator[Mapping[str, str]]:
    """Make what the scenario works on, by ``PERFOPS["AROUND_RUN"]`` and by the plan's own users;
    remove it afterwards, with what the run wrote.

    What fails in removing it is logged: the run is measured. Yields the script's variables. Raises
    ``_Unusable`` for what would write where nobody could remove it.
    """
    if not _is_ours(run):
        if accounts.writes_or_signs_in(plan):
            raise _Unusable(
                f"{plan.scenario} signs in or writes, and the database of {run.target} is not "
                "ours: nobody could remove it. Is it one of PERFOPS['OWN_TARGETS']?"
            )
        yield {}
        return
    variables: dict[str, str] = {}
    stack = ExitStack()
    try:
        if name := conf().AROUND_RUN:
            variables |= stack.enter_context(resolve_name(name)(run.scenario, run.pk))
        made = accounts.around(run, plan, needs_people="PEOPLE" not in variables)
        variables |= stack.enter_context(made)
        yield variables
    finally:
        try:
            stack.close()
        except Exception:
            log.exception("%s: could not remove what run %s worked on", plan.scenario, run.pk)


def _conclude(
    run: LoadRun,
    plan: Plan,
    recording: Recording,
    summary: Summary,
    before: snapshot.Snapshot | UnavailableSource,
    target: dict[str, Any],
    judge: Judge,
    found: dict[str, Any],
) -> None:
    """Store the outcome and judge it; may be done again when the database was away."""
    storing.keep_claim(run)
    good, p95 = recording.over_time()
    run.summary = {
        **summary.as_row(),
        "sustained_throughput": sustained(good),
        # For the sparkline in lists: it outlives the series, and saves reading it.
        "p95_over_time": thinned(p95, _SPARK_POINTS),
        **found,
    }
    is_judged = plan.spec.judged and not found
    if not is_judged:
        measured = scalability.points(recording.by_concurrency())
        run.summary["scalability"] = scalability.as_row(measured, scalability.fit(measured))
    run.server = {**_server_truth(before, _look(run), summary.requests), "target": target}
    run.state = State.JUDGING
    run.save(update_fields=["state", "log", "summary", "server"])
    storing.store_routes(run, recording.routes())
    limits = validity.Limits(conf().MIN_ACHIEVED, conf().MAX_GENERATOR_CPU, k6.usable_cores())
    errors = validity.validity_errors(summary, limits, seeks_limit=not is_judged)
    run.summary["validity"] = asdict(errors)
    run.save(update_fields=["summary"])
    verdict, reasons = judge(run, errors, judged=is_judged)
    lifecycle.end(LoadRun, run.pk, State.FINISHED, *reasons, verdict=verdict)


def _ask_who(run: LoadRun) -> str:
    """Put what the target says of itself into the fingerprint; return why it says nothing, or "".

    Of a target that says nothing and is not our own, its code and database are unknown.
    """
    ours = fingerprint.OF_TARGET
    try:
        said = target_side.ask(run.target, conf().TARGET_SECRET, query="?fingerprint")
    except target_side.NoFigures as error:
        if not _is_ours(run):
            run.fingerprint.update(dict.fromkeys(ours))
        return str(error)
    run.fingerprint.update({name: said.get(name) for name in ours})
    run.fingerprint["target_cores"] = said.get("cores")
    return ""


def _is_ours(run: LoadRun) -> bool:
    return targets.is_one_of(run.target, conf().OWN_TARGETS or (conf().DEFAULT_TARGET,))


def _watch(
    plan: Plan, process: k6.Process, recording: Recording, storage: Storage,
    windows: Windows | None, ends: Callable[[], bool],
) -> None:  # fmt: skip
    """Wait until k6 has ended and all of its output is read; never for the database."""
    failures: list[BaseException] = []
    arguments = (process, recording, windows, failures)
    listener = Thread(target=_listen, args=arguments, daemon=True)
    listener.start()
    latest_end = time.monotonic() + plan.duration_s + _OVERTIME_S
    while process.is_running() or listener.is_alive():
        listener.join(_TICK_S)
        if ends() and process.is_running():
            process.interrupt()
        if not listener.is_alive() and process.is_running():
            process.popen.wait(k6.STOP_PATIENCE_S)
        if failures:
            raise failures[0]
        if storage.failure is not None:
            raise storage.failure
        if time.monotonic() > latest_end:
            raise _Unusable(f"k6 did not end within {_OVERTIME_S} s of the plan's end.")


def _listen(
    process: k6.Process, recording: Recording, windows: Windows | None,
    failures: list[BaseException],
) -> None:  # fmt: skip
    """In a thread of its own: the other must notice a cancel while k6 is silent."""
    try:
        for event in stream.events(process.lines):
            recording.record(event)
            if windows is not None:
                windows.record(event)
    except Exception as error:
        failures.append(error)


def _look(run: LoadRun) -> snapshot.Snapshot | UnavailableSource:
    """Return a snapshot, or why there is none: a run goes on without the server's side."""
    if not _is_ours(run):
        return UnavailableSource(
            "database",
            f"{run.target} is not one of PERFOPS['OWN_TARGETS'], so its database is not known",
            "The queries of this run are unknown.",
            "",
        )
    try:
        return snapshot.take(light=True)
    except Error as error:
        log.warning("no snapshot of the database: %s", error)
        reason = first_line(error)
        return UnavailableSource("database", reason, "The queries of this run are unknown.", "")


def _server_truth(
    before: snapshot.Snapshot | UnavailableSource,
    after: snapshot.Snapshot | UnavailableSource,
    requests: int,
) -> dict[str, Any]:
    for each in (before, after):
        if isinstance(each, UnavailableSource):
            return {"missing": [msgspec.to_builtins(each)]}
    assert isinstance(before, snapshot.Snapshot)  # noqa: S101 -- told apart above
    assert isinstance(after, snapshot.Snapshot)  # noqa: S101
    return server.truth(difference.between(before, after), requests=requests)
