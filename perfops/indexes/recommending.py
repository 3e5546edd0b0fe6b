"""From a window to index advice: read the workload, propose, prove, weigh, write the change."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace

from django.db import DatabaseError
from django.db.backends.utils import CursorWrapper

from perfops.analysis.advisors.detection import DetectedIssue
from perfops.analysis.collectors.difference import Window, statistics_since
from perfops.analysis.collectors.records import UnavailableSource
from perfops.conf import Conf
from perfops.database import connections as session
from perfops.indexes import (
    candidates,
    catalog,
    detections,
    drops,
    hypopg,
    parameters,
    rehearsal,
    weighing,
    workload,
)
from perfops.indexes.declaration import NotDjangos
from perfops.indexes.migration import Change, Project
from perfops.indexes.recommendation import Recommendation, Recommendations
from perfops.indexes.records import Candidate, Clock, Proof, Query, Table

log = logging.getLogger(__name__)

Name = tuple[str, str]
SOURCE = "index advice"
DROPS = "indexes to drop"
# So many of a dropped index's statements are watched afterwards.
_WATCHED = 20


def recommend(
    window: Window, alias: str, found: Sequence[DetectedIssue], limits: Conf
) -> Recommendations:
    """Return index recommendations, each proved, for ``window`` of the database behind ``alias``.

    ``found``: what the advisors detected; indexes to drop among it are proved as well. Bounded
    in time; never raises for the database's sake: what went wrong is in ``missing``.
    """
    clock = Clock(limits.INDEX_ADVICE_S)
    dropping = [issue for issue in found if issue.index is not None]
    if clock.is_over or not (window.statements or dropping):
        return Recommendations()
    try:
        with session.reading(alias) as cursor:
            return _recommend(cursor, window, alias, dropping, limits, clock)
    except DatabaseError as error:
        reason = str(error).partition("\n")[0]
        log.warning("index advice for %s is left out: %s", alias, reason)
        return Recommendations(missing=(_lacking(reason, ""),))


def _recommend(
    cursor: CursorWrapper,
    window: Window,
    alias: str,
    dropping: Sequence[DetectedIssue],
    limits: Conf,
    clock: Clock,
) -> Recommendations:
    project = Project()
    to_drop, lacking = drops.prove(cursor, alias, dropping, window.statements, limits, clock)
    costly, tables = workload.read(cursor, window.statements, most=limits.INDEX_STATEMENTS)
    found = candidates.propose(
        costly,
        tables,
        most=limits.INDEX_CANDIDATES,
        min_rows=limits.INDEX_MIN_ROWS,
        has_trigrams="pg_trgm" in catalog.extensions(cursor),
    )
    on = {candidate.table for candidate in found}
    costly = parameters.sample(cursor, costly, tables, clock, on=on)
    proposed = with_parts(found, costly, tables, limits)
    proofs, missing = _prove(cursor, alias, proposed, costly, tables, limits, clock)
    to_add = weighing.choose(proofs, costly, tables, period(window), limits)
    if lacking:
        missing = (*missing, _unproved_drops(to_drop, lacking, alias))
    decided = [
        *(_with_removal(e, alias, project) if e.status == "accepted" else e for e in to_drop),
        *(
            _with_addition(e, tables, alias, project) if e.status == "accepted" else e
            for e in to_add
        ),
    ]
    return Recommendations(tuple(decided), missing)


def with_parts(
    found: Sequence[Candidate],
    queries: Sequence[Query],
    tables: Mapping[Name, Table],
    limits: Conf,
) -> list[Candidate]:
    """Return the candidates, and for each that serves one rare value its partial form."""
    partial: list[Candidate] = []
    for query in queries:
        for name in sorted(query.tables):
            typical = parameters.typical(query, tables[name])
            mine = (each for each in found if each.table == name and typical)
            made = (candidates.with_values(each, typical, tables[name]) for each in mine)
            partial += [each for each in made if each is not None]
    return list(dict.fromkeys((*found, *partial[: limits.INDEX_CANDIDATES])))


def period(window: Window) -> weighing.Period:
    counted_s = window.after.taken_at - statistics_since(window.after)
    total_ms = sum(statement.total_ms for statement in window.statements)
    return weighing.Period(total_ms, min(1.0, window.seconds / counted_s) if counted_s > 0 else 1.0)


def _prove(
    cursor: CursorWrapper,
    alias: str,
    proposed: Sequence[Candidate],
    queries: Sequence[Query],
    tables: Mapping[Name, Table],
    limits: Conf,
    clock: Clock,
) -> tuple[list[Proof], tuple[UnavailableSource, ...]]:
    has_hypopg = "hypopg" in catalog.extensions(cursor)
    planned = [c for c in proposed if has_hypopg and c.method in hypopg.METHODS]
    proofs = hypopg.prove(cursor, planned, queries, clock)
    rest = [each for each in proposed if each not in planned]
    if not rest or clock.is_over:
        return proofs, ()
    place = limits.REHEARSE_ON.get(alias)
    if place is None:
        remedy = (
            f"settings.PERFOPS['REHEARSE_ON'] = {{{alias!r}: {alias!r}}}  # or a staging copy"
            if has_hypopg
            else "CREATE EXTENSION hypopg;  -- or settings.PERFOPS['REHEARSE_ON']"
        )
        what = "GIN indexes" if has_hypopg else "indexes"
        reason = f"{len(rest)} candidates for {what} can't be proved: no rehearsal is allowed"
        return proofs, (_lacking(reason, remedy),)
    try:
        return [*proofs, *rehearsal.prove(place, rest, queries, tables, limits)], ()
    except DatabaseError as error:
        reason = str(error).partition("\n")[0]
        log.warning("rehearsal on %s failed: %s", place, reason)
        return proofs, (_lacking(f"the rehearsal on {place} failed: {reason}", ""),)


def _with_removal(drop: Recommendation, alias: str, project: Project) -> Recommendation:
    """Return an accepted drop with its change, worded as the issue that a person reads."""
    change, excuse = _removal(project, drop, alias)
    issue = detections.droppable(drop, change, excuse)
    # What its plan or its time says most about comes first.
    used = {effect.queryid for effect in drop.effects}
    judged = sorted(drop.statements, key=lambda query: query.queryid not in used)
    return replace(drop, issue=issue, change=change, statements=tuple(judged[:_WATCHED]))


def _with_addition(
    recommendation: Recommendation, tables: Mapping[Name, Table], alias: str, project: Project
) -> Recommendation:
    """Return an accepted index with its change, worded as the issue that a person reads."""
    change, excuse = _addition(project, recommendation.candidate, tables, alias)
    issue = detections.missing(recommendation, change, excuse)
    return replace(recommendation, issue=issue, change=change)


def _unproved_drops(
    dropping: Sequence[Recommendation], lacking: str, alias: str
) -> UnavailableSource:
    count = sum(drop.lacks_proof for drop in dropping)
    return UnavailableSource(
        DROPS,
        f"statements plan with {count} indexes that might go, and whether they do as well "
        f"without can't be proved: {lacking}",
        "These indexes are not advised to go.",
        f"CREATE EXTENSION hypopg;  -- 1.4, or settings.PERFOPS['REHEARSE_ON'][{alias!r}]",
    )


def _removal(project: Project, drop: Recommendation, alias: str) -> tuple[Change | None, str]:
    """Return the Django change, or why there is none: without proof there is none either."""
    if drop.unjudged:
        return None, f"{drop.unjudged} statements that may read its table could not be planned"
    try:
        return project.remove(drop.index.table, drop.index.name, alias), ""
    except NotDjangos as error:
        return None, str(error)


def _addition(
    project: Project, candidate: Candidate, tables: Mapping[Name, Table], alias: str
) -> tuple[Change | None, str]:
    """Return the Django change, or why there is none."""
    if not tables[candidate.table].is_visible:
        return None, f"{candidate.qualified} is not on the search path"
    try:
        return project.add(candidate, alias), ""
    except NotDjangos as error:
        return None, str(error)


def _lacking(reason: str, remedy: str) -> UnavailableSource:
    return UnavailableSource(
        SOURCE, reason, "Indexes that might help are not shown unproved.", remedy
    )
