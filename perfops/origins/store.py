"""The counts in the database: written in one statement, made smaller as they age."""

import hashlib
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import router
from django.db.backends.utils import CursorWrapper

from perfops.conf import conf
from perfops.database import connections as session
from perfops.database.connections import MARK
from perfops.models.origins import (
    QueryOrigin,
    QueryTemplate,
    RunRoute,
    RunStatement,
    ScopeTotal,
)
from perfops.models.runs import LoadRun
from perfops.origins.counts import CallKey, CallTotals, ScopeKey

# Its parameters: ``texts``.
WRITE_TEXTS = f"""INSERT INTO {QueryTemplate._meta.db_table} AS known
        (id, database, text, stack, queryids, signatures, first_seen_at)
    SELECT id, database, text, stack, '{{}}', '{{}}', now()
    FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[]) AS new (id, database, text, stack)
    ON CONFLICT (id) DO UPDATE SET stack = excluded.stack
        WHERE excluded.stack NOT IN ('', known.stack)"""
_WRITE = f"""{MARK}
WITH texts AS ({WRITE_TEXTS})
INSERT INTO {QueryOrigin._meta.db_table} AS kept
    (template_id, site, function, kind, name, span, at, calls, total_ms, rows, executions,
     max_calls_per_execution, repeated_executions, repeated_calls, relation)
SELECT template, site, function, kind, name, 'minute', %s, calls, ms, rows, executions, most,
    repeated, repeats, relation
FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[], %s::text[],
            %s::bigint[], %s::float[], %s::bigint[], %s::bigint[], %s::bigint[],
            %s::bigint[], %s::bigint[], %s::text[])
    AS new (template, site, function, kind, name, calls, ms, rows, executions, most,
        repeated, repeats, relation)
ON CONFLICT (template_id, at, span, kind, name, site) DO UPDATE SET
    function = excluded.function,
    relation = greatest(kept.relation, excluded.relation),
    calls = kept.calls + excluded.calls,
    total_ms = kept.total_ms + excluded.total_ms,
    rows = kept.rows + excluded.rows,
    executions = kept.executions + excluded.executions,
    repeated_executions = kept.repeated_executions + excluded.repeated_executions,
    repeated_calls = kept.repeated_calls + excluded.repeated_calls,
    max_calls_per_execution =
        greatest(kept.max_calls_per_execution, excluded.max_calls_per_execution)
"""


_WRITE_SCOPES = f"""{MARK}
INSERT INTO {ScopeTotal._meta.db_table} AS kept
    (database, kind, name, span, at, calls, total_ms, executions, max_calls_per_execution,
     repeated_calls)
SELECT database, kind, name, 'minute', %s, calls, ms, executions, most, repeats
FROM unnest(%s::text[], %s::text[], %s::text[], %s::bigint[], %s::float[], %s::bigint[],
            %s::bigint[], %s::bigint[])
    AS new (database, kind, name, calls, ms, executions, most, repeats)
ON CONFLICT (at, span, database, kind, name) DO UPDATE SET
    calls = kept.calls + excluded.calls,
    total_ms = kept.total_ms + excluded.total_ms,
    executions = kept.executions + excluded.executions,
    repeated_calls = kept.repeated_calls + excluded.repeated_calls,
    max_calls_per_execution =
        greatest(kept.max_calls_per_execution, excluded.max_calls_per_execution)
"""
# Of each table: what tells rows apart, what is added up, and of what the greatest is kept.
_FOLDED = {
    QueryOrigin._meta.db_table: (
        ("template_id", "site", "kind", "name"),
        ("calls", "total_ms", "rows", "executions", "repeated_executions", "repeated_calls"),
        ("function", "relation", "max_calls_per_execution"),
    ),
    ScopeTotal._meta.db_table: (
        ("database", "kind", "name"),
        ("calls", "total_ms", "executions", "repeated_calls"),
        ("max_calls_per_execution",),
    ),
}
# Minutes are kept for the hour that runs and the one before.
_MINUTES_KEPT = timedelta(hours=1)
# Rows that one statement folds or deletes: some 50 ms of work.
BATCH = 5000
_FOLD_EACH_MINUTES = 10


def _fold(table: str, small: str, large: str) -> str:
    """Return the statement that makes a ``large`` of each ``small`` that has aged, a batch of them.

    Whole ones only, and one that is there already takes them in. Its parameters: how old (s), how
    many rows at most. Several processes may do it at once: each takes what no other has.
    """
    keys, added, most = _FOLDED[table]
    begin = f"date_trunc('{large}', {{}} AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'"
    columns = ", ".join([*keys, *added, *most])
    values = ", ".join([*keys, *(f"sum({c})" for c in added), *(f"max({c})" for c in most)])
    updates = [f"{c} = kept.{c} + excluded.{c}" for c in added]
    updates += [f"{c} = greatest(kept.{c}, excluded.{c})" for c in most]
    by = ", ".join(keys)
    return f"""{MARK}
WITH old AS (
    DELETE FROM {table} WHERE id IN (
        SELECT id FROM {table}
        WHERE span = '{small}' AND at < {begin.format("(now() - make_interval(secs => %s))")}
        ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED)
    RETURNING *
)
INSERT INTO {table} AS kept (span, at, {columns})
SELECT '{large}', {begin.format("at")}, {values}
FROM old GROUP BY 2, {by} ORDER BY 2, {by}
ON CONFLICT (at, span, {by}) DO UPDATE SET {", ".join(updates)}
"""


