"""pg_stat_user_indexes with what each index is there for."""

from django.db.backends.utils import CursorWrapper

from perfops.collectors.records import ForeignKey, Index, fetch
from perfops.collectors.session import MARK, columns


def read(cursor: CursorWrapper) -> tuple[Index, ...]:
    """Return all indexes of users' tables."""
    # Since 16 PostgreSQL knows when an index was used last.
    known = "last_idx_scan" in columns(cursor, "pg_catalog.pg_stat_user_indexes")
    last_scan = "extract(epoch FROM s.last_idx_scan)::float" if known else "NULL::float"
    cursor.execute(
        f"""{MARK} SELECT s.schemaname, s.relname, s.indexrelname,
            pg_get_indexdef(s.indexrelid), i.indkey::int2[], pg_relation_size(s.indexrelid),
            s.idx_scan, {last_scan}, io.idx_blks_hit, io.idx_blks_read,
            i.indisunique OR i.indisprimary OR i.indisexclusion OR i.indisreplident,
            i.indpred IS NOT NULL
        FROM pg_stat_user_indexes s
        JOIN pg_index i USING (indexrelid)
        JOIN pg_statio_user_indexes io USING (indexrelid)
        ORDER BY 1, 2, 3"""
    )
    return fetch(cursor, Index)


def foreign_keys(cursor: CursorWrapper) -> tuple[ForeignKey, ...]:
    """Return all foreign keys of users' tables, with the numbers of their columns."""
    cursor.execute(
        f"""{MARK} SELECT n.nspname, c.relname, k.conname, k.conkey
        FROM pg_constraint k
        JOIN pg_class c ON c.oid = k.conrelid
        JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE k.contype = 'f' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
        ORDER BY 1, 2, 3"""
    )
    return fetch(cursor, ForeignKey)
