"""Index advice in an analysis: given, kept with its finding, and measured once it is applied."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import msgspec
from django.utils import timezone

from perfops.analysis.advisors.detection import ORDER, DetectedIssue
from perfops.analysis.collectors.difference import Window
from perfops.analysis.recommenders import Recommended
from perfops.conf import conf
from perfops.indexes import detections as wording
from perfops.indexes import impact as aftermath
from perfops.indexes import recommending as advising
from perfops.indexes.recommending import Advised, Given
from perfops.models.analyses import Analysis, Finding
from perfops.models.recommendations import IndexAdvice

Kind, Outcome = IndexAdvice.Kind, IndexAdvice.Outcome
AFTERMATH = "index_aftermath"
TITLES = {wording.ID: "UnavailableSource indexes", AFTERMATH: "Index advice that did not help"}


def recommend(
    window: Window, database: str, issues: list[DetectedIssue], *, only: Collection[str] = ()
) -> Recommended:
    """Return the proved index recommendations for ``window``; see ``Recommender``.

    ``only``: the IDs of advisors that were asked; empty for all.
    """
    advised, all_issues = give(window, database, issues, only=only)
    return Recommended(
        all_issues, with_missing(window, advised), complete(advised), partial(record, advised)
    )


def give(
    window: Window, database: str, found: list[DetectedIssue], *, only: Collection[str] = ()
) -> tuple[Advised, list[DetectedIssue]]:
    """Return the index recommendations for ``window``, and ``found`` with them, worst first."""
    advised = advising.advise(window, database, found, conf())
    if only:
        given = tuple(each for each in advised.given if each.advice.advisor in only)
        advised = replace(advised, given=given)
    proved = {given.advice.fingerprint: given.advice for given in advised.given}
    kept = [a for a in found if a.fingerprint not in {*proved, *advised.refuted}]
    advice = sorted(
        [*kept, *proved.values()], key=lambda a: (ORDER.index(a.severity), a.advisor, a.object)
    )
    return advised, advice


def complete(advised: Advised) -> frozenset[str]:
    """Return the IDs of what saw all it needs: what it does not find any more is mended."""
    lacks = any(missing.source == advising.SOURCE for missing in advised.missing)
    return frozenset() if lacks else frozenset(TITLES)


def with_missing(window: Window, advised: Advised) -> Window:
    """Return ``window`` saying as well what index advice could not be had for."""
    missing = (*window.after.missing, *advised.missing)
    return replace(window, after=msgspec.structs.replace(window.after, missing=missing))


def record(advised: Advised, seen: Sequence[Finding]) -> None:
    """Keep the proof and the change of each piece of advice with its finding."""
    findings = {finding.fingerprint: finding for finding in seen}
    for given in advised.given:
        IndexAdvice.objects.update_or_create(
            finding=findings[given.advice.fingerprint], defaults=_fields(given)
        )


def _fields(given: Given) -> dict[str, Any]:
    change, offer = given.change, given.offer
    return {
        "kind": Kind.ADD if offer is not None else Kind.DROP,
        "index_schema": given.index[0],
        "index_name": given.index[1],
        "app_label": change.app_label if change else "",
        "migration_name": change.name if change else "",
        "migration": change.text if change else "",
        "meta": "\n".join([*change.imports, change.meta]) if change else "",
        # Given again: whatever was applied once is not there any more.
        "applied_at": None,
        "outcome": Outcome.WAITING,
        "measured": [],
        "proof": given.proof,
        "unit": given.unit,
        "gain": offer.gain if offer is not None else 0.0,
        "effects": given.effects(),
    }


def measure_impact(analysis: Analysis, window: Window) -> list[DetectedIssue]:
    """Look at what was advised before: note what is applied, judge what has been for a while.

    Returns findings for what did not help.
    """
    found = []
    rows = IndexAdvice.objects.filter(finding__database=analysis.database)
    for row in rows.select_related("finding").order_by("id"):
        index = aftermath.index_in(
            window.after.indexes, schema=row.index_schema, name=row.index_name
        )
        if (index is not None) != (row.kind == Kind.ADD):
            continue
        if row.applied_at is None:
            row.applied_at = timezone.now()
            row.save(update_fields=["applied_at"])
            continue
        judged = None
        if row.outcome == Outcome.WAITING and _is_after(row, analysis):
            judged = aftermath.judge(
                aftermath.means(row.effects), window, index=index, promised=row.gain,
                min_calls=conf().INDEX_MIN_CALLS,
            )  # fmt: skip
        if judged is not None:
            row.outcome, row.measured = Outcome(judged.verdict), judged.evidence()
            row.save(update_fields=["outcome", "measured"])
        if row.outcome in {Outcome.NO_EFFECT, Outcome.WORSE}:
            found.append(_disappointment(row))
    return found


def _is_after(row: IndexAdvice, analysis: Analysis) -> bool:
    """Whether the whole window lies after the change was seen."""
    baseline = analysis.baseline
    return (
        baseline is not None
        and row.applied_at is not None
        and baseline.created_at >= row.applied_at
    )


def _disappointment(row: IndexAdvice) -> DetectedIssue:
    was_made = row.kind == Kind.ADD
    what = f"{row.index_schema}.{row.index_name}"
    change = "made" if was_made else "dropped"
    effect = "made its statements slower" if row.outcome == Outcome.WORSE else "changed nothing"
    remedy = (
        "Drop it again unless something else has come to use it."
        if was_made
        else "Make it again: what it served is slower without it."
    )
    return DetectedIssue(
        advisor=AFTERMATH,
        object=f"{change} {what}",
        queryids=tuple(effect["queryid"] for effect in row.effects),
        severity="warning",
        title=f"Index {what} was {change} as advised, and that {effect}",
        evidence=dict(row.measured),
        why="Every index costs each write; one that helps nobody is only cost.",
        remedy=remedy,
        statement=_undo(row) if was_made else "",
    )


def _undo(row: IndexAdvice) -> str:
    """Return the statement that takes an index away again."""
    schema, name = (part.replace('"', '""') for part in (row.index_schema, row.index_name))
    return f'DROP INDEX CONCURRENTLY "{schema}"."{name}";'
