"""Indexes of partitioned tables, and their names: what PostgreSQL lets one do without a lock."""

import hashlib
import re
from collections.abc import Callable, Iterable, Sequence

import msgspec
from psycopg import sql

Name = tuple[str, str]
# What Django allows (Index.max_name_length), for databases shorter of names than PostgreSQL.
_LONGEST_NAME = 30


class Partition(msgspec.Struct, frozen=True):
    """A table that is a part of ``of``, both as (schema, name); ``is_leaf``: it holds rows."""

    of: Name
    table: Name
    is_leaf: bool


# The partitions below c as JSON, those nearest to it first; NULL where there are none.
PARTITIONS_BELOW = """(SELECT json_agg(json_build_object(
            'of', json_build_array(wn.nspname, w.relname),
            'table', json_build_array(pn.nspname, p.relname), 'is_leaf', tree.isleaf)
            ORDER BY tree.level, p.relname)::text
        FROM pg_partition_tree(c.oid) tree
        JOIN pg_class p ON p.oid = tree.relid
        JOIN pg_namespace pn ON pn.oid = p.relnamespace
        JOIN pg_class w ON w.oid = tree.parentrelid
        JOIN pg_namespace wn ON wn.oid = w.relnamespace
        WHERE tree.level > 0)"""


# How an index is stored is not what it is; and hypopg quotes no column.
_STORED = re.compile(r" WITH \([^)]*\)| TABLESPACE (?:\"[^\"]*\"|\w+)")


def without_names(definition: str) -> str:
    """Return an index's definition, as the server writes it, from its method on, without quotes and
    how it is stored: two indexes of a table are the same where this is. Empty where not known.
    """
    made, where, predicate = definition.partition(" USING ")[2].partition(" WHERE ")
    return f"{_STORED.sub('', made)}{where}{predicate}".replace('"', "")


def index_name(table: str, columns: Sequence[str], of: str) -> str:
    """Return a name for the index that ``of`` describes: the same for the same text."""
    digest = hashlib.sha256(of.encode()).hexdigest()[:6]
    plain = re.sub(r"[^a-z0-9_]", "", "_".join([table, *columns]).lower()).strip("_0123456789")
    room = _LONGEST_NAME - len(digest) - len("__idx")
    return f"{plain[:room].rstrip('_') or 'i'}_{digest}_idx"


def on_partitions(
    table: Name,
    partitions: Iterable[Partition],
    *,
    create: Callable[[Name, bool], str],
    name_of: Callable[[Name], str],
) -> str:
    """Return the statements, one in a line, that index a partitioned table and block no writes.

    PostgreSQL builds no such index concurrently: it is declared on the table alone, built on each
    partition, and is valid once all are attached. ``partitions``: those nearest to the table first.
    ``create`` returns the CREATE INDEX of a table, CONCURRENTLY where it holds rows (its second
    argument) and else ON ONLY; ``name_of`` the name of its index.
    """
    lines = [f"{create(table, False)};"]
    attach = sql.SQL("ALTER INDEX {} ATTACH PARTITION {};")
    for each in partitions:
        whole = sql.Identifier(each.of[0], name_of(each.of))
        own = sql.Identifier(each.table[0], name_of(each.table))
        lines += [f"{create(each.table, each.is_leaf)};", attach.format(whole, own).as_string(None)]
    return "\n".join(lines)
