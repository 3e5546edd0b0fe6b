"""The tables that the workload names: columns with their statistics, indexes, writes."""

import json
from collections.abc import Iterable
from typing import Any

import msgspec
from django.db.backends.utils import CursorWrapper

from perfops.database.connections import MARK
from perfops.database.index_sql import PARTITIONS_BELOW, Partition
from perfops.indexes.records import Column, Existing, Key, Table, Writes, nulls_of

Name = tuple[str, str]
_COMMON = 20


def tables(cursor: CursorWrapper, names: Iterable[Name]) -> dict[Name, Table]:
    """Return the tables behind ``names`` (schema may be empty: the search path's).

    Materialised views are among them. Views, foreign tables and the system's own are left out:
    they have no index. Figures of a partitioned table are the sums of its partitions.
    """
    wanted = sorted(set(names))
    cursor.execute(
        f"""{MARK} SELECT w.schema, w.name, c.oid, n.nspname, c.relname, pg_table_is_visible(c.oid),
            least(1, leaves.visible / greatest(leaves.pages, 1)::float), c.relkind = 'p',
            (SELECT json_agg(json_build_array(fn.nspname, f.relname))::text
                FROM pg_class f JOIN pg_namespace fn ON fn.oid = f.relnamespace
                WHERE f.oid IN (SELECT relid FROM pg_partition_tree(c.oid)
                    UNION ALL SELECT relid FROM pg_partition_ancestors(c.oid))),
            {PARTITIONS_BELOW},
            leaves.rows, leaves.bytes,
            leaves.inserts, leaves.updates, leaves.hot_updates, leaves.deletes
        FROM unnest(%s::text[], %s::text[]) AS w(schema, name)
        JOIN pg_class c ON c.oid = to_regclass(
            CASE w.schema WHEN '' THEN quote_ident(w.name)
            ELSE quote_ident(w.schema) || '.' || quote_ident(w.name) END)
        JOIN pg_namespace n ON n.oid = c.relnamespace
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(greatest(l.reltuples, 0)), 0)::bigint AS rows,
                coalesce(sum(pg_relation_size(l.oid)), 0)::bigint AS bytes,
                sum(l.relallvisible) AS visible, sum(l.relpages) AS pages,
                coalesce(sum(s.n_tup_ins), 0)::bigint AS inserts,
                coalesce(sum(s.n_tup_upd), 0)::bigint AS updates,
                coalesce(sum(s.n_tup_hot_upd), 0)::bigint AS hot_updates,
                coalesce(sum(s.n_tup_del), 0)::bigint AS deletes
            FROM pg_class l
            LEFT JOIN pg_stat_user_tables s ON s.relid = l.oid
            WHERE l.relkind <> 'p' AND (l.oid = c.oid
                OR l.oid IN (SELECT relid FROM pg_partition_tree(c.oid) WHERE isleaf))
        ) leaves
        WHERE c.relkind IN ('r', 'p', 'm') AND c.relpersistence <> 't'
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
            is_partitioned=is_partitioned,
            family=frozenset((s, n) for s, n in json.loads(family or "[]")),
            partitions=msgspec.json.decode(partitions or "[]", type=tuple[Partition, ...]),
        )
        for (
            asked,
            bare,
            oid,
            schema,
            name,
            visible,
            all_visible,
            is_partitioned,
            family,
            partitions,
            count,
            size,
            *writes,
        ) in rows
    }


def wholes(cursor: CursorWrapper, names: Iterable[Name]) -> dict[Name, Name]:
    """Return each of ``names`` with the partitioned table that it is a part of, or itself."""
    wanted = sorted(set(names))
    cursor.execute(
        f"""{MARK} SELECT w.schema, w.name, n.nspname, c.relname
        FROM unnest(%s::text[], %s::text[]) AS w(schema, name)
        JOIN pg_class part ON part.oid = to_regclass(format('%%I.%%I', w.schema, w.name))
        JOIN pg_class c ON c.oid = coalesce(pg_partition_root(part.oid), part.oid)
        JOIN pg_namespace n ON n.oid = c.relnamespace""",
        [[schema for schema, _ in wanted], [name for _, name in wanted]],
    )
    return {(schema, name): (*whole,) for schema, name, *whole in cursor.fetchall()}


def also_named(cursor: CursorWrapper, table: Name) -> frozenset[str]:
    """Return the names by which a statement may read ``table``: its own, those of views upon it,
    and those of its partitions and of what it is a partition of.
    """
    cursor.execute(
        f"""{MARK} WITH RECURSIVE family AS (
            SELECT to_regclass(format('%%I.%%I', %s::text, %s::text))::oid AS oid
        ), related AS (
            SELECT oid FROM family
            UNION SELECT relid FROM family, pg_partition_tree(family.oid)
            UNION SELECT relid FROM family, pg_partition_ancestors(family.oid)
        ), readers AS (
            SELECT oid FROM related
            UNION SELECT r.ev_class FROM readers
                JOIN pg_depend d ON d.refobjid = readers.oid AND d.classid = 'pg_rewrite'::regclass
                JOIN pg_rewrite r ON r.oid = d.objid
        )
        SELECT relname FROM readers JOIN pg_class USING (oid)""",
        list(table),
    )
    return frozenset(name for (name,) in cursor.fetchall())


def parts_of_index(cursor: CursorWrapper, index: Name) -> frozenset[str]:
    """Return the names of the indexes of the partitions that ``index`` consists of."""
    cursor.execute(
        f"""{MARK} SELECT relname
        FROM pg_partition_tree(to_regclass(format('%%I.%%I', %s::text, %s::text)))
        JOIN pg_class ON oid = relid""",
        list(index),
    )
    return frozenset(name for (name,) in cursor.fetchall())


def leaves(cursor: CursorWrapper, table: Name) -> list[Name]:
    """Return the partitions that hold the rows of ``table``; of another table itself."""
    cursor.execute(
        f"""{MARK} SELECT n.nspname, c.relname
        FROM pg_partition_tree(to_regclass(format('%%I.%%I', %s::text, %s::text)))
        JOIN pg_class c ON c.oid = relid JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE isleaf ORDER BY 1, 2""",
        list(table),
    )
    return cursor.fetchall() or [table]


def opclass(cursor: CursorWrapper, name: str) -> str:
    """Return an operator class as an index may name it, with its schema where that is not on the
    search path; empty where there is none.
    """
    cursor.execute(
        f"""{MARK} SELECT CASE WHEN pg_opclass_is_visible(o.oid) THEN quote_ident(opcname)
            ELSE format('%%I.%%I', n.nspname, opcname) END
        FROM pg_opclass o JOIN pg_namespace n ON n.oid = opcnamespace WHERE opcname = %s
            AND has_schema_privilege(n.oid, 'USAGE')
        ORDER BY pg_opclass_is_visible(o.oid) DESC""",
        [name],
    )
    row = cursor.fetchone()
    return row[0] if row else ""


def _columns(cursor: CursorWrapper, oids: list[int]) -> dict[int, dict[str, Column]]:
    cursor.execute(
        f"""{MARK} SELECT a.attrelid, a.attname, format_type(a.atttypid, NULL), t.typelem <> 0
                AND t.typlen = -1, a.attnotnull, s.avg_width, s.null_frac, s.n_distinct,
            greatest(c.reltuples, 1), s.most_common_vals::text::text[], s.most_common_freqs,
            a.attgenerated = 'v'
        FROM pg_attribute a
        JOIN pg_class c ON c.oid = a.attrelid
        JOIN pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_type t ON t.oid = a.atttypid
        LEFT JOIN pg_stats s ON s.schemaname = n.nspname AND s.tablename = c.relname
            AND s.attname = a.attname AND s.inherited = (c.relkind = 'p')
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
    name, kind, is_array, not_null, width, nulls, distinct, rows, values, shares, virtual = row
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
        is_virtual=virtual,
    )


