"""Analysing a database: snapshot, difference, detected issues, and the findings kept."""

import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import msgspec
from django.db import Error, connections, transaction
from django.utils import timezone

from perfops.analysis import drift, findings, incidents, on_replicas, recommenders, snapshots
from perfops.analysis.advisors import registry
from perfops.analysis.advisors.detection import ORDER, DetectedIssue
from perfops.analysis.collectors import difference, indexes, origins, snapshot
from perfops.analysis.collectors.difference import Window
from perfops.analysis.collectors.records import UnavailableSource
from perfops.analysis.collectors.snapshot import Snapshot
from perfops.analysis.coverage import Coverage
from perfops.analysis.incidents import Incident
from perfops.analysis.snapshots import Since, parse_since
from perfops.conf import conf
from perfops.database import packages, replicas
from perfops.formatting import first_line, to_datetime
from perfops.jobs import lifecycle, queue
from perfops.models.analyses import Analysis, Finding, StoredSnapshot
from perfops.models.jobs import Trigger

log = logging.getLogger(__name__)

ANALYSE = "perfops.analyse_database"
# Requests are kept by the minute, and written a little later.
_SHORT_S = 120.0
_NO_REQUESTS = (
    "no request was counted in it: they are kept by the minute and written half a minute later; "
    "wait, or begin earlier (--since 5m)"
)
_BEGAN_ANEW = "they began after the last analysis: what it found can't be checked yet"


class CouldNotAnalyse(RuntimeError):
    """There is no snapshot; the message says why and what to do."""


class NotQueued(CouldNotAnalyse):
    """Another process has taken the analysis, or it has ended."""


@dataclass(frozen=True, slots=True)
class Report:
    """What an analysis found, worst first. ``hidden``: fingerprints acknowledged or muted."""

    database: str
    window: Window
    issues: list[DetectedIssue]
    hidden: frozenset[str]
    analysis_id: int | None
    coverage: Coverage = field(default_factory=Coverage)
    # Open findings whose advisor could not look: they are neither seen nor resolved.
    unchecked: tuple[Finding, ...] = ()
    # What keeps the recommendations with their findings.
    stores: tuple[Callable[[Sequence[Finding]], None], ...] = ()
    # What the read replicas counted, by alias.
    taken_on_replicas: Mapping[str, Snapshot] = field(default_factory=dict)
    # The advisors that were asked; none: all.
    only: tuple[str, ...] = ()

    @property
    def all_incidents(self) -> tuple[Incident, ...]:
        """Return also what is acknowledged or muted."""
        return incidents.arrange(self.window, self.issues, conf())

    @property
    def incidents(self) -> tuple[Incident, ...]:
        """Return what is not hidden, as incidents: errors first, then by impact."""
        shown = [each for each in self.issues if each.fingerprint not in self.hidden]
        return incidents.arrange(self.window, shown, conf())

    def has(self, severities: Collection[str]) -> bool:
        """Say whether something of ``severities`` is open, seen now or not looked for."""
        kept = any(f.severity in severities and f.status == f.Status.OPEN for f in self.unchecked)
        return kept or any(self.counts[severity] for severity in severities)

    @property
    def counts(self) -> dict[str, int]:
        """Return how many of each severity are not hidden."""
        open_ones = [a.severity for a in self.issues if a.fingerprint not in self.hidden]
        return {severity: open_ones.count(severity) for severity in ORDER}


def titles() -> dict[str, str]:
    """Return the IDs of all that can find something, with their titles."""
    return {**registry.titles(), **recommenders.titles()}


def analyse(
    *,
    database: str = "default",
    trigger: Trigger = Trigger.COMMAND,
    user: Any = None,
    analysis_id: int | None = None,
    store: bool = True,
    since: Since | None = None,
    only: Collection[str] = (),
) -> Report:
    """Analyse the database behind the alias ``database`` and store what was found.

    ``analysis_id``: a row that a page has made already. ``since``: where the window begins, see
    ``baselines``. ``only``: the IDs of advisors to ask. Raises ``CouldNotAnalyse``; the row then
    says so as well.
    """
    if database not in connections:
        raise CouldNotAnalyse(
            f"There is no database {database!r} in DATABASES; there is: {', '.join(connections)}."
        )
    unknown = sorted(set(only) - titles().keys())
    if unknown:
        known = ", ".join(titles())
        raise CouldNotAnalyse(f"There is no advisor {', '.join(unknown)}; there are: {known}.")
    if not store:
        present = _look(database)
        report = _report(database, present, _baseline(database, present, since), only, since)
        return _in_order(replace(report, only=tuple(only)), report.all_incidents)
    try:
        if analysis_id is None:
            _require_baseline(database, since)
        analysis = _claimed(database, trigger, user, analysis_id)
        return replace(_noted(analysis, since, only), only=tuple(only))
    except Error as error:
        reason = first_line(error)
        raise CouldNotAnalyse(
            f"The analysis can't be stored: {reason}. With --no-store it leaves no trace."
        ) from error


