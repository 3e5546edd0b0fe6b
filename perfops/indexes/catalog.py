"""The tables that the workload names: columns with their statistics, indexes, writes."""

from collections.abc import Iterable
from typing import Any

from django.db.backends.utils import CursorWrapper

from perfops.database.connections import MARK
from perfops.indexes.records import Column, Existing, Table, Writes

Name = tuple[str, str]
_COMMON = 20


def extensions(cursor: CursorWrapper) -> dict[str, str]:
    """Return the extensions installed in this database, with their versions."""
    cursor.execute(f"{MARK} SELECT extname, extversion FROM pg_extension")
    return dict(cursor.fetchall())


def tables(cursor: CursorWrapper, names: Iterable[Name]) -> dict[Name, Table]:
    """Return the ordinary tables behind ``names`` (schema may be empty: the search path's).

    Views, foreign and partitioned tables and the system's own are left out: no index of ours
    can be made on them as they are.
    """
    wanted = sorted(set(names))
    cursor.execute(
        f"""{MARK} SELECT w.schema, w.name, c.oid, n.nspname, c.relname, pg_table_is_visible(c.oid),
            least(1, c.relallvisible / greatest(c.relpages, 1)::float),
            greatest(c.reltuples, 0)::bigint, pg_relation_size(c.oid),
            coalesce(s.n_tup_ins, 0), coalesce(s.n_tup_upd, 0), coalesce(s.n_tup_hot_upd, 0),
            coalesce(s.n_tup_del, 0)
        FROM unnest(%s::text[], %s::text[]) AS w(schema, name)
        JOIN pg_class c ON c.oid = to_regclass(
            CASE w.schema WHEN '' THEN quote_ident(w.name)
            ELSE quote_ident(w.schema) || '.' || quote_ident(w.name) END)
        JOIN pg_namespace n ON n.oid = c.relnamespace
        LEFT JOIN pg_stat_user_tables s ON s.relid = c.oid
        WHERE c.relkind = 'r' AND c.relpersistence <> 't'
            AND n.nspname NOT IN ('pg_catalog', 'information_schema')
            AND has_table_privilege(c.oid, 'SELECT')""",
        [[schema for schema, _ in wanted], [name for _, name in wanted]],
    )
    rows = cursor.fetchall()
    oids = [row[2] for row in rows]
    columns, indexes = _columns(cursor, oids), _indexes(cursor, oids)
    return {
        (asked, bare): Table(
            schema=schema,
            name=name,
            rows=count,
            bytes=size,
            columns=columns.get(oid, {}),
            indexes=tuple(indexes.get(oid, ())),
            writes=Writes(*writes),
            is_visible=visible,
            all_visible=all_visible,
        )
        for asked, bare, oid, schema, name, visible, all_visible, count, size, *writes in rows
    }


def _columns(cursor: CursorWrapper, oids: list[int]) -> dict[int, dict[str, Column]]:
    cursor.execute(
        f"""{MARK} SELECT a.attrelid, a.attname, format_type(a.atttypid, NULL), t.typelem <> 0
                AND t.typlen = -1, a.attnotnull, s.avg_width, s.null_frac, s.n_distinct,
            greatest(c.reltuples, 1), s.most_common_vals::text::text[], s.most_common_freqs
        FROM pg_attribute a
        JOIN pg_class c ON c.oid = a.attrelid
        JOIN pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_type t ON t.oid = a.atttypid
        LEFT JOIN pg_stats s ON s.schemaname = n.nspname AND s.tablename = c.relname
            AND s.attname = a.attname AND NOT s.inherited
        WHERE a.attrelid = ANY(%s) AND a.attnum > 0 AND NOT a.attisdropped
        ORDER BY a.attrelid, a.attnum""",
        [oids],
    )
    found: dict[int, dict[str, Column]] = {}
    for oid, *row in cursor.fetchall():
        column = _column(row)
        found.setdefault(oid, {})[column.name] = column
    return found


def _column(row: list[Any]) -> Column:
    name, kind, is_array, not_null, width, nulls, distinct, rows, values, shares = row
    distinct = 0.0 if distinct is None else float(distinct)
    return Column(
        name=name,
        type=kind,
        is_array=is_array,
        not_null=not_null,
        width=width or 0,
        null_share=nulls or 0.0,
        # Negative: a share of the rows, as pg_stats has it.
        distinct=-distinct * rows if distinct < 0 else distinct,
        common=tuple(zip(values or (), shares or (), strict=False))[:_COMMON],
    )


def _indexes(cursor: CursorWrapper, oids: list[int]) -> dict[int, list[Existing]]:
    cursor.execute(
        f"""{MARK} SELECT i.indrelid, c.relname, am.amname,
            array(SELECT coalesce(a.attname, '') FROM unnest(i.indkey::int2[])
                WITH ORDINALITY AS k(number, place)
                LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
                ORDER BY k.place)::text[],
            i.indnkeyatts, pg_get_indexdef(i.indexrelid), i.indisunique, i.indpred IS NOT NULL
        FROM pg_index i
        JOIN pg_class c ON c.oid = i.indexrelid
        JOIN pg_am am ON am.oid = c.relam
        WHERE i.indrelid = ANY(%s) AND i.indisvalid
        ORDER BY i.indrelid, c.relname""",
        [oids],
    )
    found: dict[int, list[Existing]] = {}
    for oid, name, method, names, keys, definition, unique, partial in cursor.fetchall():
        found.setdefault(oid, []).append(
            Existing(
                name=name,
                method=method,
                keys=tuple(names[:keys]),
                include=tuple(names[keys:]),
                definition=definition,
                is_unique=unique,
                is_partial=partial,
            )
        )
    return found
