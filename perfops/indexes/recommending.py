"""From a window to index advice: read the workload, propose, prove, weigh, write the change."""

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from django.db import DatabaseError, NotSupportedError
from django.db.backends.utils import CursorWrapper

from perfops.analysis.advisors.detection import DetectedIssue
from perfops.analysis.collectors.difference import Window, statistics_since
from perfops.analysis.collectors.records import Index, Statement, UnavailableSource
from perfops.conf import Conf
from perfops.database import connections as session
from perfops.database.index_sql import without_names
from perfops.formatting import count_text, first_line
from perfops.indexes import (
    candidates,
    catalog,
    detections,
    drops,
    hypopg,
    impact,
    parameters,
    rehearsal,
    weighing,
    workload,
)
from perfops.indexes import table_copies as copying
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
_PARTITIONED = "its table is partitioned, and PostgreSQL does it there without CONCURRENTLY only"


def recommend(
    window: Window,
    alias: str,
    found: Sequence[DetectedIssue],
    limits: Conf,
    present: Window | None = None,
    *,
    was: Sequence[Index] | None = None,
    adding: bool = True,
) -> Recommendations:
    """Return index recommendations, each proved, for ``window`` of the database behind ``alias``.

    ``present``: the part of it since the indexes are those of today. Statements whose tables had
    others before are judged by that part, or, without one, not yet. ``was``: the indexes at its
    beginning, where they are known otherwise than by ``window.before``. ``adding``: look for
    indexes to add, too.
    ``found``: what the advisors detected; indexes to drop among it are proved as well. Bounded
    in time; never raises for the database's sake: what went wrong is in ``missing``.
    """
    clock = Clock(limits.INDEX_ADVICE_S)
    dropping = [issue for issue in found if issue.index is not None]
    if clock.is_over:
        reason = f"no time is given to it (INDEX_ADVICE_S is {limits.INDEX_ADVICE_S:g})"
        return Recommendations(missing=(_lacking(reason, ""),))
    to_serve = window.statements if adding else ()
    if not (to_serve or dropping):
        return Recommendations()
    try:
        with session.reading(alias) as cursor:
            advised, tables = _recommend(
                cursor, window, alias, to_serve, dropping, limits, clock, present, was
            )
        # Whose models has a read replica? That is asked on a connection of its own, and a pooler
        # may have one only.
        return _with_changes(advised, tables, alias)
    except DatabaseError as error:
        reason = first_line(error)
        log.warning("index advice for %s is left out: %s", alias, reason)
        return Recommendations(missing=(_lacking(reason, ""),))


def _recommend(
    cursor: CursorWrapper,
    window: Window,
    alias: str,
    to_serve: Sequence[Statement],
    dropping: Sequence[DetectedIssue],
    limits: Conf,
    clock: Clock,
    present: Window | None,
    was: Sequence[Index] | None,
) -> tuple[Recommendations, Mapping[Name, Table]]:
    """Return the recommendations without their changes, and the tables that they are about."""
    to_drop, lacking = drops.prove(cursor, alias, dropping, window.statements, limits, clock)
    read = workload.read(cursor, to_serve, most=limits.INDEX_STATEMENTS, clock=clock)
    tables = read.tables
    queries, period, later = _at_present(read.queries, window, present, was)
    found = candidates.propose(
        queries,
        tables,
        most=limits.INDEX_CANDIDATES,
        min_rows=limits.INDEX_MIN_ROWS,
        trigrams=catalog.opclass(cursor, "gin_trgm_ops"),
    )
    on = {candidate.table for candidate in found}
    costly = parameters.sample(cursor, queries, tables, clock, on=on)
    proposed = with_parts(found, costly, tables, limits)
    proofs, missing = _prove(cursor, alias, proposed, costly, tables, limits, clock)
    new = [proof for proof in proofs if not _is_built(proof, tables)]
    to_add = weighing.choose(new, costly, tables, period, limits)
    if later:
        names = {name for query in later for name in query.tables}
        reason = (
            "indexes were made or dropped since the last snapshot: the next analysis judges anew"
            if present is None
            else f"{count_text(len(later), 'statement')} sent before indexes changed came no more "
            "since: judged when sent again, or never with --since a later time"
        )
        missing = (*missing, _lacking(reason, "", *names))
    if clock.is_over:
        reason = f"its {limits.INDEX_ADVICE_S:g} s were over before all was tried"
        missing = (*missing, _lacking(reason, "settings.PERFOPS['INDEX_ADVICE_S'] = 300"))
    if lacking:
        has_hypopg = isinstance(hypopg.usable_schema(cursor), str)
        missing = (*missing, _unproved_drops(to_drop, lacking, alias, has_hypopg=has_hypopg))
    total_ms = sum(statement.total_ms for statement in window.statements)
    lost = [*read.unjudged, *_unknown(cursor, costly, window, on)]
    unjudged = workload.reasons(lost, total_ms)
    notes = (f"indexes: {unjudged}",) if unjudged else ()
    costly_to_keep = [str(e.candidate) for e in to_add if e.reason == weighing.WRITTEN_TOO_MUCH]
    if costly_to_keep:
        # Also after a load of many rows, which comes no more.
        note = (
            f"indexes: {', '.join(costly_to_keep)} would help, and is not advised: "
            f"{weighing.WRITTEN_TOO_MUCH}; --since a later time leaves a load of rows out"
        )
        notes = (*notes, note)
    return Recommendations((*to_drop, *to_add), missing, notes), tables


