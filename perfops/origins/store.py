"""The counts in the database: written in one statement, made smaller as they age."""

import hashlib
from collections.abc import Iterable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any

from django.db import router
from django.db.backends.utils import CursorWrapper

from perfops.conf import conf
from perfops.database import connections as session
from perfops.database.connections import MARK
from perfops.models.origins import QueryOrigin, QueryTemplate
from perfops.origins.counts import CallKey, CallTotals

_WRITE = f"""{MARK}
WITH texts AS (
    INSERT INTO {QueryTemplate._meta.db_table}
        (id, database, text, queryids, signatures, first_seen_at)
    SELECT id, database, text, '{{}}', '{{}}', now()
    FROM unnest(%s::bigint[], %s::text[], %s::text[]) AS new (id, database, text)
    ON CONFLICT (id) DO NOTHING
)
INSERT INTO {QueryOrigin._meta.db_table} AS kept
    (template_id, site, function, kind, name, span, at, calls, total_ms, rows, executions,
     max_calls_per_execution, repeated_executions, repeated_calls)
SELECT template, site, function, kind, name, 'hour', %s, calls, ms, rows, executions, most,
    repeated, repeats
FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[], %s::text[],
            %s::bigint[], %s::float[], %s::bigint[], %s::bigint[], %s::bigint[],
            %s::bigint[], %s::bigint[])
    AS new (template, site, function, kind, name, calls, ms, rows, executions, most,
        repeated, repeats)
ON CONFLICT (template_id, at, span, kind, name, site) DO UPDATE SET
    function = excluded.function,
    calls = kept.calls + excluded.calls,
    total_ms = kept.total_ms + excluded.total_ms,
    rows = kept.rows + excluded.rows,
    executions = kept.executions + excluded.executions,
    repeated_executions = kept.repeated_executions + excluded.repeated_executions,
    repeated_calls = kept.repeated_calls + excluded.repeated_calls,
    max_calls_per_execution =
        greatest(kept.max_calls_per_execution, excluded.max_calls_per_execution)
"""


def _fold(small: str, large: str) -> str:
    """Return the statement that makes a ``large`` of every ``small`` that has aged.

    Whole ones only, and one that is there already takes them in. Its parameter: how old (days).
    """
    return f"""{MARK}
WITH old AS (
    DELETE FROM {QueryOrigin._meta.db_table}
    WHERE span = '{small}' AND at < date_trunc(
        '{large}', (now() - make_interval(days => %s)) AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'
    RETURNING *
)
INSERT INTO {QueryOrigin._meta.db_table} AS kept
    (template_id, site, function, kind, name, span, at, calls, total_ms, rows, executions,
     max_calls_per_execution, repeated_executions, repeated_calls)
SELECT template_id, site, min(function), kind, name, '{large}',
    date_trunc('{large}', at AT TIME ZONE 'UTC') AT TIME ZONE 'UTC',
    sum(calls), sum(total_ms), sum(rows), sum(executions), max(max_calls_per_execution),
    sum(repeated_executions), sum(repeated_calls)
FROM old GROUP BY template_id, site, kind, name, 7
ON CONFLICT (template_id, at, span, kind, name, site) DO UPDATE SET
    calls = kept.calls + excluded.calls,
    total_ms = kept.total_ms + excluded.total_ms,
    rows = kept.rows + excluded.rows,
    executions = kept.executions + excluded.executions,
    repeated_executions = kept.repeated_executions + excluded.repeated_executions,
    repeated_calls = kept.repeated_calls + excluded.repeated_calls,
    max_calls_per_execution =
        greatest(kept.max_calls_per_execution, excluded.max_calls_per_execution)
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
    """Add ``rows`` to what is stored for this hour. Raises ``django.db.DatabaseError``."""
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    # Every process takes the locks in the same order.
    keyed = sorted((_row(sent, count) for sent, count in rows.items()), key=lambda row: row[:5])
    texts = {key(sent.database, sent.text): sent for sent in rows}
    known = sorted(texts)
    cursor.execute(
        _WRITE,
        [
            known,
            [texts[each].database for each in known],
            [texts[each].text for each in known],
            hour,
            *_columns(keyed, 12),
        ],
    )


def _row(sent: CallKey, count: CallTotals) -> tuple[Any, ...]:
    return (
        key(sent.database, sent.text), sent.site.line, sent.site.function, sent.kind, sent.name,
        count.calls, count.seconds * 1000, count.rows, count.executions, count.most,
        count.repeated_executions, count.repeated_calls,
    )  # fmt: skip


def _columns(rows: Iterable[tuple[Any, ...]], width: int) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(width)]


def expire() -> None:
    """Fold old hours into days and old days into months, drop what is past its retention."""
    with writing(timeout_ms=0) as cursor:
        cursor.execute(_fold("hour", "day"), [conf().KEEP_ORIGIN_HOURS_DAYS])
        cursor.execute(_fold("day", "month"), [conf().KEEP_ORIGIN_DAILY_DAYS])
        origins, templates = QueryOrigin._meta.db_table, QueryTemplate._meta.db_table
        cursor.execute(
            f"{MARK} DELETE FROM {origins} WHERE at < now() - make_interval(days => %s)",
            [conf().KEEP_ORIGIN_DAYS],
        )
        cursor.execute(
            f"{MARK} UPDATE {templates} SET sample = NULL, sampled_at = NULL"
            " WHERE sampled_at < now() - make_interval(days => %s)",
            [conf().KEEP_PARAMETERS_DAYS],
        )
        cursor.execute(
            f"{MARK} DELETE FROM {templates} t WHERE first_seen_at < now() - interval '1 day'"
            f" AND NOT EXISTS (SELECT FROM {origins} o WHERE o.template_id = t.id)"
        )
