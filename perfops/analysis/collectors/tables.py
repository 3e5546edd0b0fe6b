"""pg_stat_user_tables, its I/O, and what vacuum and the planner know of each table."""

from collections.abc import Iterable
from dataclasses import dataclass

import msgspec
from django.db import OperationalError
from django.db.backends.utils import CursorWrapper

from perfops.analysis.collectors.records import Table, fetch
from perfops.database.connections import MARK, is_timeout

_BLOCK = "current_setting('block_size')::bigint"
_EXACT = "pg_total_relation_size(c.oid)", "pg_relation_size(c.oid)"
# Whoever has locked a table exclusively would keep us waiting for its size: then what the last
# vacuum saw must do.
_KNOWN = (
    f"""(c.relpages
        + coalesce((SELECT sum(t.relpages) FROM pg_class t
            WHERE t.oid = c.reltoastrelid), 0)
        + coalesce((SELECT sum(x.relpages) FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
            WHERE i.indrelid = c.oid), 0)) * {_BLOCK}""",
    f"c.relpages * {_BLOCK}",
)


def read(cursor: CursorWrapper) -> tuple[Table, ...]:
    """Return all tables of users, without temporary ones."""
    try:
        return _read(cursor, *_EXACT)
    except OperationalError as error:
        if not is_timeout(error):
            raise
        return _read(cursor, *_KNOWN)


def _read(cursor: CursorWrapper, size: str, heap_size: str) -> tuple[Table, ...]:
    cursor.execute(
        # A size is NULL where the table was dropped since the query began.
        f"""{MARK} SELECT * FROM (WITH known AS (
            SELECT schemaname, tablename, count(*) AS columns FROM pg_stats
            WHERE NOT inherited GROUP BY 1, 2
        )
        SELECT s.schemaname AS schema, s.relname AS name, c.oid::bigint AS oid,
            greatest(c.reltuples, 0)::bigint AS rows,
            ({size})::bigint AS bytes, ({heap_size})::bigint AS heap_bytes,
            s.seq_scan AS sequential_scans, s.seq_tup_read AS sequential_rows,
            coalesce(s.idx_scan, 0) AS index_scans,
            coalesce(io.heap_blks_hit, 0) AS blocks_hit,
            coalesce(io.heap_blks_read, 0) AS blocks_read,
            s.n_live_tup AS live, s.n_dead_tup AS dead, s.n_tup_ins AS inserted,
            s.n_tup_upd AS updated, s.n_tup_del AS deleted, s.n_tup_hot_upd AS hot_updated,
            s.n_mod_since_analyze AS changed_since_analyze,
            extract(epoch FROM greatest(s.last_vacuum, s.last_autovacuum))::float AS vacuumed_at,
            extract(epoch FROM greatest(s.last_analyze, s.last_autoanalyze))::float
                AS analyzed_at,
            CASE WHEN has_table_privilege(c.oid, 'SELECT') THEN coalesce(known.columns, 0)
                ELSE -1 END AS known_columns,
            CASE WHEN c.relkind IN ('r', 'm') THEN greatest(age(c.relfrozenxid),
                coalesce(age(t.relfrozenxid), 0)) ELSE 0 END AS xid_age,
            CASE WHEN c.relkind IN ('r', 'm') THEN mxid_age(c.relminmxid) ELSE 0 END AS mxid_age,
            CASE WHEN c.relispartition THEN pg_partition_root(c.oid)::oid::bigint ELSE 0 END
                AS partition_of, c.relkind <> 'p' AS is_leaf,
            coalesce(options.enabled, 'on') NOT IN ('off', 'false', 'no', '0')
                AS vacuums_itself,
            -- 18 has a most, of which -1 is none; least() passes NULL over.
            least(coalesce(options.threshold::float,
                    current_setting('autovacuum_vacuum_threshold')::float)
                + coalesce(options.factor::float,
                    current_setting('autovacuum_vacuum_scale_factor')::float)
                * greatest(c.reltuples, 0), nullif(coalesce(options.most::float,
                    current_setting('autovacuum_vacuum_max_threshold', true)::float), -1))::bigint
                AS vacuum_due
        FROM pg_stat_user_tables s
        JOIN pg_class c ON c.oid = s.relid
        LEFT JOIN pg_class t ON t.oid = c.reltoastrelid
        LEFT JOIN pg_statio_user_tables io USING (relid)
        LEFT JOIN known ON known.schemaname = s.schemaname AND known.tablename = s.relname
        LEFT JOIN LATERAL (
            SELECT max(option_value) FILTER (WHERE option_name = 'autovacuum_enabled') AS enabled,
                max(option_value) FILTER (WHERE option_name = 'autovacuum_vacuum_threshold')
                    AS threshold,
                max(option_value) FILTER (WHERE option_name = 'autovacuum_vacuum_scale_factor')
                    AS factor,
                max(option_value) FILTER (WHERE option_name = 'autovacuum_vacuum_max_threshold')
                    AS most
            FROM pg_options_to_table(c.reloptions)
        ) options ON c.reloptions IS NOT NULL
        WHERE c.relpersistence <> 't'
        ) found WHERE bytes IS NOT NULL AND heap_bytes IS NOT NULL ORDER BY 1, 2"""
    )
    return fetch(cursor, Table)


# What a partitioned table is the sum of; its own counters are those of its partitions or nothing.
_SUMMED = (
    "rows", "bytes", "sequential_scans", "sequential_rows", "index_scans", "blocks_hit",
    "blocks_read", "heap_bytes", "live", "dead", "inserted", "updated", "deleted", "hot_updated",
    "changed_since_analyze", "vacuum_due",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Whole:
    """A table as a person knows it; of a partitioned one ``table`` has the sums of ``parts``."""

    table: Table
    parts: tuple[Table, ...] = ()


def wholes(tables: Iterable[Table]) -> list[Whole]:
    """Return the tables with the partitions of each under it.

    A partitioned table was vacuumed when the last of its partitions was. One whose partitioned
    table is not among ``tables`` stands for itself.
    """
    known = list(tables)
    tops = {table.oid for table in known if not table.is_leaf and not table.partition_of}
    parts: dict[int, list[Table]] = {}
    for table in known:
        if table.partition_of in tops and table.is_leaf:
            parts.setdefault(table.partition_of, []).append(table)
    return [
        _whole(table, tuple(parts.get(table.oid, ())) if table.oid in tops else ())
        for table in known
        if table.partition_of not in tops
    ]


def _whole(table: Table, parts: tuple[Table, ...]) -> Whole:
    if not parts:
        return Whole(table)
    sums = {name: sum(getattr(part, name) for part in parts) for name in _SUMMED}
    vacuumed = [part.vacuumed_at for part in parts if part.vacuumed_at is not None]
    return Whole(
        msgspec.structs.replace(
            table, **sums, vacuumed_at=min(vacuumed) if len(vacuumed) == len(parts) else None
        ),
        parts,
    )
