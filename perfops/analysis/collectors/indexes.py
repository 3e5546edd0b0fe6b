"""pg_stat_user_indexes with what each index is there for, and the foreign keys they serve."""

from django.db import OperationalError
from django.db.backends.utils import CursorWrapper

from perfops.analysis.collectors.records import ForeignKey, Index, fetch
from perfops.database.connections import MARK, columns, is_timeout
from perfops.database.index_sql import PARTITIONS_BELOW

# Size, definition, and the n-th column of the key as PostgreSQL writes it.
_EXACT = (
    """CASE c.relkind WHEN 'i' THEN pg_relation_size(s.indexrelid) ELSE (SELECT
        coalesce(sum(pg_relation_size(relid)), 0) FROM pg_partition_tree(s.indexrelid) WHERE isleaf)
        END""",
    "pg_get_indexdef(s.indexrelid)",
    "pg_get_indexdef(i.indexrelid, n + 1, false)",
)
# All of these wait for whoever has locked a table exclusively. Without them an expression or a
# predicate is not known: each is taken for one of its own.
_KNOWN = (
    "c.relpages * current_setting('block_size')::bigint",
    """format('%I (its table is locked)', s.indexrelname)
        || CASE WHEN i.indpred IS NULL THEN '' ELSE ' WHERE ' || s.indexrelname END""",
    """coalesce((SELECT attname FROM pg_attribute
        WHERE attrelid = i.indrelid AND attnum = i.indkey[n] AND attnum > 0),
        'expression of ' || s.indexrelname)""",
)


def read(cursor: CursorWrapper) -> tuple[Index, ...]:
    """Return all indexes of users' tables; one of a partitioned table with its partitions' sums."""
    try:
        return _read(cursor, *_EXACT)
    except OperationalError as error:
        if not is_timeout(error):
            raise
        return _read(cursor, *_KNOWN)


def _read(cursor: CursorWrapper, size: str, definition: str, key: str) -> tuple[Index, ...]:
    # Since 16 PostgreSQL knows when an index was used last.
    known = "last_idx_scan" in columns(cursor, "pg_catalog.pg_stat_user_indexes")
    last_scan = "extract(epoch FROM s.last_idx_scan)::float" if known else "NULL::float"
    last = "last_idx_scan" if known else "NULL::timestamptz"
    last_of_all = "max(leaf.last_idx_scan)" if known else "NULL::timestamptz"
    # 15 can take two NULLs for one: such an index is another one.
    nulls = (
        "i.indnullsnotdistinct"
        if "indnullsnotdistinct" in columns(cursor, "pg_catalog.pg_index")
        else "false"
    )
    cursor.execute(
        # Size and definition are NULL where the index was dropped since the query began.
        f"""{MARK} SELECT * FROM (SELECT s.schemaname AS schema, s.relname AS table,
            s.indexrelname AS name, s.indexrelid::bigint AS oid, definition.text AS definition,
            (i.indkey::int2[])[0:i.indnkeyatts - 1] AS columns,
            (i.indkey::int2[])[i.indnkeyatts:] AS included,
            ({size})::bigint AS bytes, s.idx_scan AS scans, {last_scan} AS last_scan_at,
            coalesce(io.idx_blks_hit, 0) AS blocks_hit,
            coalesce(io.idx_blks_read, 0) AS blocks_read,
            i.indisunique OR i.indisprimary OR i.indisexclusion OR i.indisreplident AS has_duty,
            i.indpred IS NOT NULL AS is_partial, i.indisunique AS is_unique,
            i.indisprimary AS is_primary, i.indisvalid AND i.indisready AS is_valid,
            c.relkind = 'I' AS is_partitioned,
            coalesce((SELECT inhparent FROM pg_inherits WHERE inhrelid = i.indexrelid
                LIMIT 1), 0)::bigint AS parent,
            coalesce(k.conname, '') AS constraint, a.amname AS method,
            coalesce(substring(definition.text FROM ' WHERE (.*)$'), '') AS predicate,
            (SELECT array_agg(concat_ws(' ', {key},
                    i.indclass[n], i.indcollation[n], i.indoption[n], {nulls}) ORDER BY n)
                FROM generate_series(0, i.indnkeyatts - 1) n) AS keys
        FROM (SELECT schemaname, relname, indexrelname, indexrelid, idx_scan,
                {last} AS last_idx_scan
            FROM pg_stat_user_indexes
            -- An index of a partitioned table has no counters: it has its partitions'.
            UNION ALL SELECT n.nspname, t.relname, p.relname, p.oid,
                coalesce(sum(leaf.idx_scan), 0)::bigint, {last_of_all}
            FROM pg_class p
            JOIN pg_index pi ON pi.indexrelid = p.oid AND pi.indisvalid
            JOIN pg_class t ON t.oid = pi.indrelid
            JOIN pg_namespace n ON n.oid = t.relnamespace
            LEFT JOIN LATERAL pg_partition_tree(p.oid) tree ON tree.isleaf
            LEFT JOIN pg_stat_user_indexes leaf ON leaf.indexrelid = tree.relid
            WHERE p.relkind = 'I' GROUP BY 1, 2, 3, 4) s
        JOIN pg_index i USING (indexrelid)
        JOIN pg_class c ON c.oid = s.indexrelid
        JOIN pg_am a ON a.oid = c.relam
        JOIN LATERAL (SELECT {definition} AS text) definition ON true
        LEFT JOIN pg_statio_user_indexes io USING (indexrelid)
        LEFT JOIN pg_constraint k ON k.conindid = s.indexrelid AND k.contype IN ('p', 'u', 'x')
            AND k.conrelid = i.indrelid
        WHERE c.relpersistence <> 't'
        ) found WHERE bytes IS NOT NULL AND definition IS NOT NULL ORDER BY 1, 2, 3"""
    )
    return fetch(cursor, Index)


def foreign_keys(cursor: CursorWrapper) -> tuple[ForeignKey, ...]:
    """Return all foreign keys of users' tables; those of partitions are their parents'."""
    cursor.execute(
        f"""{MARK} SELECT n.nspname AS schema, c.relname AS table, k.conname AS name,
            k.conkey AS columns, c.relkind = 'p' AS is_partitioned,
            CASE c.relkind WHEN 'p' THEN (SELECT coalesce(sum(greatest(l.reltuples,
                pg_stat_get_live_tuples(l.oid))), 0) FROM pg_partition_tree(c.oid)
                JOIN pg_class l ON l.oid = relid WHERE isleaf) ELSE 0 END::bigint AS rows,
            CASE c.relkind WHEN 'p' THEN coalesce({PARTITIONS_BELOW}, '[]') ELSE '[]' END::json
                AS partitions,
            rn.nspname || '.' || r.relname AS referred,
            (SELECT array_agg(a.attname::text ORDER BY place)
                FROM unnest(k.conkey) WITH ORDINALITY AS key (number, place)
                JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = key.number
            ) AS names
        FROM pg_constraint k
        JOIN pg_class c ON c.oid = k.conrelid
        JOIN pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_class r ON r.oid = k.confrelid
        JOIN pg_namespace rn ON rn.oid = r.relnamespace
        WHERE k.contype = 'f' AND k.conparentid = 0
            AND n.nspname NOT IN ('pg_catalog', 'information_schema')
        ORDER BY 1, 2, 3"""
    )
    return fetch(cursor, ForeignKey)