def key(database: str, text: str) -> int:
    """Return the primary key of a statement's row: 64 bits of a hash, signed."""
    digest = hashlib.blake2b(f"{database}\0{text}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, signed=True)


def writing(*, timeout_ms: int | None = None) -> AbstractContextManager[CursorWrapper]:
    """Return a cursor on a connection of its own to where our tables are.

    Whoever waits for us must not wait long: statements and locks are bounded, by
    ``timeout_ms`` where it is given. Raises ``django.db.DatabaseError``.
    """
    limit = conf().STATEMENT_TIMEOUT_MS if timeout_ms is None else timeout_ms
    return session.writing(router.db_for_write(QueryOrigin), timeout_ms=limit)


def write(cursor: CursorWrapper, rows: dict[CallKey, CallTotals]) -> None:
    """Add ``rows`` to what is stored for this minute. Raises ``django.db.DatabaseError``."""
    minute = _minute()
    # Every process takes the locks in the same order.
    keyed = sorted((_row(sent, count) for sent, count in rows.items()), key=lambda row: row[:5])
    cursor.execute(_WRITE, [*texts(rows), minute, *columns(keyed, 13)])
    if minute.minute % _FOLD_EACH_MINUTES == 0:
        for table in _FOLDED:
            # One batch: whoever sent the statements waits for it. `expire` takes the rest.
            cursor.execute(_fold(table, "minute", "hour"), [_MINUTES_KEPT.total_seconds(), BATCH])


def texts(rows: Mapping[CallKey, CallTotals]) -> list[list[Any]]:
    """Return the parameters of ``WRITE_TEXTS`` for the statements of ``rows``."""
    sent = {key(each.database, each.text): each for each in rows}
    stacks = {key(s.database, s.text): total.stack for s, total in rows.items() if total.stack}
    known = sorted(sent)
    return [
        known,
        [sent[each].database for each in known],
        [sent[each].text for each in known],
        [stacks.get(each, "") for each in known],
    ]


def write_scopes(cursor: CursorWrapper, scopes: dict[ScopeKey, CallTotals]) -> None:
    """Add ``scopes`` to what is stored for this minute. Raises ``django.db.DatabaseError``."""
    rows = sorted(
        (*each, total.calls, total.seconds * 1000, total.executions, total.most,
         total.repeated_calls)
        for each, total in scopes.items()
    )  # fmt: skip
    if rows:
        cursor.execute(_WRITE_SCOPES, [_minute(), *columns(rows, 8)])


def _minute() -> datetime:
    return datetime.now(UTC).replace(second=0, microsecond=0)


def _row(sent: CallKey, count: CallTotals) -> tuple[Any, ...]:
    return (
        key(sent.database, sent.text), sent.site.line, sent.site.function, sent.kind, sent.name,
        count.calls, count.seconds * 1000, count.rows, count.executions, count.most,
        count.repeated_executions, count.repeated_calls, count.relation,
    )  # fmt: skip


def columns(rows: Iterable[tuple[Any, ...]], width: int) -> list[list[Any]]:
    """Return rows of ``width`` values as columns."""
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(width)]


def expire() -> None:
    """Fold minutes into hours, old hours into days and old days into months, and drop what is
    past its retention.

    ``BATCH`` rows in each statement, each a transaction: what was done stays done when a later
    one fails, and no row is locked for long. Raises ``django.db.DatabaseError``.
    """
    ages = {
        ("minute", "hour"): _MINUTES_KEPT,
        ("hour", "day"): timedelta(days=conf().KEEP_ORIGIN_HOURS_DAYS),
        ("day", "month"): timedelta(days=conf().KEEP_ORIGIN_DAILY_DAYS),
    }
    with writing(timeout_ms=0) as cursor:
        for table in _FOLDED:
            for spans, age in ages.items():
                _in_batches(cursor, _fold(table, *spans), age.total_seconds())
            past = f"SELECT id FROM {table} WHERE at < now() - make_interval(days => %s)"
            _in_batches(cursor, _delete(table, past), conf().KEEP_ORIGIN_DAYS)
        origins, templates = QueryOrigin._meta.db_table, QueryTemplate._meta.db_table
        of_runs = RunStatement._meta.db_table
        for table in (of_runs, RunRoute._meta.db_table):
            past = (
                f"SELECT t.id FROM {table} t JOIN {LoadRun._meta.db_table} r ON r.id = t.run_id"
                " WHERE r.created_at < now() - make_interval(days => %s)"
            )
            _in_batches(cursor, _delete(table, past), conf().KEEP_ORIGIN_DAYS)
        sampled = f"SELECT id FROM {templates} WHERE sampled_at < now() - make_interval(days => %s)"
        _in_batches(
            cursor,
            f"{MARK} UPDATE {templates} SET sample = NULL, sampled_at = NULL"
            f" WHERE id IN ({sampled} LIMIT %s)",
            conf().KEEP_PARAMETERS_DAYS,
        )
        unused = (
            f"SELECT id FROM {templates} t"
            " WHERE first_seen_at < now() - make_interval(days => %s)"
            f" AND NOT EXISTS (SELECT FROM {origins} o WHERE o.template_id = t.id)"
            f" AND NOT EXISTS (SELECT FROM {of_runs} s WHERE s.template_id = t.id)"
        )
        _in_batches(cursor, _delete(templates, unused), 1)


def _delete(table: str, ids: str) -> str:
    return f"{MARK} DELETE FROM {table} WHERE id IN ({ids} LIMIT %s)"


def _in_batches(cursor: CursorWrapper, statement: str, age: float) -> None:
    """Execute ``statement`` until it finds nothing; its parameters: ``age`` and how many rows."""
    while True:
        cursor.execute(statement, [age, BATCH])
        if cursor.rowcount < 1:
            return
