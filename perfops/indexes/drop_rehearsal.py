"""Rehearsing that an index goes: statements really run on a copy, with it and without it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from statistics import fmean

from django.db import DatabaseError
from django.db.backends.utils import CursorWrapper

from perfops.conf import Conf
from perfops.database.connections import MARK
from perfops.database.index_sql import without_names
from perfops.indexes import page_layout, scratch
from perfops.indexes import table_copies as copying
from perfops.indexes.planning import Plan
from perfops.indexes.records import Clock, Effect, Query, Table, Without, are_alike
from perfops.indexes.table_copies import Copy, Pair

# Rounds of runs until a statement counts as slower: chance makes one slower now and then.
_TRIES = 3


class Rehearsal:
    """One table's copy, with the copies of its indexes."""

    def __init__(self, copy: Copy, runnable: Sequence[Query], limits: Conf) -> None:
        self.copy = copy
        self.runnable = runnable
        self.limits = limits
        self.names = _names_on(copy)
        self.is_like_table = page_layout.is_as_visible(copy.cursor, copy.schema, copy.table)

    def without(self, indexes: Sequence[str]) -> dict[str, Without]:
        """Return how each statement does without all ``indexes``, by its ID.

        One that could not be run is left out; all are where the copy lacks an index, or all rows,
        or where an open transaction keeps its pages from being as visible as the table's.
        """
        missing = [self.names[name] for name in indexes if name in self.names]
        if len(missing) < len(indexes) or not self.copy.rows or not self.is_like_table:
            return {}
        tried = ((query.queryid, self._tried(query, missing)) for query in self.runnable)
        return {queryid: found for queryid, found in tried if found is not None}

    def _tried(self, query: Query, missing: Sequence[str]) -> Without | None:
        if self.copy.clock.is_over:
            return None
        texts = self.copy.texts(query)
        try:
            usual = [self.copy.planned(text) for text in texts]
            with copying.missing(self.copy, missing):
                others = [self.copy.planned(text) for text in texts]
            used = frozenset(name for plan in usual for name in plan.indexes)
            # The planner's word first: what it leaves alone needs no runs.
            if not used & set(missing) and [p.cost for p in usual] == [p.cost for p in others]:
                alike = Effect(query.queryid, 1.0, 1.0, is_used=False)
                return Without(alike, frozenset(), is_slower=False)
            costs = fmean(plan.cost for plan in usual), fmean(plan.cost for plan in others)
            if any(self._is_dearer(u, o) for u, o in zip(usual, others, strict=True)):
                # On a small or cached table time does not show what the planner knows.
                return Without(Effect(query.queryid, *costs, is_used=True), used, True)
            effect, is_slower = self._run(query.queryid, texts, missing)
            if are_alike(*costs) and are_alike(effect.blocks_before, effect.blocks_after):
                # As much work either way: what the times differ by is the machine's.
                is_slower = False
        except DatabaseError:
            return None
        indexes = frozenset(name for plan in others for name in plan.indexes)
        return Without(effect, indexes, is_slower)

    def _is_dearer(self, usual: Plan, other: Plan) -> bool:
        return other.cost > usual.cost * (1 + self.limits.INDEX_MAX_LOSS)

    def _run(
        self, queryid: str, texts: Sequence[str], missing: Sequence[str]
    ) -> tuple[Effect, bool]:
        runs: list[list[Pair]] = [[] for _ in texts]
        for _ in range(_TRIES):
            for done, text in zip(runs, texts, strict=True):
                done.extend(copying.pairs(self.copy, text, missing))
            effect = Effect(
                queryid,
                before=copying.mean_of_best(runs, lambda pair: pair[1].ms),
                after=copying.mean_of_best(runs, lambda pair: pair[0].ms),
                is_used=True,
                blocks_before=copying.mean_of_best(runs, lambda pair: pair[1].blocks),
                blocks_after=copying.mean_of_best(runs, lambda pair: pair[0].blocks),
            )
            most = self.limits.INDEX_MAX_LOSS
            is_slower = effect.is_slower(most, of_rows=self.copy.share)
            if not is_slower:
                break
        return effect, is_slower


@contextmanager
def rehearsal(
    cursor: CursorWrapper, clock: Clock, table: Table, queries: Sequence[Query], limits: Conf
) -> Iterator[Rehearsal]:
    """Yield a rehearsal of ``table``, on a cursor that may write.

    Raises ``django.db.DatabaseError`` where no copy can be made.
    """
    scratch.sweep(cursor)
    runnable = copying.harmless(cursor, [query for query in queries if query.sets])
    with copying.copied(cursor, clock, table, limits) as copy:
        yield Rehearsal(copy, runnable, limits)


def _names_on(copy: Copy) -> dict[str, str]:
    """Return the table's indexes with the names of their copies: those of the same definition."""
    cursor = copy.cursor
    cursor.execute(
        f"""{MARK} SELECT relname, pg_get_indexdef(indexrelid) FROM pg_index
        JOIN pg_class ON pg_class.oid = indexrelid
        WHERE indrelid = to_regclass(quote_ident(%s) || '.' || quote_ident(%s)) ORDER BY 1""",
        [copy.schema, copy.table.name],
    )
    free = {name: without_names(definition) for name, definition in cursor.fetchall()}
    found = {}
    for index in copy.table.indexes:
        wanted = without_names(index.definition)
        name = next((n for n, what in free.items() if what == wanted), None)
        if name is not None:
            found[index.name] = name
            del free[name]
    return found
