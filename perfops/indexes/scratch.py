"""Schemas to try things out in: recognisable, locked while in use, swept when left behind.

Whoever works in one holds an advisory lock of its name. A dead session holds none, so a
schema whose lock is free is left over from a crash and can go.
"""

import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.db.backends.utils import CursorWrapper
from psycopg import sql

from perfops.database.connections import MARK

_PREFIX = "perfops_rehearsal_"
_OWNER = "perfops rehearsal"


@contextmanager
def schema(cursor: CursorWrapper) -> Iterator[str]:
    """Yield the name of a new, empty schema; it is dropped at the end, come what may.

    Raises ``django.db.DatabaseError`` where the role may not make one.
    """
    name = f"{_PREFIX}{int(time.time())}_{os.getpid()}_{secrets.token_hex(4)}"
    # The lock comes first: nobody may see the schema without it.
    cursor.execute(f"{MARK} SELECT pg_advisory_lock(hashtextextended(%s, 0))", [name])
    try:
        cursor.execute(sql.SQL("{} CREATE SCHEMA {}").format(sql.SQL(MARK), sql.Identifier(name)))
        about = f"{_OWNER}: process {os.getpid()}, started {int(time.time())}"
        cursor.execute(
            sql.SQL("{} COMMENT ON SCHEMA {} IS {}").format(
                sql.SQL(MARK), sql.Identifier(name), sql.Literal(about)
            )
        )
        try:
            yield name
        finally:
            _drop(cursor, name)
    finally:
        cursor.execute(f"{MARK} SELECT pg_advisory_unlock(hashtextextended(%s, 0))", [name])


def sweep(cursor: CursorWrapper) -> list[str]:
    """Drop what crashed rehearsals of this role have left, and return the schemas' names."""
    cursor.execute(
        rf"""{MARK} SELECT nspname FROM pg_namespace
        WHERE nspname LIKE '{_PREFIX.replace("_", r"\_")}%%' AND pg_has_role(nspowner, 'USAGE')
            AND coalesce(obj_description(oid, 'pg_namespace'), %s) LIKE %s
        ORDER BY 1""",
        [_OWNER, f"{_OWNER}%"],
    )
    swept = []
    for (name,) in cursor.fetchall():
        cursor.execute(f"{MARK} SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", [name])
        (is_left_behind,) = cursor.fetchone()
        if is_left_behind:
            try:
                _drop(cursor, name)
                swept.append(name)
            finally:
                cursor.execute(f"{MARK} SELECT pg_advisory_unlock(hashtextextended(%s, 0))", [name])
    return swept


def _drop(cursor: CursorWrapper, name: str) -> None:
    cursor.execute(
        sql.SQL("{} DROP SCHEMA IF EXISTS {} CASCADE").format(sql.SQL(MARK), sql.Identifier(name))
    )
