"""Index recommendations in an analysis: made, kept with their findings, measured once applied."""

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Self

import msgspec
from django.db import Error, transaction
from django.utils import timezone

from perfops.analysis import findings, snapshots
from perfops.analysis.advisors.detection import ORDER, DetectedIssue, IndexSubject
from perfops.analysis.advisors.index_identity import drop_statement
from perfops.analysis.collectors import difference, snapshot
from perfops.analysis.collectors.difference import Window
from perfops.analysis.collectors.records import Index
from perfops.analysis.collectors.snapshot import Snapshot
from perfops.analysis.coverage import Coverage, hidden_of
from perfops.analysis.recommenders import Measured, Recommended
from perfops.conf import conf
from perfops.database import connections as session
from perfops.formatting import first_line, to_datetime
from perfops.indexes import detections, drops, impact, recommending
from perfops.indexes.recommendation import Recommendation, Recommendations
from perfops.indexes.records import Clock
from perfops.models.analyses import Analysis, Finding
from perfops.models.analyses import Recommendation as Stored

log = logging.getLogger(__name__)

Kind, Outcome = Stored.Kind, Stored.Outcome
IMPACT = "index_impact"
TITLES = {detections.ID: "Missing indexes", IMPACT: "Index recommendations that did not help"}


def recommend(
    window: Window, database: str, issues: list[DetectedIssue], *, only: Collection[str] = ()
) -> Recommended:
    """Return the proved index recommendations for ``window``; see ``Recommender``.

    ``only``: the IDs of advisors that were asked; empty for all.
    """
    adding = not only or detections.ID in only
    was, present = None, None
    if adding:
        history = _History.of(window, database)
        was = history.first_indexes()
        present = history.present(was)
    found = recommending.recommend(
        window, database, issues, conf(), present, was=was, adding=adding
    )
    if only:
        decided = tuple(e for e in found.decided if e.issue and e.issue.advisor in only)
        found = replace(found, decided=decided)
    return Recommended(
        merged(issues, found),
        with_missing(window, found),
        coverage(window, found),
        partial(record, found, window.after.indexes),
    )


@dataclass(frozen=True, slots=True)
class _History:
    """The snapshots kept within ``window``; those that can't be read are none: an analysis needs
    no history.
    """

    window: Window
    kept: snapshots.Kept

    @classmethod
    def of(cls, window: Window, database: str) -> Self:
        after = window.after.taken_at
        began = window.before.taken_at if window.before else after - window.seconds
        kept = snapshots.Kept(database, after=to_datetime(began), before=to_datetime(after))
        return cls(window, kept)

    def around(self, holds: Callable[[Snapshot], bool]) -> tuple[Snapshot | None, Snapshot | None]:
        """Return the last snapshot for which it does not hold yet, and the first for which it does;
        the window's beginning is one of them.
        """
        before = self.window.before
        if before is not None and holds(before):
            return None, before
        try:
            last, first = self.kept.around(holds)
        except Error as error:
            log.warning("snapshots within the window can't be read: %s", first_line(error))
            last, first = None, None
        return last or before, first

    def first_indexes(self) -> tuple[Index, ...]:
        """Return the indexes at the beginning of the window, or as soon after as they are known.

        A window of all that the counters hold has no snapshot at its beginning, but may have some
        within: without those, what was slow until an index was made an hour ago counts as slow.
        """
        _, first = self.around(lambda _: True)
        return (first or self.window.after).indexes

    def present(self, was: Sequence[Index]) -> Window | None:
        """Return the part of the window in which all tables have the indexes of today."""
        window = self.window
        if window.before is None and not impact.changed_tables(was, window.after.indexes):
            return window

        def is_like_today(snapshot: Snapshot) -> bool:
            return not impact.changed_tables(snapshot.indexes, window.after.indexes)

        _, first = self.around(is_like_today)
        return self.since(first) if first is not None else None

    def since(self, snapshot: Snapshot | None) -> Window:
        """Return the part of the window since ``snapshot``; all of it for None."""
        if snapshot is None or snapshot is self.window.before:
            return self.window
        return difference.between(snapshot, self.window.after)


def merged(issues: Sequence[DetectedIssue], found: Recommendations) -> list[DetectedIssue]:
    """Return the issues as the recommendations leave them, worst first.

    A drop that was accepted says how it was proved; one that was rejected is no issue.
    """
    accepted = {each.issue.fingerprint: each.issue for each in found.accepted if each.issue}
    replaced = {*accepted, *found.rejected_issues}
    kept = [issue for issue in issues if issue.fingerprint not in replaced]
    return sorted(
        [*kept, *accepted.values()],
        key=lambda issue: (ORDER.index(issue.severity), issue.advisor, issue.object),
    )