def _with_changes(
    advised: Recommendations, tables: Mapping[Name, Table], alias: str
) -> Recommendations:
    """Return ``advised`` with the changes of the project's models for what was accepted."""
    project = Project()

    def changed(each: Recommendation) -> Recommendation:
        if each.status != "accepted":
            return each
        if each.action == "add":
            return _with_addition(each, tables, alias, project)
        return _with_removal(each, alias, project)

    return replace(advised, decided=tuple(map(changed, advised.decided)))


def _unknown(
    cursor: CursorWrapper, queries: Sequence[Query], window: Window, on: Collection[Name]
) -> list[tuple[Statement, str]]:
    """Return the statements that could neither be run, as their values are not known, nor be
    planned without values.
    """
    if isinstance(hypopg.usable_schema(cursor), str):
        return []
    lost = {query.queryid for query in queries if query.may_read(*on) and not query.sets}
    reason = "the values of its parameters are not known"
    return [(each, reason) for each in window.statements if each.queryid in lost]


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


def _at_present(
    queries: Sequence[Query],
    window: Window,
    present: Window | None,
    was: Sequence[Index] | None,
) -> tuple[list[Query], weighing.Period, list[Query]]:
    """Return the queries as they are with the indexes of today, the period that they are of, and
    those of which it is not known yet.
    """
    if was is None:
        was = window.before.indexes if window.before is not None else window.after.indexes
    changed = impact.changed_tables(was, window.after.indexes)
    statements = {each.queryid: each for each in present.statements} if present else {}
    times = window.seconds / present.seconds if present and present.seconds else 1.0
    known, later = impact.at_present(queries, changed, statements, times=times)
    lost = {query.queryid for query in later}
    past_ms = sum(query.total_ms for query in queries if query.queryid not in lost)
    return known, period(window, more_ms=sum(query.total_ms for query in known) - past_ms), later