def request_analysis(
    *,
    database: str = "default",
    trigger: Trigger = Trigger.ADMIN,
    user: Any = None,
    since: str = "",
) -> Analysis:
    """Make a row and let a worker fill it; a broker that is away makes it *could not analyse*.

    ``since``: where the window begins, as ``parse_since`` takes it. Raises ``ValueError``, also
    where it names an analysis that no window can begin at.
    """
    if since:
        try:
            snapshots.require(database, parse_since(since))
        except snapshots.NoBaseline as error:
            raise ValueError(str(error).removesuffix(".")) from error
    analysis = _queued(database, trigger, user)
    transaction.on_commit(lambda: _enqueue(analysis, since))
    return analysis


def _enqueue(analysis: Analysis, since: str) -> None:
    # A worker of the version before takes no window: it is sent only where one was chosen.
    window: dict[str, Any] = {"since": since} if since else {}
    try:
        arguments = {"database": analysis.database, "analysis_id": analysis.pk, **window}
        queue.enqueue(analysis, ANALYSE, **arguments)
    except queue.QueueUnavailable as error:
        log.warning("analysis %s can't be queued: %s", analysis.pk, error)
        _fail(analysis, f"{error} Without a worker: `manage.py analyze_db`.")


def _queued(database: str, trigger: Trigger, user: Any) -> Analysis:
    lifecycle.reap()
    return Analysis.objects.create(database=database, trigger=trigger, requested_by=user)


def _claimed(database: str, trigger: Trigger, user: Any, analysis_id: int | None) -> Analysis:
    if analysis_id is None:
        analysis_id = _queued(database, trigger, user).pk
    is_ours = lifecycle.claim(Analysis, analysis_id)
    analysis = Analysis.objects.get(pk=analysis_id)
    if not is_ours:
        raise NotQueued(f"Analysis {analysis_id} does not wait: it is {analysis.state}.")
    return analysis


def _noted(analysis: Analysis, since: Since | None, only: Collection[str]) -> Report:
    """Analyse; whatever goes wrong is written into the row as well."""
    try:
        with lifecycle.heartbeats(analysis):
            return _analyse(analysis, since, only)
    except Exception as error:
        _fail(analysis, str(error))
        raise
    except BaseException:
        _fail(analysis, "The process that worked on it was stopped: analyse again.")
        raise


def _fail(analysis: Analysis, error: str) -> None:
    analysis.state, analysis.finished_at = Analysis.State.FAILED, timezone.now()
    analysis.error = error
    analysis.save(update_fields=["state", "finished_at", "error"])


def _look(database: str) -> Snapshot:
    try:
        return snapshot.take(database)
    except Error as error:
        reason = first_line(error)
        raise CouldNotAnalyse(f"The database {database!r} does not answer: {reason}") from error


def _analyse(analysis: Analysis, since: Since | None, only: Collection[str]) -> Report:
    present = _look(analysis.database)
    baseline = _baseline(analysis.database, present, since)
    analysis.baseline = baseline.analysis if baseline else None
    report = _report(analysis.database, present, baseline, only, since)
    report = _with_impact(report, analysis)
    with transaction.atomic():
        arranged = report.all_incidents
        report = _in_order(report, arranged)
        seen = findings.record(
            analysis, report.issues, coverage=report.coverage, incidents=arranged
        )
        unchecked = findings.unchecked(analysis, seen, report.coverage, only=only)
        for store in report.stores:
            store(seen)
        hidden = frozenset(f.fingerprint for f in seen if f.status != Finding.Status.OPEN)
        report = replace(report, hidden=hidden, analysis_id=analysis.pk, unchecked=tuple(unchecked))
        analysis.state, analysis.finished_at = Analysis.State.FINISHED, timezone.now()
        analysis.window_s, analysis.covered = report.window.seconds, report.window.covered
        analysis.notes = [*report.window.notes, *map(findings.unchecked_text, unchecked)]
        analysis.missing = msgspec.to_builtins(report.window.missing)
        analysis.counts = report.counts
        analysis.save()
        snapshots.keep(
            present,
            database=analysis.database,
            texts=conf().SNAPSHOT_STATEMENTS,
            analysis=analysis,
        )
        for alias, taken in report.taken_on_replicas.items():
            snapshots.keep(taken, database=alias, texts=conf().SNAPSHOT_STATEMENTS)
    return report


def _require_baseline(database: str, since: Since | None) -> None:
    """A window that can't be had leaves no analysis behind. Raises ``CouldNotAnalyse``."""
    try:
        snapshots.require(database, since)
    except snapshots.NoBaseline as error:
        raise CouldNotAnalyse(str(error)) from error


def _baseline(database: str, present: Snapshot, since: Since | None) -> StoredSnapshot | None:
    try:
        return snapshots.find(database, present, since)
    except snapshots.NoBaseline as error:
        raise CouldNotAnalyse(str(error)) from error
    except Error as error:
        reason = first_line(error)
        if since is not None:
            raise CouldNotAnalyse(f"Earlier snapshots can't be read: {reason}") from error
        # What the counters hold by themselves is a report as well.
        log.warning("earlier snapshots can't be read: %s", reason)
        return None