def coverage(window: Window, found: Recommendations) -> Coverage:
    """Return what was looked at: an index that was advised, and is no more, may be resolved.

    The statements must have been seen, and there must have been time for all candidates. An
    index that may go, but could not be tried, is hidden from the advisor that found it.
    """
    lacking = [each for each in found.missing if each.source == recommending.SOURCE]
    is_whole = window.is_complete("pg_stat_statements") and all(e.objects for e in lacking)
    # What was applied is judged by the indexes that are there.
    measured = {IMPACT} if window.is_complete("pg_stat_user_indexes") else set()
    hidden = {detections.ID: hidden_of([recommending.SOURCE], found.missing)}
    for each in found.rejected:
        if each.lacks_proof and each.issue is not None:
            one = frozenset({each.issue.object})
            hidden[each.issue.advisor] = hidden.get(each.issue.advisor, frozenset()) | one
    return Coverage(frozenset({detections.ID} | measured if is_whole else measured), hidden)


def with_missing(window: Window, found: Recommendations) -> Window:
    """Return ``window`` with what the recommendations could not be had for."""
    after = msgspec.structs.replace(window.after, missing=(*window.after.missing, *found.missing))
    return replace(window, after=after, notes=(*window.notes, *found.notes))


def record(found: Recommendations, indexes: Sequence[Index], seen: Sequence[Finding]) -> None:
    """Keep the proof and the change of each accepted recommendation with its finding.

    ``indexes``: those that are there.
    """
    by_fingerprint = {finding.fingerprint: finding for finding in seen}
    for each in found.accepted:
        if each.issue is not None:
            Stored.objects.update_or_create(
                finding=by_fingerprint[each.issue.fingerprint], defaults=_fields(each, indexes)
            )


def _identity(recommendation: Recommendation, indexes: Sequence[Index]) -> str:
    """Return what the index is; empty where its name alone tells, as of two that are the same."""
    index = recommendation.index
    if recommendation.proof is not None:
        return impact.identity(recommendation.table, recommendation.proof.definition)
    there = impact.index_in(indexes, schema=index.schema, name=index.name)
    same = impact.identity_of(there) if there is not None else ""
    return "" if [impact.identity_of(each) for each in indexes].count(same) > 1 else same


def _fields(recommendation: Recommendation, indexes: Sequence[Index]) -> dict[str, Any]:
    change, balance = recommendation.change, recommendation.balance
    return {
        "kind": Kind.ADD if recommendation.action == "add" else Kind.DROP,
        "index_schema": recommendation.index.schema,
        "index_name": recommendation.index.name,
        "identity": _identity(recommendation, indexes),
        "app_label": change.app_label if change else "",
        "migration_name": change.name if change else "",
        "migration": change.text if change else "",
        "meta": "\n".join([*change.imports, change.meta]) if change else "",
        # Recommended again: whatever was applied once is not there any more.
        "applied_at": None,
        "outcome": Outcome.WAITING,
        "measured": [],
        "proof": recommendation.method,
        "unit": recommendation.unit,
        "gain": balance.gain if balance is not None else 0.0,
        "effects": recommendation.effects_as_data(),
    }


def measure_impact(analysis: Analysis, window: Window) -> Measured:
    """Note which recommendations were applied, and judge those that are not judged yet, or were by
    calls of which some came before.

    Returns issues for those that did not help, and a sentence for each that did, or that can't be
    judged by the first analysis after it.
    """
    issues, notes = [], []
    stored = Stored.objects.filter(finding__database=analysis.database)
    rows = [
        row
        for row in stored.select_related("finding").order_by("id")
        if _is_applied(row, window.after.indexes)
    ]
    # Looked at before: a pool may have one connection only, and a transaction would hold it.
    looks = _Looks(analysis, _History.of(window, analysis.database))
    judgements = {row.pk: looks.judged(row) for row in rows if _is_open(row)}
    with transaction.atomic():
        for row in rows:
            index, judged = _index_of(row, window.after.indexes), judgements.get(row.pk)
            what = f"index {_name(row, index)} was {_change(row)} as recommended"
            is_new = row.applied_at is None
            if is_new:
                row.applied_at = timezone.now()
                row.save(update_fields=["applied_at"])
                findings.resolve(row.finding)
            if judged is not None:
                row.outcome, row.measured = Outcome(judged.verdict), judged.evidence()
                row.save(update_fields=["outcome", "measured"])
                notes += [f"{what}: {judged}"] if row.outcome == Outcome.FIXED else []
            elif is_new:
                notes.append(f"{what}; what it did is not known yet: {_undecided()}")
            if row.outcome in {Outcome.NO_EFFECT, Outcome.WORSE}:
                issues.append(_without_effect(row, index))
    return Measured(issues, tuple(notes))


def _is_open(row: Stored) -> bool:
    return row.outcome == Outcome.WAITING or impact.is_provisional(row.measured)


def _undecided() -> str:
    least = conf().INDEX_MIN_CALLS
    return (
        f"too few calls came since, or too few to tell them from those before it; {least} calls "
        "from now on, and the next analysis tells"
    )


