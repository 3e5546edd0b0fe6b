"""Room in tables and B-tree indexes that holds nothing: estimated, or measured by pgstattuple.

The estimate compares the pages that are there with those that the rows need by the planner's
statistics, as the well-known queries of ioguix/pgsql-bloat-estimation do.
"""

from collections.abc import Iterable

import msgspec
from django.db import DatabaseError
from django.db.backends.utils import CursorWrapper
from psycopg import sql

from perfops.analysis.collectors.records import fetch
from perfops.analysis.collectors.states import Bloat
from perfops.conf import conf
from perfops.database.connections import MARK, schema_of

# Less is not worth a line; the rest may be many thousand.
_LEAST_BYTES = 1024**2
_MOST = 200


def read(cursor: CursorWrapper) -> tuple[Bloat, ...]:
    """Return the worst, as estimated; the very worst measured where that is possible."""
    cursor.execute(_TABLES, {"least": _LEAST_BYTES, "most": _MOST})
    found = fetch(cursor, Bloat)
    cursor.execute(_INDEXES, {"least": _LEAST_BYTES, "most": _MOST})
    found += fetch(cursor, Bloat)
    return _measured(cursor, sorted(found, key=lambda b: -b.wasted))


# A row: a header of 24 bytes with its NULL bits, its columns, all aligned to 8, and 4 bytes of
# pointer in the page. A table with a column that has no statistics can't be estimated.
_TABLES = f"""{MARK} WITH widths AS (
    SELECT c.oid, count(*) AS columns, count(s.avg_width) AS known,
        sum((1 - s.null_frac) * s.avg_width) AS width,
        bool_or(s.null_frac > 0) AS has_nulls
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_stats s ON s.schemaname = n.nspname AND s.tablename = c.relname
        AND s.attname = a.attname AND NOT s.inherited
    WHERE c.relkind IN ('r', 'm') AND c.relpages > 0 AND c.reltuples >= 0
        AND n.nspname NOT IN ('pg_catalog', 'information_schema')
    GROUP BY c.oid
), sizes AS (
    SELECT n.nspname AS schema, c.relname AS name,
        c.relpages * current_setting('block_size')::bigint AS bytes,
        ceil(c.reltuples * (28 + CASE WHEN has_nulls THEN 8 * ceil(greatest(0, columns - 8) / 64.0)
                ELSE 0 END + 8 * ceil(width / 8))
            / ((current_setting('block_size')::int - 24) * coalesce((SELECT option_value::float
                FROM pg_options_to_table(c.reloptions) WHERE option_name = 'fillfactor'), 100)
                / 100)) * current_setting('block_size')::bigint AS needed
    FROM widths
    JOIN pg_class c USING (oid)
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE known = columns
)
SELECT 'table' AS kind, schema, name, bytes, (bytes - needed)::bigint AS wasted
FROM sizes WHERE bytes - needed >= %(least)s ORDER BY wasted DESC LIMIT %(most)s"""

# An entry: 8 bytes of header, the key aligned to 8, 4 bytes of pointer. Deduplication (13) needs
# less than that: the estimate is rather too mild.
_INDEXES = f"""{MARK} WITH widths AS (
    SELECT i.indexrelid AS oid, i.indrelid, count(*) AS columns, count(s.avg_width) AS known,
        sum((1 - s.null_frac) * s.avg_width) AS width
    FROM pg_index i
    JOIN pg_class x ON x.oid = i.indexrelid
    JOIN pg_class t ON t.oid = i.indrelid
    JOIN pg_namespace n ON n.oid = t.relnamespace
    JOIN pg_am am ON am.oid = x.relam AND am.amname = 'btree'
    JOIN pg_attribute xa ON xa.attrelid = i.indexrelid
    LEFT JOIN pg_attribute ta ON ta.attrelid = i.indrelid
        AND ta.attnum = i.indkey[xa.attnum - 1] AND ta.attnum > 0
    LEFT JOIN pg_stats s ON s.schemaname = n.nspname AND NOT s.inherited
        AND s.tablename = CASE WHEN ta.attname IS NULL THEN x.relname ELSE t.relname END
        AND s.attname = coalesce(ta.attname, xa.attname)
    WHERE x.relpages > 0 AND x.reltuples >= 0 AND i.indisvalid
        AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
    GROUP BY 1, 2
), sizes AS (
    SELECT n.nspname AS schema, x.relname AS name,
        x.relpages * current_setting('block_size')::bigint AS bytes,
        (1 + ceil(x.reltuples * (12 + 8 * ceil(width / 8))
            / ((current_setting('block_size')::int - 40) * coalesce((SELECT option_value::float
                FROM pg_options_to_table(x.reloptions) WHERE option_name = 'fillfactor'), 90)
                / 100))) * current_setting('block_size')::bigint AS needed
    FROM widths
    JOIN pg_class x USING (oid)
    JOIN pg_namespace n ON n.oid = x.relnamespace
    WHERE known = columns
)
SELECT 'index' AS kind, schema, name, bytes, (bytes - needed)::bigint AS wasted
FROM sizes WHERE bytes - needed >= %(least)s ORDER BY wasted DESC LIMIT %(most)s"""


def _measured(cursor: CursorWrapper, found: Iterable[Bloat]) -> tuple[Bloat, ...]:
    """Measure the first few: it reads the whole index, and much of the table."""
    schema = schema_of(cursor, "pgstattuple")
    left = conf().BLOAT_MEASURED if schema else 0
    results = []
    for bloat in found:
        exact = None
        if left and schema and bloat.bytes <= conf().BLOAT_MEASURED_MAX_BYTES:
            left -= 1
            exact = _measure(cursor, schema, bloat)
        results.append(exact or bloat)
    return tuple(results)


# A fresh B-tree leaf is 90 % full.
_MEASURES = {
    "table": "SELECT table_len, approx_free_space + dead_tuple_len"
    " FROM {schema}.pgstattuple_approx({name}::regclass)",
    "index": "SELECT index_size, (index_size * greatest(0, 1 - avg_leaf_density / 90))::bigint"
    " FROM {schema}.pgstatindex({name}::regclass) WHERE avg_leaf_density <> 'NaN'",
}


def _measure(cursor: CursorWrapper, schema: str, bloat: Bloat) -> Bloat | None:
    name = sql.Identifier(bloat.schema, bloat.name).as_string(None)
    query = sql.SQL("{mark} " + _MEASURES[bloat.kind]).format(
        mark=sql.SQL(MARK), schema=sql.Identifier(schema), name=sql.Literal(name)
    )
    try:
        cursor.execute(query)
    except DatabaseError:
        # No right to (pg_stat_scan_tables), locked, or too large for the time: the estimate stays.
        return None
    row = cursor.fetchone()
    if row is None:
        return None
    size, wasted = row
    return msgspec.structs.replace(bloat, bytes=size, wasted=int(wasted), exact=True)
