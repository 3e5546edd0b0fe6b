"""Asking PostgreSQL for plans: read-only, bounded, one statement at a time, and never counted.

``cursor`` is always one of ``perfops.database.connections.reading``.
"""

import re
from collections.abc import Iterator
from typing import Any

from django.db import DatabaseError
from django.db.backends.utils import CursorWrapper
from psycopg import ClientCursor, Cursor, sql

from perfops.database import connections as session
from perfops.database.connections import MARK
from perfops.formatting import first_line

_PREPARED = "perfops_generic"
_NAME, _MARKED = sql.Identifier(_PREPARED), sql.SQL(MARK)
_COUNT = f"""{MARK} SELECT cardinality(parameter_types) FROM pg_prepared_statements
    WHERE name = '{_PREPARED}'"""
_GENERIC = f"{MARK} SET LOCAL plan_cache_mode = force_generic_plan"
_EXECUTE = sql.SQL("{} EXPLAIN (VERBOSE, SETTINGS, FORMAT JSON) EXECUTE {}{}")
_DEALLOCATE = f"{MARK} DEALLOCATE {_PREPARED}"


class NoPlan(ValueError):
    """There is none; the message says why and what to do."""


def generic(cursor: CursorWrapper, text: str) -> dict[str, Any]:
    """Return the plan of ``text`` (with ``%s`` or ``$1``) for parameters that are not known.

    PREPARE works out the parameters' types, on every version of PostgreSQL since 12. Raises
    ``NoPlan``.
    """
    prepare = sql.SQL("{} PREPARE {} AS ").format(_MARKED, _NAME).as_string(None)
    is_prepared = False
    try:
        with session.undone(cursor):
            _rows(cursor, prepare + numbered(text), "PostgreSQL can't prepare it", returns=False)
            is_prepared = True
            ((count,),) = _rows(cursor, _COUNT, "Its parameters can't be read")
            nulls = sql.SQL(", ").join([sql.NULL] * count)
            call = sql.SQL("({})").format(nulls) if count else sql.SQL("")
            _rows(cursor, _GENERIC, "No generic plan can be asked for", returns=False)
            return _plan(cursor, _EXECUTE.format(_MARKED, _NAME, call))
    finally:
        if is_prepared:
            # A prepared statement outlives its transaction.
            cursor.execute(_DEALLOCATE)


def with_values(cursor: CursorWrapper, text: str, params: Any) -> dict[str, Any]:
    """Return the plan of ``text`` for ``params``. Raises ``NoPlan``."""
    with session.undone(cursor):
        return _plan(cursor, _sent(cursor, "VERBOSE, SETTINGS", text, params))


def analysed(cursor: CursorWrapper, text: str, params: Any) -> dict[str, Any]:
    """Run ``text`` and return its plan with times and rows; what it did is rolled back.

    In a read-only transaction: a statement that writes is refused, and one that calls a function
    whose effects no transaction undoes. Raises ``NoPlan``.
    """
    planned = with_values(cursor, text, params)
    if called := volatile(cursor, planned, text):
        raise NoPlan(
            f"It was not run: it calls {', '.join(called)}, and what a volatile function does may "
            "not be undone. Run EXPLAIN (ANALYZE) by hand if you know that it is harmless."
        )
    with session.undone(cursor):
        return _plan(cursor, _sent(cursor, "ANALYZE, BUFFERS, VERBOSE, SETTINGS", text, params))


# Volatile, but nothing that they do outlasts the statement.
_HARMLESS = [
    "clock_timestamp", "gen_random_uuid", "random", "random_normal", "timeofday", "uuidv4",
    "uuidv7", "currval", "lastval", "pg_lock_status", "pg_relation_size", "pg_table_size",
    "pg_indexes_size", "pg_total_relation_size", "pg_database_size", "pg_tablespace_size",
]  # fmt: skip
_NAME_IN_SQL = re.compile(r'"((?:[^"]|"")+)"|([^\W\d][\w$]*)')
_CALLED = re.compile(rf"(?:{_NAME_IN_SQL.pattern})\s*\(")
_COMMENT = re.compile(r"/\*.*?\*/|--[^\n]*", re.DOTALL)
# What a plan does not show of what a statement names: the text of views, of functions (whatever
# they say of their volatility), of policies, and what is checked by domains, also within a type.
_DEFINITIONS = f"""{MARK} SELECT pg_get_viewdef(oid) FROM pg_class
        WHERE relkind = 'v' AND relname = ANY(%(names)s::text[])
    UNION SELECT pg_get_functiondef(p.oid) FROM pg_proc p JOIN pg_language l ON l.oid = prolang
        WHERE prokind IN ('f', 'w') AND lanname NOT IN ('internal', 'c')
        AND pronamespace <> 'pg_catalog'::regnamespace AND proname = ANY(%(names)s::text[])
    UNION SELECT pg_get_expr(polqual, polrelid) FROM pg_policy JOIN pg_class c ON c.oid = polrelid
        WHERE relname = ANY(%(names)s::text[])
    UNION SELECT concat_ws(' ', format_type(typbasetype, NULL), pg_get_constraintdef(c.oid))
        FROM pg_type t LEFT JOIN pg_constraint c ON contypid = t.oid
        WHERE typtype = 'd' AND typname = ANY(%(names)s::text[])
    UNION SELECT format_type(atttypid, NULL)
        FROM pg_attribute JOIN pg_class c ON c.oid = attrelid AND relkind = 'c'
        WHERE attnum > 0 AND relname = ANY(%(names)s::text[])"""
