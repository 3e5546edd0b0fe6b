"""Celery shells over the services. Ids in, nothing out: results live in their own rows."""

import logging
from typing import Any

import msgspec
from celery import shared_task, signals
from django.db import close_old_connections
from django.utils import timezone

from perfops.analysis import services as analyses
from perfops.analysis import snapshots
from perfops.analysis.capacity import review
from perfops.analysis.plans import watch as plans
from perfops.analysis.snapshots import parse_since
from perfops.budgets import alerts, deliveries, starting, verdicts, webhook_events, webhooks
from perfops.budgets.against import same_build
from perfops.budgets.against.measuring import Wanted
from perfops.budgets.starting import Wishes
from perfops.budgets.webhook_events import Event
from perfops.conf import conf
from perfops.indexes import table_copies as rehearsals
from perfops.jobs import queue, scheduled
from perfops.load import execution
from perfops.load import services as runs
from perfops.models.analyses import Analysis
from perfops.models.jobs import Trigger
from perfops.models.runs import LoadRun
from perfops.origins import store

log = logging.getLogger(__name__)


@shared_task(name=runs.EXECUTE, acks_late=False)
def execute_run(run_id: int) -> None:
    """Run a queued load run to its verdict; nothing happens if it is not queued any more."""
    if not execution.execute(run_id, verdicts.decide):
        return
    try:
        # A task of its own: a receiver that hangs keeps no run, and no worker's shutdown.
        send_alerts.apply_async((run_id,), retry=False)
    except Exception:
        log.exception("alerts of run %s could not be queued", run_id)
    try:
        _queue(webhook_events.of_run(LoadRun.objects.get(pk=run_id)))
    except Exception:
        log.exception("webhooks of run %s could not be queued", run_id)


def _queue(events: list[Event]) -> None:
    """A task for each event and webhook: one that fails is tried again, and no other is."""
    for event in events:
        for each in webhooks.webhooks():
            if event.name in each.events:
                send_webhook.apply_async((each.key, event.id, event.name, event.data), retry=False)


@shared_task(name="perfops.send_webhook", time_limit=120)
def send_webhook(
    key: str, event_id: str, name: str, data: dict[str, Any], attempt: int = 0
) -> None:
    """Send an event to one webhook; what fails is tried again by a later task, five times at most.

    A webhook that is not in the settings any more is left out.
    """
    webhook = next((each for each in webhooks.webhooks() if each.key == key), None)
    if webhook is None or not webhooks.send(Event(event_id, name, data), webhook):
        return
    if attempt < len(deliveries.BACKOFF_S):
        send_webhook.apply_async(
            (key, event_id, name, data, attempt + 1),
            countdown=deliveries.BACKOFF_S[attempt], retry=False,
        )  # fmt: skip


@shared_task(name="perfops.send_alerts", time_limit=300)
def send_alerts(run_id: int, attempt: int = 0) -> None:
    """Say by e-mail and webhooks which budgets the run violates first, or no longer.

    What fails is tried again by a later task; after the last attempt the run's reasons say so.
    """
    run = LoadRun.objects.get(pk=run_id)
    alert = alerts.of_run(run)
    failed = deliveries.deliver(alert) if alert else []
    if not failed:
        return
    if attempt < len(deliveries.BACKOFF_S):
        try:
            countdown = deliveries.BACKOFF_S[attempt]
            send_alerts.apply_async((run_id, attempt + 1), countdown=countdown, retry=False)
        except Exception:
            log.exception("alerts of run %s could not be queued again", run_id)
        else:
            return
    run.reasons = [*run.reasons, *failed]
    run.save(update_fields=["reasons"])