def _indexes(cursor: CursorWrapper, oids: list[int]) -> dict[int, list[Existing]]:
    # An operator class or a collation is named where it is not the one that comes by itself.
    cursor.execute(
        f"""{MARK} SELECT i.indrelid, c.relname, am.amname,
            (SELECT json_agg(json_build_array(coalesce(a.attname, ''),
                    CASE k.number WHEN 0 THEN pg_get_indexdef(i.indexrelid, k.place::int, true)
                        ELSE '' END,
                    CASE WHEN o.opcdefault THEN '' ELSE coalesce(o.opcname, '') END,
                    CASE WHEN co.oid = coalesce(a.attcollation, 100) THEN ''
                        ELSE coalesce(co.collname, '') END,
                    coalesce(i.indoption[(k.place - 1)::int], 0)) ORDER BY k.place)
                FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k(number, place)
                LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
                LEFT JOIN pg_opclass o ON o.oid = i.indclass[(k.place - 1)::int]
                LEFT JOIN pg_collation co ON co.oid = i.indcollation[(k.place - 1)::int])::text,
            i.indnkeyatts, pg_get_indexdef(i.indexrelid), i.indisunique, i.indpred IS NOT NULL
        FROM pg_index i
        JOIN pg_class c ON c.oid = i.indexrelid
        JOIN pg_am am ON am.oid = c.relam
        WHERE i.indrelid = ANY(%s) AND i.indisvalid
        ORDER BY i.indrelid, c.relname""",
        [oids],
    )
    found: dict[int, list[Existing]] = {}
    for oid, name, method, described, count, definition, unique, partial in cursor.fetchall():
        columns = json.loads(described)
        found.setdefault(oid, []).append(
            Existing(
                name=name,
                method=method,
                keys=tuple(_key(*each) for each in columns[:count]),
                include=tuple(column for column, *_ in columns[count:]),
                definition=definition,
                is_unique=unique,
                is_partial=partial,
            )
        )
    return found


# Bits of pg_index.indoption.
_DESCENDING, _NULLS_FIRST = 1, 2


def _key(column: str, expression: str, opclass: str, collation: str, option: int) -> Key:
    descending = bool(option & _DESCENDING)
    nulls = nulls_of(descending=descending, first=bool(option & _NULLS_FIRST))
    return Key(column, descending, expression, opclass, nulls, collation)