_OPERATOR = re.compile(r"[-+*/<>=~!@#%^&|`?]+")
# By name, whatever the schema: one name too many is refused, never one too few. A cast may call
# its function without being seen.
_VOLATILE = f"""{MARK} SELECT DISTINCT proname FROM pg_proc p
    JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE (provolatile = 'v' OR EXISTS (
        SELECT FROM pg_aggregate a JOIN pg_proc part ON part.provolatile = 'v'
            AND part.oid IN (a.aggtransfn, a.aggfinalfn, a.aggcombinefn, a.aggmtransfn)
        WHERE a.aggfnoid = p.oid))
    AND NOT (nspname = 'pg_catalog' AND proname = ANY(%s::text[]))
    AND (proname = ANY(%s::text[])
        OR EXISTS (SELECT FROM pg_operator WHERE oprcode = p.oid AND oprname = ANY(%s::text[]))
        OR EXISTS (SELECT FROM pg_cast WHERE castfunc = p.oid))
    ORDER BY proname"""


def volatile(cursor: CursorWrapper, plan: dict[str, Any], text: str) -> list[str]:
    """Return the volatile functions that ``text`` may call, but harmless ones.

    Its ``plan`` (with VERBOSE) shows what a view or an inlined function calls as well, but not what
    stands in a list of VALUES, in the check of a domain, or in a function: the texts of what it
    names are read for that. What a function makes up while it runs (EXECUTE) is not seen.
    """
    # The name of a function scan stands without brackets.
    shown = [*_texts(plan), text]
    texts = [*shown, *_definitions(cursor, shown)]
    names = {name for each in texts for name in _names(_CALLED, each)}
    operators = {each for text in texts for each in _OPERATOR.findall(text)}
    cursor.execute(_VOLATILE, [_HARMLESS, [*names, *shown], [*operators]])
    return [name for (name,) in cursor.fetchall()]


def _definitions(cursor: CursorWrapper, texts: list[str]) -> list[str]:
    """Return the texts of what ``texts`` name, and of what those name."""
    found: list[str] = []
    known: set[str] = set()
    while new := {name for each in texts for name in _names(_NAME_IN_SQL, each)} - known:
        cursor.execute(_DEFINITIONS, {"names": [*new]})
        texts = [definition for (definition,) in cursor.fetchall() if definition]
        found += texts
        known |= new
    return found


def _names(pattern: re.Pattern[str], text: str) -> Iterator[str]:
    """Yield the names that ``pattern`` finds in SQL, as the catalogs have them."""
    for each in (text, _COMMENT.sub(" ", text)):
        for quoted, plain in pattern.findall(each):
            yield quoted.replace('""', '"') or plain.lower()


def _texts(value: Any) -> Iterator[str]:
    """Yield all text within a plan: an expression may stand under any name."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)


def _sent(cursor: CursorWrapper, options: str, text: str, params: Any) -> Any:
    statement: Any = f"{MARK} EXPLAIN ({options}, FORMAT JSON) {text}"
    if params is None:
        return statement
    return ClientCursor(cursor.db.connection).mogrify(statement, params)


def _plan(cursor: CursorWrapper, statement: Any) -> dict[str, Any]:
    ((plan,),) = _rows(cursor, statement, "PostgreSQL gives no plan")
    if not isinstance(plan[0], dict):
        raise NoPlan("It has no plan: only queries and changes of rows have one.")
    return plan[0]


def _rows(cursor: CursorWrapper, statement: Any, failed: str, *, returns: bool = True) -> list[Any]:
    try:
        # The extended protocol takes one statement only: the rest of several would be run.
        with cursor.db.wrap_database_errors, Cursor(cursor.db.connection) as one:
            found = one.execute(statement, binary=True)
            return found.fetchall() if returns else []
    except DatabaseError as error:
        reason = first_line(error)
        raise NoPlan(f"{failed}: {reason}") from error


_PLACEHOLDER = re.compile(r"%(?:(%)|(?:\((?P<name>[^)]+)\))?[sbt])")


def numbered(text: str) -> str:
    """Return ``text`` with ``%s`` and ``%(name)s`` as ``$1``, ``$2``, and ``%%`` as ``%``.

    As psycopg does it: also within quotes. A text without any placeholder was sent as it is.
    """
    names: dict[str, int] = {}
    used = 0

    def number(match: re.Match[str]) -> str:
        nonlocal used
        if match[1]:
            return "%"
        name = match["name"]
        if name is not None and name in names:
            return f"${names[name]}"
        used += 1
        if name is not None:
            names[name] = used
        return f"${used}"

    changed = _PLACEHOLDER.sub(number, text)
    return changed if used else text