def period(window: Window, *, more_ms: float = 0.0) -> weighing.Period:
    """Return the window as writes and savings are weighed; ``more_ms`` is added to its time."""
    counted_s = window.after.taken_at - statistics_since(window.after)
    total_ms = sum(statement.total_ms for statement in window.statements) + more_ms
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
    schema = hypopg.usable_schema(cursor)
    proofs: list[Proof] = []
    unplanned: tuple[UnavailableSource, ...] = ()
    if isinstance(schema, str):
        planned = [each for each in proposed if each.method in hypopg.METHODS]
        proofs, failed = hypopg.prove(cursor, schema, planned, queries, clock)
        unplanned = _unplanned(queries, failed)
    proved = {proof.candidate for proof in proofs}
    rest = [each for each in proposed if each not in proved]
    if not rest or clock.is_over:
        return proofs, unplanned
    place = limits.REHEARSE_ON.get(alias)
    if place is None:
        setting = f"settings.PERFOPS['REHEARSE_ON'] = {{{alias!r}: {alias!r}}}"
        what, why, remedy = "indexes", "", f"{setting}  # or a staging copy"
        if isinstance(schema, hypopg.NotUsable):
            why, remedy = f"{schema.reason}, and ", f"{schema.remedy}  -- or {setting}"
        elif all(each.method not in hypopg.METHODS for each in rest):
            what = "GIN indexes"
        reason = f"{len(rest)} candidates for {what} can't be proved: {why}no rehearsal is allowed"
        return proofs, (*unplanned, _lacking(reason, remedy, *{each.table for each in rest}))
    try:
        if place == alias:
            copying.require_direct(cursor, alias)
        rehearsed = rehearsal.prove(place, rest, queries, tables, limits)
    except NotSupportedError as error:
        rehearsed = rehearsal.Rehearsed((), {each.table: str(error) for each in rest})
    missing = [
        _lacking(f"the rehearsal of {'.'.join(name)} on {place} failed: {reason}", "", name)
        for name, reason in rehearsed.failed.items()
    ]
    return [*proofs, *rehearsed.proofs], (*unplanned, *missing)


def _is_built(proof: Proof, tables: Mapping[Name, Table]) -> bool:
    """Say whether the table has that very index, under whatever name."""
    there = {without_names(index.definition) for index in tables[proof.candidate.table].indexes}
    return proof.definition in there - {""}


def _unplanned(
    queries: Sequence[Query], failed: Mapping[str, str]
) -> tuple[UnavailableSource, ...]:
    """Return what is not known as statements could not be planned: of their tables, with the
    first one's reason.
    """
    lost = [query for query in queries if query.queryid in failed]
    if not lost:
        return ()
    names = {name for query in lost for name in query.tables}
    what = count_text(len(lost), "statement")
    first = failed[lost[0].queryid]
    return (_lacking(f"{what} could not be planned, the first as: {first}", "", *names),)


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
    issue = detections.missing(recommendation, tables[recommendation.table], change, excuse)
    return replace(recommendation, issue=issue, change=change)


def _unproved_drops(
    dropping: Sequence[Recommendation], lacking: str, alias: str, *, has_hypopg: bool
) -> UnavailableSource:
    hiding = (
        "ALTER EXTENSION hypopg UPDATE;  -- with its package at 1.4: earlier ones hide no index"
        if has_hypopg
        else "CREATE EXTENSION hypopg;  -- 1.4"
    )
    names = [f"{e.index.schema}.{e.index.name}" for e in dropping if e.lacks_proof]
    return UnavailableSource(
        DROPS,
        f"indexes might go ({', '.join(names)}), and whether every statement does as well without "
        f"can't be proved: {lacking}",
        "These indexes are not advised to go.",
        ""
        if lacking == drops.UNEXPLAINED
        else f"{hiding}, or settings.PERFOPS['REHEARSE_ON'][{alias!r}]",
    )


def _removal(project: Project, drop: Recommendation, alias: str) -> tuple[Change | None, str]:
    """Return the Django change, or why there is none: without proof there is none either."""
    if drop.unjudged:
        return None, f"{drop.unjudged} statements that may read its table could not be planned"
    if not drop.issue or "CONCURRENTLY" not in drop.issue.statement:
        return None, _PARTITIONED
    try:
        return project.remove(drop.index.table, drop.index.name, alias), ""
    except NotDjangos as error:
        return None, str(error)


def _addition(
    project: Project, candidate: Candidate, tables: Mapping[Name, Table], alias: str
) -> tuple[Change | None, str]:
    """Return the Django change, or why there is none."""
    if tables[candidate.table].is_partitioned:
        return None, "its table is partitioned: the index is built on each partition and attached"
    if not tables[candidate.table].is_visible:
        return None, f"{candidate.qualified} is not on the search path"
    try:
        return project.add(candidate, alias), ""
    except NotDjangos as error:
        return None, str(error)


def _lacking(reason: str, remedy: str, *tables: Name) -> UnavailableSource:
    """Return what is not known of ``tables``; none: of all."""
    return UnavailableSource(
        SOURCE,
        reason,
        "Indexes that might help are not shown unproved.",
        remedy,
        tuple(sorted(".".join(name) for name in tables)),
    )
