"""Giving a copy its table's pages, as full and as visible: plans cost there what they cost here."""

import time

from django.db.backends.utils import CursorWrapper
from psycopg import sql

from perfops.database.connections import MARK
from perfops.indexes.records import Table

# A copy that is so many times smaller, or differs by so few bytes, is like the table.
_LOOSE = 1.1
_FEW_BYTES = 2 * 8192
# VACUUM finds no page visible to all while an older transaction is open in the database; that of an
# ANALYZE is over soon. So long (s) it is tried.
_PATIENCE_S = 5.0
_PAUSE_S = 0.2
# A copy is as visible as its table but for this share of its pages.
_UNSEEN = 0.05


def imitate(cursor: CursorWrapper, schema: str, table: Table, rows: int) -> None:
    """Give the copy in ``schema``, which has ``rows`` of the table's, its layout and statistics.

    A partitioned table's figures are sums over its partitions: its copy stays dense. Raises
    ``django.db.DatabaseError``.
    """
    if rows and table.rows and not table.is_partitioned:
        _loosen(cursor, schema, table, rows / table.rows)
    mark, target = sql.SQL(MARK), sql.Identifier(schema, table.name)
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        cursor.execute(sql.SQL("{} VACUUM (ANALYZE) {}").format(mark, target))
        if is_as_visible(cursor, schema, table) or time.monotonic() > deadline:
            break
        time.sleep(_PAUSE_S)
    pages, _ = _pages(cursor, schema, table)
    visible = round(pages * table.all_visible)
    if visible == pages:
        return
    # An index answers alone for pages whose rows all can see. A row that is deleted, if only for a
    # while, ends that for its page.
    cursor.execute(f"{MARK} BEGIN")
    cursor.execute(
        sql.SQL(
            "{} DELETE FROM {} WHERE ctid = ANY (ARRAY(SELECT format('(%s,1)', page)::tid"
            " FROM generate_series({}, {}) page))"
        ).format(mark, target, sql.Literal(visible), sql.Literal(pages - 1))
    )
    cursor.execute(f"{MARK} ROLLBACK")
    cursor.execute(sql.SQL("{} ANALYZE {}").format(mark, target))


def is_as_visible(cursor: CursorWrapper, schema: str, table: Table) -> bool:
    """Say whether the copy in ``schema`` has as many pages visible to all as the table has.

    With fewer an index alone answers nothing there, and one that does for the table looks needless.
    """
    pages, visible = _pages(cursor, schema, table)
    return visible >= (1 - _UNSEEN) * round(pages * table.all_visible)


def _pages(cursor: CursorWrapper, schema: str, table: Table) -> tuple[int, int]:
    """Return how many pages the copy has, and how many of them are visible to all."""
    cursor.execute(
        f"{MARK} SELECT relpages, relallvisible FROM pg_class WHERE oid = to_regclass(%s)",
        [sql.Identifier(schema, table.name).as_string(None)],
    )
    pages, visible = cursor.fetchone()
    return pages, visible


def _loosen(cursor: CursorWrapper, schema: str, table: Table, share: float) -> None:
    """Make the copy and its B-trees as large for their rows as the table's are.

    The pages of a table that was updated much are half empty. To read it whole costs twice as much
    as to read a dense copy, beside which an index that the table needs would look needless.
    """
    looseness = _looseness(cursor, schema, table, share)
    if all(1 / _LOOSE < each < _LOOSE for each in looseness.values()):
        return
    mark, target = sql.SQL(MARK), sql.Identifier(schema, table.name)
    factor = sql.Literal(_fill_factor(100, looseness[""]))
    cursor.execute(sql.SQL("{} ALTER TABLE {} SET (fillfactor = {})").format(mark, target, factor))
    # It builds the indexes anew as well: dense ones.
    cursor.execute(sql.SQL("{} VACUUM (FULL) {}").format(mark, target))
    for name, each in _looseness(cursor, schema, table, share).items():
        if name and each >= _LOOSE:
            index, factor = sql.Identifier(schema, name), sql.Literal(_fill_factor(90, each))
            cursor.execute(
                sql.SQL("{} ALTER INDEX {} SET (fillfactor = {})").format(mark, index, factor)
            )
            cursor.execute(sql.SQL("{} REINDEX INDEX {}").format(mark, index))


def _fill_factor(usual: int, looseness: float) -> int:
    return max(10, min(usual, round(usual / looseness)))


def _looseness(cursor: CursorWrapper, schema: str, table: Table, share: float) -> dict[str, float]:
    """Return how many times larger the table's B-trees are for their rows than the copy's, by the
    copies' names; "" is the table itself. ``share``: of its rows that the copy has.
    """
    cursor.execute(
        f"""{MARK} WITH tables (which, oid) AS (VALUES
            ('real', to_regclass(format('%%I.%%I', %s::text, %s::text))),
            ('copy', to_regclass(format('%%I.%%I', %s::text, %s::text)))
        ), sizes AS (
            SELECT which, '' AS name, '' AS definition, 1 AS nth, pg_relation_size(oid) AS bytes
            FROM tables
            UNION ALL SELECT which, c.relname, what, row_number() OVER (
                PARTITION BY which, what ORDER BY c.relname), pg_relation_size(c.oid)
            FROM tables
            JOIN pg_index i ON i.indrelid = tables.oid AND i.indisvalid
            JOIN pg_class c ON c.oid = i.indexrelid
            JOIN pg_am ON pg_am.oid = c.relam AND amname = 'btree'
            CROSS JOIN substring(pg_get_indexdef(c.oid) FROM ' USING (.*)$') AS what
        )
        SELECT copy.name, real.bytes::float, copy.bytes::float
        FROM sizes copy JOIN sizes real USING (definition, nth)
        WHERE copy.which = 'copy' AND real.which = 'real'""",
        [*table.key, schema, table.name],
    )
    # A few pages more or less tell nothing.
    return {
        name: 1.0 if abs(real * share - copy) <= _FEW_BYTES else real * share / copy
        for name, real, copy in cursor.fetchall()
        if copy or not name
    }