def _report(
    database: str,
    present: Snapshot,
    baseline: StoredSnapshot | None,
    only: Collection[str],
    since: Since | None,
) -> Report:
    earlier = snapshots.read(baseline)
    window = (
        difference.between(earlier, present) if earlier else _of_all_counters(database, present)
    )
    # Counters begin where a snapshot is, which may be earlier; origins begin where it was said.
    seconds = since.total_seconds() if isinstance(since, timedelta) else window.seconds
    begin = present.taken_at - seconds
    if earlier is None and since is None:
        # Requests are kept by the minute: of a server that is a minute old all of them count.
        begin -= begin % 60
    sent = origins.read(database, since=begin)
    if seconds < _SHORT_S and not any(each.kind == "request" for each in sent.scopes):
        window = replace(window, notes=(*window.notes, _NO_REQUESTS))
    window = replace(
        window,
        origins=sent.origins,
        plan_changes=sent.plan_changes,
        scopes=sent.scopes,
        packages=packages.of_tables(database),
        alias=database,
    )
    try:
        window = replace(window, drift=drift.find(database))
    except Exception as error:
        log.exception("models and database can't be compared")
        reason = first_line(error)
        cost = "Whether the database has what the models declare is not known."
        window = _lacking(window, UnavailableSource("models and migrations", reason, cost, ""))
    window = _with_replicas(window)
    found = registry.run_advisors(window, conf(), only=only)
    window = _lacking(window, *found.failed)
    issues, coverage, stores = found.issues, found.coverage, []
    for recommender in recommenders.registered():
        try:
            recommended = recommender.recommend(window, database, issues, only=only)
        except Exception as error:
            log.exception("the recommender of %s failed", ", ".join(recommender.TITLES))
            window = _lacking(
                window, *(registry.left_out(id_, error) for id_ in recommender.TITLES)
            )
            continue
        issues, window = recommended.issues, recommended.window
        coverage |= recommended.coverage.of(only)
        stores.append(recommended.store)
    beside = on_replicas.look(window.replica_scans, window, only=only)
    return Report(
        database,
        _lacking(window, *beside.missing),
        [*issues, *beside.issues],
        frozenset(),
        None,
        on_replicas.coverage(coverage, beside.taken, database),
        (),
        tuple(stores),
        beside.taken,
    )


def _of_all_counters(database: str, present: Snapshot) -> Window:
    """Return the window of all that the counters hold. Where they began after the last analysis, as
    after a failover, what that one found can't be called gone.
    """
    window = difference.since_reset(present)
    began = to_datetime(difference.statistics_since(present))
    try:
        last = snapshots.newest_of_an_analysis(database, before=to_datetime(present.taken_at))
    except Error:
        return window
    if last is None or last.taken_at >= began:
        return window
    return replace(window, comparable=False, notes=(*window.notes, _BEGAN_ANEW))


def _with_replicas(window: Window) -> Window:
    """Return ``window`` with what the read replicas of its database know: they count for
    themselves.
    """
    scans: dict[str, dict[int, int]] = {}
    for alias, found in replicas.on_replicas(window.alias, indexes.read).items():
        if isinstance(found, Error):
            source = f"pg_stat_user_indexes of {alias}"
            cost = f"Whether an index that is unused here is used on {alias} is not known."
            window = _lacking(window, UnavailableSource(source, first_line(found), cost, ""))
        else:
            scans[alias] = {index.oid: index.scans for index in found}
    if not scans:
        return window
    note = f"read replicas: {', '.join(scans)}; what was found there names its server"
    return replace(window, replica_scans=scans, notes=(*window.notes, note))


def _in_order(report: Report, arranged: Iterable[Incident]) -> Report:
    """Return ``report`` with its issues in the order of its incidents."""
    return replace(report, issues=[each for one in arranged for each in one.issues])


def _with_impact(report: Report, analysis: Analysis) -> Report:
    """Return ``report`` with what applied recommendations did, and did not, improve."""
    for recommender in recommenders.registered():
        try:
            measured = recommender.measure_impact(analysis, report.window)
        except Exception as error:
            log.exception("the impact of applied recommendations can't be measured")
            failed = [registry.left_out(id_, error) for id_ in recommender.TITLES]
            coverage = report.coverage.without(recommender.TITLES)
            window = _lacking(report.window, *failed)
            report = replace(report, window=window, coverage=coverage)
        else:
            window = replace(report.window, notes=(*report.window.notes, *measured.notes))
            report = replace(report, window=window, issues=[*report.issues, *measured.issues])
    return report


def _lacking(window: Window, *sources: UnavailableSource) -> Window:
    after = msgspec.structs.replace(window.after, missing=(*window.after.missing, *sources))
    return replace(window, after=after)
