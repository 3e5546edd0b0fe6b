"""Analysing a database: snapshot, difference, advice, and the findings that live on."""

import logging
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
from celery import current_app
from celery.exceptions import OperationalError as BrokerAway
from django.db import DatabaseError, connections, transaction
from django.utils import timezone

from perfops.advisors import registry
from perfops.advisors.advice import ORDER, Advice
from perfops.collectors import difference, snapshot
from perfops.collectors.difference import Window
from perfops.collectors.snapshot import Snapshot
from perfops.conf import conf
from perfops.indexing.advising import Advised
from perfops.models.analyses import Analysis, Finding
from perfops.models.runs import Trigger
from perfops.services import advice as index_advice
from perfops.services import findings

log = logging.getLogger(__name__)

ANALYSE = "perfops.analyse_database"
# A shorter window says nothing; then all that the counters hold is looked at.
_MIN_WINDOW_S = 1.0


class CouldNotAnalyse(RuntimeError):
    """There is no snapshot; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Report:
    """What an analysis found, worst first. ``hidden``: fingerprints acknowledged or muted."""

    database: str
    window: Window
    advice: list[Advice]
    hidden: frozenset[str]
    analysis_id: int | None
    advised: Advised = field(default_factory=Advised)

    @property
    def counts(self) -> dict[str, int]:
        """Return how many of each severity are not hidden."""
        open_ones = [a.severity for a in self.advice if a.fingerprint not in self.hidden]
        return {severity: open_ones.count(severity) for severity in ORDER}


def analyse(
    *,
    database: str = "default",
    trigger: Trigger = Trigger.COMMAND,
    user: Any = None,
    analysis_id: int | None = None,
    store: bool = True,
) -> Report:
    """Analyse the database behind the alias ``database`` and store what was found.

    ``analysis_id``: a row that a page has made already. Raises ``CouldNotAnalyse``; the row
    then says so as well.
    """
    if database not in connections:
        raise CouldNotAnalyse(
            f"There is no database {database!r} in DATABASES; there is: {', '.join(connections)}."
        )
    if not store:
        return _report(database, _look(database), None, None)
    analysis = _row(database, trigger, user, analysis_id)
    try:
        return _analyse(analysis)
    except Exception as error:
        analysis.state, analysis.finished_at = Analysis.State.FAILED, timezone.now()
        analysis.error = str(error)
        analysis.save(update_fields=["state", "finished_at", "error"])
        raise


def request_analysis(
    *, database: str = "default", trigger: Trigger = Trigger.ADMIN, user: Any = None
) -> Analysis:
    """Make a row and let a worker fill it; a broker that is away makes it *could not analyse*."""
    analysis = _row(database, trigger, user, None)
    transaction.on_commit(lambda: _enqueue(analysis))
    return analysis


def _enqueue(analysis: Analysis) -> None:
    arguments = {"database": analysis.database, "analysis_id": analysis.pk}
    try:
        current_app.send_task(ANALYSE, kwargs=arguments, retry=False)
    except (BrokerAway, OSError) as error:
        log.warning("analysis %s can't be queued: %s", analysis.pk, error)
        analysis.state, analysis.finished_at = Analysis.State.FAILED, timezone.now()
        analysis.error = f"The broker is away ({error}): start Redis and a worker."
        analysis.save(update_fields=["state", "finished_at", "error"])


def _row(database: str, trigger: Trigger, user: Any, analysis_id: int | None) -> Analysis:
    if analysis_id is not None:
        return Analysis.objects.get(pk=analysis_id)
    return Analysis.objects.create(database=database, trigger=trigger, requested_by=user)


def _look(database: str) -> Snapshot:
    try:
        return snapshot.take(database)
    except DatabaseError as error:
        reason = str(error).partition("\n")[0]
        raise CouldNotAnalyse(f"The database {database!r} does not answer: {reason}") from error


def _analyse(analysis: Analysis) -> Report:
    present = _look(analysis.database)
    report = _report(analysis.database, present, _baseline(analysis), analysis.pk)
    report.advice.extend(index_advice.measure(analysis, report.window))
    seen = findings.record(analysis, report.advice)
    index_advice.record(report.advised, seen)
    hidden = frozenset(
        finding.fingerprint for finding in seen if finding.status != Finding.Status.OPEN
    )
    report = replace(report, hidden=hidden, analysis_id=analysis.pk)
    analysis.state, analysis.finished_at = Analysis.State.FINISHED, timezone.now()
    analysis.window_s = report.window.seconds
    analysis.snapshot = present.to_row(texts=conf().SNAPSHOT_STATEMENTS)
    analysis.missing = msgspec.to_builtins(report.window.missing)
    analysis.counts = report.counts
    analysis.save()
    return report


def _baseline(analysis: Analysis) -> Snapshot | None:
    """Return the newest earlier snapshot that this code can read."""
    earlier = (
        Analysis.objects.filter(database=analysis.database, state=Analysis.State.FINISHED)
        .exclude(pk=analysis.pk)
        .order_by("-created_at")
        .first()
    )
    if earlier is None:
        return None
    try:
        found = snapshot.from_row(earlier.snapshot)
    except msgspec.ValidationError:
        log.info("analysis %s has a snapshot of another layout", earlier.pk)
        return None
    analysis.baseline = earlier
    return found


def _report(
    database: str, present: Snapshot, earlier: Snapshot | None, analysis_id: int | None
) -> Report:
    if earlier is None or present.taken_at - earlier.taken_at < _MIN_WINDOW_S:
        window = difference.since_reset(present)
    else:
        window = difference.between(earlier, present)
    advised, advice = index_advice.give(window, database, registry.consult(window, conf()))
    window = index_advice.with_missing(window, advised)
    return Report(database, window, advice, frozenset(), analysis_id, advised)
