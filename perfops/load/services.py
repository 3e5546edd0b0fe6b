"""Asking for load runs, cancelling them, and clearing up after workers that died."""

import logging
import math
import time
from datetime import timedelta
from typing import Any

import msgspec
from django.db import connections, router, transaction
from django.db.models import Exists, Max, OuterRef
from django.http import HttpRequest
from django.utils import timezone

from perfops.conf import conf
from perfops.jobs import lifecycle, queue
from perfops.load import limit_search, parameters, sizing, targets
from perfops.load import scenarios as plans
from perfops.load.aborting import Abort
from perfops.load.limit_search import LimitRefused, Search
from perfops.load.parameters import Parameters
from perfops.load.sizing import Size
from perfops.load.steering import LEAST_LEFT_S, Wish
from perfops.models.jobs import Trigger
from perfops.models.runs import LoadRun, Sample
from perfops.signals import name_of, tell

log = logging.getLogger(__name__)

EXECUTE = "perfops.execute_run"
State = LoadRun.State
# A run ends by itself soon after its plan; this is for one that can't.
_PATIENCE_S = 600
_JUST_RUN = timedelta(minutes=15)


class RunRefused(ValueError):
    """The run can't be had as asked; the message says what to do."""


class TargetBusy(RunRefused):
    """Another run is loading the target: ``run_id``."""

    def __init__(self, message: str, run_id: int) -> None:
        super().__init__(message)
        self.run_id = run_id


def request_run(
    *,
    scenario: str,
    target: str | None = None,
    trigger: Trigger = Trigger.COMMAND,
    user: Any = None,
    enqueue: bool = True,
    limit: Search | None = None,
    size: Size = Size(),  # noqa: B008 -- frozen
    abort: Abort | None = None,
    changed: Parameters = Parameters(),  # noqa: B008 -- frozen
    request: HttpRequest | None = None,
) -> LoadRun:
    """Queue a run of ``scenario`` against ``target`` (a base URL; default: the configured one).

    ``limit``: seek the highest rate within its bounds, with what the scenario asks for.
    ``size``: at which rate and for how long, where not as the scenario says.
    ``abort``: what ends it early. ``changed``: its mix and data set, where not as it says.
    ``request``: by which it was asked for, for an audit log. With ``enqueue=False`` the caller
    executes it. A broker that is away makes the run *could not run*, it raises nothing. Raises
    ``RunRefused``, for a target that is being loaded ``TargetBusy``. Who ask at the same time wait
    for each other: one of them gets the run.
    """
    if limit is not None and abort is not None:
        raise RunRefused("A search for the highest rate breaks budgets by purpose: it has no end.")
    if limit is not None and size:
        raise RunRefused(
            "A search for the highest rate tries rates of its own: give neither rate nor duration."
        )
    try:
        found = plans.find(scenario)
        plan = sizing.as_row(found, size) if limit is None else limit_search.planned(found, limit)
        plan |= parameters.as_row(found, changed)
        sizing.check_caps(plan["peak_rate"], plan["duration_s"])
        url = targets.check(target or conf().DEFAULT_TARGET, conf().ALLOWED_TARGETS)
        if abort is not None:
            plan["abort"] = msgspec.to_builtins(abort)
    except (
        plans.UnknownScenario,
        LimitRefused,
        sizing.SizeRefused,
        parameters.ParametersRefused,
        targets.TargetRefused,
    ) as error:
        raise RunRefused(str(error)) from error
    lifecycle.reap()
    alias = router.db_for_write(LoadRun)
    with transaction.atomic(using=alias):
        with connections[alias].cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext('perfops.request_run'))")
        active = LoadRun.objects.using(alias).filter(state__in=LoadRun.ACTIVE)
        # Two names may stand for one server.
        busy = next((run for run in active if targets.is_one_of(run.target, (url,))), None)
        if busy is not None:
            raise TargetBusy(
                f"Run {busy.pk} ({busy.scenario}) is loading {url}: wait for its end or cancel it.",
                busy.pk,
            )
        run = LoadRun.objects.create(
            scenario=scenario, target=url, trigger=trigger, requested_by=user, plan=plan
        )
        _tell("start a load run", run, user, trigger, request)
        if enqueue:
            transaction.on_commit(lambda: _enqueue(run), using=alias)
    return run