@dataclass(frozen=True, slots=True)
class _Looks:
    """What the counters of an analysis say of recommendations that were applied."""

    analysis: Analysis
    history: _History
    # What came while the analysis worked, once it was asked for.
    lately: list[Window | None] = field(default_factory=list)

    def judged(self, row: Stored) -> impact.Impact | None:
        """Return what the calls since the change say, or else those since shortly before it; None
        where they say no more than is known.
        """
        whole, baseline = self.history.window, self.analysis.baseline
        if baseline is not None and row.applied_at and baseline.created_at >= row.applied_at:
            return self._judge(row, whole)
        last, first = self.history.around(lambda snapshot: _is_applied(row, snapshot.indexes))
        found = self._judge(row, self.history.since(first)) if first is not None else None
        if found is not None or row.outcome != Outcome.WAITING:
            return found
        if first is not None and first is whole.before:
            return None
        lately = self._lately()
        found = self._judge(row, lately) if lately is not None else None
        return found or self._judge(row, self.history.since(last), is_mixed=True)

    def _judge(
        self, row: Stored, window: Window, *, is_mixed: bool = False
    ) -> impact.Impact | None:
        index = _index_of(row, self.history.window.after.indexes)
        return impact.judge(
            impact.means(row.effects), window, index=index, promised=row.gain,
            min_calls=conf().INDEX_MIN_CALLS, is_mixed=is_mixed,
            is_left_alone=is_mixed and index is not None and self._is_left_alone(row, index),
        )  # fmt: skip

    def _lately(self) -> Window | None:
        """Return what was counted since the analysis began: all of it is after the change."""
        if not self.lately:
            try:
                now = snapshot.take(self.analysis.database, light=True)
            except Error as error:
                log.warning("what came since can't be read: %s", first_line(error))
                self.lately.append(None)
            else:
                self.lately.append(difference.between(self.history.window.after, now))
        return self.lately[0]

    def _is_left_alone(self, row: Stored, index: Index) -> bool:
        """Say whether nothing scanned ``index``, and no statement that it is for is planned with
        it.
        """
        asked = {str(effect["queryid"]) for effect in row.effects}
        sent = [each for each in self.history.window.statements if each.queryid in asked]
        if index.scans or not sent:
            return False
        table, name = (index.schema, index.table), (index.schema, index.name)
        clock = Clock(conf().INDEX_ADVICE_S)
        try:
            with session.reading(self.analysis.database) as cursor:
                return drops.are_planned_without(cursor, sent, table=table, index=name, clock=clock)
        except Error as error:
            log.warning("plans of %s can't be had: %s", index.name, first_line(error))
            return False


def after_migrate(database: str) -> None:
    """Keep the counters as they are where a migration has applied a recommendation: what is counted
    from here on is with the change alone. Raises ``django.db.Error``.
    """
    waiting = list(Stored.objects.filter(finding__database=database, applied_at=None))
    taken = snapshot.take(database, light=True)
    if any(_is_applied(row, taken.indexes) for row in waiting):
        snapshots.keep(taken, database=database, texts=0)


def _index_of(row: Stored, indexes: Sequence[Index]) -> Index | None:
    """Return the index that ``row`` is about, by what it is; None where it is not there.

    One that is not valid answers nothing: it is not made yet, and not dropped yet.
    """
    usable = [each for each in indexes if each.is_valid or row.kind == Kind.DROP]
    return impact.index_in(
        usable, schema=row.index_schema, name=row.index_name, identity=row.identity
    )


def _is_applied(row: Stored, indexes: Sequence[Index]) -> bool:
    return (_index_of(row, indexes) is not None) == (row.kind == Kind.ADD)


def _name(row: Stored, index: Index | None) -> str:
    return f"{row.index_schema}.{index.name if index else row.index_name}"


def _change(row: Stored) -> str:
    return "made" if row.kind == Kind.ADD else "dropped"


def _without_effect(row: Stored, index: Index | None) -> DetectedIssue:
    """Return the issue; ``index``: the one that was made, None where one was dropped."""
    what, change = _name(row, index), _change(row)
    effect = "made its statements slower" if row.outcome == Outcome.WORSE else "changed nothing"
    remedy = (
        "Drop it again unless something else has come to use it."
        if index is not None
        else "Make it again: what it served is slower without it."
    )
    return DetectedIssue(
        advisor=IMPACT,
        index=IndexSubject(row.index_schema, "", index.name if index else row.index_name),
        object=f"{change} {what}",
        queryids=tuple(effect["queryid"] for effect in row.effects),
        severity="warning",
        title=f"Index {what} was {change} as recommended, and that {effect}",
        evidence=dict(row.measured),
        why="Every index costs each write; one that helps nobody is only cost.",
        remedy=remedy,
        statement=drop_statement(index) if index is not None else "",
    )
