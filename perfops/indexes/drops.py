"""Proof that an index can go: no statement of the workload is slower without it.

Where hypopg can hide it, all are planned without it; else those that plan with it are run on
a copy, with it and without it. Where neither may be, whatever plans with it speaks against.
"""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from django.db import DatabaseError
from django.db.backends.utils import CursorWrapper

from perfops.analysis.advisors.detection import DetectedIssue, IndexSubject
from perfops.analysis.collectors.records import Statement
from perfops.analysis.plans.explain import NoPlan
from perfops.conf import Conf
from perfops.database.connections import MARK
from perfops.database.index_sql import without_names
from perfops.formatting import first_line
from perfops.indexes import catalog, hypopg, parameters, planning, texts, workload
from perfops.indexes import drop_rehearsal as dropping
from perfops.indexes import table_copies as copying
from perfops.indexes.recommendation import Recommendation
from perfops.indexes.records import Clock, Effect, Query, Table, Without

log = logging.getLogger(__name__)

Name = tuple[str, str]
# From the indexes to do without to each statement's ID and how it does.
Measure = Callable[[Sequence[Name]], Mapping[str, Without]]
# So many times more statements are held against a drop than candidates come from.
_MORE = 5
UNEXPLAINED = "no planned statement explains its scans"


def prove(
    cursor: CursorWrapper,
    alias: str,
    issues: Sequence[DetectedIssue],
    statements: Sequence[Statement],
    limits: Conf,
    clock: Clock,
) -> tuple[list[Recommendation], str]:
    """Return what the workload says to each issue whose index may go.

    With it, why some could not be tried; empty where all were. All statements that name the
    index's table, or may do so where their text is cut, count: one that can't be planned is no
    proof.
    """
    drops = [
        Recommendation("drop", issue.index, issue=issue)
        for issue in issues
        if issue.index is not None and _is_there(cursor, issue.index)
    ]
    if not drops:
        return [], ""
    on = {drop.table for drop in drops}
    names = {table: catalog.also_named(cursor, table) for table in on}
    reads = _readers(statements, {name for each in names.values() for name in each})
    most = limits.INDEX_STATEMENTS * _MORE
    found = workload.read(cursor, reads[:most], most=most, clock=clock)
    queries = parameters.sample(cursor, found.queries, found.tables, clock, on=on)
    parts = {_name(drop): catalog.parts_of_index(cursor, _name(drop)) for drop in drops}
    reading = [query for query in queries if query.may_read(*on)]
    # Of an index that was scanned it matters for which values: see ``_judged``.
    by_plan = [each for query in reading for each in _by_plan(query)]
    plans = _Plans(cursor, [*reading, *by_plan], parts, clock)
    if clock.is_over:
        late = f"the {limits.INDEX_ADVICE_S:g} s were over before all statements were planned"
        return [drop.rejected(late, lacks_proof=True) for drop in drops], late
    drops = [_with_statements(drop, names[drop.table], reads, queries, plans) for drop in drops]
    hiding = hypopg.hiding_schema(cursor)
    if hiding is not None:
        measure = plans.hiding(hiding, limits, clock)
        judged, lacking = _in_turn(drops, plans, measure, found.tables), ""
    else:
        judged, lacking = _rehearsed(alias, drops, plans, found.tables, limits, clock)
    unproved = [drop for drop in judged if drop.lacks_proof]
    if unproved and all(UNEXPLAINED in drop.reason for drop in unproved):
        lacking = UNEXPLAINED
    return judged, lacking


def are_planned_without(
    cursor: CursorWrapper,
    statements: Sequence[Statement],
    *,
    table: Name,
    index: Name,
    clock: Clock,
) -> bool:
    """Say whether all ``statements`` can be planned, and none has ``index`` of ``table``, whatever
    the values of its parameters. Raises ``django.db.DatabaseError``.
    """
    found = workload.read(cursor, statements, most=len(statements), clock=clock)
    queries = parameters.sample(cursor, found.queries, found.tables, clock, on={table})
    if len(queries) < len(statements) or any(
        planning.parameters_of(query.text) and not query.sets for query in queries
    ):
        return False
    every = [each for query in queries for each in (query, *_by_plan(query))]
    plans = _Plans(cursor, every, {index: catalog.parts_of_index(cursor, index)}, clock)
    is_used = any(plans.uses(query, index) for query in plans.queries)
    return len(plans.queries) == len(every) > 0 and not is_used


def _readers(statements: Sequence[Statement], names: Collection[str]) -> list[Statement]:
    """Return the statements that read, first those that have one of ``names``, or may have it.

    The rest may read the tables too, within a function: their plans tell.
    """
    found = [statement for statement in statements if texts.reads(statement.text)]

    def has_one(statement: Statement) -> bool:
        return texts.is_cut(statement.text) or any(name in statement.text for name in names)

    return sorted(found, key=lambda each: (not has_one(each), -each.total_ms))


