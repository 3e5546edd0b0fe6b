"""Constraints that were added NOT VALID, and columns that are filled by counting."""

from django.db import DatabaseError, OperationalError
from django.db.backends.utils import CursorWrapper
from psycopg import sql

from perfops.analysis.collectors.records import fetch
from perfops.analysis.collectors.states import Numbering, Unvalidated
from perfops.database.connections import MARK, is_timeout

# What a change of the type of column a of table c stumbles over; until 14 the catalog has a
# generated column itself depend on others, later its expression.
_BLOCKED = """coalesce((SELECT string_agg(DISTINCT what, ', ') FROM (
        SELECT regexp_replace(pg_describe_object(b.classid, b.objid, b.objsubid),
            '^rule \\S+ on |^default value for ', '') AS what
        FROM pg_depend b WHERE b.refclassid = 'pg_class'::regclass AND b.refobjid = c.oid
            AND b.refobjsubid = a.attnum AND (b.classid IN ('pg_rewrite'::regclass,
                'pg_trigger'::regclass, 'pg_policy'::regclass)
                OR b.classid = 'pg_class'::regclass AND b.objid = c.oid
                OR EXISTS (SELECT FROM pg_attrdef e JOIN pg_attribute g
                    ON (g.attrelid, g.attnum) = (e.adrelid, e.adnum)
                    WHERE b.classid = 'pg_attrdef'::regclass AND e.oid = b.objid
                        AND g.attgenerated <> ''))
        UNION ALL SELECT 'the partition key of ' || p.partrelid::regclass
        FROM pg_partition_tree(c.oid) below JOIN pg_partitioned_table p ON p.partrelid = below.relid
        JOIN pg_attribute key ON key.attrelid = below.relid AND key.attname = a.attname
            AND key.attnum = ANY(p.partattrs)
        UNION ALL SELECT 'the table that it inherits from' WHERE a.attinhcount > 0
    ) blocking), '')"""
_LIMITS = {"smallint": 2**15 - 1, "integer": 2**31 - 1, "bigint": 2**63 - 1}
# A greatest value is looked up in an index, but each is a query.
_MOST_PLAIN_KEYS = 100
_PATIENCE = 3


def unvalidated(cursor: CursorWrapper) -> tuple[Unvalidated, ...]:
    cursor.execute(
        f"""{MARK} SELECT n.nspname AS schema, c.relname AS table, k.conname AS name,
            CASE k.contype WHEN 'f' THEN 'foreign key' WHEN 'n' THEN 'not null' ELSE 'check' END
                AS kind,
            pg_get_constraintdef(k.oid) AS definition
        FROM pg_constraint k
        JOIN pg_class c ON c.oid = k.conrelid
        JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE NOT k.convalidated AND k.conparentid = 0
            AND n.nspname NOT IN ('pg_catalog', 'information_schema')
            {_ENFORCED[_knows_enforced(cursor)]}
        ORDER BY 1, 2, 3"""
    )
    return fetch(cursor, Unvalidated)


# 18 has constraints that are meant to be only a note: those are never valid.
_ENFORCED = {True: "AND k.conenforced", False: ""}


def _knows_enforced(cursor: CursorWrapper) -> bool:
    cursor.execute(
        f"""{MARK} SELECT EXISTS (SELECT FROM pg_attribute WHERE attname = 'conenforced'
            AND attrelid = 'pg_catalog.pg_constraint'::regclass)"""
    )
    return bool(cursor.fetchone()[0])


def numberings(cursor: CursorWrapper) -> tuple[Numbering, ...]:
    """Return serial and identity columns, and plain integer keys with their greatest value."""
    return (*_sequences(cursor), *_plain_keys(cursor))


def _sequences(cursor: CursorWrapper) -> tuple[Numbering, ...]:
    # Of the column's type and the sequence's own end, the smaller one is the limit.
    cursor.execute(
        f"""{MARK} SELECT n.nspname AS schema, c.relname AS table, a.attname AS column,
            format_type(a.atttypid, NULL) AS type,
            sn.nspname || '.' || s.relname AS sequence, sn.nspname AS sequence_schema,
            {_BLOCKED} AS blocked_by,
            q.last_value AS last,
            least(q.max_value, CASE a.atttypid WHEN 'int2'::regtype THEN 32767
                WHEN 'int4'::regtype THEN 2147483647 ELSE 9223372036854775807 END) AS limit
        FROM pg_depend d
        JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'
        JOIN pg_namespace sn ON sn.oid = s.relnamespace
        JOIN pg_sequences q ON q.schemaname = sn.nspname AND q.sequencename = s.relname
        JOIN pg_class c ON c.oid = d.refobjid
        JOIN pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.refobjsubid
        WHERE d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
            AND q.last_value IS NOT NULL AND q.increment_by > 0 AND NOT q.cycle
        ORDER BY 1, 2, 3"""
    )
    return fetch(cursor, Numbering)


def _plain_keys(cursor: CursorWrapper) -> list[Numbering]:
    """Integer primary keys that no sequence fills: the largest tables, an index look-up each."""
    cursor.execute(
        f"""{MARK} SELECT n.nspname, c.relname, a.attname, format_type(a.atttypid, NULL), {_BLOCKED}
        FROM pg_index i
        JOIN pg_class c ON c.oid = i.indrelid AND c.relkind IN ('r', 'p')
            -- A partition's column changes with that of its parent.
            AND NOT c.relispartition
        JOIN pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]
        WHERE i.indisprimary AND i.indnkeyatts = 1
            AND a.atttypid IN ('int2'::regtype, 'int4'::regtype) AND a.attidentity = ''
            AND n.nspname NOT IN ('pg_catalog', 'information_schema')
            AND has_table_privilege(c.oid, 'SELECT')
            AND NOT EXISTS (SELECT FROM pg_depend d JOIN pg_class s ON s.oid = d.objid
                WHERE d.refobjid = c.oid AND d.refobjsubid = a.attnum AND s.relkind = 'S'
                    AND d.deptype IN ('a', 'i'))
        ORDER BY c.reltuples DESC LIMIT %s""",
        [_MOST_PLAIN_KEYS],
    )
    found, patience = [], _PATIENCE
    for schema, table, column, kind, blocked in cursor.fetchall():
        try:
            last = _greatest(cursor, schema, table, column)
        except OperationalError as error:
            # Someone holds the table: the others go on, but we don't wait for many.
            patience -= 1
            if not patience or not is_timeout(error):
                raise
        except DatabaseError:
            # Gone since we looked, or row security forbids it.
            continue
        else:
            if last is not None:
                limit = _LIMITS[kind]
                each = Numbering(schema, table, column, kind, "", last, limit, "", blocked)
                found.append(each)
    return found


def _greatest(cursor: CursorWrapper, schema: str, table: str, column: str) -> int | None:
    query = sql.SQL("{mark} SELECT max({column}) FROM {table}").format(
        mark=sql.SQL(MARK), column=sql.Identifier(column), table=sql.Identifier(schema, table)
    )
    cursor.execute(query)
    value: int | None = cursor.fetchone()[0]
    return value