def just_run(scenario: str) -> LoadRun | None:
    """Return a run of ``scenario`` as it stands, against the default target, that somebody began
    within the last quarter of an hour; no schedule, and none that came to nothing.
    """
    rows = LoadRun.objects.filter(
        scenario=scenario,
        state__in=[*LoadRun.ACTIVE, State.FINISHED],
        created_at__gte=timezone.now() - _JUST_RUN,
    ).exclude(trigger=Trigger.SCHEDULE)
    rows = rows.exclude(plan__has_key="find_limit").order_by("-pk")
    target = (conf().DEFAULT_TARGET,)
    return next((run for run in rows if targets.is_one_of(run.target, target)), None)


def _enqueue(run: LoadRun) -> None:
    try:
        limit_s = round(run.plan["duration_s"]) + _PATIENCE_S
        queue.enqueue(run, EXECUTE, limit_s=limit_s, run_id=run.pk)
    except queue.QueueUnavailable as error:
        log.warning("run %s can't be queued: %s", run.pk, error)
        by_hand = f"Without a worker: `manage.py run_load_test {run.scenario} --here`."
        lifecycle.end(LoadRun, run.pk, State.FAILED, str(error), by_hand, was=(State.QUEUED,))
        run.refresh_from_db()


def _tell(
    action: str, run: LoadRun, user: Any, trigger: Trigger, request: HttpRequest | None
) -> None:
    subject = f"run {run.pk} ({run.scenario}, {run.target})"
    tell(action, subject, request=request, user=user, trigger=trigger)


def request_cancel(
    run_id: int,
    *,
    user: Any = None,
    trigger: Trigger = Trigger.COMMAND,
    request: HttpRequest | None = None,
) -> bool:
    """Cancel a run: at once while it is queued, within seconds while it runs.

    Returns False when it has ended already, or is being canceled.
    """
    with transaction.atomic(using=router.db_for_write(LoadRun)):
        if not lifecycle.request_cancel(LoadRun, run_id):
            return False
        run = LoadRun.objects.only("scenario", "target").get(pk=run_id)
        _tell("cancel a load run", run, user, trigger, request)
    return True


def request_rate(
    run_id: int,
    rate: float,
    *,
    user: Any = None,
    trigger: Trigger = Trigger.COMMAND,
    request: HttpRequest | None = None,
) -> None:
    """Have a run go on at ``rate`` (requests/s) within seconds, to the end of its plan.

    Raises ``RunRefused``, also where too little of the plan is left for it to have an effect.
    """
    try:
        sizing.check_caps(rate, None)
    except sizing.SizeRefused as error:
        raise RunRefused(str(error)) from error
    run = LoadRun.objects.only("scenario", "target", "plan", "state").get(pk=run_id)
    if "find_limit" in run.plan or "abort" in run.plan:
        raise RunRefused(
            f"Run {run_id} seeks the highest rate or ends early on a budget: its rate is its own."
        )
    if run.is_active:
        _check_time_is_left(run)
    wish = Wish(rate, name_of(user, trigger), time.time())
    with transaction.atomic(using=router.db_for_write(LoadRun)):
        running = LoadRun.objects.filter(
            pk=run_id, state=State.RUNNING, cancel_requested_at__isnull=True
        )
        if not running.update(wanted_rate=msgspec.to_builtins(wish)):
            raise RunRefused(
                f"Run {run_id} does not load its target now: its rate can't be changed."
            )
        _tell(f"change the rate of a load run to {rate:,.4g} req/s", run, user, trigger, request)


def _check_time_is_left(run: LoadRun) -> None:
    """Raise ``RunRefused`` in the last seconds of a run: its worker would read the wish too late.

    By the newest second that is stored, which may be a second old: ``steering.without_effect``
    finds what slips through.
    """
    newest = Sample.objects.filter(run=run, route="").aggregate(last=Max("second"))["last"]
    left_s = run.plan.get("duration_s", math.inf) - (0 if newest is None else newest + 1)
    needed_s = LEAST_LEFT_S + conf().HEARTBEAT_S
    if left_s < needed_s:
        raise RunRefused(
            f"Run {run.pk} ends in about {max(0.0, left_s):.0f} s: another rate needs "
            f"{needed_s:.0f} s to have an effect. It goes on at its own."
        )


def expire_samples() -> int:
    """Drop the per-second series of old runs; summaries stay. Returns how many rows went.

    One run after the other, each committed: where a time limit ends it, the next time goes on.
    """
    before = timezone.now() - timedelta(days=conf().KEEP_SAMPLES_DAYS)
    of_run = Sample.objects.filter(run=OuterRef("pk"))
    old = LoadRun.objects.filter(Exists(of_run), created_at__lt=before).order_by("pk")
    deleted = 0
    for run in list(old.values_list("pk", flat=True)):
        deleted += Sample.objects.filter(run=run).delete()[0]
    return deleted
