"""pg_stat_user_tables and its I/O."""

from django.db.backends.utils import CursorWrapper

from perfops.collectors.records import Table, fetch
from perfops.collectors.session import MARK


def read(cursor: CursorWrapper) -> tuple[Table, ...]:
    """Return all tables of users; rows are the planner's estimate, sizes with indexes and TOAST."""
    cursor.execute(
        f"""{MARK} SELECT s.schemaname, s.relname, greatest(c.reltuples, 0)::bigint,
            pg_total_relation_size(s.relid), s.seq_scan, s.seq_tup_read,
            coalesce(s.idx_scan, 0), coalesce(io.heap_blks_hit, 0),
            coalesce(io.heap_blks_read, 0)
        FROM pg_stat_user_tables s
        JOIN pg_class c ON c.oid = s.relid
        LEFT JOIN pg_statio_user_tables io USING (relid)
        WHERE c.relpersistence <> 't'
        ORDER BY 1, 2"""
    )
    return fetch(cursor, Table)