def _is_there(cursor: CursorWrapper, index: IndexSubject) -> bool:
    cursor.execute(
        f"""{MARK} SELECT EXISTS (SELECT FROM pg_index
        WHERE indexrelid = to_regclass(quote_ident(%s) || '.' || quote_ident(%s)))""",
        [index.schema, index.name],
    )
    return bool(cursor.fetchone()[0])


class _Plans:
    """The statements as they are planned today: cost, and the indexes used.

    Used counts as well what steps in for an index that is judged to go.
    """

    def __init__(
        self,
        cursor: CursorWrapper,
        queries: Sequence[Query],
        parts: Mapping[Name, frozenset[str]],
        clock: Clock,
    ) -> None:
        self.cursor = cursor
        # Of an index on a partitioned table the names that plans have.
        self.parts = parts
        self.queries: list[Query] = []
        self.cost: dict[str, float] = {}
        self.used: dict[str, frozenset[str]] = {}
        for query in queries:
            if clock.is_over:
                break
            try:
                self.cost[query.queryid], self.used[query.queryid] = hypopg.cost(cursor, query)
            except (DatabaseError, NoPlan):
                continue
            self.queries.append(query)

    def uses(self, query: Query, index: Name) -> bool:
        return not self.used[query.queryid].isdisjoint({index[1], *self.parts.get(index, ())})

    def let_go(self, without: Mapping[str, Without]) -> None:
        for queryid, found in without.items():
            self.used[queryid] |= found.indexes

    def step_in(self, index: Name, twin: str) -> None:
        """Count ``twin`` as used by what uses ``index``, which goes untried."""
        for query in self.queries:
            if self.uses(query, index):
                self.used[query.queryid] |= {twin}

    def hiding(self, schema: str, limits: Conf, clock: Clock) -> Measure:
        """Return what plans all statements without some indexes."""

        def measure(indexes: Sequence[Name]) -> dict[str, Without]:
            found: dict[str, Without] = {}
            with hypopg.hidden(self.cursor, schema, indexes):
                for query in self.queries:
                    if clock.is_over:
                        break
                    try:
                        after, used = hypopg.cost(self.cursor, query)
                    except (DatabaseError, NoPlan):
                        continue
                    before = self.cost[query.queryid]
                    is_used = before != after or self.uses(query, indexes[-1])
                    effect = Effect(query.queryid, before, after, is_used=is_used)
                    is_slower = effect.is_slower(limits.INDEX_MAX_LOSS)
                    found[query.queryid] = Without(effect, used, is_slower)
            return found

        return measure


def _with_statements(
    drop: Recommendation,
    names: Collection[str],
    reads: Sequence[Statement],
    queries: Sequence[Query],
    plans: _Plans,
) -> Recommendation:
    read = {query.queryid: query for query in queries}
    judged, unjudged = [], 0
    for statement in reads:
        query = read.get(statement.queryid)
        if query is None:
            # Not to be read, or one statement too many: its name is all that is known, if that.
            has_name = any(name in statement.text for name in names)
            unjudged += texts.is_cut(statement.text) or has_name
        elif query.may_read(drop.table):
            if query.queryid in plans.used:
                judged.append(query)
            else:
                unjudged += 1
    return replace(drop, statements=tuple(judged), unjudged=unjudged)


def _in_turn(
    drops: Sequence[Recommendation],
    plans: _Plans,
    measure: Measure,
    tables: Mapping[Name, Table],
) -> list[Recommendation]:
    """Judge each as if those before it had gone: of two that serve the same, one must stay."""
    tables_of = {_name(drop): drop.table for drop in drops}
    gone: list[Name] = []
    twins: dict[Name, str] = {}
    judged = []
    for each in drops:
        before = (name for name in gone if tables_of[name] == each.table)
        drop = replace(each, gone_before=tuple(name for _, name in before))
        if _name(drop) in twins:
            # Whatever scans the one that went scans this one from then on.
            judged.append(drop.rejected(f"it stays for {twins[_name(drop)]}, which is the same"))
            continue
        without = measure([*gone, _name(drop)])
        found = _judged(drop, plans, without)
        twin = _twin(drop, tables.get(drop.table), gone) if found.lacks_proof else ""
        if twin:
            # What one of two that are the same does, the other does as well: no trial is needed.
            found = replace(drop, status="accepted", twin=twin)
            twins[drop.index.schema, twin] = drop.index.name
            plans.step_in(_name(drop), twin)
        if found.status == "accepted":
            gone.append(_name(drop))
            plans.let_go(without)
        judged.append(found)
    return judged


def _twin(drop: Recommendation, table: Table | None, gone: Sequence[Name]) -> str:
    """Return the name of an index of the same definition that stays, empty for none."""
    indexes = {index.name: index for index in table.indexes} if table is not None else {}
    own = indexes.get(drop.index.name)
    if own is None:
        return ""
    same = (
        name
        for name, other in indexes.items()
        if name != own.name
        and (other.is_unique or not own.is_unique)
        and without_names(other.definition) == without_names(own.definition)
        and (drop.index.schema, name) not in gone
    )
    return next(same, "")