@shared_task(name="perfops.scheduled_run", time_limit=60)
def scheduled_run(scenario: str, **wishes: Any) -> None:
    """Queue ``scenario`` against the default target, judged like any other run.

    ``wishes``: fields of ``perfops.budgets.starting.Wishes``. Left out where somebody has just run
    the same: beat that starts again sends what was due meanwhile, at whatever time of day.
    """
    if not wishes and (recent := runs.just_run(scenario)):
        log.info("the scheduled run of %s is left out: run %s will do", scenario, recent.pk)
        return
    starting.start(scenario, msgspec.convert(wishes, Wishes), trigger=Trigger.SCHEDULE)


@shared_task(name="perfops.aa_test", time_limit=3600)
def aa_test(minutes: float) -> None:
    """Measure how often this host's comparisons are wrong; bounded by ``minutes`` of load."""
    wanted = Wanted(pairs=24, minutes=minutes)
    same_build.run(wanted, 1.0, lambda text: log.info("A/A test: %s", text))


@shared_task(name="perfops.reap_lost_runs", time_limit=30)
def reap_lost_runs() -> None:
    """Mark runs and analyses whose worker has fallen silent; send messages again that got lost."""
    queue.look_after_jobs()


@shared_task(name="perfops.expire_samples", time_limit=600)
def expire_samples() -> None:
    """Drop raw series past their retention; summaries stay."""
    runs.expire_samples()


@shared_task(name="perfops.expire_origins", time_limit=1800)
def expire_origins() -> None:
    """Fold old query origins into days and months, and drop what is past its retention."""
    store.expire()


@shared_task(name="perfops.watch_plans", time_limit=600)
def watch_plans(database: str = "default") -> None:
    """Look at the plans of the costliest statements, and keep those that changed."""
    plans.watch(database)


@shared_task(name=analyses.ANALYSE, time_limit=600)
def analyse_database(
    database: str = "default", analysis_id: int | None = None, since: str = ""
) -> None:
    """Analyse ``database``, into the row ``analysis_id`` if a page has made one already.

    ``since``: where the window begins, as the option of ``analyze_db``.
    """
    before = webhook_events.open_findings(database)
    try:
        report = analyses.analyse(
            database=database,
            trigger=Trigger.SCHEDULE,
            analysis_id=analysis_id,
            since=parse_since(since) if since else None,
        )
    except analyses.NotQueued as error:
        # A second message of it.
        log.info("%s", error)
        return
    try:
        for analysis in Analysis.objects.filter(pk__in=[report.analysis_id]):
            _queue(webhook_events.of_analysis(analysis, before))
    except Exception:
        log.exception("webhooks of analysis %s could not be queued", report.analysis_id)


@shared_task(name="perfops.take_snapshot", time_limit=300)
def take_snapshot(database: str = "default") -> None:
    """Keep the counters of ``database`` as they stand: the beginning of some later window."""
    snapshots.take_hourly(database)


@shared_task(name="perfops.capacity_review", time_limit=600)
def capacity_review(database: str = "default") -> None:
    """Make a capacity review from what is stored, and keep it for its page."""
    review.review_quarter(database)


# A server needs a second to notice that the rehearsal it works for was killed.
_NOTICED_S = 5


@shared_task(name="perfops.sweep_rehearsals", time_limit=120)
def sweep_rehearsals() -> None:
    """Drop what killed rehearsals have left behind."""
    rehearsals.sweep()


@signals.worker_ready.connect(dispatch_uid="perfops.sweep_rehearsals")
def _sweep_after_start(**_: object) -> None:
    """A task, so that the start waits for no database; Celery logs what goes wrong here."""
    if conf().REHEARSE_ON:
        sweep_rehearsals.apply_async(countdown=_NOTICED_S, retry=False)


@signals.task_postrun.connect(dispatch_uid="perfops.note_schedule")
def _note_schedule(task: Any = None, state: str = "", retval: object = None, **_: object) -> None:
    """For the list of schedules. Celery logs what goes wrong here; the task has ended by then."""
    if scheduled.note(task.request, state, retval, timezone.now()):
        # Celery has closed the task's already, and would keep this one until the next task.
        close_old_connections()
