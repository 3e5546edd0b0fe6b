"""From a window to index advice: read the workload, propose, prove, weigh, write the change."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from django.db import DatabaseError
from django.db.backends.utils import CursorWrapper

from perfops.analysis.advisors.detection import DetectedIssue
from perfops.analysis.collectors.difference import Window, statistics_since
from perfops.analysis.collectors.unavailable import UnavailableSource
from perfops.conf import Conf
from perfops.database import connections as session
from perfops.indexes import candidates, catalog, drops, parameters, rehearsal, workload
from perfops.indexes import detections as wording
from perfops.indexes import hypopg as hypothetical
from perfops.indexes import weighing as weigh
from perfops.indexes.declaration import NotDjangos, name_of
from perfops.indexes.drops import Drop
from perfops.indexes.migration import Change, Project
from perfops.indexes.records import Candidate, Effect, Proof, Query, Table
from perfops.indexes.time_limit import Clock
from perfops.indexes.weighing import Offer, Refusal

log = logging.getLogger(__name__)

Name = tuple[str, str]
SOURCE = "index advice"
DROPS = "indexes to drop"
# So many of a dropped index's statements are watched afterwards.
_WATCHED = 20


@dataclass(frozen=True, slots=True)
class Given:
    """One piece of advice with what proves and what makes it: an ``offer`` or a ``drop``.

    ``index``: schema and name of the index it is about. ``queries``: the statements judged.
    """

    advice: DetectedIssue
    offer: Offer | None
    change: Change | None
    index: Name
    queries: Mapping[str, Query] = field(default_factory=dict)
    drop: Drop | None = None

    @property
    def proof(self) -> str:
        """How it was proved, in words; empty where nothing changes for any statement."""
        if self.offer is not None:
            return wording.how(self.offer.proof.kind, self.offer.proof.rows)
        return wording.how(self.drop.kind, self.drop.rows) if self.drop and self._found else ""

    @property
    def unit(self) -> str:
        """What before and after are in: "cost", "ms", or "" where there are none."""
        if self.offer is not None:
            return self.offer.proof.unit
        return self.drop.unit if self.drop and self._found else ""

    @property
    def _found(self) -> tuple[Effect, ...]:
        if self.offer is not None:
            return self.offer.effects
        return self.drop.effects if self.drop is not None else ()

    def effects(self) -> list[dict[str, object]]:
        """Return each statement as plain data, with before and after of its plan; costliest first.

        Of a drop those too that it is nothing to: they are watched afterwards.
        """
        effects = {effect.queryid: effect for effect in self._found}
        return [
            {
                "queryid": query.queryid,
                "text": query.text,
                "calls": query.calls,
                "mean_ms": query.mean_ms,
                **_figures(effects.get(query.queryid)),
            }
            for query in sorted(self.queries.values(), key=lambda q: -q.total_ms)
            if query.queryid in effects or self.offer is None
        ]


def _figures(effect: Effect | None) -> dict[str, float | None]:
    if effect is None:
        return {}
    return {
        "before": effect.before,
        "after": effect.after,
        "blocks_before": effect.blocks_before,
        "blocks_after": effect.blocks_after,
    }


@dataclass(frozen=True, slots=True)
class Advised:
    """``refuted``: fingerprints of drops that a statement of the workload speaks against."""

    given: tuple[Given, ...] = ()
    refuted: frozenset[str] = frozenset()
    refused: tuple[Refusal, ...] = ()
    missing: tuple[UnavailableSource, ...] = ()


def advise(window: Window, alias: str, found: Sequence[DetectedIssue], limits: Conf) -> Advised:
    """Return proved index advice for ``window`` of the database behind ``alias``.

    ``found``: what the advisors said; drops among it are proved as well. Bounded in time;
    never raises for the database's sake: what went wrong is in ``missing``.
    """
    clock = Clock(limits.INDEX_ADVICE_S)
    dropping = [advice for advice in found if drops.named(advice) is not None]
    if clock.is_over or not (window.statements or dropping):
        return Advised()
    try:
        with session.reading(alias) as cursor:
            return _advise(cursor, window, alias, dropping, limits, clock)
    except DatabaseError as error:
        reason = str(error).partition("\n")[0]
        log.warning("index advice for %s is left out: %s", alias, reason)
        return Advised(missing=(_lacking(reason, ""),))


def _advise(
    cursor: CursorWrapper,
    window: Window,
    alias: str,
    dropping: Sequence[DetectedIssue],
    limits: Conf,
    clock: Clock,
) -> Advised:
    project = Project()
    proved = drops.prove(cursor, alias, dropping, window.statements, limits, clock)
    given, refuted = _drops(proved, alias, project)
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
    offers, refused = weigh.choose(proofs, costly, tables, period(window), limits)
    by_id = {query.queryid: query for query in costly}
    for offer in offers:
        change, excuse = _change(project, offer.candidate, tables, alias)
        advice = wording.missing(offer, by_id, change, excuse)
        index = (offer.candidate.table[0], name_of(offer.candidate))
        given.append(Given(advice, offer, change, index, by_id))
    if proved.lacking:
        missing = (*missing, _unproved_drops(proved, alias))
    return Advised(tuple(given), refuted, tuple(refused), missing)


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


def period(window: Window) -> weigh.Period:
    counted_s = window.after.taken_at - statistics_since(window.after)
    total_ms = sum(statement.total_ms for statement in window.statements)
    return weigh.Period(total_ms, min(1.0, window.seconds / counted_s) if counted_s > 0 else 1.0)


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
    planned = [c for c in proposed if has_hypopg and c.method in hypothetical.METHODS]
    proofs = hypothetical.prove(cursor, planned, queries, clock)
    rest = [each for each in proposed if each not in planned]
    if not rest or clock.is_over:
        return proofs, ()
    place = limits.REHEARSE_ON.get(alias)
    if place is None:
        mend = (
            f"settings.PERFOPS['REHEARSE_ON'] = {{{alias!r}: {alias!r}}}  # or a staging copy"
            if has_hypopg
            else "CREATE EXTENSION hypopg;  -- or settings.PERFOPS['REHEARSE_ON']"
        )
        what = "GIN indexes" if has_hypopg else "indexes"
        reason = f"{len(rest)} candidates for {what} can't be proved: no rehearsal is allowed"
        return proofs, (_lacking(reason, mend),)
    try:
        return [*proofs, *rehearsal.prove(place, rest, queries, tables, limits)], ()
    except DatabaseError as error:
        reason = str(error).partition("\n")[0]
        log.warning("rehearsal on %s failed: %s", place, reason)
        return proofs, (_lacking(f"the rehearsal on {place} failed: {reason}", ""),)


def _drops(
    proved: drops.Proved, alias: str, project: Project
) -> tuple[list[Given], frozenset[str]]:
    given, refuted = [], set()
    for drop in proved.drops:
        if drop.needed_by:
            refuted.add(drop.advice.fingerprint)
            continue
        change, excuse = _removal(project, drop, alias)
        # What its plan or its time says most about comes first.
        used = {effect.queryid for effect in drop.effects}
        judged = sorted(drop.judged, key=lambda query: query.queryid not in used)
        watched = {query.queryid: query for query in judged[:_WATCHED]}
        advice = wording.droppable(drop, change, excuse)
        given.append(Given(advice, None, change, drop.index, watched, drop))
    return given, frozenset(refuted)


def _unproved_drops(proved: drops.Proved, alias: str) -> UnavailableSource:
    count = sum(drop.lacks_proof for drop in proved.drops)
    return UnavailableSource(
        DROPS,
        f"statements plan with {count} indexes that might go, and whether they do as well "
        f"without can't be proved: {proved.lacking}",
        "These indexes are not advised to go.",
        f"CREATE EXTENSION hypopg;  -- 1.4, or settings.PERFOPS['REHEARSE_ON'][{alias!r}]",
    )


def _removal(project: Project, drop: Drop, alias: str) -> tuple[Change | None, str]:
    """Return the Django change, or why there is none: without proof there is none either."""
    if drop.unjudged:
        return None, f"{drop.unjudged} statements that may read its table could not be planned"
    try:
        return project.remove(drop.table[1], drop.index[1], alias), ""
    except NotDjangos as error:
        return None, str(error)


def _change(
    project: Project, candidate: Candidate, tables: Mapping[Name, Table], alias: str
) -> tuple[Change | None, str]:
    """Return the Django change, or why there is none."""
    if not tables[candidate.table].is_visible:
        return None, f"{candidate.qualified} is not on the search path"
    try:
        return project.add(candidate, alias), ""
    except NotDjangos as error:
        return None, str(error)


def _lacking(reason: str, mend: str) -> UnavailableSource:
    return UnavailableSource(
        SOURCE, reason, "Indexes that might help are not shown unproved.", mend
    )