def _by_plan(query: Query) -> list[Query]:
    """Return ``query`` once for each way it is planned, with values that are planned so."""
    return [
        replace(query, queryid=f"{query.queryid} {number}", sets=(values,), by_plan=())
        for number, values in enumerate(query.by_plan)
    ]


def _scans(drop: Recommendation) -> int:
    return int(drop.issue.evidence.get("scans", 0)) if drop.issue is not None else 0


def _may_scan(drop: Recommendation, plans: _Plans) -> list[Query]:
    """Return the drop's statements, each with the values that fit it; of an index that was scanned
    also with others, as somebody asks for them.
    """
    by_plan = [each for query in drop.statements for each in _by_plan(query)]
    known = [each for each in by_plan if each.queryid in plans.used]
    return [*drop.statements, *(known if _scans(drop) else ())]


def _name(drop: Recommendation) -> Name:
    return (drop.index.schema, drop.index.name)


def _judged(drop: Recommendation, plans: _Plans, without: Mapping[str, Without]) -> Recommendation:
    effects: dict[str, Effect] = {}
    slower: list[str] = []
    untried: list[str] = []
    for query in _may_scan(drop, plans):
        uses = plans.uses(query, _name(drop))
        found = without.get(query.queryid)
        # On a sample the planner may leave alone what it uses on the table: that tells nothing.
        if found is None or (uses and not found.effect.is_used):
            untried += [query.text] if uses else []
        elif found.is_slower:
            slower.append(query.text)
        elif found.effect.is_used and (uses or not drop.gone_before):
            # Else it is an index that went before that changes its plan.
            statement = query.queryid.partition(" ")[0]
            effects.setdefault(statement, replace(found.effect, queryid=statement))
    drop = replace(drop, effects=tuple(effects.values()))
    if slower:
        return drop.rejected(f"slower without it: {slower[0]}")
    if untried:
        return drop.rejected(f"could not be tried without it: {untried[0]}", lacks_proof=True)
    scans = _scans(drop)
    if scans and not effects:
        # Whoever scanned it is not among the statements, or has values that plan otherwise.
        return drop.rejected(f"it was scanned {scans} times, and {UNEXPLAINED}", lacks_proof=True)
    return replace(drop, status="accepted")


def _rehearsed(
    alias: str,
    drops: Sequence[Recommendation],
    plans: _Plans,
    tables: Mapping[Name, Table],
    limits: Conf,
    clock: Clock,
) -> tuple[list[Recommendation], str]:
    """Judge the drops table by table; of one that no statement uses, no copy is needed."""
    place = limits.REHEARSE_ON.get(alias)
    time = Clock(min(limits.REHEARSAL_S, clock.left_s / 2))
    judged: list[Recommendation] = []
    lacking = f"not all can be run on {place}" if place else "no rehearsal is allowed"
    for name in dict.fromkeys(drop.table for drop in drops):
        mine = [drop for drop in drops if drop.table == name]
        table = tables.get(name)
        if place is None or table is None or not _matters(mine, plans, table):
            judged += _in_turn(mine, plans, _nothing, tables)
            continue
        try:
            if place == alias:
                copying.require_direct(plans.cursor, alias)
            judged += _on_copy(place, table, mine, plans, limits, time)
        except DatabaseError as error:
            reason = first_line(error)
            log.warning("rehearsal on %s failed: %s", place, reason)
            lacking = f"the rehearsal on {place} failed: {reason}"
            judged += _in_turn(mine, plans, _nothing, tables)
    return judged, lacking if any(d.lacks_proof for d in judged) else ""


def _matters(drops: Sequence[Recommendation], plans: _Plans, table: Table) -> bool:
    """Whether a statement may notice: an index is used, or gives an expression statistics."""
    with_expression = {
        index.name for index in table.indexes if not all(k.column for k in index.keys)
    }
    return any(
        drop.index.name in with_expression
        or any(plans.uses(query, _name(drop)) for query in _may_scan(drop, plans))
        for drop in drops
    )


def _on_copy(
    place: str,
    table: Table,
    drops: Sequence[Recommendation],
    plans: _Plans,
    limits: Conf,
    clock: Clock,
) -> list[Recommendation]:
    queries = [query for query in plans.queries if query.may_read(table.key)]
    with (
        copying.writing(place, limits) as cursor,
        dropping.rehearsal(cursor, clock, table, queries, limits) as rehearsal,
    ):
        judged = _in_turn(
            drops,
            plans,
            lambda indexes: rehearsal.without([name for _, name in indexes]),
            {table.key: table},
        )
    return [replace(drop, kind="rehearsed", rows=rehearsal.copy.rows) for drop in judged]


def _nothing(_: Sequence[Name]) -> dict[str, Without]:
    return {}
