"""Asking for load runs, cancelling them, and clearing up after workers that died."""

import logging
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from perfops.conf import conf
from perfops.loadtest import plan as plans
from perfops.loadtest import target as targets
from perfops.models.runs import LoadRun, Sample, Trigger
from perfops.services import workers

log = logging.getLogger(__name__)

EXECUTE = "perfops.execute_run"
State = LoadRun.State
# A run ends by itself soon after its plan; this is for one that can't.
_PATIENCE_S = 600


class RunRefused(ValueError):
    """The run can't be had as asked; the message says what to do."""


def request_run(
    *,
    scenario: str,
    target: str | None = None,
    trigger: Trigger = Trigger.COMMAND,
    user: Any = None,
    enqueue: bool = True,
) -> LoadRun:
    """Queue a run of ``scenario`` against ``target`` (a base URL; default: the configured one).

    With ``enqueue=False`` the caller executes it. A broker that is away makes the run *could
    not run*, it raises nothing. Raises ``RunRefused``.
    """
    try:
        plan = plans.load(conf().SCENARIO_DIR, scenario)
        url = targets.check(target or conf().DEFAULT_TARGET, conf().ALLOWED_TARGETS)
    except (plans.UnknownScenario, targets.TargetRefused) as error:
        raise RunRefused(str(error)) from error
    reap_lost_runs()
    busy = LoadRun.objects.filter(target=url, state__in=LoadRun.ACTIVE).first()
    if busy is not None:
        raise RunRefused(
            f"Run {busy.pk} ({busy.scenario}) is loading {url}: wait for its end or cancel it."
        )
    run = LoadRun.objects.create(
        scenario=scenario, target=url, trigger=trigger, requested_by=user, plan=plan.as_row()
    )
    if enqueue:
        transaction.on_commit(lambda: _enqueue(run))
    return run


def _enqueue(run: LoadRun) -> None:
    try:
        limit_s = round(run.plan["duration_s"]) + _PATIENCE_S
        workers.hand_over(EXECUTE, limit_s=limit_s, run_id=run.pk)
    except workers.NoWorkers as error:
        log.warning("run %s can't be queued: %s", run.pk, error)
        by_hand = f"Without a worker: `manage.py run_load_test {run.scenario} --here`."
        end(run.pk, State.FAILED, [str(error), by_hand], was=(State.QUEUED,))
        run.refresh_from_db()


def request_cancel(run_id: int) -> bool:
    """Cancel a run: at once while it is queued, within seconds while it runs.

    Returns False when it has ended already.
    """
    if end(run_id, State.CANCELED, ["Canceled before it started."], was=(State.QUEUED,)):
        return True
    running = LoadRun.objects.filter(
        pk=run_id, state=State.RUNNING, cancel_requested_at__isnull=True
    )
    return running.update(cancel_requested_at=timezone.now()) > 0


def reap_lost_runs() -> int:
    """Call runs lost whose worker has fallen silent, and failed that no worker ever took.

    Returns how many. Safe to call from anywhere at any time.
    """
    now = timezone.now()
    silent = now - timedelta(seconds=conf().LOST_AFTER_S)
    lost = LoadRun.objects.filter(state__in=LoadRun.CLAIMED, heartbeat_at__lt=silent).update(
        state=State.LOST,
        finished_at=now,
        reasons=[f"Its worker was not heard of for {conf().LOST_AFTER_S:.0f} s: it died."],
    )
    old = now - timedelta(seconds=conf().QUEUE_TIMEOUT_S)
    waited = LoadRun.objects.filter(state=State.QUEUED, created_at__lt=old).update(
        state=State.FAILED,
        finished_at=now,
        reasons=[f"No worker took it within {conf().QUEUE_TIMEOUT_S:.0f} s: is one running?"],
    )
    return lost + waited


def expire_samples() -> int:
    """Drop the per-second series of old runs; summaries stay. Returns how many rows went."""
    before = timezone.now() - timedelta(days=conf().KEEP_SAMPLES_DAYS)
    deleted, _ = Sample.objects.filter(run__created_at__lt=before).delete()
    return deleted


def end(
    run_id: int,
    state: State,
    reasons: list[str],
    *,
    was: tuple[State, ...] = LoadRun.CLAIMED,
    **fields: Any,
) -> bool:
    """Move a run from one of the states ``was`` to its end; False when it was in none of them."""
    ended = LoadRun.objects.filter(pk=run_id, state__in=was).update(
        state=state, reasons=reasons, finished_at=timezone.now(), **fields
    )
    return ended > 0
